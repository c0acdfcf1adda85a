"""Conversions by libvips: what comes out of real pictures, and what hostile ones come to."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions, dimensions_of, media_type_of
from impasto.domain.picture_form import FORMATS, PictureForm
from impasto.engines.vips import Conversion
from tests.fakes.blobs import MemoryStore

pyvips = pytest.importorskip("pyvips")
KINDS = ("png", "jpeg", "webp", "avif", "gif")
SUFFIXES = {
    "png": ".png",
    "jpeg": ".jpg[Q=95]",
    "webp": ".webp[lossless]",
    "avif": ".avif[Q=90,effort=0]",
    "gif": ".gif",
}


def scene(width: int = 640, height: int = 360) -> Any:
    """Red grows to the right, green downwards, and blue is everywhere the same."""
    place = pyvips.Image.xyz(width, height)
    bands = [place[0] * (255 / width), place[1] * (255 / height), place[0] * 0 + 90]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def picture(kind: str, image: Any = None, **fields: Any) -> bytes:
    image = (scene() if image is None else image).copy()
    for name, value in fields.items():
        image.set_type(pyvips.GValue.gint_type, name, value)
    data: bytes = image.write_to_buffer(SUFFIXES[kind])
    return data


def convert(data: bytes, media_type: str, width: int | None = None) -> bytes:
    store = MemoryStore()
    source, target = store.open(), store.spool()
    source.write(data)
    Conversion(source, target, PictureForm(media_type, width)).run()
    return bytes(target.data)


def refusal(data: bytes, media_type: str = "image/webp", width: int | None = 64) -> Failure:
    with pytest.raises(Failure) as refused:
        convert(data, media_type, width)
    return refused.value


@contextmanager
def refused_at_most(code: Code) -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        if failure.code is not code:
            raise


def seen(data: bytes) -> tuple[str | None, Dimensions | None]:
    media_type = media_type_of(data[:64])
    return media_type, dimensions_of(lambda offset, count: data[offset : offset + count], media_type or "")


def decoded(data: bytes) -> Any:
    return pyvips.Image.new_from_buffer(data, "")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("media_type", FORMATS.values())
def test_every_kind_becomes_a_small_one_of_every_format(kind: str, media_type: str) -> None:
    made = convert(picture(kind), media_type, 160)
    assert seen(made) == (media_type, Dimensions(160, 90))
    for at in ((20, 20), (140, 20), (80, 70)):
        expected = [at[0] * 255 / 160, at[1] * 255 / 90, 90]
        assert decoded(made)(*at)[:3] == pytest.approx(expected, abs=12)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_width_it_stays_as_large_and_it_is_never_enlarged(kind: str) -> None:
    assert seen(convert(picture(kind), "image/jpeg"))[1] == Dimensions(640, 360)
    assert seen(convert(picture(kind), "image/jpeg", 4096))[1] == Dimensions(640, 360)


def test_a_png_of_a_picture_is_the_same_pixels() -> None:
    assert (decoded(convert(picture("webp"), "image/png")) - scene()).abs().max() == 0


def test_a_jpeg_much_larger_than_its_form_looks_the_same() -> None:
    made = decoded(convert(picture("jpeg", scene(3200, 1800)), "image/png", 160))
    small = decoded(convert(picture("png", scene(3200, 1800)), "image/png", 160))
    assert (made.width, made.height) == (160, 90)
    assert (made - small).abs().avg() < 2


@pytest.mark.parametrize("media_type", FORMATS.values())
def test_the_colour_profile_is_kept_and_what_else_is_said_is_not(media_type: str) -> None:
    wide = scene().icc_transform("p3", input_profile="srgb").copy()
    wide.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Copyright", "somebody")
    data = wide.write_to_buffer(".jpg[Q=95]")
    made = decoded(convert(data, media_type, 320))
    assert made.get("icc-profile-data") == wide.get("icc-profile-data")
    assert "exif-data" in decoded(data).get_fields()
    assert not {"exif-data", "xmp-data", "iptc-data"} & {*made.get_fields()}
    assert made(100, 100)[:3] == pytest.approx(wide(200, 200), abs=8)


def test_credentials_do_not_survive_and_nothing_pretends_that_they_do() -> None:
    data = picture("png")
    manifest = b"\0\0\0\x20jumbc2pa" + bytes(20)
    signed = data[:33] + png_chunk(b"caBX", manifest) + data[33:]
    for media_type in FORMATS.values():
        assert b"c2pa" not in convert(signed, media_type, 320)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("width", [None, 90])
def test_a_picture_that_lies_on_its_side_is_set_up(kind: str, width: int | None) -> None:
    made = decoded(convert(picture(kind, orientation=6), "image/png", width))
    assert made.height / made.width == pytest.approx(640 / 360, abs=0.01)
    assert made.width == (width or 360)
    top_right = made(made.width - 2, 2)
    assert top_right[0] < 20, "red grows downwards now"
    assert top_right[1] < 20, "green to the left"


def test_what_shines_through_becomes_white_where_a_format_cannot_shine_through() -> None:
    clear = scene().bandjoin(0).copy(interpretation="srgb").write_to_buffer(".png")
    assert decoded(convert(clear, "image/jpeg", 64))(10, 10) == [255, 255, 255]
    assert decoded(convert(clear, "image/webp", 64))(10, 10)[3] == 0


@pytest.mark.parametrize("interpretation", ["b-w", "grey16", "rgb16", "cmyk"])
def test_other_kinds_of_pixels_are_converted(interpretation: str) -> None:
    image = scene().colourspace(interpretation)
    data = image.write_to_buffer(".jpg" if interpretation == "cmyk" else ".png")
    for media_type in FORMATS.values():
        assert seen(convert(data, media_type, 64)) == (media_type, Dimensions(64, 36))


def test_of_a_moving_picture_the_first_frame_is_taken() -> None:
    frames = scene(64, 64).join(scene(64, 64).invert(), "vertical").copy()
    frames.set_type(pyvips.GValue.gint_type, "page-height", 64)
    for suffix in (".gif", ".webp[lossless]"):
        made = decoded(convert(frames.write_to_buffer(suffix), "image/png"))
        assert (made.width, made.height) == (64, 64)
        assert made(32, 32)[:3] == pytest.approx(scene(64, 64)(32, 32), abs=12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_half_a_picture_is_not_passed_off_as_a_whole_one(kind: str, kept: float) -> None:
    data = picture(kind)
    assert refusal(data[: int(len(data) * kept)]).code is Code.INVALID_IMAGE


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
def test_noise_behind_a_good_header_does_no_harm(kind: str) -> None:
    data = picture(kind)
    noise = bytes(number * 167 % 256 for number in range(len(data)))
    spoiled = data[: len(data) // 3] + noise[len(data) // 3 :]
    with refused_at_most(Code.INVALID_IMAGE):
        assert seen(convert(spoiled, "image/png", 64))[1] == Dimensions(64, 36)


def test_a_bomb_is_judged_by_its_header() -> None:
    refused = refusal(png_of(50_000, 50_000, bytes(1 << 20)))
    assert (refused.code, refused.param) == (Code.UNSUPPORTED, "w")
    assert "50000×50000" in refused.message


def test_a_picture_whose_pixels_are_missing_is_refused() -> None:
    assert refusal(png_of(640, 360, bytes(1000))).code is Code.INVALID_IMAGE
    assert refusal(png_of(0, 360)).code is Code.INVALID_IMAGE


def test_no_other_loader_is_open() -> None:
    convert(picture("png"), "image/webp", 64)
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>"
    for data in (svg, b"P6 2 2 255\n" + bytes(12), scene(9, 9).tiffsave_buffer()):
        with pytest.raises(pyvips.Error, match="not in a known format"):
            decoded(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"words, and no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'><image href='file:///etc/passwd'/></svg>",
        b"P6 2 2 255\n" + bytes(12),
        b"II*\x00" + bytes(200),
        b"%PDF-1.7\n",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(100),
    ],
)
def test_what_is_no_picture_of_a_known_kind_is_refused_by_its_first_bytes(data: bytes) -> None:
    assert refusal(data).code is Code.UNSUPPORTED


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_a_good_beginning_alone_is_not_enough(head: bytes) -> None:
    for rest in (b"", b"words, and no picture" * 20, bytes(500)):
        assert refusal(head + rest).code in (Code.INVALID_IMAGE, Code.UNSUPPORTED)


def test_a_form_that_no_file_can_hold_is_refused_before_it_is_tried() -> None:
    refused = refusal(png_of(20_000, 20, bytes(20 * 60_001)), "image/webp", None)
    assert (refused.code, refused.param) == (Code.INVALID_VALUE, "w")
    assert "16383" in refused.message


def test_what_reading_and_writing_raise_is_raised() -> None:
    store = MemoryStore()
    source = store.open()
    source.write(picture("png"))
    store.room = 10
    with pytest.raises(Failure, match="full"):
        Conversion(source, store.spool(), PictureForm("image/webp", 64)).run()
    store.breaks = True
    with pytest.raises(Failure, match="full"):
        Conversion(source, store.spool(), PictureForm("image/webp", 64)).run()
