"""What falls from the sky before the lens: rain, snow; and lightning behind.

Rule: drops and flakes have a depth: the nearer, the larger, the faster and the softer.
"""

import cv2
import numpy as np

from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix
from impasto.painter.noise import chance_of


def rain(canvas: Canvas, seed: int) -> None:
    """Slanting streaks that brighten what is dark."""
    chance = chance_of(seed, "rain")
    height, width = canvas.depth.shape
    short = canvas.short
    layer = np.zeros((height, width), np.uint8)
    for _ in range(int(900 * width * height / short**2)):
        x, y, near = chance.uniform(-0.05, 1.05) * width, chance.uniform(-0.1, 1) * height, chance.random()
        long = short * (0.015 + 0.07 * near * near)
        end = (round(8 * (x - 0.16 * long)), round(8 * (y + long)))
        shade = int(30 + 110 * near * chance.random())
        cv2.line(layer, (round(8 * x), round(8 * y)), end, shade, max(1, round(short * 0.0016 * near)), cv2.LINE_AA, 3)
    streaks = soften(layer.astype(np.float32) / 255, max(0.5, short / 1600))
    canvas.light[:] = mix(
        canvas.light, canvas.light.mean(axis=(0, 1)) * np.float32(1.4) + np.float32(0.10), (streaks * 0.55)[..., None]
    )


def snow(canvas: Canvas, seed: int) -> None:
    """Flakes: many fine ones far away, a few large soft ones near."""
    chance = chance_of(seed, "snowfall")
    height, width = canvas.depth.shape
    short = canvas.short
    bright = np.float32(max(0.35, min(1.0, 2.5 * float(canvas.light.mean()))))
    for count, radius, opacity in ((1100, 0.0012, 0.8), (260, 0.0030, 0.75), (46, 0.0085, 0.42), (9, 0.020, 0.22)):
        layer = np.zeros((height, width), np.uint8)
        for _ in range(int(count * width * height / short**2)):
            at = (round(8 * chance.uniform(0, width)), round(8 * chance.uniform(0, height)))
            cv2.circle(layer, at, round(8 * short * radius * chance.uniform(0.6, 1.4)), 255, -1, cv2.LINE_AA, 3)
        flakes = soften(layer.astype(np.float32) / 255, max(0.4, short * radius * 0.5))
        canvas.light[:] = mix(canvas.light, linear("#f4f8ff") * bright, (flakes * opacity)[..., None])


def lightning(canvas: Canvas, horizon: float, seed: int) -> None:
    """One forked bolt, and the glow it gives the clouds."""
    chance = chance_of(seed, "lightning")
    height, width = canvas.depth.shape
    layer = np.zeros((height, width), np.uint8)
    x = width * chance.uniform(0.55, 0.8)
    _fork(layer, chance, (x, -5.0), horizon, max(1, canvas.short // 260), 3)
    core = layer.astype(np.float32) / 255
    canvas.light[:] += (soften(core, canvas.short * 0.002) * 2.0)[..., None] * linear("#f4f0ff")
    canvas.light[:] += (soften(core, canvas.short * 0.03) * 4.0)[..., None] * linear("#9a8cff")
    canvas.glow(x, horizon * 0.15, canvas.short * 0.7, linear("#a8a0e8") * np.float32(0.3), 1.6)


def _fork(
    layer: Array, chance: np.random.Generator, start: tuple[float, float], end: float, wide: int, depth: int
) -> None:
    x, y = start
    step = max((end - y) / 22, 1.0)
    while y < end:
        onward = (x + chance.normal(0, 0.75) * step, y + step)
        cv2.line(layer, (round(x), round(y)), (round(onward[0]), round(onward[1])), 255, wide, cv2.LINE_AA)
        x, y = onward
        if depth and chance.random() < 0.14:
            _fork(layer, chance, (x, y), y + (end - y) * chance.uniform(0.25, 0.6), max(1, wide - 1), depth - 1)
            x += chance.normal(0, 0.4) * step
