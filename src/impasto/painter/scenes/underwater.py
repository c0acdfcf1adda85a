"""Under water: light from above in shafts, a sandy floor with its moving net of light, weed and bubbles.

Rule: water takes red first: what is far is blue.
"""

import cv2
import numpy as np

from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import linear, mix, ramp, smoothstep
from impasto.painter.figures import figure
from impasto.painter.noise import chance_of, sample, tile
from impasto.painter.placing import Surround, put
from impasto.painter.vocabulary import nouns

WATER_LIGHT = Surround(
    np.array([-0.25, 0.9, -0.36], np.float32),
    linear("#d8fbff") * np.float32(0.85),
    linear("#2f86a8") * np.float32(0.95),
    linear("#0f5f86"),
)


def paint_underwater(height: int, width: int, seed: int, dark: float) -> Canvas:
    """The sea from within; `dark` 1 is the deep or the night."""
    canvas = Canvas.blank(height, width)
    short = canvas.short
    chance = chance_of(seed, "sea")
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    depth = rows / height
    canvas.light[:] = ramp(depth[:, 0], [(0.0, "#8fe6ee"), (0.12, "#46bcd8"), (0.45, "#147aa8"), (1.0, "#083a66")])[
        :, None, :
    ]
    source = width * chance.uniform(0.3, 0.7)
    turn = np.arctan2(columns - source, rows + 0.45 * short)
    shafts = sample(tile(seed, "shafts", 5, 8), turn * 0.42, np.full_like(turn, 0.3)) * 0.6 + 0.4 * sample(
        tile(seed, "shafts", 5, 8), turn * 1.1, np.full_like(turn, 0.7)
    )
    reach = np.exp(-np.hypot((columns - source) * 0.7, rows) / (1.1 * short))
    canvas.light[:] += (smoothstep(0.0, 1.8, shafts) * reach * 0.55)[..., None] * linear("#c8fbff")
    canvas.light[:] += (
        np.exp(-np.hypot((columns - source) * 0.6, rows * 1.4) / (0.22 * short))[..., None]
        * linear("#e8ffff")
        * np.float32(1.1)
    )
    _floor(canvas, seed, 0.80 * height if width > 0.6 * height else 0.9 * height)
    _corals(canvas, chance, seed)
    _bubbles(canvas, chance)
    canvas.light[:] *= np.float32(1 - 0.72 * dark)
    return canvas


def _floor(canvas: Canvas, seed: int, horizon: float) -> None:
    height, width = canvas.depth.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    edge = horizon + canvas.short * 0.035 * sample(
        tile(seed, "floor", 4, 4), columns / canvas.short * 0.16, np.zeros_like(rows)
    )
    below = np.maximum(rows - edge + canvas.short * 0.10, 1.0) / canvas.short
    z = 0.30 / below
    x = (columns - width / 2) / canvas.short * z
    ripple = sample(tile(seed, "sand", 6, 8), x * 0.35, z * 0.9)
    net = 1 - np.abs(sample(tile(seed, "net", 3, 8), x * 0.42, z * 0.42))
    net = smoothstep(0.62, 1.0, net) * 0.8
    sand = linear("#d8c89a") * (0.40 + 0.06 * ripple)[..., None] + net[..., None] * linear("#e8fff0") * np.float32(0.30)
    sand = mix(sand * np.array([0.62, 0.95, 1.0], np.float32), linear("#13709a"), (1 - np.exp(-z * 0.42))[..., None])
    canvas.light[:] = mix(canvas.light, sand, smoothstep(-2, 2, rows - edge)[..., None])


def _corals(canvas: Canvas, chance: np.random.Generator, seed: int) -> None:
    """Rocks, corals and weed along both sides, the nearer the larger."""
    height, width = canvas.depth.shape
    for tint in ("#e0567a", "#f08a4a", "#b06ad8", "#e8c04a", None, "#58b8a0"):
        side = chance.choice([-1.0, 1.0])
        column = width * (0.5 + side * chance.uniform(0.24, 0.5))
        tall = round(canvas.short * chance.uniform(0.10, 0.24))
        sprite = figure(nouns()["coral"], tall, tint, seed)
        foot = height * chance.uniform(0.86, 0.97)
        put(canvas, sprite, column - sprite.width / 2, foot, WATER_LIGHT, 0.25 + 0.4 * (1 - foot / height) * 5)
    for _ in range(int(14 * width / canvas.short)):
        _weed(canvas, chance, chance.uniform(0, width), height * chance.uniform(0.90, 1.04))


def _weed(canvas: Canvas, chance: np.random.Generator, column: float, foot: float) -> None:
    tall, sway = canvas.short * chance.uniform(0.10, 0.30), chance.uniform(0, 6)
    share = np.linspace(0, 1, 24)
    x = column + np.sin(share * 5 + sway) * 0.018 * canvas.short * share * 2
    left, right = (
        np.stack([x - (1 - share) * 0.008 * canvas.short, foot - share * tall], 1),
        np.stack([x + (1 - share) * 0.008 * canvas.short, foot - share * tall], 1),
    )
    mask = np.zeros(canvas.depth.shape, np.uint8)
    cv2.fillPoly(mask, [np.concatenate([left, right[::-1]]).round().astype(np.int32)], 255, cv2.LINE_AA)
    tone = mix(linear("#0c4a3a"), linear("#3f9a5a"), chance.uniform(0, 1))
    canvas.light[:] = mix(
        canvas.light, tone * np.float32(0.55), mask[..., None].astype(np.float32) / 255 * np.float32(0.85)
    )


def _bubbles(canvas: Canvas, chance: np.random.Generator) -> None:
    height, width = canvas.depth.shape
    for _ in range(7):
        column, foot = chance.uniform(0.05, 0.95) * width, chance.uniform(0.5, 0.95) * height
        for step in range(int(chance.integers(4, 11))):
            radius = canvas.short * chance.uniform(0.003, 0.010)
            x, y = (
                column + chance.normal(0, 0.012) * canvas.short,
                foot - step * canvas.short * chance.uniform(0.03, 0.06),
            )
            canvas.disc(x, y, radius, linear("#bff4ff") * np.float32(0.14))
            canvas.disc(x - radius * 0.35, y - radius * 0.35, radius * 0.3, linear("#ffffff") * np.float32(0.55))


def motes(canvas: Canvas, seed: int) -> None:
    """Specks that drift before the lens."""
    chance = chance_of(seed, "motes")
    height, width = canvas.depth.shape
    layer = np.zeros((height, width), np.float32)
    count = int(260 * width * height / canvas.short**2)
    np.add.at(
        layer,
        (chance.integers(0, height, count), chance.integers(0, width, count)),
        chance.random(count).astype(np.float32) * 5,
    )
    canvas.light[:] += soften(layer, max(0.8, canvas.short / 700))[..., None] * linear("#dffaff") * np.float32(0.35)
