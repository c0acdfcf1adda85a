"""What a picture is, as far as a gateway has to know: its type, its dimensions, its data URL.

Rule: labels are never believed; the first bytes decide. Only headers are read, never
pixels, and hostile bytes give `None` after a bounded amount of work.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import pybase64

from impasto.domain.containers import NOWHERE, WHOLE_FILE, Reader, Span, boxes, find_box


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Width and height in pixels, read from the bytes."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The shape that was asked for; `None` leaves the choice to the model."""

    aspect_ratio: str | None = None
    image_size: str | None = None

    def asked(self) -> dict[str, str]:
        """The fields that were asked for, by name."""
        pairs = (("aspect_ratio", self.aspect_ratio), ("image_size", self.image_size))
        return {name: value for name, value in pairs if value is not None}


# --- the type ---

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)

# Brands of ISO 23000-22 and of the AV1 Image File Format; the first that names a codec decides.
_CODEC_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
}
_CONTAINER_BRANDS = (b"mif1", b"msf1")

# "BM" alone begins many a text, so the length of the header that follows must be a known one.
_BMP_HEADER_LENGTHS = (12, 16, 40, 52, 56, 64, 108, 124)

_SVG_SEARCHED_BYTES = 4096


def media_type_of(head: bytes) -> str | None:
    """The media type by magic bytes; `None` where they are of no kind known here.

    64 bytes suffice, except for SVG, whose root may come late. SVG, TIFF and BMP are
    recognised so that they can be refused by name.
    """
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _media_type_of_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_LENGTHS:
        return "image/bmp"
    return "image/svg+xml" if _is_svg(head) else None


def _media_type_of_brands(head: bytes) -> str | None:
    end = min(len(head), int.from_bytes(head[:4], "big"))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]
    for brand in brands:
        if brand in _CODEC_BRANDS:
            return _CODEC_BRANDS[brand]
    return "image/heif" if any(brand in _CONTAINER_BRANDS for brand in brands) else None


