"""Several photographs on one sheet.

Rule: every photo is seen whole or cropped around its subject, never stretched; a gap of
paper keeps neighbours apart.
"""

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from impasto.painter.filters.frame import as_pixels, at_most, fitted, scaled
from impasto.painter.painting import Pixels

GAP_SHARE = 0.012
PAPER = 250
CELL_SIDE = 1024


def side_by_side(photos: Sequence[Pixels]) -> Pixels:
    """All photos at the same height in a row, at most `CELL_SIDE` high."""
    height = min(CELL_SIDE, max(photo.shape[0] for photo in photos))
    row = [_at(photo, max(1, round(photo.shape[1] * height / photo.shape[0])), height) for photo in photos]
    gap = np.full((height, max(2, round(height * GAP_SHARE)), 3), PAPER, np.uint8)
    return np.concatenate([part for photo in row for part in (gap, photo)][1:], axis=1)


def stacked(photos: Sequence[Pixels]) -> Pixels:
    """All photos at the same width in a column."""
    turned = side_by_side([photo.transpose(1, 0, 2) for photo in photos])
    return np.ascontiguousarray(turned.transpose(1, 0, 2))


def collage(photos: Sequence[Pixels]) -> Pixels:
    """A grid of equal cells with paper between and around; a last short row is spread over the full width."""
    columns = ceil(sqrt(len(photos)))
    rows = [photos[start : start + columns] for start in range(0, len(photos), columns)]
    cell = min(CELL_SIDE, max(max(photo.shape[:2]) for photo in photos))
    gap = max(2, round(cell * GAP_SHARE * 2))
    width = columns * cell + (columns + 1) * gap
    sheet = np.full((len(rows) * (cell + gap) + gap, width, 3), PAPER, np.uint8)
    for number, row in enumerate(rows):
        top = gap + number * (cell + gap)
        edges = np.linspace(gap, width, len(row) + 1).round().astype(int).tolist()
        for photo, left, right in zip(row, edges, edges[1:], strict=False):
            cell_width = max(1, right - left - gap)
            part = fitted(at_most(photo, 2 * CELL_SIDE), cell_width, cell, keep_composition=False)
            sheet[top : top + cell, left : left + cell_width] = as_pixels(part)
    return sheet


def blend(photos: Sequence[Pixels]) -> Pixels:
    """A double exposure in the shape of the last photo: lights of each shine through the shadows of the others."""
    last = at_most(photos[-1], 2 * CELL_SIDE)
    height, width = last.shape[:2]
    layers = [fitted(at_most(photo, 2 * CELL_SIDE), width, height, keep_composition=False) for photo in photos]
    mean = np.mean(layers, axis=0)
    screened = 1.0 - np.prod([1.0 - layer * np.float32(0.72) for layer in layers], axis=0)
    return as_pixels((0.45 * mean + 0.55 * screened).astype(np.float32))


def _at(photo: Pixels, width: int, height: int) -> Pixels:
    return as_pixels(scaled(photo, width, height))
