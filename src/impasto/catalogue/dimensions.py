"""How many pixels a model makes of a size and a ratio.

Rule: a table's pixels fit the ratio that they stand under, and an entry has rows only for
the sizes and ratios that it lists.
"""

import re
from collections.abc import Iterator, Mapping
from typing import get_args

from impasto.catalogue.schema import AspectRatio, ImageSize, ModelTable, Place, meant

Dimensions = Mapping[str, Mapping[str, tuple[int, int]]]
"""By size, then by ratio: width and height."""

_PIXELS = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")

# Models round to multiples of 8 or 16 pixels; the widest measured is 4 % off its ratio (1:8 as 352x2928).
_RATIO_TOLERANCE = 0.05


def dimensions_of(raw: object, place: Place) -> Dimensions:
    """The table `size -> ratio -> "1376x768"` as numbers. Raises `CatalogueError`."""
    return {
        size: {
            ratio: _pixels_of(written, ratio, place.at(size, ratio))
            for ratio, written in _known_items(row, get_args(AspectRatio), "an aspect ratio", place.at(size))
        }
        for size, row in _known_items(raw, get_args(ImageSize), "an image size", place)
    }


def _known_items(raw: object, known: tuple[str, ...], what: str, place: Place) -> Iterator[tuple[str, object]]:
    if not isinstance(raw, Mapping):
        raise place.wrong("expected a table.")
    for key, value in raw.items():
        if key not in known:
            raise place.at(key).wrong(f"expected {what}.{meant(key, known)} Known are {', '.join(known)}.")
        yield key, value


def _pixels_of(written: object, ratio: str, place: Place) -> tuple[int, int]:
    found = _PIXELS.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise place.wrong('expected width and height in pixels, such as "1376x768".')
    width, height = int(found[1]), int(found[2])
    wide, high = map(float, ratio.split(":"))
    if abs(width * high / (height * wide) - 1) > _RATIO_TOLERANCE:
        raise place.wrong(f"{written} is not {ratio}.")
    return width, height


def dimensions_for(table: ModelTable, shared: Mapping[str, Dimensions], place: Place) -> Dimensions:
    """The dimensions of the model that `table` describes: shared rows, over which its own win.

    Raises `CatalogueError`.
    """
    tables = [_shared(name, shared, place.at("dimensions_from")) for name in table.dimensions_from or ()]
    tables.append(_own(table, place.at("dimensions")))
    merged: dict[str, dict[str, tuple[int, int]]] = {}
    for size in table.image_sizes or ():
        row = {ratio: pixels for one in tables for ratio, pixels in one.get(size, {}).items()}
        merged[size] = {ratio: row[ratio] for ratio in table.aspect_ratios or () if ratio in row}
    return merged


def _shared(name: str, shared: Mapping[str, Dimensions], place: Place) -> Dimensions:
    if name not in shared:
        known = ", ".join(shared) or "none"
        raise place.wrong(f'there is no [dimensions."{name}"].{meant(name, shared)} Known: {known}.')
    return shared[name]


def _own(table: ModelTable, place: Place) -> Dimensions:
    own = dimensions_of(table.dimensions or {}, place)
    sizes, ratios = table.image_sizes or (), table.aspect_ratios or ()
    for size, row in own.items():
        if size not in sizes:
            raise place.at(size).wrong(f"not among this model's image_sizes: {', '.join(sizes)}.")
        for ratio in row:
            if ratio not in ratios:
                raise place.at(size, ratio).wrong(f"not among this model's aspect_ratios: {', '.join(ratios)}.")
    return own
