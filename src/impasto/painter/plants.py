"""Trees, grass and flowers, grown from chance.

Rule: a tree is painted once, leaf by leaf, at the size it is needed most, and then
placed many times; leaves that face the light are lighter.
"""

from functools import lru_cache

import cv2
import numpy as np

from impasto.painter.canvas import soften
from impasto.painter.colour import Array, from_srgb, linear, mix
from impasto.painter.noise import chance_of
from impasto.painter.sprites import Sprite, rounded

SEASONS = {
    None: ("#1f4a1c", "#4f8a2e", "#9cc24a"),
    "summer": ("#1f4a1c", "#4f8a2e", "#9cc24a"),
    "spring": ("#5a8a3a", "#f0b8cc", "#ffe4ee"),
    "autumn": ("#7a2c10", "#d4701c", "#f6b83a"),
    "winter": ("#3a4a50", "#a8bcc8", "#f4f8fc"),
}
"""Leaves in shade, in light, and at the brightest, by season."""


@lru_cache(maxsize=16)
def conifer(seed: int, tall: int, snow: bool = False) -> Sprite:
    """A spruce: tiers of drooping branches."""
    chance = chance_of(seed, "conifer")
    width = max(4, round(tall * 0.46))
    picture = np.zeros((tall, width, 4), np.uint8)
    middle = width / 2
    cv2.line(picture, (round(middle), round(tall * 0.1)), (round(middle), tall), (40, 28, 20, 255), max(1, tall // 40))
    tiers = 15
    for tier in range(tiers * 26):
        level = (tier // 26 + chance.uniform(0, 1)) / tiers
        top = tall * (0.02 + 0.90 * level)
        reach = width * 0.5 * (0.06 + 0.94 * level) * (0.72 + 0.28 * ((tier // 26) % 2)) * chance.uniform(0.35, 1.0)
        side = chance.uniform(-1, 1)
        end = (middle + side * reach, top + tall * (0.035 + 0.05 * abs(side)))
        shade = 0.40 + 0.42 * chance.random() + 0.22 * (abs(side) - 0.3)
        colour = np.array([38, 74, 46]) * shade * 1.25
        if snow and chance.random() < 0.62:
            colour = np.array([226, 234, 244]) * (0.72 + 0.3 * shade)
        start = (middle + side * reach * 0.12, top)
        red, green, blue = (int(min(255, value)) for value in colour)
        cv2.line(picture, _point(start), _point(end), (red, green, blue, 255), max(1, round(tall * 0.011)), cv2.LINE_AA)
    return _sprite(picture)


@lru_cache(maxsize=16)
def leafy(seed: int, tall: int, season: str | None = None) -> Sprite:
    """A broad-leaved tree: a trunk that forks, and clouds of leaves."""
    chance = chance_of(seed, "leafy")
    width = round(tall * 0.95)
    picture = np.zeros((tall, width, 4), np.uint8)
    middle = width / 2
    clumps = [
        (
            middle + np.clip(chance.normal(0, 0.15), -0.28, 0.28) * width,
            tall * (0.36 + chance.normal(0, 0.10)),
            width * chance.uniform(0.15, 0.24),
        )
        for _ in range(16)
    ]
    for x, y, _ in clumps:
        cv2.line(
            picture, _point((middle, tall * 0.72)), _point((x, y)), (62, 44, 32, 255), max(1, tall // 70), cv2.LINE_AA
        )
    trunk = np.array(
        [
            [middle - tall * 0.03, tall],
            [middle - tall * 0.018, tall * 0.6],
            [middle + tall * 0.018, tall * 0.6],
            [middle + tall * 0.034, tall],
        ]
    )
    cv2.fillPoly(picture, [trunk.round().astype(np.int32)], (70, 50, 36, 255), cv2.LINE_AA)
    shade, leaf, bright = (linear(colour) for colour in SEASONS[season])
    for layer in range(3):
        for x, y, reach in clumps:
            for _ in range(95):
                turn, away = chance.uniform(0, 2 * np.pi), np.sqrt(chance.random())
                dx, dy = np.cos(turn) * away, np.sin(turn) * away
                facing = np.clip(0.5 - 0.5 * dy - 0.15 * dx + (y < tall * 0.32) * 0.12 + chance.normal(0, 0.12), 0, 1)
                tone = mix(shade, leaf, facing * 1.15) if layer < 2 else mix(leaf, bright, facing)
                if layer == 2 and facing < 0.55:
                    continue
                at = _point((x + dx * reach * (1 - 0.08 * layer), y + dy * reach * 0.85 - layer * reach * 0.06))
                red, green, blue = (int(255 * value ** (1 / 2.2)) for value in np.clip(tone, 0, 1))
                cv2.circle(picture, at, max(1, round(tall * 0.011)), (red, green, blue, 255), -1, cv2.LINE_AA)
    return _sprite(picture)


def _point(place: tuple[float, float]) -> tuple[int, int]:
    return round(place[0]), round(place[1])


def _sprite(picture: Array) -> Sprite:
    """Painted bytes (RGBA, straight) as a sprite: round on the whole, rough in small."""
    alpha = soften(picture[..., 3].astype(np.float32) / 255, 0.6)
    colour = from_srgb(soften(picture[..., :3].astype(np.float32) / 255, 0.5))
    return Sprite(
        np.clip(colour / np.maximum(alpha[..., None], 0.25), 0, 1), np.clip(alpha * 1.25, 0, 1), rounded(alpha)
    )


def at_height(sprite: Sprite, tall: int) -> Sprite:
    """The same sprite at another height in pixels."""
    tall = max(2, tall)
    size = (max(2, round(sprite.width * tall / sprite.height)), tall)
    way = cv2.INTER_AREA if tall < sprite.height else cv2.INTER_LINEAR
    layers = np.concatenate([sprite.colour * sprite.alpha[..., None], sprite.alpha[..., None], sprite.normal], axis=-1)
    # OpenCV resizes at most four channels at a time.
    front, back = (np.asarray(cv2.resize(part, size, interpolation=way)) for part in (layers[..., :4], layers[..., 4:]))
    alpha = front[..., 3]
    return Sprite(
        np.clip(front[..., :3] / np.maximum(alpha[..., None], 0.02), 0, 1).astype(np.float32),
        alpha.astype(np.float32),
        back.astype(np.float32),
    )


def grass(
    light: Array, horizon: float, base: float, colours: tuple[str, str], seed: int, flowers: tuple[str, ...] = ()
) -> None:
    """Blades and flowers over the foreground, longer towards the eye; drawn into `light` in place.

    `base` is the length in pixels of the nearest blades.
    """
    chance = chance_of(seed, "grass")
    height, width = light.shape[:2]
    layer = np.zeros((height, width, 4), np.uint8)
    dark, pale = (linear(colour) for colour in colours)
    span = height - horizon
    count = int(min(14000, 5200 * width / max(base, 4) * 0.05))
    for share in np.sort(chance.random(count)) ** 0.8:
        foot = horizon + span * (0.22 + 0.86 * share)
        long = base * (0.15 + 0.85 * share**1.5) * chance.uniform(0.5, 1.1)
        x, lean = chance.uniform(0, width), chance.normal(0.12, 0.25)
        tone = mix(dark, pale, float(np.clip(chance.beta(2, 3) * 1.3, 0, 1)))
        red, green, blue = (int(255 * value ** (1 / 2.2)) for value in np.clip(tone, 0, 1))
        bend = np.array([[x, foot], [x + lean * long * 0.35, foot - long * 0.6], [x + lean * long, foot - long]])
        cv2.polylines(
            layer,
            [(bend * 8).astype(np.int32)],
            False,
            (red, green, blue, 255),
            max(1, round(base * share * 0.028)),
            cv2.LINE_AA,
            3,
        )
    _blend(light, layer)
    if flowers:
        _bloom(light, horizon, base, flowers, chance)


def _bloom(light: Array, horizon: float, base: float, flowers: tuple[str, ...], chance: np.random.Generator) -> None:
    height, width = light.shape[:2]
    layer = np.zeros((height, width, 4), np.uint8)
    count = int(700 * width / height)
    for share in np.sort(chance.random(count)) ** 0.7:
        foot = horizon + (height - horizon) * (0.10 + 0.92 * share)
        reach = max(0.8, base * (0.035 + 0.14 * share**2) * chance.uniform(0.6, 1.1))
        x, y = chance.uniform(0, width), foot - base * share * 0.55
        colour = flowers[int(chance.integers(len(flowers)))]
        red, green, blue = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
        if reach < 2.2:
            cv2.circle(layer, _point((x, y)), max(1, round(reach)), (red, green, blue, 255), -1, cv2.LINE_AA)
            continue
        tilt = chance.uniform(0.45, 0.8)
        for petal in range(6):
            turn = petal * np.pi / 3 + x
            at = (x + np.cos(turn) * reach * 0.62, y + np.sin(turn) * reach * 0.62 * tilt)
            shade = chance.uniform(0.78, 1.0)
            cv2.ellipse(
                layer,
                (_point(at), (reach * 0.95, reach * 0.62 * tilt), float(np.degrees(turn))),
                (int(red * shade), int(green * shade), int(blue * shade), 255),
                -1,
                cv2.LINE_AA,
            )
        cv2.circle(layer, _point((x, y)), max(1, round(reach * 0.3)), (236, 186, 40, 255), -1, cv2.LINE_AA)
    _blend(light, layer)


def _blend(light: Array, layer: Array) -> None:
    """Blades take the light of the ground they grow from, so that shade stays shade."""
    alpha = layer[..., 3:].astype(np.float32) / 255
    ground = soften(light, max(2.0, light.shape[0] * 0.03)).mean(axis=-1, keepdims=True)
    colour = from_srgb(layer[..., :3].astype(np.float32) / 255) * (ground * 5.5 + 0.02)
    light[:] = mix(light, colour, alpha)
