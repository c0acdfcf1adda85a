"""The directories of a TIFF header, as EXIF has them.

Rule: whatever the bytes say, nothing is read outside the stretch, and a directory has a bounded number of entries.
https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

import struct
from dataclasses import dataclass

from impasto.domain.containers import Stretch

ENTRY_BYTES = 12
_MOST_ENTRIES = 4096
_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory: `count` entries after the two bytes at `offset`, and where the `next` one begins, or 0."""

    offset: int
    count: int
    entries: tuple["Entry", ...]
    next: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One field. `value` is the number in its last four bytes: the value, or where it lies if it has more bytes."""

    tag: int
    byte_count: int
    value: int


def byte_order(tiff: Stretch) -> str | None:
    """How `struct` calls the order of the bytes; `None` where this is no TIFF header."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(tiff.read(0, 4))


def first_directory(tiff: Stretch) -> int:
    """Where the first directory begins, or 0."""
    order, header = byte_order(tiff), tiff.read(0, 8)
    return int(struct.unpack_from(f"{order}4xI", header)[0]) if order and len(header) == 8 else 0


def directory_at(tiff: Stretch, offset: int) -> Directory | None:
    """The directory at `offset`; `None` where there is none."""
    order = byte_order(tiff)
    head = tiff.read(offset, 2) if order and 8 <= offset < len(tiff) else b""
    if len(head) < 2:
        return None
    (count,) = struct.unpack(f"{order}H", head)
    table = tiff.read(offset + 2, ENTRY_BYTES * min(count, _MOST_ENTRIES))
    fields = struct.Struct(f"{order}HHII")
    whole = table[: len(table) // ENTRY_BYTES * ENTRY_BYTES]
    entries = tuple(
        Entry(tag, _BYTES_OF_TYPE.get(kind, 0) * number, value)
        for tag, kind, number, value in fields.iter_unpack(whole)
    )
    following = tiff.read(offset + 2 + ENTRY_BYTES * count, 4)
    (after,) = struct.unpack(f"{order}I", following) if len(following) == 4 else (0,)
    return Directory(offset, count, entries, after)
