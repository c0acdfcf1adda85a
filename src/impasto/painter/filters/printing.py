"""Pictures made of few elements: screens of dots, flat inks, square pixels.

Rule: the elements are large enough to be seen and counted; that is the style.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.painter.filters.detail import detail_of
from impasto.painter.filters.flow import flow_of, lines
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, grid_of, luminance, mixed, ramp, resized, saturated, unit_of
from impasto.painter.filters.wash import flattened

# Ground, shade, middle and light of each panel of a pop print.
POP = (
    ((0.99, 0.83, 0.10), (0.10, 0.09, 0.33), (0.90, 0.13, 0.42), (1.00, 0.76, 0.70)),
    ((0.10, 0.68, 0.78), (0.24, 0.05, 0.28), (0.95, 0.38, 0.12), (1.00, 0.93, 0.52)),
    ((0.93, 0.22, 0.52), (0.05, 0.18, 0.38), (0.18, 0.66, 0.62), (0.94, 0.98, 0.72)),
    ((0.40, 0.75, 0.29), (0.32, 0.04, 0.20), (0.98, 0.56, 0.10), (0.90, 0.92, 1.00)),
)
# Screen angles of cyan, magenta, yellow and black, chosen in print so that their grids do not beat.
SCREENS = (15.0, 75.0, 0.0, 45.0)
PIXELS_ACROSS = 128
PIXEL_COLOURS = 28
# Ordered dithering, Bayer 1973.
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], dtype=np.float32) / 16 - 0.47


def pop_art(canvas: Canvas, order: Order) -> Canvas:
    """Four prints of the picture in four loud sets of inks; a very narrow picture is printed once."""
    height, width = canvas.shape[:2]
    if max(height, width) > 2.5 * min(height, width) or min(height, width) < 8:
        return _pop_print(canvas, 0)
    edges = ((0, width // 2, width), (0, height // 2, height))
    sheet = np.empty_like(canvas)
    for number in range(4):
        (left, right), (top, bottom) = (edges[0][number % 2 :][:2], edges[1][number // 2 :][:2])
        sheet[top:bottom, left:right] = _pop_print(resized(canvas, right - left, bottom - top), number)
    return sheet


def _pop_print(canvas: Canvas, number: int) -> Canvas:
    unit = unit_of(canvas) * 2
    ground, shade, middle, light = (np.array(colour, dtype=np.float32) for colour in POP[number])
    calm = mixed(flattened(canvas, 3 * unit), flattened(canvas, 1.4 * unit), detail_of(canvas))
    grey = luminance(calm)
    low, high = np.percentile(grey, (3, 97))
    tone = np.clip((grey - low) / max(float(high - low), 0.1), 0, 1).astype(np.float32)
    dots = _dots(tone, 45.0, 7.5 * unit, unit)
    printed = mixed(
        np.broadcast_to(middle, canvas.shape).astype(np.float32), np.broadcast_to(light, canvas.shape), dots
    )
    printed = mixed(printed, np.broadcast_to(ground, canvas.shape), _ground_of(canvas))
    dark = np.maximum(1 - ramp(tone, 0.24, 0.28), _key_lines(canvas, unit))
    return mixed(printed, np.broadcast_to(shade, canvas.shape), dark)


def _ground_of(canvas: Canvas) -> Plane:
    """The plain background: what resembles the upper corners and is smooth."""
    unit = unit_of(canvas)
    soft = blurred(canvas, 4 * unit)
    band = max(1, canvas.shape[0] // 12)
    side = max(1, canvas.shape[1] // 8)
    corners = np.concatenate([soft[:band, :side].reshape(-1, 3), soft[:band, -side:].reshape(-1, 3)])
    unlike = np.linalg.norm(soft - np.median(corners, axis=0).astype(np.float32), axis=2)
    return 1 - ramp(unlike.astype(np.float32), 0.13, 0.17)


def _key_lines(canvas: Canvas, unit: float) -> Plane:
    return 1 - lines(canvas, 1.1 * unit, flow=flow_of(canvas, 3 * unit), sharpness=60.0, threshold=-0.01)


def halftone(canvas: Canvas, order: Order) -> Canvas:
    """Four-colour newsprint: each ink a screen of dots at its own angle, multiplied on cream paper."""
    unit = unit_of(canvas)
    rich = np.clip(saturated(canvas, 1.3), 0, 1)
    inks = 1 - rich
    black = inks.min(axis=2) ** np.float32(1.6)
    inks = np.clip((inks - black[:, :, None]) / (1 - black[:, :, None] + 1e-3), 0, 1)
    planes = (inks[:, :, 0], inks[:, :, 1], inks[:, :, 2], black)
    absorbs = ((0.95, 0.30, 0.08), (0.12, 0.92, 0.35), (0.02, 0.10, 0.90), (0.90, 0.90, 0.88))
    sheet = np.broadcast_to(np.array([0.97, 0.945, 0.88], dtype=np.float32), canvas.shape).copy()
    for plane, degrees, absorb in zip(planes, SCREENS, absorbs, strict=True):
        dots = _dots(blurred(plane.astype(np.float32), 1.5 * unit), degrees, 7.0 * unit * order.amount**0.5, unit)
        sheet *= 1 - dots[:, :, None] * np.array(absorb, dtype=np.float32)
    return sheet


def _dots(tone: Plane, degrees: float, spacing: float, unit: float) -> Plane:
    """A screen of dots whose area is the tone: 0 blank, 1 solid."""
    rows, columns = grid_of(tone)
    angle = np.radians(degrees)
    across = (columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))) * np.float32(2 * np.pi / spacing)
    down = (rows * np.float32(np.cos(angle)) - columns * np.float32(np.sin(angle))) * np.float32(2 * np.pi / spacing)
    hill = (np.cos(across) + np.cos(down)) * np.float32(0.25) + np.float32(0.5)
    soft = np.float32(min(0.5, 1.2 / spacing * 2))
    return np.clip((tone - (1 - hill)) / soft + 0.5, 0, 1).astype(np.float32) * ramp(tone, 0.02, 0.06)


def pixel_art(canvas: Canvas, order: Order) -> Canvas:
    """Square pixels, `PIXELS_ACROSS` on the long side, in a palette of `PIXEL_COLOURS` found in the picture."""
    height, width = canvas.shape[:2]
    across = PIXELS_ACROSS / max(order.amount, 0.25) ** 0.5
    factor = min(1.0, across / max(height, width))
    columns, rows = max(1, round(width * factor)), max(1, round(height * factor))
    crisp = flattened(canvas, 0.5 / factor)
    small = np.clip(saturated(resized(crisp, columns, rows), 1.3), 0, 1).astype(np.float32)
    pattern = np.tile(BAYER, (rows // 4 + 1, columns // 4 + 1))[:rows, :columns]
    palette = _palette(small)
    dithered = small + pattern[:, :, None] * np.float32(0.05)
    distance = ((dithered[:, :, None, :] - palette[None, None]) ** 2).sum(axis=3)
    flat = palette[distance.argmin(axis=2)]
    return cast("Canvas", cv2.resize(flat, (width, height), interpolation=cv2.INTER_NEAREST))


def _palette(canvas: Canvas) -> NDArray[np.float32]:
    """Representative colours: k-means from evenly spaced tones, a fixed number of rounds, so always the same."""
    colours = canvas.reshape(-1, 3)
    ranked = colours[np.argsort(colours @ np.array([0.299, 0.587, 0.114], np.float32), kind="stable")]
    centres = ranked[np.linspace(0, len(ranked) - 1, PIXEL_COLOURS).astype(int)].copy()
    for _ in range(12):
        nearest = ((colours[:, None, :] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        counts = np.bincount(nearest, minlength=PIXEL_COLOURS)
        for channel in range(3):
            sums = np.bincount(nearest, weights=colours[:, channel], minlength=PIXEL_COLOURS)
            centres[:, channel] = np.where(counts > 0, sums / np.maximum(counts, 1), centres[:, channel])
    return cast("NDArray[np.float32]", centres)
