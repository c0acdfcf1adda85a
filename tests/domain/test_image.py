import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.domain.containers import Reader
from impasto.domain.image import (
    Dimensions,
    base64_reader,
    dimensions_of,
    is_base64,
    media_type_of,
    normal_base64,
    split_data_url,
)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(width: int, height: int, before: bytes = b"", start_of_frame: int = 0xC0) -> bytes:
    frame = segment(start_of_frame, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9)) + before + frame + segment(0xDA, bytes(10)) + b"\xff\xd9"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height) + bytes(28)


def old_bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IHHHH", 12, width, height, 1, 24)


def riff(kind: bytes, content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) + 12) + b"WEBP" + kind + struct.pack("<I", len(content)) + content


def webp_lossy(width: int, height: int) -> bytes:
    scaled = struct.pack("<HH", width | 0x4000, height | 0x8000)  # the two upper bits ask for scaling
    return riff(b"VP8 ", b"\x10\x00\x00\x9d\x01\x2a" + scaled)


def webp_lossless(width: int, height: int) -> bytes:
    return riff(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28))


def webp_extended(width: int, height: int) -> bytes:
    return riff(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def box(kind: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", len(joined) + 8, kind) + joined


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def ispe(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def iso(
    *properties: bytes,
    major: bytes = b"avif",
    pitm: bytes = b"",
    ipma: bytes = b"",
    before: bytes = b"",
) -> bytes:
    container = box(b"iprp", box(b"ipco", *properties), ipma)
    meta = full_box(b"meta", full_box(b"hdlr", bytes(20)), pitm, container)
    return box(b"ftyp", major, bytes(4), b"mif1", b"miaf") + before + meta + box(b"mdat", bytes(40))


def iso_picture(width: int, height: int) -> bytes:
    return iso(ispe(width, height))


def heic_with_thumbnail(width: int, height: int, *, wide: bool = False) -> bytes:
    """Item 1 is a larger auxiliary picture, item 2 the primary one; properties 1 and 3 are extents."""
    version = 1 if wide else 0
    entry, number = (">IB", ">H") if wide else (">HB", ">B")
    table = struct.pack(">I", 2)
    for item, numbers in ((1, (1, 2)), (2, (2, 3))):
        table += struct.pack(entry, item, len(numbers)) + b"".join(struct.pack(number, n) for n in numbers)
    return iso(
        ispe(width * 2, height * 2),
        box(b"colr", bytes(7)),
        ispe(width, height),
        major=b"heic",
        pitm=full_box(b"pitm", struct.pack(">I" if wide else ">H", 2), version=version),
        ipma=full_box(b"ipma", table, version=version, flags=version),
    )


def reader(data: bytes) -> Reader:
    return lambda offset, count: data[offset : offset + count]


def measured(data: bytes) -> Dimensions | None:
    return dimensions_of(reader(data), media_type_of(data[:64]) or "")


PICTURES: dict[str, tuple[str, Callable[[int, int], bytes]]] = {
    "png": ("image/png", png),
    "jpeg": ("image/jpeg", jpeg),
    "progressive jpeg": ("image/jpeg", lambda width, height: jpeg(width, height, start_of_frame=0xC2)),
    "gif": ("image/gif", gif),
    "bmp": ("image/bmp", bmp),
    "bmp, old header": ("image/bmp", old_bmp),
    "webp, lossy": ("image/webp", webp_lossy),
    "webp, lossless": ("image/webp", webp_lossless),
    "webp, extended": ("image/webp", webp_extended),
    "avif": ("image/avif", iso_picture),
    "heic": ("image/heic", heic_with_thumbnail),
    "heic, wide numbers": ("image/heic", lambda width, height: heic_with_thumbnail(width, height, wide=True)),
}
every_picture = pytest.mark.parametrize(("media_type", "make"), PICTURES.values(), ids=PICTURES)
MEDIA_TYPES = sorted({media_type for media_type, _ in PICTURES.values()})


@every_picture
def test_reads_type_and_dimensions_from_the_header(media_type: str, make: Callable[[int, int], bytes]) -> None:
    data = make(1376, 768)
    assert media_type_of(data[:64]) == media_type
    assert measured(data) == Dimensions(1376, 768)


@every_picture
def test_reads_the_same_through_base64(media_type: str, make: Callable[[int, int], bytes]) -> None:
    data = make(5504, 3072)
    assert dimensions_of(base64_reader(base64.b64encode(data)), media_type) == Dimensions(5504, 3072)


@every_picture
def test_a_cut_header_has_either_no_dimensions_or_the_right_ones(
    media_type: str, make: Callable[[int, int], bytes]
) -> None:
    data = make(640, 480)
    found = {dimensions_of(reader(data[:end]), media_type) for end in range(len(data))}
    assert found <= {None, Dimensions(640, 480)}
    assert dimensions_of(reader(data[:8]), media_type) is None


@pytest.mark.parametrize("make", [png, jpeg, gif, bmp, webp_lossy, iso_picture])
@pytest.mark.parametrize("size", [(0, 7), (7, 0)])
def test_zero_is_no_dimension(make: Callable[[int, int], bytes], size: tuple[int, int]) -> None:
    assert measured(make(*size)) is None


@pytest.mark.parametrize(("suffix", "media_type"), [(".png", "image/png"), (".jpg", "image/jpeg")])
def test_agrees_with_a_real_encoder(suffix: str, media_type: str) -> None:
    cv2: Any = pytest.importorskip("cv2")
    numpy: Any = pytest.importorskip("numpy")
    ok, data = cv2.imencode(suffix, numpy.zeros((123, 321, 3), numpy.uint8))
    assert ok
    assert media_type_of(data.tobytes()[:64]) == media_type
    assert measured(data.tobytes()) == Dimensions(321, 123)


@pytest.mark.parametrize("quality", [80, 101])
def test_agrees_with_a_real_webp_encoder(quality: int) -> None:
    cv2: Any = pytest.importorskip("cv2")
    numpy: Any = pytest.importorskip("numpy")
    ok, data = cv2.imencode(".webp", numpy.zeros((123, 321, 3), numpy.uint8), [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert ok
    assert measured(data.tobytes()) == Dimensions(321, 123)


# --- the type ---


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"GIF87a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        (b"\xef\xbb\xbf\n <?xml version='1.0'?>\n<!-- made by hand -->\n<SVG>", "image/svg+xml"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' ''><svg>", "image/svg+xml"),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1", b"avif"), "image/avif"),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1", b"heic"), "image/heic"),
        (box(b"ftyp", b"mif1", bytes(4), b"mif1"), "image/heif"),
        (box(b"ftyp", b"isom", bytes(4), b"mp41"), None),
        (box(b"ftyp", b"isom", bytes(4)) + box(b"avif"), None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"BMW is a maker of cars", None),
        (b"<html><body><svg></svg>", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_media_type_of_first_bytes(head: bytes, media_type: str | None) -> None:
    assert media_type_of(head) == media_type


@given(st.binary(max_size=100))
def test_any_bytes_have_a_type_or_none(head: bytes) -> None:
    media_type_of(head)


# --- the dimensions ---


def test_jpeg_passes_over_large_segments_without_reading_them() -> None:
    data = jpeg(64, 32, before=b"".join(segment(0xE2, bytes(65533)) for _ in range(100)))
    counts: list[int] = []

    def read(offset: int, count: int) -> bytes:
        counts.append(count)
        return data[offset : offset + count]

    assert dimensions_of(read, "image/jpeg") == Dimensions(64, 32)
    assert sum(counts) < 2000


def test_jpeg_passes_over_fill_bytes_and_tables() -> None:
    before = b"\xff\xff" + segment(0xC4, bytes(20)) + b"\x00\xff\x00" + segment(0xDB, bytes(65)) + b"\xff\x01"
    assert measured(jpeg(64, 32, before)) == Dimensions(64, 32)


@pytest.mark.parametrize("before", [b"\xff\xd9", segment(0xDA, bytes(10)), b"\xff\xe1\x00\x01", b"\xff" * 5000])
def test_jpeg_without_a_frame_in_time_has_no_dimensions(before: bytes) -> None:
    assert measured(jpeg(64, 32, before)) is None


def test_bitmap_rows_may_run_from_the_top() -> None:
    assert measured(bmp(64, -32)) == Dimensions(64, 32)
    assert measured(bmp(-64, 32)) is None


def test_isobmff_takes_the_largest_extents_where_no_item_is_primary() -> None:
    assert measured(iso(ispe(160, 120), ispe(4032, 3024), ispe(512, 512))) == Dimensions(4032, 3024)


def test_isobmff_boxes_may_have_long_sizes() -> None:
    long_box = struct.pack(">I4sQ", 1, b"free", 16 + 5) + bytes(5)
    assert measured(iso(ispe(64, 32), before=long_box)) == Dimensions(64, 32)


def test_isobmff_gives_up_on_a_flood_of_boxes() -> None:
    assert measured(iso(ispe(64, 32), before=box(b"free") * 100_000)) is None


@given(data=st.binary(max_size=200), media_type=st.sampled_from([*MEDIA_TYPES, "image/tiff", "text/plain"]))
def test_hostile_bytes_never_raise(data: bytes, media_type: str) -> None:
    dimensions_of(reader(data), media_type)
    dimensions_of(base64_reader(data), media_type)


@given(kind=st.sampled_from(sorted(PICTURES)), at=st.integers(0, 300), bytes_there=st.binary(max_size=12))
def test_damaged_headers_never_raise(kind: str, at: int, bytes_there: bytes) -> None:
    media_type, make = PICTURES[kind]
    data = make(640, 480)
    found = dimensions_of(reader(data[:at] + bytes_there + data[at + len(bytes_there) :]), media_type)
    assert found is None or min(found.width, found.height) > 0


# --- base64 ---


@given(data=st.binary(max_size=200), offset=st.integers(0, 220), count=st.integers(0, 220))
def test_reads_any_slice_through_base64(data: bytes, offset: int, count: int) -> None:
    assert base64_reader(base64.b64encode(data))(offset, count) == data[offset : offset + count]


def test_reads_what_there_is_of_base64_that_is_cut_short() -> None:
    assert base64_reader(memoryview(b"QUJDREVGR"))(2, 100) == b"CDEF"


def test_reads_nothing_out_of_what_is_no_base64() -> None:
    assert base64_reader(b"QU*DREVG")(0, 6) == b""


@pytest.mark.parametrize("buffer", [b"AA==", b"AAA=", b"AAAA", b"+/9a", b"A" * 1_000_000 + b"AQ=="])
def test_is_base64(buffer: bytes) -> None:
    assert is_base64(buffer)
    assert is_base64(memoryview(buffer))


@pytest.mark.parametrize(
    "buffer",
    [
        b"",
        b"AA",
        b"AAA",
        b"A===",
        b"====",
        b"AA=A",
        b"AB==",
        b"AAB=",
        b"AA\n==AAA",
        b"-_9a",
        b"AA==AAAA",
        b"AAA\xc4",
        b"AAA\0",
        b"A" * ((1 << 18) - 4) + b"AA==AAAA",
        b"A" * (1 << 19) + b"AAAAA*AA",
    ],
)
def test_is_not_base64(buffer: bytes) -> None:
    assert not is_base64(buffer)


@given(st.binary(min_size=1, max_size=100))
def test_what_an_encoder_writes_is_base64(data: bytes) -> None:
    assert is_base64(base64.b64encode(data))


@given(st.binary(max_size=12) | st.text("AB+/=", max_size=12).map(str.encode))
@example(b"AB==")
def test_is_base64_exactly_when_encoding_gives_it_back(buffer: bytes) -> None:
    try:
        canonical = bool(buffer) and base64.b64encode(base64.b64decode(buffer, validate=True)) == buffer
    except ValueError:
        canonical = False
    assert is_base64(buffer) == canonical


@pytest.mark.parametrize(
    ("buffer", "normal"),
    [
        (b"AAAA", b"AAAA"),
        (b"AA", b"AA=="),
        (b"AAA", b"AAA="),
        (b"AA=", b"AA=="),
        (b"AAAA==", b"AAAA"),
        (b"AB==", b"AA=="),
        (b"-_9a", b"+/9a"),
        (b" QUJD\r\n\tREVG\n", b"QUJDREVG"),
        (b"", None),
        (b"==", None),
        (b" \n", None),
        (b"AAAAA", None),
        (b"AA*A", None),
        (b"AA==AAAA", None),
        (b"AAAA\xa0", None),
    ],
)
def test_normal_base64(buffer: bytes, normal: bytes | None) -> None:
    assert normal_base64(buffer) == normal


@given(data=st.binary(min_size=1, max_size=100), every=st.integers(1, 80))
def test_normal_base64_mends_what_people_send(data: bytes, every: int) -> None:
    sent = base64.urlsafe_b64encode(data).rstrip(b"=")
    wrapped = b"\r\n".join(sent[start : start + every] for start in range(0, len(sent), every))
    assert normal_base64(wrapped) == base64.b64encode(data)


@given(st.binary(max_size=50))
def test_normal_base64_is_base64_or_nothing(buffer: bytes) -> None:
    normal = normal_base64(buffer)
    assert normal is None or is_base64(normal)


# --- data URLs ---


@pytest.mark.parametrize(
    ("url", "claimed"),
    [
        (b"data:image/png;base64,QUJD", "image/png"),
        (b"DATA:Image/PNG;Base64,QUJD", "image/png"),
        (b"data:image/png;charset=utf-8;name=a.png;base64,QUJD", "image/png"),
        (b"data:;base64,QUJD", ""),
    ],
)
def test_splits_a_data_url(url: bytes, claimed: str) -> None:
    for given_url in (url, memoryview(url)):
        split = split_data_url(given_url)
        assert split is not None
        assert (split[0], bytes(split[1])) == (claimed, b"QUJD")


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"data:",
        b"data:image/png,QUJD",
        b"data:base64,QUJD",
        b"data:image/png;base64",
        b"data:image/png;base64;charset=utf-8,QUJD",
        b"data:image/\xc3\xa4;base64,QUJD",
        b"https://example.com/;base64,QUJD",
        b"data:" + b"a" * 300 + b";base64,QUJD",
    ],
)
def test_takes_nothing_else_for_a_base64_data_url(url: bytes) -> None:
    assert split_data_url(url) is None


@given(st.binary(max_size=300))
def test_any_bytes_split_or_not(url: bytes) -> None:
    split_data_url(url)
    split_data_url(b"data:" + url)
