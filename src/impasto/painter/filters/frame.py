"""The picture's frame: turning, cropping, fitting to the dimensions that were asked for.

Rule: a picture is never stretched. What is too much is cropped away from the dullest
side; what is missing is continued out of the picture, softer the farther it goes.
"""

from typing import cast

import cv2
import numpy as np

from impasto.painter.filters.detail import salience_of
from impasto.painter.filters.flow import sampled
from impasto.painter.filters.order import Canvas, Order, Plane
from impasto.painter.filters.raster import blurred, mixed, ramp
from impasto.painter.painting import Pixels

# Losing this share of a side is not noticed by one who asked to keep the composition.
UNNOTICED = 0.07
# And this share is the most that a picture can lose and still be that picture.
MOST_CROPPED = 0.45
MOST_ZOOM = 0.7
# How deep into the picture its continuation looks back, as a share of the side.
MIRROR_DEPTH = 0.025
SHARES: dict[str, tuple[float, float, float, float]] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "centre": (0.2, 0.2, 0.8, 0.8),
}


def crop(photo: Pixels, order: Order) -> Pixels:
    """Option: a side's half, `centre`, a ratio `w:h` around the subject, or nothing: closer to the subject."""
    height, width = photo.shape[:2]
    if order.option in SHARES:
        left, top, right, bottom = SHARES[order.option]
        columns = slice(int(left * width), max(int(right * width), int(left * width) + 1))
        rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1))
        return photo[rows, columns]
    across, down = (float(part) for part in (order.option or f"{width}:{height}").split(":"))
    if not 0.02 < across / max(down, 0.02) < 50:
        return photo
    zoom = 1.0 if order.option else MOST_ZOOM**order.amount
    box_width = min(width, height * across / down) * zoom
    return cropped_to(photo, max(1, round(box_width)), max(1, round(box_width * down / across)))


def cropped_to(photo: Pixels, width: int, height: int) -> Pixels:
    """The window of these dimensions with the most of the subject in it."""
    full_height, full_width = photo.shape[:2]
    width, height = min(width, full_width), min(height, full_height)
    salience = salience_of(as_canvas(photo))
    left = _best_start(salience.sum(axis=0), width / full_width, full_width)
    top = _best_start(salience.sum(axis=1), height / full_height, full_height)
    left, top = min(left, full_width - width), min(top, full_height - height)
    return photo[top : top + height, left : left + width]


def _best_start(profile: Plane, share: float, full: int) -> int:
    """Where along a side a window of this share holds the most; the middle wins a tie."""
    size = profile.size
    window = min(size, max(1, round(share * size)))
    sums = np.convolve(profile**2, np.ones(window), mode="valid")
    offset = np.abs(np.arange(sums.size) - (sums.size - 1) / 2) / max(size, 1)
    best = int(np.argmax(sums / max(float(sums.max()), 1e-9) - 0.25 * offset))
    return round(best * full / size)


