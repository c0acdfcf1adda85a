"""The few raster operations that every filter is made of, typed and indifferent to the picture's size.

Rule: a large blur costs no more than a small one (it is done on a smaller picture), and
no operation here minds a picture of one pixel.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.order import Canvas, Plane

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SMALL_SIGMA = 6.0


def unit_of(canvas: Canvas) -> float:
    """Pixels per thousandth of the long side: sizes given in units look alike at every resolution."""
    height, width = canvas.shape[:2]
    return max(int(height), int(width)) / 1024.0


def luminance(canvas: Canvas) -> Plane:
    return cast("Plane", cv2.transform(canvas, LUMA.reshape(1, 3)).reshape(canvas.shape[:2]))


def resized(picture: Canvas, width: int, height: int) -> Canvas:
    """The picture at other dimensions: averaged when it shrinks, cubic when it grows."""
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = height * width < picture.shape[0] * picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cast("Canvas", cv2.resize(picture, (width, height), interpolation=method))


def blurred(picture: Canvas, sigma: float) -> Canvas:
    """Gaussian blur of a canvas or a plane."""
    if sigma < 0.2:
        return picture
    if sigma <= SMALL_SIGMA:
        return cast("Canvas", cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
    height, width = picture.shape[:2]
    factor = sigma / (SMALL_SIGMA / 2)
    small = resized(picture, max(1, round(width / factor)), max(1, round(height / factor)))
    soft = cv2.GaussianBlur(small, (0, 0), SMALL_SIGMA / 2, borderType=cv2.BORDER_REPLICATE)
    return cast("Canvas", cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC))


def moved(picture: Canvas, right: Plane, down: Plane) -> Canvas:
    """Each pixel fetched from `right` and `down` pixels away; the edge repeats mirrored."""
    rows, columns = grid_of(picture)
    return cast(
        "Canvas",
        cv2.remap(picture, columns + right, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
    )


def grid_of(picture: Canvas) -> tuple[Plane, Plane]:
    """Row and column number of every pixel."""
    height, width = picture.shape[:2]
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width))
    columns = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :], (height, width))
    return rows, columns


def ramp(value: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, a smooth step between."""
    step = np.clip((value - low) / (high - low), 0.0, 1.0).astype(np.float32, copy=False)
    return cast("Plane", step * step * (3.0 - 2.0 * step))


def guided(picture: Canvas, guide: Plane, radius: float, tolerance: float) -> Canvas:
    """A plane smoothed within the guide's areas and sharp at its edges (the guided filter, He, Sun and Tang 2010)."""
    mean, mean_guide = blurred(picture, radius), blurred(guide, radius)
    together = blurred(picture * guide, radius) - mean * mean_guide
    spread = blurred(guide * guide, radius) - mean_guide * mean_guide
    slope = (together / (spread + tolerance)).astype(np.float32)
    return blurred(slope, radius) * guide + blurred(mean - slope * mean_guide, radius)


def mixed(first: Canvas, second: Canvas, share: Plane | float) -> Canvas:
    """`first` where the share is 0, `second` where it is 1."""
    if isinstance(share, np.ndarray) and first.ndim == 3:
        share = share[:, :, None]
    return cast("Canvas", first + (second - first) * share)


def saturated(canvas: Canvas, factor: float) -> Canvas:
    """Colours drawn away from their grey (above 1) or toward it (below 1); may leave 0 to 1."""
    grey = luminance(canvas)[:, :, None]
    return cast("Canvas", grey + (canvas - grey) * np.float32(factor))
