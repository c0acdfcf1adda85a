"""Positions leave a photo, and nothing else does: same length, same pixels, same other metadata."""

import base64
import json
import struct
import xml.dom.minidom
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.domain.containers import Patch, png_chunks
from impasto.domain.gps import MOST_WORK, Patched, gps_patches, without_gps
from tests.fakes.credentials import URN, jumbf_segments, manifest, superbox
from tests.fakes.photos import (
    LATITUDE,
    XMP,
    box,
    chunk,
    exif,
    exif_segment,
    extended_xmp_segments,
    heic_with,
    jpeg_with,
    picture,
    pixels_of,
    png_with,
    raw_profile,
    segment,
    webp_with,
    xmp_chunk,
    xmp_segment,
)

TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/avif", "image/heif", "image/gif", "text/plain")


def patches_of(data: bytes, media_type: str) -> list[Patch]:
    return gps_patches(lambda offset, count: data[offset : offset + count], len(data), media_type)


def cleaned(data: bytes, media_type: str) -> bytes:
    """The photo without its position, of the same length, and without anything more to take out of it."""
    changed = bytearray(data)
    for patch in patches_of(data, media_type):
        changed[patch.offset : patch.offset + len(patch.data)] = patch.data
    assert len(changed) == len(data)
    assert patches_of(bytes(changed), media_type) == []
    return bytes(changed)


def in_exif(data: bytes) -> list[bytes]:
    """What tells the position in `exif(order)`: the values that lie outside of their entries."""
    return [
        secret
        for order in "<>"
        for secret in (struct.pack(f"{order}4I", 48, 1, 51, 1), b"2024:05:06")
        if secret in data
    ]


PHOTOS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("image/jpeg", lambda: jpeg_with(exif_segment(exif()), xmp_segment(XMP))),
    "jpeg, little-endian": ("image/jpeg", lambda: jpeg_with(exif_segment(exif("<")))),
    "png": ("image/png", lambda: png_with(chunk(b"eXIf", exif()), xmp_chunk(XMP))),
    "png with a prefix": ("image/png", lambda: png_with(chunk(b"eXIf", b"Exif\0\0" + exif("<")))),
    "webp": ("image/webp", lambda: webp_with((b"EXIF", exif()), (b"XMP ", XMP))),
    "webp with a prefix": ("image/webp", lambda: webp_with((b"EXIF", b"Exif\0\0" + exif("<")))),
}


@pytest.mark.parametrize(("media_type", "make"), PHOTOS.values(), ids=PHOTOS.keys())
def test_a_photo_loses_its_position_and_keeps_the_rest(media_type: str, make: Callable[[], bytes]) -> None:
    photo = make()
    assert in_exif(photo)
    after = cleaned(photo, media_type)
    assert after != photo
    assert not in_exif(after)
    assert LATITUDE.encode() not in after
    assert b"2,17.67E" not in after
    assert b"Acme" in after
    assert after.count(b"A tower") == photo.count(b"A tower")
    assert pixels_of(after) == pixels_of(photo)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("media_type", TYPES)
def test_a_photo_without_a_position_is_left_alone_and_not_copied(suffix: str, media_type: str) -> None:
    data = picture(suffix)
    assert patches_of(data, media_type) == []
    assert without_gps(base64.b64encode(data), media_type) is None


def test_metadata_without_a_position_are_left_alone() -> None:
    plain = XMP.replace(b"GPSLatitude", b"Description").replace(b"GPSLongitude", b"Flash")
    assert patches_of(jpeg_with(exif_segment(exif(gps=False)), xmp_segment(plain)), "image/jpeg") == []
    assert patches_of(png_with(chunk(b"eXIf", exif(gps=False)), xmp_chunk(plain, packed=True)), "image/png") == []


# --- EXIF ---