def rotate(photo: Pixels, order: Order) -> Pixels:
    """By the order's number of degrees, or its option's; clockwise, unless the option is negative.

    Quarter turns keep every pixel; other angles are cropped to the largest upright window inside.
    """
    turn = float(order.option or 90)
    degrees = turn if order.number is None else order.number * (-1 if turn < 0 else 1)
    quarters, rest = divmod(degrees, 90.0)
    turned = np.ascontiguousarray(np.rot90(photo, -int(quarters) % 4))
    if rest < 0.05:
        return turned
    height, width = turned.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -rest, 1.0)
    swung = cv2.warpAffine(turned, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    sine, cosine = np.sin(np.radians(rest)), np.cos(np.radians(rest))
    share = 1.0 / max(cosine + sine * height / width, cosine + sine * width / height)
    inner_width, inner_height = max(1, int(width * share)), max(1, int(height * share))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    return cast("Pixels", swung[top : top + inner_height, left : left + inner_width])


def flip(photo: Pixels, order: Order) -> Pixels:
    """Left for right, or with option `vertical` top for bottom."""
    return np.ascontiguousarray(photo[::-1] if order.option == "vertical" else photo[:, ::-1])


def fitted(photo: Pixels, width: int, height: int, *, keep_composition: bool) -> Canvas:
    """The photo at exactly these dimensions: cropped around the subject, continued past its edges, or some of both."""
    full_height, full_width = photo.shape[:2]
    wanted, own = width / height, full_width / full_height
    most = UNNOTICED if keep_composition else MOST_CROPPED
    loss = 1.0 - min(wanted / own, own / wanted)
    kept = 1.0 - (loss if loss <= most else (0.0 if keep_composition else most))
    if wanted < own:
        photo = cropped_to(photo, max(1, round(full_width * kept)), full_height)
    else:
        photo = cropped_to(photo, full_width, max(1, round(full_height * kept)))
    scale = min(width / photo.shape[1], height / photo.shape[0])
    if loss <= most:
        return scaled(photo, width, height)
    inner_width, inner_height = min(width, round(photo.shape[1] * scale)), min(height, round(photo.shape[0] * scale))
    return continued(scaled(photo, max(1, inner_width), max(1, inner_height)), width, height)


def scaled(photo: Pixels, width: int, height: int) -> Canvas:
    """The photo as a canvas of these dimensions; Lanczos when it grows, averaged when it shrinks."""
    shrinks = width * height < photo.shape[0] * photo.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return as_canvas(cast("Pixels", cv2.resize(photo, (width, height), interpolation=method)))


def continued(canvas: Canvas, width: int, height: int) -> Canvas:
    """The canvas in the middle of a larger one, continued outward and melting with distance.

    The mirror slows down as it leaves the edge, so that it never comes to what stands deep in the picture.
    """
    inner_height, inner_width = canvas.shape[:2]
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    columns, right_away = _mirrored(width, inner_width, left)
    rows, down_away = _mirrored(height, inner_height, top)
    x = np.broadcast_to(columns[None, :], (height, width))
    y = np.broadcast_to(rows[:, None], (height, width))
    wide = sampled(canvas, x, y)
    away = np.maximum(np.broadcast_to(right_away[None, :], (height, width)), down_away[:, None])
    reach = max(left, top, 1)
    for share, start in ((0.02, 0.0), (0.07, 0.06), (0.2, 0.25)):
        soft = blurred(wide, reach * share + 1.0)
        wide = mixed(wide, soft, ramp(away, start * reach, (start + 0.25) * reach))
    return wide


def _mirrored(length: int, inner: int, start: int) -> tuple[Plane, Plane]:
    """Where along the inner side each place of the outer side comes from, and how far outside it lies."""
    place = np.arange(length, dtype=np.float32) - start
    away = np.maximum(np.maximum(-place, place - (inner - 1)), 0)
    depth = max(MIRROR_DEPTH * inner, 1.0)
    inward = depth * (1.0 - np.exp(-away / np.float32(depth)))
    source = np.where(place < 0, inward, np.where(place > inner - 1, inner - 1 - inward, place))
    return np.clip(source, 0, inner - 1).astype(np.float32), away.astype(np.float32)


def as_canvas(photo: Pixels) -> Canvas:
    return photo.astype(np.float32) * np.float32(1 / 255)


def as_pixels(canvas: Canvas) -> Pixels:
    return cast("Pixels", cv2.convertScaleAbs(np.clip(canvas, 0.0, 1.0), alpha=255.0))


def at_most(photo: Pixels, side: int) -> Pixels:
    """The photo with its long side cut down to `side` pixels."""
    factor = side / max(photo.shape[:2])
    if factor >= 1.0:
        return photo
    height, width = photo.shape[:2]
    shape = max(1, round(width * factor)), max(1, round(height * factor))
    return cast("Pixels", cv2.resize(photo, shape, interpolation=cv2.INTER_AREA))


def enlarged(photo: Pixels, width: int, height: int) -> Pixels:
    """Lanczos, then edges set a little firmer: more pixels, no invention."""
    large = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 0.7 * max(width / photo.shape[1], 1.0))
    return cast("Pixels", cv2.addWeighted(large, 1.45, soft, -0.45, 0.0))
