"""Flat areas with crisp borders: how a brush simplifies what a lens recorded.

Rule: every pixel takes the colour of the calmest neighbourhood that touches it, so that
areas become flat while the borders between them stay where they are.
Source of the idea: Kuwahara et al. 1976; smooth sectors and weights by variance after
Papari, Petkov and Campisi 2007. Here the sectors are one Gaussian looked at from eight
sides, which makes eight sectors as cheap as one.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas
from impasto.painter.filters.raster import blurred, luminance

SIDES = 8
# How strongly the calmest side wins over the others.
SHARPNESS = 4
FLOOR = 1e-5


def flattened(canvas: Canvas, radius: float) -> Canvas:
    """The canvas in washes of about `radius` pixels."""
    reach = max(radius, 1.0)
    soft = blurred(canvas, reach * 0.5)
    grey = luminance(canvas)
    mean = luminance(soft)
    unrest = np.maximum(blurred(grey * grey, reach * 0.5) - mean * mean, 0.0) + _colour_unrest(canvas, soft, reach)
    calm = (1.0 / (FLOOR + unrest)) ** SHARPNESS
    calm = (calm / calm.max()).astype(np.float32) + np.float32(1e-30)
    weighted = np.dstack([soft * calm[:, :, None], calm])
    total = np.zeros_like(weighted)
    for side in range(SIDES):
        angle = 2 * np.pi * side / SIDES
        total += _shifted(weighted, round(reach * np.cos(angle)), round(reach * np.sin(angle)))
    return cast("Canvas", total[:, :, :3] / total[:, :, 3:])


def _colour_unrest(canvas: Canvas, soft: Canvas, reach: float) -> Canvas:
    """Variance of the colour channels that luminance does not see (red against green of equal lightness)."""
    spread = canvas - soft
    return blurred((spread[:, :, 0] - spread[:, :, 2]) ** 2, reach * 0.5) * np.float32(0.25)


def _shifted(picture: Canvas, right: int, down: int) -> Canvas:
    height, width = picture.shape[:2]
    pad = max(abs(right), abs(down))
    padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return cast("Canvas", padded[pad + down : pad + down + height, pad + right : pad + right + width])