def test_the_directory_of_positions_is_empty_afterwards_and_found_by_nobody_else() -> None:
    tiff = exif()
    after = cleaned(jpeg_with(exif_segment(tiff)), "image/jpeg")
    inside = after[after.index(b"MM\0*") :][: len(tiff)]
    (pointer,) = struct.unpack(">I", tiff[tiff.index(b"\x88\x25") + 8 :][:4])
    assert inside[:pointer] == tiff[:pointer]
    assert struct.unpack_from(">H", inside, pointer) == (0,)
    (second,) = struct.unpack_from(">I", tiff, 8 + 2 + 3 * 12)
    assert inside[pointer:second] == bytes(second - pointer)
    assert inside[second:] == tiff[second:]


@pytest.mark.parametrize("tag", [b"\x88\x30", b"\x87\x69"])
def test_a_directory_that_only_the_second_one_points_to_is_found(tag: bytes) -> None:
    tiff = exif().replace(b"\x88\x25", tag, 1)
    assert not in_exif(cleaned(jpeg_with(exif_segment(tiff)), "image/jpeg"))


@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_that_run_in_circles_end(order: str) -> None:
    number = struct.Struct(f"{order}I")
    header = (b"II*\0" if order == "<" else b"MM\0*") + number.pack(8)
    entry = struct.pack(f"{order}HHI", 0x8769, 4, 1) + number.pack(8)
    patches_of(jpeg_with(exif_segment(header + struct.pack(f"{order}H", 1) + entry + number.pack(8))), "image/jpeg")


@pytest.mark.parametrize("pointer", [0, 4, 8, 60, 1 << 20, (1 << 32) - 1])
def test_a_pointer_to_anywhere_changes_nothing_outside_its_segment(pointer: int) -> None:
    tiff = bytearray(exif())
    at = tiff.index(b"\x88\x25") + 8
    tiff[at : at + 4] = struct.pack(">I", pointer)
    photo = jpeg_with(exif_segment(bytes(tiff)))
    for patch in patches_of(photo, "image/jpeg"):
        assert 12 <= patch.offset <= patch.offset + len(patch.data) <= 12 + len(tiff)


def test_entries_without_number_cost_little() -> None:
    entry = struct.pack(">HHII", 0x0002, 12, 0xFFFFFFFF, 8)
    tiff = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x8825, 4, 1, 26) + bytes(4) + b"\xff\xff" + entry * 5000
    photo = png_with(chunk(b"eXIf", tiff))
    changed = sum(len(patch.data) for patch in patches_of(photo, "image/png"))
    assert changed <= len(tiff) + 4


def test_pictures_behind_the_first_one_are_seen_to() -> None:
    """A gain map or a preview in the same file has its own EXIF."""
    second = jpeg_with(exif_segment(exif("<")))

    def with_index(offset: int) -> bytes:
        entries = struct.pack(">IIIHH", 0, 0, 0, 0, 0) + struct.pack(">IIIHH", 0, len(second), offset, 0, 0)
        index = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0xB002, 7, len(entries), 26) + bytes(4) + entries
        return jpeg_with(segment(0xE2, b"MPF\0" + index))

    header = 2 + 4 + 4
    photo = with_index(len(with_index(0)) - header) + second
    assert in_exif(photo)
    assert not in_exif(cleaned(photo, "image/jpeg"))


# --- XMP ---


@pytest.mark.parametrize("every", [1, 7, 50, 10_000])
def test_extended_xmp_is_read_across_its_segments(every: int) -> None:
    pieces = extended_xmp_segments(XMP, every=every)
    after = cleaned(jpeg_with(*reversed(pieces)), "image/jpeg")
    found = {struct.unpack(">I", one[75:79])[0]: one[79:] for one in _segments(after) if one[4:].startswith(b"http")}
    text = b"".join(found[at] for at in sorted(found))
    assert len(text) == len(XMP)
    assert b"48,51" not in text
    assert b"A tower" in text