def _is_svg(head: bytes) -> bool:
    text = head[:_SVG_SEARCHED_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    may_have_prolog = text.startswith((b"<?xml", b"<!--", b"<!doctype svg"))
    return text.startswith(b"<svg") or (may_have_prolog and b"<svg" in text)


# --- the dimensions ---


def dimensions_of(read: Reader, media_type: str) -> Dimensions | None:
    """Width and height as the header states them; `None` where it does not, or where one is zero.

    Orientation (EXIF, `irot`) is not applied. Never raises, whatever the bytes are.
    """
    measure = _MEASURES.get(media_type)
    try:
        found = measure(read) if measure else None
    except struct.error:  # the header is cut off
        return None
    return found if found and found.width > 0 and found.height > 0 else None


def _png(read: Reader) -> Dimensions | None:
    header = read(0, 24)
    return Dimensions(*struct.unpack_from(">II", header, 16)) if header[12:16] == b"IHDR" else None


def _gif(read: Reader) -> Dimensions:
    return Dimensions(*struct.unpack_from("<HH", read(6, 4)))


def _bmp(read: Reader) -> Dimensions:
    header = read(14, 12)
    (header_length,) = struct.unpack_from("<I", header)
    width, height = struct.unpack_from("<HH" if header_length == 12 else "<ii", header, 4)
    return Dimensions(width, abs(height))  # negative: the rows run from the top


_WEBP_KEY_FRAME = b"\x9d\x01\x2a"
_14_BITS = 0x3FFF


def _webp(read: Reader) -> Dimensions | None:
    """https://developers.google.com/speed/webp/docs/riff_container and RFC 6386 section 9.1."""
    header = read(0, 30)
    match header[12:16]:
        case b"VP8 " if header[23:26] == _WEBP_KEY_FRAME:
            width, height = struct.unpack_from("<HH", header, 26)
            return Dimensions(width & _14_BITS, height & _14_BITS)
        case b"VP8L" if header[20:21] == b"\x2f":
            (bits,) = struct.unpack_from("<I", header, 21)
            return Dimensions((bits & _14_BITS) + 1, (bits >> 14 & _14_BITS) + 1)
        case b"VP8X" if len(header) == 30:
            width, height = (int.from_bytes(header[start : start + 3], "little") for start in (24, 27))
            return Dimensions(width + 1, height + 1)
        case _:
            return None


_JPEG_STEPS = 1000
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_TOO_LATE = frozenset({0xD9, 0xDA})  # end of image, start of scan


def _jpeg(read: Reader) -> Dimensions | None:
    """ITU-T T.81, annex B: markers with lengths, up to the first start of frame."""
    offset = 2
    for _ in range(_JPEG_STEPS):
        prefix, marker, length, _, height, width = struct.unpack(">BBHBHH", read(offset, 9))
        if prefix != 0xFF or marker in (0x00, 0xFF):
            offset += 1  # fill bytes, and the stray ones that decoders skip
        elif marker in _JPEG_WITHOUT_LENGTH:
            offset += 2
        elif marker in _JPEG_START_OF_FRAME:
            return Dimensions(width, height)
        elif marker in _JPEG_TOO_LATE or length < 2:
            return None
        else:
            offset += 2 + length
    return None


_ISO_ASSOCIATION_BYTES = 1 << 16


def _iso(read: Reader) -> Dimensions | None:
    """The extents (`ispe`) of the primary item, else the largest: ISO/IEC 23008-12, section 6.5.3."""
    meta_start, meta_end = find_box(read, WHOLE_FILE, b"meta")
    if not meta_end or not read(meta_end - 1, 1):  # cut off, so which item is the primary one may not be said yet
        return None
    meta = (meta_start + 4, meta_end)  # after its version and flags
    properties = find_box(read, meta, b"iprp")
    extents = {
        index: Dimensions(*struct.unpack(">4xII", read(start, 12)))
        for index, (kind, start, _) in enumerate(boxes(read, find_box(read, properties, b"ipco")), start=1)
        if kind == b"ispe"
    }
    primary = _properties_of_primary(read, find_box(read, meta, b"pitm"), find_box(read, properties, b"ipma"))
    candidates = [extents[index] for index in primary if index in extents] or extents.values()
    return max(candidates, key=lambda found: found.width * found.height, default=None)


def _properties_of_primary(read: Reader, pitm: Span, ipma: Span) -> list[int]:
    """The numbers of the primary item's properties, counted from one. ISO/IEC 23008-12, section 9.3.1."""
    if NOWHERE in (pitm, ipma):
        return []
    chosen = read(pitm[0], 8)
    (primary,) = struct.unpack_from(">I" if chosen[:1] != b"\x00" else ">H", chosen, 4)
    table = read(ipma[0], min(ipma[1] - ipma[0], _ISO_ASSOCIATION_BYTES))
    version, flags, items = struct.unpack_from(">B2xBI", table)
    entry = struct.Struct(">IB" if version else ">HB")
    letter, mask = ("H", 0x7FFF) if flags & 1 else ("B", 0x7F)  # the highest bit marks an essential property
    offset = 8
    for _ in range(items):
        item, count = entry.unpack_from(table, offset)
        numbers = struct.Struct(f">{count}{letter}")
        if item == primary:
            return [number & mask for number in numbers.unpack_from(table, offset + entry.size)]
        offset += entry.size + numbers.size
    return []


_MEASURES: dict[str, Callable[[Reader], Dimensions | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/bmp": _bmp,
    "image/avif": _iso,
    "image/heic": _iso,
    "image/heif": _iso,
}


# --- base64 and data URLs ---

_CHECKED_CHARACTERS = 1 << 18
_URL_SAFE_TO_PLAIN = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n\f\v"
_PADDING = {0: b"", 2: b"==", 3: b"="}  # by what is left over of groups of four; one left over says nothing
_LONGEST_PREFIX = 200


def base64_reader(base64: bytes | memoryview) -> Reader:
    """A reader of the picture that `base64` holds; decodes only the groups that are asked for.

    `base64` may be cut short. Groups that are no base64 read as nothing.
    """
    view = memoryview(base64)

    def read(offset: int, count: int) -> bytes:
        skipped = offset % 3
        groups = view[offset // 3 * 4 : (offset + count + 2) // 3 * 4]
        try:
            decoded = pybase64.b64decode(groups[: len(groups) & ~3], validate=True)
        except ValueError:
            return b""
        return decoded[skipped : skipped + count]

    return read


def is_base64(buffer: bytes | memoryview) -> bool:
    """Is the whole buffer base64 as RFC 4648 writes it: plain alphabet, padded, no stray bits? Empty is not.

    Decodes in pieces, so that memory stays small: 27 MB take a few milliseconds.
    """
    view = memoryview(buffer)
    if not view or len(view) % 4:
        return False
    last = view[-4:]
    try:
        for start in range(0, len(view) - 4, _CHECKED_CHARACTERS):
            piece = view[start : min(start + _CHECKED_CHARACTERS, len(view) - 4)]
            # Shorter than three quarters: padding before the end.
            if len(pybase64.b64decode(piece, validate=True)) != len(piece) // 4 * 3:
                return False
        # pybase64 takes a last group with bits set that no byte has, such as "AB==".
        return pybase64.b64encode(pybase64.b64decode(last, validate=True)) == last
    except ValueError:
        return False


def normal_base64(buffer: bytes) -> bytes | None:
    """Base64 as RFC 4648 writes it, from what people send; `None` where it is empty or cannot be mended.

    Removes whitespace, takes the URL-safe alphabet, mends the padding and the stray bits of
    the last group. The slow path: it copies, so ask `is_base64` first.
    """
    characters = buffer.translate(_URL_SAFE_TO_PLAIN, _WHITESPACE).rstrip(b"=")
    padding = _PADDING.get(len(characters) % 4)
    if padding is None or not characters:
        return None
    padded = characters + padding
    try:
        mended = padded[:-4] + pybase64.b64encode(pybase64.b64decode(padded[-4:], validate=True))
    except ValueError:
        return None
    return mended if is_base64(mended) else None


def split_data_url(url: bytes | memoryview) -> tuple[str, memoryview] | None:
    """The claimed media type (lower case, may be empty) and a view of the payload, unchecked; `None` where `url`
    is no base64 data URL. RFC 2397; only the first bytes are searched for the comma.
    """
    view = memoryview(url)
    scheme, _, rest = bytes(view[:_LONGEST_PREFIX]).partition(b":")
    parameters, comma, _ = rest.partition(b",")
    claimed, *others = parameters.lower().split(b";")
    is_base64_url = scheme.lower() == b"data" and comma and others and others[-1].strip() == b"base64"
    if not is_base64_url or not claimed.isascii():
        return None
    return claimed.strip().decode("ascii"), view[len(scheme) + len(parameters) + 2 :]
