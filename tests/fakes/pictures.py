"""Pictures of one colour, as small as they can be."""

import base64
import struct
import zlib

from impasto.domain.chat import ImagePart
from impasto.domain.events import Event, ImageData, ImageEnded, ImageStarted
from impasto.domain.image import Dimensions


def png(width: int = 1, height: int = 1, colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    """A PNG file, 8 bits a channel. https://www.w3.org/TR/png-3/"""
    rows = (b"\x00" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture_part(
    data: bytes | None = None, *, where: str = "messages[0].content[1].image_url.url", media_type: str = "image/png"
) -> ImagePart:
    """A picture in a message."""
    return ImagePart(memoryview(base64.b64encode(data or png())), media_type, Dimensions(1, 1), where)


def picture_events(data: bytes, *, thought: bool = False, piece_characters: int = 64) -> list[Event]:
    """The events of one picture in an answer."""
    encoded = base64.b64encode(data)
    pieces = [encoded[start : start + piece_characters] for start in range(0, len(encoded), piece_characters)]
    return [ImageStarted("image/png"), *map(ImageData, pieces), ImageEnded(thought)]