def _segments(jpeg: bytes) -> list[bytes]:
    found, at = [], 2
    while jpeg[at + 1] == 0xE1:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append(jpeg[at : at + length])
        at += length
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<a:GPSLatitude>1</a:GPSLatitude>", ""),
        ("<a:GPSLatitude rdf:x='>'><b>1</b></a:GPSLatitude><c/>", "<c/>"),
        ("<GPSLatitude><GPSLatitude>1</GPSLatitude></GPSLatitude><c/>", "<c/>"),
        ("<e:GPSAltitude/><c/>", "<c/>"),
        ("<c e:GPSLatitude = '1' d='2'/>", "<c d='2'/>"),
        ('<c d="&lt;" e:gpslongitude="1">GPS</c>', '<c d="&lt;">GPS</c>'),
        ('<c drone-dji:GpsLongtitude="+2.1" drone-dji:Longtitude="2"/>', "<c/>"),
        ('<geo:lat>1</geo:lat><geo:long q="1">2</geo:long><lon>3</lon>', ""),
        ('<c xmlns:gps="u" d="1"/>', '<c xmlns:gps="u" d="1"/>'),
        ('<c d=\'x e:GPSLatitude="1"\'/>', '<c d=\'x e:GPSLatitude="1"\'/>'),
        ("<!-- <GPSLatitude> --><c/>", "<!-- <GPSLatitude> --><c/>"),
        ("<![CDATA[<GPSLatitude>]]><c/>", "<![CDATA[<GPSLatitude>]]><c/>"),
        ("<platitudes>1</platitudes>", "<platitudes>1</platitudes>"),
        ("<GPSLatitude>1", ""),
    ],
)  # fmt: skip
def test_elements_and_attributes_are_blanked(before: str, after: str) -> None:
    photo = webp_with((b"XMP ", f"{before}{' ' * 1}".encode()))
    text = cleaned(photo, "image/webp").partition(b"XMP ")[2][4:].decode().rstrip("\0")
    assert "".join(text.split()) == "".join(after.split())


def test_chunks_of_odd_length_are_padded() -> None:
    after = cleaned(webp_with((b"EXIF", exif() + bytes(len(exif()) % 2 + 1)), (b"XMP ", XMP)), "image/webp")
    assert not in_exif(after)
    assert LATITUDE.encode() not in after


def test_xml_stays_well_formed() -> None:
    after = cleaned(webp_with((b"XMP ", XMP)), "image/webp").partition(b"XMP ")[2][4:]
    xml.dom.minidom.parseString(after.rstrip(b"\0"))  # noqa: S318 - it is our own


@pytest.mark.parametrize(
    "piece", [b"<", b"<a ", b"<a '", b'<a b="', b"a=", b"<!--", b"<GPSa>", b"<a  ", b"</", b"<?", b"x:"]
)
def test_hostile_text_takes_linear_time(piece: bytes) -> None:
    patches_of(webp_with((b"XMP ", piece * 200_000)), "image/webp")


# --- PNG ---


def checksums_are_right(png: bytes) -> bool:
    chunks = png_chunks(lambda offset, count: png[offset : offset + count])
    return all(
        zlib.crc32(png[start - 4 : end]) == int.from_bytes(png[end : end + 4], "big") for _, (start, end) in chunks
    )


def texts_of(png: bytes) -> list[bytes]:
    chunks = png_chunks(lambda offset, count: png[offset : offset + count])
    return [png[start:end] for kind, (start, end) in chunks if kind in (b"iTXt", b"zTXt", b"tEXt")]


def test_checksums_are_written_anew() -> None:
    photo = png_with(chunk(b"eXIf", exif()), xmp_chunk(XMP), chunk(b"tEXt", b"Title\0GPSLatitude"))
    assert checksums_are_right(cleaned(photo, "image/png"))


