"""How picture files are divided: segments, chunks and boxes, walked by their headers.

Rule: a walk reads headers and nothing between them, ends after a bounded number of steps whatever
the bytes say, and never raises. What a part means is known to those who walk.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Reader = Callable[[int, int], bytes]
"""`read(offset, count)` gives up to `count` bytes of the picture from `offset` on."""

Span = tuple[int, int]
"""Where something starts, and where it ends."""

NOWHERE: Span = (0, 0)
WHOLE_FILE: Span = (0, 1 << 62)


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that take the place of as many others, from `offset` on."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes that lie in one or several `spans` of a file, read as if they were one piece."""

    file: Reader
    spans: Sequence[Span]

    def __len__(self) -> int:
        return sum(end - start for start, end in self.spans)

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; ends where the file, or a piece of it, is cut off."""
        pieces = []
        for start, end in self._within(offset, offset + count):
            pieces.append(self.file(start, end - start))
            if len(pieces[-1]) < end - start:
                break
        return b"".join(pieces)

    def inflated(self, most: int) -> bytes:
        """What zlib unpacks it to, up to `most` bytes; nothing where it cannot."""
        try:
            return zlib.decompressobj().decompress(self.read(0, min(len(self), most)), most)
        except zlib.error:
            return b""

    def patches(self, offset: int, data: bytes) -> Iterator[Patch]:
        """What to write into the file, so that `data` stands at `offset` here."""
        done = 0
        for start, end in self._within(offset, offset + len(data)):
            yield Patch(start, data[done : done + end - start])
            done += end - start

    def part(self, start: int, end: int) -> "Stretch":
        """What lies from `start` to `end` of it."""
        return Stretch(self.file, tuple(self._within(start, end)))

    def _within(self, first: int, last: int) -> Iterator[Span]:
        """The parts of the file's spans that hold what lies from `first` to `last` here."""
        passed = 0
        for start, end in self.spans:
            begins, ends = max(first - passed, 0), min(last - passed, end - start)
            if begins < ends:
                yield start + begins, start + ends
            passed += end - start
            if passed >= last:
                return


# --- JPEG ---

_JPEG_STEPS = 5000
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_LAST = frozenset({0xD9, 0xDA})  # end of image, start of scan


def jpeg_segments(read: Reader, start: int = 0) -> Iterator[tuple[int, Span]]:
    """The segments before the pixels of the JPEG at `start`: marker, and where the content lies. ITU-T T.81, B."""
    offset = start + 2
    for _ in range(_JPEG_STEPS):
        header = read(offset, 4)
        if len(header) < 4:
            return
        prefix, marker, length = struct.unpack(">BBH", header)
        if prefix != 0xFF or marker in (0x00, 0xFF):
            offset += 1  # fill bytes, and the stray ones that decoders skip
        elif marker in _JPEG_WITHOUT_LENGTH:
            offset += 2
        elif marker in _JPEG_LAST or length < 2:
            return
        else:
            yield marker, (offset + 4, offset + 2 + length)
            offset += 2 + length


# --- PNG ---

_PNG_STEPS = 1 << 16


def png_chunks(read: Reader) -> Iterator[tuple[bytes, Span]]:
    """The chunks of a PNG: kind, and where the content lies; the checksum is in the four bytes after it."""
    offset = 8
    for _ in range(_PNG_STEPS):
        header = read(offset, 8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        yield kind, (offset + 8, offset + 8 + length)
        offset += 12 + length


# --- WebP ---

_RIFF_STEPS = 1 << 12


def riff_chunks(read: Reader) -> Iterator[tuple[bytes, Span]]:
    """The chunks of a RIFF file: kind, and where the content lies."""
    offset = 12
    for _ in range(_RIFF_STEPS):
        header = read(offset, 8)
        if len(header) < 8:
            return
        kind, length = struct.unpack("<4sI", header)
        yield kind, (offset + 8, offset + 8 + length)
        offset += 8 + length + length % 2


# --- HEIC, AVIF, JUMBF ---

_BOXES = 300


def boxes(read: Reader, span: Span, most: int = _BOXES) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in `span`: kind, where the content starts, where it ends. ISO/IEC 14496-12, section 4.2."""
    start, end = span
    for _ in range(most):
        header = read(start, 16) if start + 8 <= end else b""
        if len(header) < 8:
            return
        size, kind = struct.unpack_from(">I4s", header)
        content = start + 8
        if size == 0:  # up to the end
            size = end - start
        elif size == 1:  # the size did not fit into 32 bits
            if len(header) < 16:
                return
            (size,) = struct.unpack_from(">Q", header, 8)
            content = start + 16
        if start + size < content:
            return
        yield kind, content, min(start + size, end)
        start += size


def find_box(read: Reader, span: Span, wanted: bytes, most: int = _BOXES) -> Span:
    """The content of the first box of this kind, or `NOWHERE`."""
    return next(((start, end) for kind, start, end in boxes(read, span, most) if kind == wanted), NOWHERE)
