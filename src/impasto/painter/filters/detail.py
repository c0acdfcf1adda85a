"""Where a painter would slow down: eyes, faces, lettering, the thing the picture is about.

Rule: detail is what stands out from a calm neighbourhood. Grass, fur and wood grain are
busy everywhere and so nowhere; an eye in a cheek is not.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Plane
from impasto.painter.filters.raster import blurred, grid_of, luminance, ramp, resized

# Skin of every tone lies in one narrow band of red-difference and blue-difference: Chai and Ngan 1999, widened.
SKIN_RED = (0.52, 0.68)
SKIN_BLUE = (0.30, 0.50)
MAP_SIDE = 512


def detail_of(canvas: Canvas) -> Plane:
    """How much care each place deserves, 0 to 1, smooth."""
    small = _at_map_size(canvas)
    unit = max(small.shape[:2]) / 512.0
    energy = _energy(small, 1.0 * unit)
    close, around = blurred(energy, 4 * unit), blurred(energy, 28 * unit)
    typical = float(energy.mean()) + 1e-5
    stands_out = ramp(close / (around + 0.6 * typical), 0.9, 2.0) * ramp(close, 0.5 * typical, 2.0 * typical)
    face = _skin(small, energy, unit)
    care = np.clip(0.75 * stands_out + face, 0.0, 1.0).astype(np.float32)
    grown = cv2.dilate(care, np.ones((3, 3), np.uint8), iterations=max(1, round(2 * unit)))
    smooth = blurred(cast("Plane", grown), 4 * unit)
    height, width = canvas.shape[:2]
    return np.clip(resized(smooth, width, height), 0.0, 1.0)


def busy_of(canvas: Canvas) -> Plane:
    """Where fine texture is everywhere (leaves, hair, gravel), 0 to 1, smooth."""
    small = _at_map_size(canvas)
    unit = max(small.shape[:2]) / 512.0
    height, width = canvas.shape[:2]
    return resized(ramp(blurred(_energy(small, unit), 10 * unit), 0.025, 0.06), width, height)


def salience_of(canvas: Canvas) -> Plane:
    """Where the subject is: strong structure, colour unlike the rest, faces, a mild pull to the middle. 0 to 1."""
    small = _at_map_size(canvas)
    unit = max(small.shape[:2]) / 512.0
    soft = blurred(small, 6 * unit)
    unlike = np.linalg.norm(soft - soft.mean(axis=(0, 1), keepdims=True), axis=2).astype(np.float32)
    structure = blurred(_energy(small, 1.5 * unit), 10 * unit)
    rows, columns = grid_of(small)
    height, width = small.shape[:2]
    off_centre = ((rows + 0.5) / height - 0.5) ** 2 + ((columns + 0.5) / width - 0.5) ** 2
    pull = np.exp(-3.0 * off_centre).astype(np.float32)
    total = _stretched(unlike) * 0.4 + _stretched(structure) * 0.6 + _skin(small, structure, unit)
    return _stretched(blurred(cast("Plane", total * pull), 8 * unit))


def _at_map_size(canvas: Canvas) -> Canvas:
    height, width = canvas.shape[:2]
    factor = min(1.0, MAP_SIDE / max(height, width))
    return resized(canvas, max(1, round(width * factor)), max(1, round(height * factor)))


def _energy(canvas: Canvas, sigma: float) -> Plane:
    """Local contrast at a fine scale, with dark places counted as the eye counts them."""
    grey = np.sqrt(np.clip(luminance(canvas), 0.0, 1.0))
    return cast("Plane", np.abs(blurred(grey, sigma) - blurred(grey, sigma * 3.5)))


def _skin(canvas: Canvas, energy: Plane, unit: float) -> Plane:
    """Smooth skin-coloured places of the size of a face, 0 to 1."""
    colours = cast("Canvas", cv2.cvtColor(blurred(canvas, 1.5 * unit), cv2.COLOR_RGB2YCrCb))
    light, red, blue = colours[:, :, 0], colours[:, :, 1], colours[:, :, 2]
    inside = _band(red, *SKIN_RED) * _band(blue, *SKIN_BLUE) * ramp(light, 0.15, 0.3)
    broad = blurred(inside, 10 * unit)
    calm = 1.0 - ramp(blurred(energy, 14 * unit), 0.035, 0.06)
    # A whole picture of that colour is sand or wood, not a face.
    rare = 1.0 - ramp(np.full((1, 1), inside.mean(), np.float32), 0.2, 0.4)
    return cast("Plane", ramp(broad, 0.3, 0.7) * calm * rare)


def _band(value: Plane, low: float, high: float) -> Plane:
    return cast("Plane", ramp(value, low - 0.015, low + 0.015) * (1.0 - ramp(value, high - 0.015, high + 0.015)))


def _stretched(plane: Plane) -> Plane:
    low, high = float(plane.min()), float(plane.max())
    return cast("Plane", (plane - low) / np.float32(max(high - low, 1e-6)))