@pytest.mark.parametrize("length", [0, 100, 65535, 65536, 200_000])
def test_packed_xmp_becomes_an_empty_packet(length: int) -> None:
    padding = bytes(33 + at * 7919 % 89 for at in range(length)).translate(None, b"<>\"'&")
    after = cleaned(png_with(xmp_chunk(XMP + padding, packed=True)), "image/png")
    assert checksums_are_right(after)
    [text] = texts_of(after)
    unpacked = zlib.decompress(text.removeprefix(b"XML:com.adobe.xmp\0\1\0\0\0"))
    assert unpacked.startswith(b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')


def test_what_is_more_than_any_photo_says_is_blanked_unread() -> None:
    bomb = xmp_chunk(b"<a>" * 2_000_000, packed=True)
    after = cleaned(png_with(bomb, xmp_chunk(XMP), bomb, chunk(b"eXIf", exif(gps=False))), "image/png")
    assert checksums_are_right(after)
    first, small, second = texts_of(after)
    assert not any(text.removeprefix(b"XML:com.adobe.xmp\0\1\0\0\0").strip(b"\0") for text in (first, second))
    assert b"GPSLatitude" not in small
    assert b"adobe:ns:meta" in small
    assert exif(gps=False) in after


def test_of_many_directories_only_so_many_are_looked_into() -> None:
    chunks = [chunk(b"eXIf", exif(gps=False).ljust(1 << 16, b"\0")) for _ in range(20)]
    after = cleaned(png_with(*chunks), "image/png")
    assert checksums_are_right(after)
    assert after.count(exif(gps=False)) == MOST_WORK // (16 << 16)


@pytest.mark.parametrize(("kind", "data"), [("exif", b"Exif\0\0" + exif()), ("exif", exif("<")), ("xmp", XMP)])
def test_raw_profiles_are_emptied(kind: str, data: bytes) -> None:
    keyword, text = f"Raw profile type {kind}\0".encode(), raw_profile(kind, data)
    plain = cleaned(png_with(chunk(b"tEXt", keyword + text)), "image/png")
    packed = cleaned(png_with(chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))), "image/png")
    assert texts_of(plain) == [keyword + b" " * len(text)]
    assert zlib.decompress(texts_of(packed)[0].removeprefix(keyword + b"\0")).strip() == b""
    assert checksums_are_right(plain)
    assert checksums_are_right(packed)


# --- HEIC and AVIF ---


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("in_meta", [False, True])
def test_items_are_found_by_their_locations(version: int, in_meta: bool) -> None:
    photo = heic_with(exif(), XMP, version=version or in_meta, in_meta=in_meta)
    after = cleaned(photo, "image/heic")
    assert in_exif(photo)
    assert not in_exif(after)
    assert b"48,51" not in after
    assert b"A tower" in after


# --- content credentials ---

JSON = (
    b'{"@context": {"exif": "http://ns.adobe.com/exif/1.0/"}, "exif:GPSLatitude": "39,21.102N", "exif:Make": "Acme", '
    b'"exif:GPSAltitude" : -1.5e+2, "geo": {"longitude": "74,\\"26.5W"}, "text": "GPSLatitude"}'
)


def manifest_saying(said: bytes, label: str = "stds.exif__1") -> bytes:
    assertion = superbox(b"json", label, box(b"json", said))
    return superbox(b"c2pa", "c2pa", superbox(b"c2ma", URN, superbox(b"c2as", "c2pa.assertions", assertion)))


@pytest.mark.parametrize(
    ("media_type", "contain"),
    [
        ("image/png", lambda store: png_with(chunk(b"caBX", store))),
        ("image/webp", lambda store: webp_with((b"C2PA", store))),
        ("image/jpeg", lambda store: jpeg_with(*jumbf_segments(store, every=90))),
    ],
)
def test_a_manifest_that_repeats_the_position_is_blanked(media_type: str, contain: Callable[[bytes], bytes]) -> None:
    blanked = JSON.replace(b"39,21.102N", b" " * 10).replace(b"-1.5e+2", b"0      ").replace(b'74,\\"26.5W', b" " * 10)
    assert json.loads(blanked)["text"] == "GPSLatitude"
    assert cleaned(contain(manifest_saying(JSON)), media_type) == contain(manifest_saying(blanked))


def test_other_assertions_are_left_alone() -> None:
    for store in (manifest_saying(JSON, "c2pa.actions"), manifest(), manifest_saying(b'{"exif:Make": "GPS"}')):
        assert patches_of(png_with(chunk(b"caBX", store)), "image/png") == []


# --- motion photos ---

POSITION_BOX = box(b"\xa9xyz", b"\0\x12\x15\xc7+48.8584+002.2945/")
MOVIE = b"".join(
    (
        box(b"ftyp", b"mp42"),
        box(b"mdat", b"frames"),
        box(b"moov", box(b"mvhd", bytes(20)) + box(b"udta", POSITION_BOX + box(b"name", b"Eiffel"))),
    )
)
MOTION_XMP = (
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/>'
    f'<Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{len(MOVIE)}"/></rdf:li>'
).encode()


