"""Pictures made of nothing but words: two colours, blended from top to bottom.

Rule: the same words and dimensions give the same bytes, everywhere, and even the largest takes
milliseconds. Both encoders write just enough of their format to be read by every decoder.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

Colour = tuple[int, int, int]


def colours_of(words: str) -> tuple[Colour, Colour]:
    """The colours at the top and at the bottom of the picture for `words`."""
    digest = hashlib.sha256(words.encode()).digest()
    return (digest[0], digest[1], digest[2]), (digest[3], digest[4], digest[5])


def _blend(words: str, steps: int) -> Iterator[Colour]:
    top, bottom = colours_of(words)
    last = max(1, steps - 1)
    for step in range(steps):
        red, green, blue = (a + (b - a) * step // last for a, b in zip(top, bottom, strict=True))
        yield red, green, blue


def _padding(missing: int, overhead: int, largest: int, piece: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """`missing` bytes in pieces of `overhead` to `largest` bytes; nothing where that is too few for one."""
    filler = hashlib.shake_256(b"padding").digest(largest)
    while missing >= overhead:
        count = min(missing, largest)
        if 0 < missing - count < overhead:
            count -= overhead
        yield piece(filler[: count - overhead])
        missing -= count


# --- PNG: https://www.w3.org/TR/png-3/ ---


# Readers distrust longer private chunks: libpng stops at 8 MB.
_LARGEST_CHUNK = 1 << 20


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def png(words: str, width: int, height: int, pad_to: int = 0) -> bytes:
    """An RGB PNG, made up to `pad_to` bytes by private chunks where it is at least 12 bytes shorter."""
    rows = b"".join(b"\0" + bytes(colour) * width for colour in _blend(words, height))
    signature = b"\x89PNG\r\n\x1a\n"
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")
    missing = pad_to - len(signature) - len(header) - len(rest)
    padding = _padding(missing, 12, _LARGEST_CHUNK, lambda data: _chunk(b"paDd", data))
    return b"".join((signature, header, *padding, rest))


# --- JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf ---

# One flat colour per 8x8 block, so only the first coefficient is ever coded, and as a difference to the
# block before: within a row of blocks it is zero. With "0" as the code for no difference and for the end
# of a block, a row is its first blocks and then zero bits. Restart markers make each row stand alone.
_DIFFERENCE_CODES = bytes([1, 0, 0, 0, 11] + [0] * 11) + bytes(range(12))
_END_OF_BLOCK_CODE = bytes([1] + [0] * 15) + bytes([0])
_LARGEST_SEGMENT = 0xFFFF + 2


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _ycbcr(colour: Colour) -> Iterator[int]:
    """The colour as JFIF has it, each channel shifted to lie around zero."""
    red, green, blue = colour
    for channel in (
        0.299 * red + 0.587 * green + 0.114 * blue - 128,
        -0.168736 * red - 0.331264 * green + 0.5 * blue,
        0.5 * red - 0.418688 * green - 0.081312 * blue,
    ):
        yield max(-128, min(127, round(channel)))


def _flat_block(value: int) -> str:
    """The bits of a block whose colour differs by `value` from the block before."""
    length = abs(value).bit_length()
    if length == 0:
        return "00"
    # The eleven codes of five bits follow "0": "10000" is a difference of one bit.
    amount = value if value > 0 else value + (1 << length) - 1
    return f"{0b10000 + length - 1:05b}{amount:0{length}b}0"


def _row(colour: Colour, blocks: int) -> bytes:
    bits = "".join(_flat_block(channel) for channel in _ycbcr(colour))
    count = len(bits) + (blocks - 1) * 6
    fill = -count % 8
    value = int(bits, 2) << (count - len(bits) + fill) | ((1 << fill) - 1)
    return value.to_bytes((count + fill) // 8, "big").replace(b"\xff", b"\xff\0")


def _scan(words: str, width: int, height: int) -> Iterator[bytes]:
    across, down = -(-width // 8), -(-height // 8)
    for index, colour in enumerate(_blend(words, down)):
        if index:
            yield bytes([0xFF, 0xD0 + (index - 1) % 8])
        yield _row(colour, across)


def jpeg(words: str, width: int, height: int, pad_to: int = 0) -> bytes:
    """A baseline JPEG, made up to `pad_to` bytes by application segments where it is at least 4 bytes shorter."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    # A first step of 8 makes the coefficient of a flat block equal to its colour.
    quantisation = bytes([0, 8] + [1] * 63)
    start = b"\xff\xd8" + _segment(0xE0, b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    rest = b"".join(
        (
            _segment(0xDB, quantisation),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + _DIFFERENCE_CODES),
            _segment(0xC4, b"\x10" + _END_OF_BLOCK_CODE),
            _segment(0xDD, struct.pack(">H", -(-width // 8))),
            _segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])),
            *_scan(words, width, height),
            b"\xff\xd9",
        )
    )
    missing = pad_to - len(start) - len(rest)
    padding = _padding(missing, 4, _LARGEST_SEGMENT, lambda data: _segment(0xEF, data))
    return b"".join((start, *padding, rest))


ENCODERS: dict[str, Callable[[str, int, int, int], bytes]] = {"image/png": png, "image/jpeg": jpeg}


@lru_cache(maxsize=4)
def picture(media_type: str, words: str, width: int, height: int, pad_to: int = 0) -> bytes:
    """The picture for `words`; raises `KeyError` for a media type without an encoder."""
    return ENCODERS[media_type](words, width, height, pad_to)
