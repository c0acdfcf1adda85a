"""Noise, paper and cloth: the surfaces that pigment meets.

Rule: a surface is made from a named chance at a scale in pixels, has mean 0 and
deviation 1, and looks alike at every resolution.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Plane
from impasto.painter.filters.raster import blurred


def clouds(shape: tuple[int, int], cell: float, chance: np.random.Generator, octaves: int = 1) -> Plane:
    """Smooth noise whose largest features measure about `cell` pixels; each octave halves size and strength."""
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        rows, columns = int(height / size) + 4, int(width / size) + 4
        coarse = chance.standard_normal((rows, columns), dtype=np.float32)
        fine = cv2.resize(coarse, (round(columns * size), round(rows * size)), interpolation=cv2.INTER_CUBIC)
        start = int(size)
        total += cast("Plane", fine[start : start + height, start : start + width]) * 0.5**octave
    return normalised(total)


def grain(shape: tuple[int, int], size: float, chance: np.random.Generator) -> Plane:
    """Fine isotropic grain: white noise with features of about `size` pixels."""
    white = chance.standard_normal(shape, dtype=np.float32)
    return normalised(blurred(white, size * 0.5) - blurred(white, size * 1.6))


def paper(shape: tuple[int, int], size: float, chance: np.random.Generator) -> Plane:
    """Cold-pressed watercolor paper as a height map: pebbles of about `size` pixels, finer tooth, slow cockling."""
    pebbles = grain(shape, size, chance)
    tooth = grain(shape, max(size * 0.4, 0.8), chance)
    cockling = clouds(shape, size * 24, chance)
    return normalised(np.tanh(pebbles * 0.9) + 0.35 * tooth + 0.25 * cockling)


def weave(shape: tuple[int, int], size: float, chance: np.random.Generator) -> Plane:
    """Canvas cloth as a height map: threads `size` pixels apart over and under each other, a little uneven."""
    height, width = shape
    drift = clouds(shape, size * 12, chance) * 0.35
    rows = np.arange(height, dtype=np.float32)[:, None] * np.float32(np.pi / size) + drift
    columns = np.arange(width, dtype=np.float32)[None, :] * np.float32(np.pi / size) + drift
    over = np.sin(rows) * np.sin(columns) > 0
    threads = np.where(over, np.abs(np.sin(rows)), np.abs(np.sin(columns))).astype(np.float32)
    return normalised(threads + 0.25 * grain(shape, size, chance))


def lit(height: Plane, strength: float) -> Plane:
    """Shading of a height map by a light from the upper left; 0 is flat."""
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    along = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    return cast("Plane", np.tanh((across + along) * (strength / 8)).astype(np.float32))


def normalised(plane: Plane) -> Plane:
    """Mean 0, deviation 1 (a flat plane stays 0)."""
    centred = plane - plane.mean()
    return cast("Plane", centred / np.float32(max(float(centred.std()), 1e-6)))