@pytest.mark.parametrize(
    ("media_type", "photo"),
    [
        ("image/jpeg", jpeg_with(xmp_segment(MOTION_XMP)) + MOVIE),
        ("image/jpeg", jpeg_with(xmp_segment(b'<d GCamera:MicroVideoOffset="%d"/>' % len(MOVIE))) + MOVIE),
        ("image/heic", heic_with(exif(gps=False), b"") + box(b"mpvd", MOVIE)),
        ("image/avif", heic_with(exif(gps=False), b"") + MOVIE[12:]),
    ],
)
def test_the_movie_of_a_motion_photo_loses_it_too(media_type: str, photo: bytes) -> None:
    after = cleaned(photo, media_type)
    assert after == photo.replace(POSITION_BOX, box(b"free", bytes(len(POSITION_BOX) - 8)))
    assert after != photo


@pytest.mark.parametrize("length", [b"0", b"5", b"99999", b"x", b"9" * 30])
def test_a_movie_that_is_not_there_is_not_looked_for(length: bytes) -> None:
    assert patches_of(jpeg_with(xmp_segment(b'<d GCamera:MicroVideoOffset="' + length + b'"/>')), "image/jpeg") == []


# --- base64, and bytes that are read through ---


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_base64_is_patched_where_it_has_to_be(padding: int) -> None:
    media_type, make = PHOTOS["jpeg"]
    photo = make()
    photo += bytes((padding - len(photo)) % 3)
    for buffer in (base64.b64encode(photo), memoryview(base64.b64encode(photo))):
        after = without_gps(buffer, media_type)
        assert after is not None
        assert base64.b64decode(after, validate=True) == cleaned(photo, media_type)


class Held:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.byte_count = len(data)

    def read(self, offset: int, count: int) -> bytes:
        return self.data[offset : offset + count]


@given(offset=st.integers(0, 2000), count=st.integers(0, 2000))
def test_bytes_are_patched_while_they_are_read(offset: int, count: int) -> None:
    media_type, make = PHOTOS["png"]
    photo = make()
    patched = Patched(Held(photo), patches_of(photo, media_type))
    assert patched.byte_count == len(photo)
    assert patched.read(offset, count) == cleaned(photo, media_type)[offset : offset + count]


# --- laws ---


@given(data=st.binary(max_size=300), media_type=st.sampled_from(TYPES))
@example(b"\xff\xd8\xff\xe1\x00\x10Exif\0\0MM\0*\0\0\0\x08", "image/jpeg")
def test_any_bytes_are_taken(data: bytes, media_type: str) -> None:
    assert all(patch.offset + len(patch.data) <= len(data) for patch in patches_of(data, media_type))
    without_gps(base64.b64encode(data), media_type)


@given(
    name=st.sampled_from([*PHOTOS, "heic"]),
    cut=st.integers(0, 3000),
    at=st.integers(0, 1500),
    there=st.binary(max_size=8),
)
def test_damaged_photos_keep_their_length(name: str, cut: int, at: int, there: bytes) -> None:
    media_type, make = PHOTOS.get(name, ("image/heic", lambda: heic_with(exif(), XMP)))
    data = make()
    damaged = (data[:at] + there + data[at + len(there) :])[:cut]
    patches = patches_of(damaged, media_type)
    assert all(0 <= patch.offset <= patch.offset + len(patch.data) <= len(damaged) for patch in patches)
    assert (without_gps(base64.b64encode(damaged), media_type) is not None) == bool(patches)


@given(xmp=st.text("<>/='\" aGPS:!-?[]", max_size=200).map(str.encode))
def test_xmp_of_any_kind_keeps_its_length_and_the_rest_of_the_file(xmp: bytes) -> None:
    photo = webp_with((b"XMP ", xmp))
    start = photo.index(b"XMP ") + 8
    for patch in patches_of(photo, "image/webp"):
        assert start <= patch.offset < patch.offset + len(patch.data) <= start + len(xmp)
        assert set(patch.data) == {0x20}
