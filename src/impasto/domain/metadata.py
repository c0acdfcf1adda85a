"""Where a picture keeps what it says of itself: EXIF, XMP, content credentials.

Rule: this file finds the places and reads as little as that takes; it neither understands nor
changes what stands there. Nothing here raises, and hostile bytes cost a bounded amount of work.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto

from impasto.domain.containers import (
    WHOLE_FILE,
    Reader,
    Span,
    Stretch,
    boxes,
    jpeg_segments,
    png_chunks,
    riff_chunks,
)
from impasto.domain.heif_items import items_in
from impasto.domain.tiff import byte_order, directory_at, first_directory
from impasto.domain.xmp import movie_length_in


class Kind(Enum):
    """What a stretch of metadata holds."""

    EXIF = auto()
    """A TIFF header and its directories."""
    XMP = auto()
    """XML."""
    DEFLATED_XMP = auto()
    """XML that zlib has packed."""
    RAW_PROFILE = auto()
    """Metadata in hexadecimal, as ImageMagick writes them into a PNG."""
    DEFLATED_RAW_PROFILE = auto()
    C2PA = auto()
    """A manifest store: JUMBF boxes."""
    MOVIE = auto()
    """What a movie that comes with a photo says of itself: the boxes in its `moov`."""


Found = tuple[Kind, Stretch]


def metadata_of(read: Reader, byte_count: int, media_type: str) -> Iterator[Found]:
    """The stretches of metadata in a picture of so many bytes. Nothing for types that are not known here."""
    find = _FINDERS.get(media_type)
    if find is None:
        return
    try:
        for kind, spans in find(read, byte_count):
            clipped = [(start, min(end, byte_count)) for start, end in spans if start < min(end, byte_count)]
            if clipped:
                yield kind, _without_prefix(kind, Stretch(read, clipped))
    except struct.error:  # a header is cut off: what comes after it cannot be found
        return


_EXIF_PREFIX = b"Exif\0"


def _without_prefix(kind: Kind, stretch: Stretch) -> Stretch:
    """EXIF begins with its TIFF header, whether the prefix that JPEG has was written or not."""
    has_prefix = kind is Kind.EXIF and stretch.read(0, len(_EXIF_PREFIX)) == _EXIF_PREFIX
    return stretch.part(len(_EXIF_PREFIX) + 1, len(stretch)) if has_prefix else stretch


_Places = Iterator[tuple[Kind, Sequence[Span]]]


# --- JPEG ---

_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION_NAME = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_HEADER = struct.Struct(f">{len(_EXTENSION_NAME)}s32sII")
_JUMBF_HEADER = struct.Struct(">2sHIII")
_PACKET_BYTES = 1 << 16
_FURTHER_IMAGES = 16
_MPF_ENTRIES = 0xB002


def _jpeg(read: Reader, byte_count: int) -> _Places:
    """Of the picture, and of those that follow in the same file: gain maps and previews have metadata of their own."""
    for kind, spans in _jpeg_at(read, 0):
        yield kind, spans
        if kind is Kind.XMP:
            yield from _movie_behind(read, byte_count, Stretch(read, spans))
    for start in _further_jpegs(read):
        yield from ((kind, spans) for kind, spans in _jpeg_at(read, start) if kind is not Kind.C2PA)


def _jpeg_at(read: Reader, start: int) -> _Places:
    extensions: dict[bytes, list[tuple[int, Span]]] = defaultdict(list)
    credentials: dict[int, list[tuple[int, Span]]] = defaultdict(list)
    for marker, (first, last) in jpeg_segments(read, start):
        if marker == 0xE1:
            name = read(first, min(_EXTENSION_HEADER.size, last - first))
            if name.startswith(_EXIF_PREFIX):
                yield Kind.EXIF, [(first, last)]
            elif name.startswith(_XMP_NAME):
                yield Kind.XMP, [(first + len(_XMP_NAME), last)]
            elif name.startswith(_EXTENSION_NAME) and len(name) == _EXTENSION_HEADER.size:
                _, guid, _, offset = _EXTENSION_HEADER.unpack(name)
                extensions[guid].append((offset, (first + len(name), last)))
        elif marker == 0xEB:
            _note_jumbf(read, (first, last), credentials)
    for pieces in extensions.values():
        yield Kind.XMP, [span for _, span in sorted(pieces)]
    for pieces in credentials.values():
        yield Kind.C2PA, [span for _, span in sorted(pieces)]


def _note_jumbf(read: Reader, span: Span, credentials: dict[int, list[tuple[int, Span]]]) -> None:
    """A box too long for a segment goes into several, each with the box's header. ISO/IEC 19566-5, annex D."""
    header = read(span[0], min(_JUMBF_HEADER.size, span[1] - span[0]))
    if len(header) < _JUMBF_HEADER.size or header[:2] != b"JP":
        return
    _, box, number, length, _ = _JUMBF_HEADER.unpack(header)
    begun = box in credentials
    repeated = (16 if length == 1 else 8) if begun else 0
    credentials[box].append((number, (span[0] + 8 + repeated, span[1])))


def _movie_behind(read: Reader, byte_count: int, xmp: Stretch) -> _Places:
    """The movie of a motion photo, at the end of the file: https://developer.android.com/media/platform/motion-photo-format"""
    length = movie_length_in(xmp.read(0, _PACKET_BYTES))
    if length and length <= byte_count:
        yield from _movies(read, (byte_count - length, byte_count))


