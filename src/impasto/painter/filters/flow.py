"""The direction in which things run: along hair, along a contour, down a fold.

Rule: directions are lines without a sense (a hair runs both ways), so a walk along
them turns each step to agree with the one before.
Sources: structure tensor after Brox et al. 2006; walking after Cabral and Leedom 1993;
lines as a flow-guided difference of Gaussians after Kang et al. 2007 and Winnemöller 2011.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Plane
from impasto.painter.filters.raster import blurred, grid_of, luminance


@dataclass(frozen=True, slots=True)
class Flow:
    """Unit vectors along the structure, and how sure they are (0: flat or busy, 1: a clean edge)."""

    right: Plane
    down: Plane
    sureness: Plane


def flow_of(canvas: Canvas, smoothing: float) -> Flow:
    """The flow of a canvas, averaged over `smoothing` pixels."""
    grey = luminance(canvas)
    across = cv2.Scharr(grey, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    along = cv2.Scharr(grey, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    products = cast("Canvas", np.dstack([across * across, along * along, across * along]).astype(np.float32))
    tensor = blurred(products, smoothing)
    first, second, both = tensor[:, :, 0], tensor[:, :, 1], tensor[:, :, 2]
    # The smaller eigenvector of the tensor runs along the edge.
    angle = 0.5 * np.arctan2(2 * both, first - second) + np.float32(np.pi / 2)
    gap = np.sqrt((first - second) ** 2 + 4 * both * both)
    sureness = gap / (first + second + 1e-4)
    return Flow(np.cos(angle), np.sin(angle), sureness.astype(np.float32))


def along(picture: Canvas, flow: Flow, reach: float, step: float = 1.0) -> Canvas:
    """The picture averaged along the flow, `reach` pixels to both sides."""
    rows, columns = grid_of(picture)
    total, weight = picture.astype(np.float32, copy=True), 1.0
    steps = max(1, round(reach / step))
    for sense in (1.0, -1.0):
        x, y = columns.copy(), rows.copy()
        right, down = flow.right * np.float32(sense * step), flow.down * np.float32(sense * step)
        last_right, last_down = right, down
        for number in range(1, steps + 1):
            x, y = x + last_right, y + last_down
            share = float(np.exp(-2.0 * (number / steps) ** 2))
            total += sampled(picture, x, y) * np.float32(share)
            weight += share
            if number < steps:
                last_right, last_down = _turned(sampled(right, x, y), sampled(down, x, y), last_right, last_down)
    return cast("Canvas", total / np.float32(weight))


def lines(canvas: Canvas, width: float, *, flow: Flow, sharpness: float = 18.0, threshold: float = 0.0) -> Plane:
    """Ink lines of about `width` pixels where dark meets light: 0 is line, 1 is none."""
    grey = luminance(canvas)
    difference = blurred(grey, width) - np.float32(0.985) * blurred(grey, width * 1.6)
    steady = along(difference, flow, width * 4, step=max(1.0, width * 0.8))
    return cast("Plane", np.where(steady > threshold, 1.0, 1.0 + np.tanh(sharpness * (steady - threshold)))).astype(
        np.float32
    )


def sampled(picture: Canvas, x: Plane, y: Plane) -> Canvas:
    """The picture at fractional columns `x` and rows `y`."""
    return cast("Canvas", cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))


def _turned(right: Plane, down: Plane, last_right: Plane, last_down: Plane) -> tuple[Plane, Plane]:
    sense = np.where(right * last_right + down * last_down < 0, np.float32(-1), np.float32(1))
    return right * sense, down * sense
