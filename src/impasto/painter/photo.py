"""A photograph's bytes to pixels.

Rule: dimensions are read from the header before anything is unpacked, so that a small
file can never become a large picture by surprise.
Sources: PNG 3rd edition (W3C) 11.2; ITU-T T.81 B.2.2; RFC 9649 (WebP); Exif 2.32, tag 0x0112.
"""

from collections.abc import Callable, Iterator
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from impasto.painter.painting import CannotPaintError, Pixels

MOST_PIXELS = 50_000_000

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
# Start-of-frame markers; C4, C8 and CC in their midst are tables.
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

Piece = tuple[bytes, bytes]
Array = NDArray[np.uint8] | NDArray[np.uint16]


def decode_photo(data: bytes) -> Pixels:
    """The picture upright, alpha laid on white, 8 bits a channel.

    Raises CannotPaintError for what is no PNG, JPEG or WebP, is damaged, or has more than `MOST_PIXELS` pixels.
    """
    pieces = list(_pieces_of(data))
    dimensions = _dimensions_of(data, pieces)
    if dimensions is None:
        raise CannotPaintError("The picture cannot be read: the painter takes PNG, JPEG and WebP files.")
    width, height = dimensions
    if width * height > MOST_PIXELS:
        raise CannotPaintError(
            f"The picture has {width} x {height} pixels; the painter takes at most {MOST_PIXELS // 1_000_000} million."
        )
    return _upright(_on_white(_unpacked(data)), _orientation_of(pieces))


def _unpacked(data: bytes) -> Array:
    try:
        flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cast("Array | None", cv2.imdecode(np.frombuffer(data, np.uint8), flags))
    except cv2.error:
        picture = None
    if picture is None or picture.size == 0:
        raise CannotPaintError("The picture cannot be read: the file is damaged or cut short.")
    return picture


def _on_white(picture: Array) -> Pixels:
    """Any channels and depth to RGB of 8 bits."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if channels in (2, 4):
        alpha = picture[:, :, -1:].astype(np.uint16)
        laid = (picture[:, :, :-1] * alpha + 255 * (255 - alpha) + 127) // 255
        picture, channels = laid.astype(np.uint8), channels - 1
    conversion = cv2.COLOR_GRAY2RGB if channels == 1 else cv2.COLOR_BGR2RGB
    return cast("Pixels", cv2.cvtColor(np.ascontiguousarray(picture), conversion))


# Exif orientation, 1 to 8: how the stored picture is to be turned.
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, 1),
}


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    turn = TURNS.get(orientation)
    return np.ascontiguousarray(turn(pixels)) if turn else pixels


def _pieces_of(data: bytes) -> Iterator[Piece]:
    """Name and body of the file's chunks or segments, up to the first that is cut short."""
    if data.startswith(PNG):
        yield from _chunks(data, 8, riff=False)
    elif data.startswith(JPEG):
        yield from _segments(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _chunks(data, 12, riff=True)


def _chunks(data: bytes, start: int, *, riff: bool) -> Iterator[Piece]:
    while start + 8 <= len(data):
        first, second = data[start : start + 4], data[start + 4 : start + 8]
        name, length = (first, int.from_bytes(second, "little")) if riff else (second, int.from_bytes(first, "big"))
        yield name, data[start + 8 : start + 8 + length]
        # RIFF pads to even lengths; PNG ends each chunk with four bytes of checksum.
        start += 8 + length + (length % 2 if riff else 4)


def _segments(data: bytes) -> Iterator[Piece]:
    start = 2
    while start + 4 <= len(data) and data[start] == 0xFF:
        marker = data[start + 1]
        if marker == 0xFF:
            start += 1
            continue
        if marker in JPEG_WITHOUT_LENGTH:
            start += 2
            continue
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        yield bytes([marker]), data[start + 4 : start + 2 + length]
        if marker == 0xDA or length < 2:
            return
        start += 2 + length


def _dimensions_of(data: bytes, pieces: list[Piece]) -> tuple[int, int] | None:
    """Width and height as the header says, or None where it says nothing usable."""
    for name, body in pieces:
        found: tuple[int, int] | None = None
        if name == b"IHDR" and len(body) >= 8:
            found = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        elif len(name) == 1 and name[0] in JPEG_FRAMES and len(body) >= 5:
            found = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        elif name in WEBP_SIZES:
            found = WEBP_SIZES[name](body) if len(body) >= 10 else None
        if found:
            return found if min(found) > 0 else None
    return None


def _bits(body: bytes, start: int, shift: int, bits: int) -> int:
    return int.from_bytes(body[start : start + 4], "little") >> shift & (1 << bits) - 1


WEBP_SIZES: dict[bytes, Callable[[bytes], tuple[int, int]]] = {
    b"VP8 ": lambda body: (_bits(body, 6, 0, 14), _bits(body, 8, 0, 14)),
    b"VP8L": lambda body: (_bits(body, 1, 0, 14) + 1, _bits(body, 1, 14, 14) + 1),
    b"VP8X": lambda body: (_bits(body, 4, 0, 24) + 1, _bits(body, 7, 0, 24) + 1),
}


def _orientation_of(pieces: list[Piece]) -> int:
    """Exif tag 0x0112 of the first directory; 1 (upright) where there is none."""
    for name, body in pieces:
        if name in (b"eXIf", b"EXIF", b"\xe1"):
            block = body.removeprefix(b"Exif\x00\x00")
            if block[:2] in (b"II", b"MM"):
                return _tag(block, 0x0112)
    return 1


def _tag(block: bytes, wanted: int) -> int:
    def number(start: int, size: int) -> int:
        return int.from_bytes(block[start : start + size], "little" if block[:2] == b"II" else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 64)):
        start = directory + 2 + 12 * entry
        if number(start, 2) == wanted:
            return number(start + 8, 2)
    return 1