def _movies(read: Reader, span: Span) -> _Places:
    yield from ((Kind.MOVIE, [(start, end)]) for kind, start, end in boxes(read, span) if kind == b"moov")


def _further_jpegs(read: Reader) -> list[int]:
    """Where the other pictures of a file begin: CIPA DC-007, "Multi-Picture Format"."""
    found: set[int] = set()
    for marker, (first, last) in jpeg_segments(read):
        if marker == 0xE2 and read(first, 4) == b"MPF\0":
            found |= {first + 4 + start for start in _starts_in(Stretch(read, [(first + 4, last)]))}
    return sorted(start for start in found if read(start, 2) == b"\xff\xd8")[:_FURTHER_IMAGES]


def _starts_in(index: Stretch) -> Iterator[int]:
    """Where pictures begin, counted from the header of their index; the first one says 0."""
    listed = directory_at(index, first_directory(index))
    for entry in listed.entries if listed else ():
        if entry.tag == _MPF_ENTRIES:
            table = index.read(entry.value, min(entry.byte_count, _FURTHER_IMAGES * 16))
            entries = struct.iter_unpack(f"{byte_order(index)}8xI4x", table[: len(table) // 16 * 16])
            yield from (start for (start,) in entries if start)


# --- PNG ---

_ITXT_KEYWORD = b"XML:com.adobe.xmp\0"
_RAW_PROFILES = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"Raw profile type xmp\0")
_KEYWORD_BYTES = 512


def _png(read: Reader, _: int) -> _Places:
    for kind, (start, end) in png_chunks(read):
        if kind == b"eXIf":
            yield Kind.EXIF, [(start, end)]
        elif kind == b"caBX":
            yield Kind.C2PA, [(start, end)]
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            head = read(start, min(_KEYWORD_BYTES, end - start))
            found = _xmp_in(head) if kind == b"iTXt" else _raw_profile_in(head, packed=kind == b"zTXt")
            if found:
                yield found[0], [(start + found[1], end)]


def _xmp_in(head: bytes) -> tuple[Kind, int] | None:
    """What the text of an iTXt chunk is, and where it begins: after keyword, two flags, language and translation."""
    if not head.startswith(_ITXT_KEYWORD) or len(head) < len(_ITXT_KEYWORD) + 4:
        return None
    language_end = head.find(b"\0", len(_ITXT_KEYWORD) + 2)
    text = head.find(b"\0", language_end + 1) + 1
    if language_end < 0 or text == 0:
        return None
    return Kind.DEFLATED_XMP if head[len(_ITXT_KEYWORD)] else Kind.XMP, text


def _raw_profile_in(head: bytes, *, packed: bool) -> tuple[Kind, int] | None:
    keyword = next((name for name in _RAW_PROFILES if head.lower().startswith(name.lower())), None)
    if keyword is None:
        return None
    return (Kind.DEFLATED_RAW_PROFILE, len(keyword) + 1) if packed else (Kind.RAW_PROFILE, len(keyword))


# --- WebP ---

_RIFF_KINDS = {b"EXIF": Kind.EXIF, b"XMP ": Kind.XMP, b"C2PA": Kind.C2PA}


def _webp(read: Reader, _: int) -> _Places:
    for kind, span in riff_chunks(read):
        if kind in _RIFF_KINDS:
            yield _RIFF_KINDS[kind], [span]


# --- HEIC, AVIF ---

_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_ITEM, _XMP_ITEM = b"Exif", b"application/rdf+xml"
_MOST_BOXES = 1000
_PURPOSE_BYTES = 64


def _iso(read: Reader, _: int) -> _Places:
    for kind, start, end in boxes(read, WHOLE_FILE, _MOST_BOXES):
        if kind == b"meta":
            yield from _items(read, (start + 4, end))
        elif kind == b"moov":
            yield Kind.MOVIE, [(start, end)]
        elif kind == b"mpvd":  # the movie of a motion photo
            yield from _movies(read, (start, end))
        elif kind == b"uuid":
            name = read(start, 16)
            if name == _XMP_BOX:
                yield Kind.XMP, [(start + 16, end)]
            elif name == _C2PA_BOX:
                yield from _credentials_box(read, start + 16, end)


def _credentials_box(read: Reader, start: int, end: int) -> _Places:
    """Version and flags, the purpose in words, where the Merkle trees are, the store. C2PA 2.2, A.5.1."""
    purpose, zero, _ = read(start + 4, _PURPOSE_BYTES).partition(b"\0")
    if zero and purpose in (b"manifest", b"original", b"update"):
        yield Kind.C2PA, [(start + 4 + len(purpose) + 1 + 8, end)]


def _items(read: Reader, meta: Span) -> _Places:
    """Items that are EXIF or XMP: ISO/IEC 23008-12, annex A."""
    for kind, spans in items_in(read, meta, (_EXIF_ITEM, _XMP_ITEM)):
        if kind == _XMP_ITEM:
            yield Kind.XMP, spans
        else:  # begins with a number: how many bytes come before the TIFF header
            item = Stretch(read, spans)
            (skipped,) = struct.unpack(">I", item.read(0, 4))
            yield Kind.EXIF, item.part(4 + skipped, len(item)).spans


_FINDERS: dict[str, Callable[[Reader, int], _Places]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/heic": _iso,
    "image/heif": _iso,
    "image/avif": _iso,
}
