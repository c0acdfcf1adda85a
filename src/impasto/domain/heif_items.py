"""The items of HEIC and AVIF files: what each holds, and where in the file it lies.

Rule: tables are read up to a bound, and only for items of the kinds that are asked for. May raise `struct.error`
where a table is cut off.
"""

import struct
from collections.abc import Collection, Iterator

from impasto.domain.containers import WHOLE_FILE, Reader, Span, boxes, find_box

_MOST_BOXES = 10_000  # a picture of a hundred megapixels is cut into hundreds of items
_MOST_ITEMS = 16
_ENTRY_BYTES = 512
_LOCATION_BYTES = 1 << 20


def items_in(read: Reader, meta: Span, wanted: Collection[bytes]) -> Iterator[tuple[bytes, list[Span]]]:
    """The items of the `wanted` kinds in a `meta` box: kind or media type, and where they lie.

    ISO/IEC 14496-12, sections 8.11.3 and 8.11.6.
    """
    information = find_box(read, meta, b"iinf", _MOST_BOXES)
    start = information[0] + (6 if read(information[0], 1) == b"\0" else 8)
    kinds: dict[int, bytes] = {}
    for name, first, last in boxes(read, (start, information[1]), _MOST_BOXES):
        item, kind = _kind_of(read(first, min(last - first, _ENTRY_BYTES))) if name == b"infe" else (0, b"")
        if kind in wanted and len(kinds) < _MOST_ITEMS:
            kinds[item] = kind
    if not kinds:
        return
    store = find_box(read, meta, b"idat", _MOST_BOXES)[0]
    for item, spans in _locations(read, find_box(read, meta, b"iloc", _MOST_BOXES), store):
        if item in kinds and spans:
            yield kinds.pop(item), spans


def _kind_of(entry: bytes) -> tuple[int, bytes]:
    """The number of an item and its kind; for one that has a media type, that."""
    version = entry[0] if entry else 0
    if version not in (2, 3):
        return 0, b""
    item, kind = struct.unpack_from(">4xH2x4s" if version == 2 else ">4xI2x4s", entry)
    _, _, content_type = entry[12 if version == 2 else 14 :].partition(b"\0")
    return item, content_type.partition(b"\0")[0] if kind == b"mime" else kind


def _locations(read: Reader, span: Span, store: int) -> Iterator[tuple[int, list[Span]]]:
    """Each item, and where in the file it lies. `store` is where the `idat` box begins."""
    table = read(span[0], min(span[1] - span[0], _LOCATION_BYTES))
    version, sizes = struct.unpack_from(">B3xH", table)
    widths = [sizes >> shift & 15 for shift in (12, 8, 4, 0)]  # of offsets, lengths, bases, and indices
    if version == 0:
        widths[3] = 0
    number = ">H" if version < 2 else ">I"
    at = 6
    (count,) = struct.unpack_from(number, table, at)
    at += struct.calcsize(number)
    for _ in range(count):
        (item,) = struct.unpack_from(number, table, at)
        at += struct.calcsize(number)
        (method,) = struct.unpack_from(">H", table, at) if version else (0,)
        at += 4 if version else 2  # with the number of the file it is in
        base = int.from_bytes(table[at : at + widths[2]], "big")
        at += widths[2]
        (extents,) = struct.unpack_from(">H", table, at)
        at += 2
        start = base + (store if method & 15 == 1 else 0)
        spans = []
        for _ in range(extents if any(widths) else min(extents, 1)):
            at += widths[3]
            offset = start + int.from_bytes(table[at : at + widths[0]], "big")
            at += widths[0]
            length = int.from_bytes(table[at : at + widths[1]], "big") or WHOLE_FILE[1] - offset
            at += widths[1]
            if at > len(table):
                return
            spans.append((offset, offset + length))
        if method & 15 < 2:
            yield item, spans
