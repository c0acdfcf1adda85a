"""Where a photo says it was taken, taken out of it: nothing else changes.

Rule: no byte is re-encoded and no length changes. What tells the position is overwritten in place, with zeros
in EXIF and with spaces in XMP; pixels are neither read nor touched. Nothing here raises.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pybase64

from impasto.domain.containers import Patch, Reader, Span, Stretch, boxes, png_chunks
from impasto.domain.image import base64_reader
from impasto.domain.jumbf import superboxes
from impasto.domain.metadata import Kind, metadata_of
from impasto.domain.tiff import ENTRY_BYTES, directory_at, first_directory
from impasto.domain.xmp import positions_in


class Readable(Protocol):
    """Bytes that can be read without waiting."""

    def read(self, offset: int, count: int) -> bytes: ...

    @property
    def byte_count(self) -> int: ...


MOST_WORK = 16 << 20
"""Of one picture: bytes of metadata that are looked into, as `_work` counts them. What no photo has is not looked into
but blanked, so that a small file cannot keep a core busy for minutes."""
_EXIF_WORK, _PACKED_WORK = 16, 8
_LONGEST_EXIF = 1 << 16


def gps_patches(read: Reader, byte_count: int, media_type: str) -> list[Patch]:
    """What to overwrite in a picture of so many bytes, so that it no longer tells a position; mostly nothing.

    Patches stay within the metadata. A result that is patched has no patches.
    """
    patches: list[Patch] = []
    left = MOST_WORK
    for kind, stretch in metadata_of(read, byte_count, media_type):
        work = _work(kind, stretch, left)
        is_too_much = work > left
        left -= 0 if is_too_much else work
        patches += _blanked(stretch) if is_too_much else _sweep(kind, stretch)
    if patches and media_type == "image/png":
        patches.extend(_checksums(read, byte_count, tuple(patches)))
    return patches


def without_gps(base64: bytes | memoryview, media_type: str) -> memoryview | None:
    """A copy of a picture's base64 in which the position is overwritten; `None`, and no copy, where there is none.

    `base64` is as RFC 4648 writes it; only the groups that patches touch are decoded and encoded again.
    """
    patches = gps_patches(base64_reader(base64), _decoded_length(base64), media_type)
    if not patches:
        return None
    copy = bytearray(base64)
    for patch in patches:
        groups = slice(patch.offset // 3 * 4, (patch.offset + len(patch.data) + 2) // 3 * 4)
        data = bytearray(pybase64.b64decode(copy[groups], validate=True))
        start = patch.offset % 3
        data[start : start + len(patch.data)] = patch.data
        copy[groups] = pybase64.b64encode(data)
    return memoryview(copy).toreadonly()


@dataclass(frozen=True, slots=True)
class Patched:
    """Bytes that are read from `source`, with `patches` in their places."""

    source: Readable
    patches: Sequence[Patch]

    @property
    def byte_count(self) -> int:
        return self.source.byte_count

    def read(self, offset: int, count: int) -> bytes:
        return _overlaid(self.source.read(offset, count), offset, self.patches)


def _decoded_length(base64: bytes | memoryview) -> int:
    return len(base64) // 4 * 3 - bytes(base64[-2:]).count(b"=")


def _overlaid(data: bytes, offset: int, patches: Iterable[Patch]) -> bytes:
    """What lies at `offset`, patched."""
    within = [patch for patch in patches if offset - len(patch.data) < patch.offset < offset + len(data)]
    if not within:
        return data
    changed = bytearray(data)
    for patch in within:
        start = patch.offset - offset
        piece = patch.data[max(-start, 0) : len(data) - start]
        changed[max(start, 0) : max(start, 0) + len(piece)] = piece
    return bytes(changed)


def _work(kind: Kind, stretch: Stretch, most: int) -> int:
    """How much it is to look into it; beyond `most` only that it is more."""
    match kind:
        case Kind.EXIF:  # its directories may lie over each other, and are bounded in number and length
            return min(len(stretch), _LONGEST_EXIF) * _EXIF_WORK
        case Kind.DEFLATED_XMP | Kind.DEFLATED_RAW_PROFILE:
            return max(len(stretch), len(stretch.inflated(most // _PACKED_WORK + 1)) * _PACKED_WORK)
        case _:
            return len(stretch)


def _blanked(stretch: Stretch) -> Iterator[Patch]:
    blank = bytes(len(stretch))
    if stretch.read(0, len(stretch)) != blank:
        yield from stretch.patches(0, blank)


def _sweep(kind: Kind, stretch: Stretch) -> Iterable[Patch]:
    sweep = _SWEEPS.get(kind)
    return sweep(stretch) if sweep else ()


# --- EXIF ---

_GPS_DIRECTORY = 0x8825
_OTHER_DIRECTORIES = frozenset({0x8769, 0xA005, 0x014A})  # EXIF, interoperability, further images
_MOST_DIRECTORIES = 32


def _exif(tiff: Stretch) -> Iterator[Patch]:
    """Empties the directories of positions: no entries, and zeros where they and their values were."""
    for start, end in _joined(span for offset in _gps_directories(tiff) for span in _spans_of(tiff, offset)):
        clipped = min(end, len(tiff))
        if start < clipped:
            yield from tiff.patches(start, bytes(clipped - start))


def _gps_directories(tiff: Stretch) -> set[int]:
    """Where they begin. Writers point to them from the first directory; readers take them from any."""
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [first_directory(tiff)]
    while waiting and len(seen) < _MOST_DIRECTORIES:
        offset = waiting.pop(0)
        directory = None if offset in seen else directory_at(tiff, offset)
        seen.add(offset)
        if directory is None:
            continue
        waiting.append(directory.next)
        for entry in directory.entries:
            if entry.tag == _GPS_DIRECTORY:
                found.add(entry.value)
            elif entry.tag in _OTHER_DIRECTORIES:
                waiting.append(entry.value)
    return found


def _spans_of(tiff: Stretch, offset: int) -> Iterator[Span]:
    directory = directory_at(tiff, offset)
    if directory is None or directory.count == 0:
        return
    yield offset, offset + 2 + ENTRY_BYTES * directory.count + 4
    for entry in directory.entries:
        if entry.byte_count > 4 and entry.value >= 8:
            yield entry.value, entry.value + entry.byte_count


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """The same places, none twice."""
    reached = 0
    for start, end in sorted(spans):
        if end > reached:
            yield max(start, reached), end
            reached = end


# --- XMP ---

_MOST_XMP_BYTES = 32 << 20
_EMPTY_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def _xmp(stretch: Stretch) -> Iterator[Patch]:
    for start, end in positions_in(stretch.read(0, _MOST_XMP_BYTES)):
        yield from stretch.patches(start, b" " * (end - start))


# --- movies ---

_POSITION_BOXES = (b"\xa9xyz", b"loci")


def _movie(moov: Stretch) -> Iterator[Patch]:
    """Makes the boxes of positions free space, which readers pass over. ISO/IEC 14496-12, section 8.1.2."""
    for kind, start, end in boxes(moov.read, (0, len(moov))):
        if kind != b"udta":
            continue
        for inner, first, last in boxes(moov.read, (start, end)):
            if inner in _POSITION_BOXES and moov.read(first - 4, 4) == inner:
                yield from moov.patches(first - 4, b"free" + bytes(last - first))


# --- content credentials ---

_ASSERTIONS_WITH_POSITIONS = ("stds.exif", "c2pa.metadata", "cawg.metadata")
_MOST_ASSERTION_BYTES = 1 << 18
_POSITION_IN_JSON = re.compile(
    rb'"(?:[^":]*:)?(?:gps[^":]*|[^":]*latitude|[^":]*longitude)"\s*+:\s*+(?:"(?P<text>(?:[^"\\]|\\.)*+)"|(?P<number>-?[\d.eE+-]++))',
    re.IGNORECASE | re.DOTALL,
)


def _c2pa(store: Stretch) -> Iterator[Patch]:
    """Blanks positions in the metadata that a manifest repeats. Its hashes no longer fit then, nor would they without
    this: they cover the photo, whose metadata say the same."""
    read = store.read
    levels = [outer.content for outer in superboxes(read, (0, len(store)))]
    for _ in range(2):  # into manifests, and into their parts
        levels = [inner.content for span in levels for inner in superboxes(read, span)]
    for assertion in (found for span in levels for found in superboxes(read, span)):
        if assertion.name not in _ASSERTIONS_WITH_POSITIONS:
            continue
        for kind, start, end in boxes(read, assertion.content):
            json = read(start, min(end - start, _MOST_ASSERTION_BYTES)) if kind == b"json" else b""
            for found in _POSITION_IN_JSON.finditer(json):
                blank = b"" if found["number"] is None else b"0"
                first, last = found.span("text" if found["number"] is None else "number")
                if json[first:last].strip() not in (b"", b"0"):
                    yield from store.patches(start + first, blank.ljust(last - first))


# --- packed texts of a PNG ---

_SMALLEST_STREAM = 11  # header, one stored block, checksum
_STORED_BYTES = 65535


def _deflated_xmp(stretch: Stretch) -> Iterator[Patch]:
    if any(positions_in(stretch.inflated(_MOST_XMP_BYTES))):
        yield from stretch.patches(0, _stored(len(stretch), _EMPTY_XMP))


def _raw_profile(stretch: Stretch) -> Iterator[Patch]:
    if _tells_position(stretch.read(0, _MOST_XMP_BYTES)):
        yield from stretch.patches(0, b" " * len(stretch))


def _deflated_raw_profile(stretch: Stretch) -> Iterator[Patch]:
    if _tells_position(stretch.inflated(_MOST_XMP_BYTES)):
        yield from stretch.patches(0, _stored(len(stretch), b""))


def _tells_position(profile: bytes) -> bool:
    """Whether a raw profile holds one: a line with its name, a line with its length, lines in hexadecimal."""
    lines = profile.split(b"\n", 3)
    if len(lines) < 4:
        return False
    digits = re.sub(rb"[^0-9a-fA-F]", b"", lines[3])
    data = bytes.fromhex(digits[: len(digits) & ~1].decode("ascii"))
    exif = data.removeprefix(b"Exif\0\0")
    return any(_exif(_in_memory(exif))) or any(positions_in(data))


def _in_memory(data: bytes) -> Stretch:
    return Stretch(lambda offset, count: data[offset : offset + count], [(0, len(data))])


def _stored(length: int, text: bytes) -> bytes:
    """A zlib stream of exactly this length that unpacks to `text` and spaces; shorter ones hold nothing. RFC 1950."""
    if length < _SMALLEST_STREAM:
        return bytes(length)
    blocks = -(-(length - 6) // (_STORED_BYTES + 5))
    content = text.ljust(length - 6 - 5 * blocks)[: length - 6 - 5 * blocks]
    pieces = [content[at * _STORED_BYTES : (at + 1) * _STORED_BYTES] for at in range(blocks)]
    written = b"".join(
        struct.pack("<BHH", number == blocks, len(piece), len(piece) ^ 0xFFFF) + piece
        for number, piece in enumerate(pieces, start=1)
    )
    return b"\x78\x01" + written + struct.pack(">I", zlib.adler32(content))


_SWEEPS: dict[Kind, Callable[[Stretch], Iterator[Patch]]] = {
    Kind.EXIF: _exif,
    Kind.XMP: _xmp,
    Kind.MOVIE: _movie,
    Kind.C2PA: _c2pa,
    Kind.DEFLATED_XMP: _deflated_xmp,
    Kind.RAW_PROFILE: _raw_profile,
    Kind.DEFLATED_RAW_PROFILE: _deflated_raw_profile,
}


def _checksums(read: Reader, byte_count: int, patches: Sequence[Patch]) -> Iterator[Patch]:
    """New checksums for the chunks of a PNG that `patches` change: over kind and content, after the content."""
    for _, (start, end) in png_chunks(read):
        if end + 4 <= byte_count and any(start <= patch.offset < end for patch in patches):
            chunk = _overlaid(read(start - 4, end - start + 4), start - 4, patches)
            yield Patch(end, struct.pack(">I", zlib.crc32(chunk)))
