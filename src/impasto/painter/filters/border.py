"""What surrounds a finished picture.

Rule: the picture shrinks to make room; nothing of it is covered.
"""

import numpy as np

from impasto.painter.filters.order import Canvas, Order
from impasto.painter.filters.raster import resized
from impasto.painter.filters.tone import INKS

SHARE = 0.045
PLAIN = {"white": (0.985, 0.98, 0.97), "black": (0.04, 0.04, 0.045), "grey": (0.55, 0.55, 0.55)}


def border(canvas: Canvas, order: Order) -> Canvas:
    """A plain border in the option's colour, even on all sides, with a hairline between it and the picture."""
    height, width = canvas.shape[:2]
    thickness = max(1, round(min(height, width) * SHARE * order.amount))
    if min(height, width) <= 2 * thickness + 2:
        return canvas * np.float32(0.0) + np.array(_colour(order.option), dtype=np.float32)
    inner_width, inner_height = _inner(width, height, thickness)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    framed = np.empty_like(canvas)
    framed[:] = _colour(order.option)
    hairline = max(1, thickness // 24)
    framed[top - hairline : height - top + hairline, left - hairline : width - left + hairline] *= 0.8
    framed[top : top + inner_height, left : left + inner_width] = resized(canvas, inner_width, inner_height)
    return framed


def _colour(option: str) -> tuple[float, float, float]:
    return PLAIN.get(option) or INKS.get(option) or PLAIN["white"]


def _inner(width: int, height: int, thickness: int) -> tuple[int, int]:
    """The largest window of the canvas's own shape that leaves at least the thickness all round."""
    scale = min((width - 2 * thickness) / width, (height - 2 * thickness) / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
