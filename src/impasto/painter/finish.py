"""The last pass: the style that was asked for, laid over the developed picture.

Rule: styles are the same filters that edit photographs; a picture made here and a
photograph are painted alike.
"""

from impasto.painter.colour import Array
from impasto.painter.filters.ink import cartoon
from impasto.painter.filters.oil import oil
from impasto.painter.filters.order import Filter, Order
from impasto.painter.filters.pencil import pencil
from impasto.painter.filters.printing import pixel_art
from impasto.painter.filters.tone import noir, sepia
from impasto.painter.filters.wash import flattened
from impasto.painter.filters.watercolor import watercolor


def _poster(canvas: Array, order: Order) -> Array:
    """Flat shapes in few colours."""
    calm = flattened(canvas, 4.0 * max(canvas.shape[:2]) / 1024)
    steps = 7
    return (((calm * steps).round() / steps) * 0.8 + calm * 0.2).clip(0, 1).astype("float32")


FILTERS: dict[str, Filter] = {
    "watercolor": watercolor,
    "oil": oil,
    "pencil": pencil,
    "ink": cartoon,
    "pixel": pixel_art,
    "poster": _poster,
    "noir": noir,
    "sepia": sepia,
}


def styled(shown: Array, style: str | None, seed: int) -> Array:
    """Screen values 0..1 in the style that was asked for."""
    paint = FILTERS.get(style or "")
    return shown if paint is None else paint(shown, Order(seed=seed))
