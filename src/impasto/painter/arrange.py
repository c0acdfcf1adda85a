"""Where things go in a scene: on the ground, in the air, on the water.

Rule: everything asked for gets a place of its own inside the picture. Sizes are shares
of the short side; if all together are too wide, all shrink alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from impasto.painter.canvas import Canvas
from impasto.painter.colour import linear
from impasto.painter.daylight import Mood
from impasto.painter.figures import figure
from impasto.painter.noise import Chance, chance_of
from impasto.painter.placing import Surround, cast_shadow, mirror_in, put, seam
from impasto.painter.prompt import Thing
from impasto.painter.sprites import Sprite


@dataclass(frozen=True, slots=True)
class Stage:
    """Where feet may stand: from row `far` to row `near`, and the sky above `ceiling` and below row `top`."""

    canvas: Canvas
    surround: Surround
    far: float
    near: float
    top: float
    ceiling: float
    ground: str = "land"
    mood: Mood | None = None
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class _Slot:
    sprite: Sprite
    left: float
    foot: float
    thing: Thing


def arrange(stage: Stage, things: Sequence[Thing], seed: int) -> None:
    """Put all of them into the picture."""
    chance = chance_of(seed, "arrange")
    airy = {"air", "deep"} if stage.ground in ("space", "sea floor", "sky") else {"air"}
    if stage.ground in ("space", "sky"):
        airy = {"air", "deep", "water", "ground", "table"}
    above = [thing for thing in things if thing.noun.place in airy]
    below = [thing for thing in things if thing.noun.place not in airy]
    if stage.ground == "sea floor":
        above = [
            thing for thing in things if thing.noun.place in ("deep", "air", "water") and thing.noun.name != "coral"
        ]
        below = [thing for thing in things if thing not in above]
    _float(stage, above, chance, seed)
    for slot in _standing(stage, below, chance, seed):
        _stand(stage, slot)


def _sprites(
    stage: Stage, things: Sequence[Thing], shrink: float, chance: Chance, seed: int
) -> list[tuple[Sprite, Thing]]:
    made = []
    for thing in things:
        for index in range(thing.count):
            tall = stage.canvas.short * thing.noun.size * thing.scale * shrink * stage.unit
            varied = tall * (1 if thing.count == 1 else chance.uniform(0.86, 1.08))
            sprite = figure(thing.noun, round(varied), thing.colour, seed)
            made.append((sprite.flipped() if index % 2 and thing.count > 1 else sprite, thing))
    return made


def _standing(stage: Stage, things: Sequence[Thing], chance: Chance, seed: int) -> list[_Slot]:
    """Rows of sprites from far to near, each row centred, the tallest furthest away."""
    if not things:
        return []
    width = stage.canvas.depth.shape[1]
    count = sum(thing.count for thing in things)
    room = 0.86 * width
    sprites = _sprites(stage, things, 1.0 if count == 1 else 0.92, chance, seed)
    total = sum(sprite.width for sprite, _ in sprites) * 1.12
    rows = 1 if count <= 3 or (total <= room and count < 6) else (2 if total <= 2.2 * room else 3)
    shrink = min(1.0, room * rows * 0.9 / max(total, 1), room / max(1, *(sprite.width for sprite, _ in sprites)))
    tallest = max(sprite.height for sprite, _ in sprites)
    shrink = min(shrink, 0.95 * (stage.near - stage.top) / max(tallest, 1))
    if shrink < 0.98:
        sprites = _sprites(stage, things, shrink * (1.0 if count == 1 else 0.92), chance, seed)
    ordered = sorted(sprites, key=lambda pair: -pair[0].height) if rows > 1 else _interleaved(sprites)
    per_row = -(-len(ordered) // rows)
    slots = []
    for row in range(rows):
        share = (row + 1) / rows
        foot = stage.far + (stage.near - stage.far) * (0.62 * share if rows > 1 else 0.55)
        stagger = 0.0 if rows == 1 else (0.06 if row % 2 else -0.06)
        slots += _row(ordered[row * per_row : (row + 1) * per_row], foot, width, stagger, stage, chance)
    return sorted(slots, key=lambda slot: slot.foot)


def _interleaved(sprites: list[tuple[Sprite, Thing]]) -> list[tuple[Sprite, Thing]]:
    """The largest in the middle, the others to either side in turn."""
    ordered: list[tuple[Sprite, Thing]] = []
    for index, pair in enumerate(sorted(sprites, key=lambda pair: -pair[0].height)):
        ordered.insert(0 if index % 2 else len(ordered), pair)
    return ordered


def _row(
    sprites: list[tuple[Sprite, Thing]], foot: float, width: int, stagger: float, stage: Stage, chance: Chance
) -> list[_Slot]:
    total = sum(sprite.width for sprite, _ in sprites)
    gap = min(0.10 * stage.canvas.short, (0.94 * width - total) / max(len(sprites), 1))
    free = max(0.0, width - total - gap * (len(sprites) - 1))
    left = float(np.clip(free / 2 + stagger * width, 0.1 * free, 0.9 * free))
    if len(sprites) == 1:
        # A single thing stands a little off the middle, as photographers place it.
        left += chance.choice([-1.0, 1.0]) * min(0.07 * width, max(0, left) * 0.5)
    slots = []
    for sprite, thing in sprites:
        step = chance.uniform(-0.10, 0.10) * (stage.near - stage.far) * (len(sprites) > 1)
        slots.append(_Slot(sprite, left, min(foot + step, stage.near), thing))
        left += sprite.width + gap
    return slots


def _stand(stage: Stage, slot: _Slot) -> None:
    afloat = stage.ground == "water"
    if afloat and slot.thing.noun.place in ("water", "deep", "ground", "table"):
        sunk = round(
            slot.sprite.height
            * (0.06 if slot.thing.noun.place == "water" else 0.16 if slot.thing.noun.place == "deep" else 0.02)
        )
        sprite = _without_feet(slot.sprite, sunk)
        mirror_in(stage.canvas, sprite, slot.left, slot.foot, stage.surround, 0.5, 0.012 * stage.canvas.short)
        put(stage.canvas, sprite, slot.left, slot.foot, stage.surround)
        seam(stage.canvas, sprite, slot.left, slot.foot, 0.35)
    elif stage.ground in ("gloss", "street"):
        mirror_in(
            stage.canvas,
            slot.sprite,
            slot.left,
            slot.foot,
            stage.surround,
            0.22 if stage.ground == "gloss" else 0.35,
            0.0,
        )
        cast_shadow(stage.canvas, slot.sprite, slot.left, slot.foot, stage.surround, 0.4)
        put(stage.canvas, slot.sprite, slot.left, slot.foot, stage.surround)
    else:
        cast_shadow(stage.canvas, slot.sprite, slot.left, slot.foot, stage.surround)
        put(stage.canvas, slot.sprite, slot.left, slot.foot, stage.surround)
    _lights_up(stage, slot)


def _without_feet(sprite: Sprite, rows: int) -> Sprite:
    last = max(2, sprite.height - rows)
    return Sprite(sprite.colour[:last], sprite.alpha[:last], sprite.normal[:last])


_LAMPS = {
    "lighthouse": (0.5, 0.17, 1.0),
    "street lamp": (0.5, 0.12, 0.7),
    "campfire": (0.5, 0.5, 1.2),
    "candle": (0.5, 0.0, 0.5),
    "jack-o-lantern": (0.5, 0.6, 0.5),
    "lamp": (0.6, 0.3, 0.5),
    "light bulb": (0.5, 0.3, 0.6),
    "house": (0.65, 0.55, 0.3),
}
"""What shines by itself: where (shares of width and height from the upper left) and how far (in its own heights)."""


def _lights_up(stage: Stage, slot: _Slot) -> None:
    """Lamps glow, the more the darker it is."""
    lamp = _LAMPS.get(slot.thing.noun.name)
    if lamp is None:
        return
    dark = (
        1.0
        if stage.mood is None or stage.mood.sun_up < 0.05 or stage.mood.moon
        else 0.35
        if stage.mood.sun_up < 0.3
        else 0.08
    )
    column = slot.left + lamp[0] * slot.sprite.width
    row = slot.foot - slot.sprite.height * (1 - lamp[1])
    reach = slot.sprite.height * lamp[2]
    for share, strength in ((0.06, 3.0), (0.25, 0.55), (0.8, 0.16)):
        stage.canvas.glow(column, row, reach * share, linear("#ffc878") * np.float32(strength * dark), 2.4)


def _float(stage: Stage, things: Sequence[Thing], chance: Chance, seed: int) -> None:
    """In the air or the water: spread out, none over another where there is room."""
    if not things:
        return
    canvas = stage.canvas
    width = canvas.depth.shape[1]
    top, bottom = stage.top, max(stage.ceiling, stage.top + 0.2 * canvas.short)
    count = sum(thing.count for thing in things)
    area = width * (bottom - top)
    shrink = float(np.clip(np.sqrt(area / (count * (0.36 * canvas.short) ** 2) / 1.5), 0.25, 1.0))
    taken: list[tuple[float, float, float]] = []
    for sprite, thing in sorted(_sprites(stage, things, shrink, chance, seed), key=lambda pair: -pair[0].height):
        fitted = sprite
        if sprite.width > 0.9 * width or sprite.height > 1.1 * (bottom - top):
            scale = min(0.9 * width / sprite.width, 1.1 * (bottom - top) / sprite.height)
            fitted = figure(thing.noun, round(sprite.height * scale), thing.colour, seed)
        x, y = _free_place(fitted, (top, bottom), width, taken, chance, first=not taken and count == 1)
        taken.append((x, y, max(fitted.width, fitted.height) * 0.55))
        put(canvas, fitted, x - fitted.width / 2, y + fitted.height / 2, stage.surround, 0.04)


def _free_place(
    sprite: Sprite,
    band: tuple[float, float],
    width: int,
    taken: list[tuple[float, float, float]],
    chance: Chance,
    *,
    first: bool,
) -> tuple[float, float]:
    half_x, half_y = sprite.width / 2, sprite.height / 2
    low, high = band[0] + half_y, max(band[0] + half_y + 1, band[1] - half_y)
    best, best_gap = (width / 2, (low + high) / 2), -np.inf
    for _ in range(40):
        spread = 0.30 if first else 0.48
        x = float(np.clip(width * (0.5 + chance.uniform(-spread, spread)), half_x, max(half_x + 1, width - half_x)))
        y = float(chance.uniform(low, high))
        gap = min((np.hypot(x - ox, y - oy) - reach for ox, oy, reach in taken), default=0.0) - max(half_x, half_y)
        if gap > best_gap:
            best, best_gap = (x, y), gap
    return best


def on_water(stage: Stage, things: Sequence[Thing], seed: int) -> None:
    """The same with everything afloat."""
    arrange(replace(stage, ground="water"), things, seed)
