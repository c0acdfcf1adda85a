"""The photo that `impasto verify` has edited: an evening over hills, made here.

Rule: the same bytes on every machine, so that two reports speak of the same request.
"""

import math
import struct
import zlib

WIDTH, HEIGHT = 320, 240
"""4:3, so that an edit asked for in 1:1 shows whether the model obeys."""

_Colour = tuple[int, int, int]
_SUN = (220, 92, 26)
_HILLS = ((150, 26, 0.021, (104, 82, 106)), (182, 18, 0.034, (66, 72, 84)), (212, 12, 0.052, (34, 48, 44)))
"""Far to near: height of the ridge from the top, how far it rises and falls, how often, and its colour."""


def photo() -> bytes:
    """A PNG of `WIDTH` by `HEIGHT` pixels, 8 bits a channel. https://www.w3.org/TR/png-3/"""
    rows = b"".join(b"\0" + b"".join(bytes(_grained(x, y)) for x in range(WIDTH)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _grained(x: int, y: int) -> _Colour:
    noise = (x * 7919 ^ y * 104729 ^ x * y * 31) % 11 - 5
    red, green, blue = (min(255, max(0, channel + noise)) for channel in _scene(x, y))
    return red, green, blue


def _scene(x: int, y: int) -> _Colour:
    for ridge, swing, often, colour in reversed(_HILLS):
        if y > ridge + swing * math.sin(x * often + ridge):
            return colour
    sun_x, sun_y, radius = _SUN
    distance = math.hypot(x - sun_x, y - sun_y)
    if distance < radius:
        return 255, 236, 190
    glow = max(0.0, 1 - distance / 160)
    height = y / HEIGHT
    return round(70 + 150 * height + 60 * glow), round(110 + 50 * height + 40 * glow), round(170 - 40 * height)
