"""Photos that say where they were taken, made of their parts: EXIF and XMP put into small real pictures."""

import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np

LATITUDE = "48,51.504N"
XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    f' exif:GPSLatitude="{LATITUDE}" dc:format="a &gt; b">'
    "<exif:GPSLongitude>2,17.67E</exif:GPSLongitude><dc:title>A tower</dc:title>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()

_ASCII, _SHORT, _LONG, _RATIONAL = 2, 3, 4, 5
_Field = tuple[int, int, int, bytes]


def exif(order: str = ">", *, gps: bool = True) -> bytes:
    """A TIFF header whose two directories both point to one of positions: 48°51'30.24"N 2°17'40.2"E."""
    position = (48, 1, 51, 1, 3024, 100)
    fields: list[_Field] = [
        (0x0001, _ASCII, 2, b"N\0"),
        (0x0002, _RATIONAL, 3, struct.pack(f"{order}6I", *position)),
        (0x001D, _ASCII, 11, b"2024:05:06\0"),
    ]
    first: list[_Field] = [(0x010F, _ASCII, 5, b"Acme\0"), (0x0112, _SHORT, 1, struct.pack(f"{order}H", 1))]
    number = struct.Struct(f"{order}I")
    for _ in range(3):  # until the places are known
        body = _directory(order, 8, first)
        gps_at = 8 + len(body)
        body += _directory(order, gps_at, fields) if gps else b""
        next_at = 8 + len(body)
        body += _directory(order, next_at, [(0x8825, _LONG, 1, number.pack(gps_at))] if gps else [])
        if gps:
            first = [*first[:2], (0x8825, _LONG, 1, number.pack(gps_at))]
    link = 8 + 2 + 12 * len(first) - 8
    body = body[:link] + number.pack(next_at) + body[link + 4 :]
    return (b"II*\0" if order == "<" else b"MM\0*") + number.pack(8) + body


def _directory(order: str, offset: int, fields: Sequence[_Field]) -> bytes:
    entries, values = b"", b""
    free = offset + 2 + 12 * len(fields) + 4
    for tag, kind, count, value in fields:
        entries += struct.pack(f"{order}HHI", tag, kind, count)
        if len(value) > 4:
            entries += struct.pack(f"{order}I", free + len(values))
            values += value + bytes(len(value) % 2)
        else:
            entries += value.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + values


def picture(suffix: str) -> bytes:
    """A small picture by the codec of this suffix."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def pixels_of(data: bytes) -> bytes:
    """What a decoder makes of it. Raises where it makes nothing."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded.tobytes()


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    data = picture(".jpg")
    return data[:2] + b"".join(segments) + data[2:]


def exif_segment(data: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + data)


def xmp_segment(data: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + data)


def extended_xmp_segments(data: bytes, *, every: int, guid: bytes = b"A" * 32) -> list[bytes]:
    """XMP that is too long for one segment, cut anywhere."""
    name = b"http://ns.adobe.com/xmp/extension/\0" + guid
    return [
        segment(0xE1, name + struct.pack(">II", len(data), at) + data[at : at + every])
        for at in range(0, len(data), every)
    ]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    data = picture(".png")
    return data[:33] + b"".join(chunks) + data[33:]


def xmp_chunk(data: bytes, *, packed: bool = False) -> bytes:
    text = zlib.compress(data) if packed else data
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes((packed, 0)) + b"\0\0" + text)


def raw_profile(kind: str, data: bytes) -> bytes:
    """The text of a chunk as ImageMagick writes it."""
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{kind}\n{len(data):8}\n{lines}\n".encode()


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP in its extended form: https://developers.google.com/speed/webp/docs/riff_container"""
    plain = picture(".webp")
    header = struct.pack("<B3x", 0x0C) + (19).to_bytes(3, "little") + (11).to_bytes(3, "little")
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in ((b"VP8X", header), *chunks)
    )
    content = b"WEBP" + body[:18] + plain[12:] + body[18:]
    return b"RIFF" + struct.pack("<I", len(content)) + content


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def heic_with(exif_data: bytes, xmp: bytes, *, version: int = 1, in_meta: bool = False) -> bytes:
    """A HEIC file of metadata alone: two items, each in two pieces, in `mdat` or in the `idat` of `meta`."""
    items = (struct.pack(">I", 6) + b"Exif\0\0" + exif_data, xmp)
    entries = box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 1, 0) + b"Exif\0")
    entries += box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 2, 0) + b"mime\0application/rdf+xml\0\0")
    information = box(b"iinf", bytes(4) + struct.pack(">H", 2) + entries)
    head = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    start = 0
    for _ in range(2):  # the second time the places are known
        table = b""
        at = 0 if in_meta else start
        for number, item in enumerate(items, start=1):
            half = len(item) // 2
            table += struct.pack(">H" if version < 2 else ">I", number)
            table += struct.pack(">H", 1 if in_meta else 0) if version else b""
            table += struct.pack(">HHIIII", 0, 2, at, half, at + half, len(item) - half)
            at += len(item)
        count = struct.pack(">H" if version < 2 else ">I", 2)
        locations = box(b"iloc", bytes((version, 0, 0, 0, 0x44, 0x00)) + count + table)
        store = box(b"idat", b"".join(items)) if in_meta else b""
        meta = box(b"meta", bytes(4) + information + locations + store)
        start = len(head) + len(meta) + 8
    return head + meta + (b"" if in_meta else box(b"mdat", b"".join(items)))
