"""Repeatable chance: numbers and textures that depend on the seed alone.

Rule: a texture is defined on the unit square or on the world's plane, never on pixels,
so that the same seed gives the same composition at every size.
"""

from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np

from impasto.painter.colour import Array

Chance = np.random.Generator
TILE = 512


def chance_of(seed: int, purpose: str) -> Chance:
    """A stream of numbers of its own for each purpose: a new use does not disturb the others."""
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, crc32(purpose.encode())])


@lru_cache(maxsize=8)
def tile(seed: int, purpose: str, octaves: int = 6, first: int = 4) -> Array:
    """A square of fractal noise that joins its own edges, `TILE` across, mean 0, deviation 1.

    `first` is how many lattice points the coarsest octave has along a side. Kept for the next caller: never change it.
    """
    chance = chance_of(seed, purpose)
    total = np.zeros((TILE, TILE), np.float32)
    for octave in range(octaves):
        cells = first << octave
        if cells > TILE:
            break
        lattice = chance.standard_normal((cells, cells), np.float32)
        wide = np.pad(lattice, 2, mode="wrap")
        step = TILE // cells
        grown = cv2.resize(wide, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += np.asarray(grown)[2 * step : 2 * step + TILE, 2 * step : 2 * step + TILE] * 0.5**octave
    total = (total - total.mean()) / total.std()
    finished = np.asarray(total, np.float32)
    finished.setflags(write=False)
    return finished


def sample(texture: Array, across: Array, along: Array) -> Array:
    """The tile's value at points of the plane (one tile per unit), bilinear and wrapping.

    The two arrays have one shape, of one or two dimensions; so has the answer.
    """
    shape = across.shape
    if across.ndim == 1:
        # OpenCV wants pictures, none wider than 32767.
        padded = -(-across.size // 1024) * 1024
        across = np.resize(across, padded).reshape(-1, 1024)
        along = np.resize(along, padded).reshape(-1, 1024)
    size = np.float32(texture.shape[0])
    columns, rows = across - np.floor(across), along - np.floor(along)
    columns, rows = (columns * size).astype(np.float32), (rows * size).astype(np.float32)
    found = cv2.remap(texture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32).reshape(-1)[: int(np.prod(shape))].reshape(shape)


def cloudy(seed: int, purpose: str, height: int, width: int, scale: float, octaves: int = 5) -> Array:
    """Fractal noise over a picture; `scale` is how many of its largest blobs fit the short side."""
    short = min(height, width)
    texture = tile(seed, purpose, octaves)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / short * (scale / 4)
    return sample(texture, columns, rows)
