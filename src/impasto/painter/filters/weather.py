"""Snow, rain and fog laid over a photograph.

Rule: weather has depth: what is far is more of it, what is near is larger, faster, rarer.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, luminance, mixed, ramp, saturated, unit_of
from impasto.painter.filters.surface import clouds

FOG = np.array([0.84, 0.87, 0.90], dtype=np.float32)
# Radius, count for a picture of one unit, opacity, softness: far flakes to near ones.
FLAKES = ((0.9, 1500, 0.6, 0.4), (1.8, 560, 0.8, 0.6), (3.6, 150, 0.9, 1.2), (8.0, 26, 0.75, 3.2))
SUBPIXEL = 4


def fog(canvas: Canvas, order: Order) -> Canvas:
    """Thicker toward the top (the distance), drifting in banks."""
    unit = unit_of(canvas)
    rows, _ = grid_of(canvas)
    far = 1.0 - rows / np.float32(canvas.shape[0])
    banks = clouds(canvas.shape[:2], 300 * unit, order.chance("banks"), 4) * np.float32(0.11)
    depth = np.clip((0.30 + 0.5 * far + banks) * order.amount**0.5, 0.05, 0.93)
    soft = mixed(canvas, blurred(canvas, 3.5 * unit), cast("Plane", depth))
    return mixed(saturated(soft, 0.8), np.broadcast_to(FOG, canvas.shape), cast("Plane", depth.astype(np.float32)))


def snow(canvas: Canvas, order: Order) -> Canvas:
    """Flakes in four distances over a paler, colder picture, with snow caught where surfaces face upward."""
    unit = unit_of(canvas)
    cold = saturated(canvas, 0.72) * np.array([0.93, 0.98, 1.06], np.float32) * 0.92 + 0.06
    settled = mixed(cold, np.full_like(cold, 0.95), _caught(canvas, order) * 0.75)
    return _laid_over(settled, _flakes(canvas.shape[:2], unit, order), 0.98)


def _caught(canvas: Canvas, order: Order) -> Plane:
    """Where snow would lie: just above dark edges that face the sky."""
    unit = unit_of(canvas)
    grey = blurred(luminance(canvas), 2.0 * unit)
    upward = -cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE) / np.float32(4)
    ragged = clouds(canvas.shape[:2], 14 * unit, order.chance("settled"), 3) * 0.004
    return blurred(ramp(cast("Plane", upward * unit + ragged), 0.012, 0.035), 1.4 * unit)


def _flakes(shape: tuple[int, int], unit: float, order: Order) -> Plane:
    height, width = shape
    area = height * width / (1024 * unit) ** 2
    chance = order.chance("flakes")
    total = np.zeros(shape, dtype=np.float32)
    for radius, count, opacity, softness in FLAKES:
        layer = np.zeros(shape, dtype=np.uint8)
        amount = round(count * area * order.amount)
        places = (chance.random((amount, 2)) * (width, height) * SUBPIXEL).astype(int)
        sizes = radius * unit * (0.6 + 0.8 * chance.random(amount))
        shades = 140 + 115 * chance.random(amount)
        for (x, y), size, shade in zip(places.tolist(), sizes.tolist(), shades.tolist(), strict=True):
            cv2.circle(layer, (x, y), max(1, int(size * SUBPIXEL)), shade, -1, cv2.LINE_AA, 2)
        total = np.maximum(total, blurred(layer.astype(np.float32), softness * unit) * np.float32(opacity / 255))
    return total


def rain(canvas: Canvas, order: Order) -> Canvas:
    """A grey, wet picture behind slanting streaks, thin and many far off, long and few near by."""
    unit = unit_of(canvas)
    grey = luminance(canvas)[:, :, None]
    wet = saturated(contrast_of_wet(canvas), 0.75) * np.array([0.80, 0.86, 0.94], np.float32)
    misty = fog(cast("Canvas", wet * 0.9 + grey * 0.02), Order(order.seed, 0.16 * order.amount))
    return _laid_over(misty, _streaks(canvas.shape[:2], unit, order), 0.93)


def contrast_of_wet(canvas: Canvas) -> Canvas:
    """Wet things are darker in the shade and shine in the light."""
    return cast("Canvas", canvas**1.25 * (0.82 + 0.2 * canvas))


def _streaks(shape: tuple[int, int], unit: float, order: Order) -> Plane:
    height, width = shape
    area = height * width / (1024 * unit) ** 2
    chance = order.chance("streaks")
    total = np.zeros(shape, dtype=np.float32)
    for length, thickness, count, opacity in ((26, 1, 1500, 0.30), (60, 1, 520, 0.42), (120, 2, 90, 0.40)):
        layer = np.zeros(shape, dtype=np.uint8)
        amount = round(count * area * order.amount)
        starts = chance.random((amount, 2)) * (width * 1.2, height * 1.2) - (0.1 * width, 0.2 * height)
        lengths = length * unit * (0.7 + 0.6 * chance.random(amount))
        shades = 110 + 145 * chance.random(amount)
        ends = starts + lengths[:, None] * (-0.16, 1.0)
        lines = np.stack([starts, ends], axis=1) * SUBPIXEL
        for line, shade in zip(lines.astype(int).tolist(), shades.tolist(), strict=True):
            cv2.line(layer, line[0], line[1], shade, max(1, round(thickness * unit)), cv2.LINE_AA, 2)
        total = np.maximum(total, blurred(layer.astype(np.float32), 0.6 * unit) * np.float32(opacity / 255))
    return total


def _laid_over(canvas: Canvas, cover: Plane, shade: float) -> Canvas:
    return mixed(canvas, np.full_like(canvas, shade), np.clip(cover, 0, 1))
