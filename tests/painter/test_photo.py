"""Photographs come in right way up, in RGB, and never larger than the header said."""

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from impasto.painter.painting import CannotPaintError, Pixels
from impasto.painter.photo import MOST_PIXELS, decode_photo


def half_red() -> Pixels:
    """Wider than high, its left half red, its top left corner blue."""
    picture = np.full((16, 24, 3), 255, np.uint8)
    picture[:, :12] = (200, 20, 20)
    picture[:4, :6] = (20, 20, 200)
    return picture


def encoded(picture: NDArray[Any], suffix: str) -> bytes:
    ok, data = cv2.imencode(suffix, picture)
    assert ok
    return data.tobytes()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_orientation(png: bytes, orientation: int) -> bytes:
    exif = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return png[:33] + png_chunk(b"eXIf", exif) + png[33:]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_colours_come_in_as_red_green_blue(suffix: str) -> None:
    decoded = decode_photo(encoded(half_red()[:, :, ::-1], suffix))
    assert decoded.shape == (16, 24, 3)
    assert decoded[12, 5].tolist() == pytest.approx([200, 20, 20], abs=30)


def test_alpha_is_laid_on_white() -> None:
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:, :, 3] = 128
    assert decode_photo(encoded(picture, ".png"))[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_of_either_depth_is_taken(depth: type) -> None:
    picture: NDArray[Any] = np.full((5, 7), np.iinfo(depth).max // 2, depth)
    decoded = decode_photo(encoded(picture, ".png"))
    assert decoded.shape == (5, 7, 3)
    assert set(decoded.ravel().tolist()) == {127}


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0)), (5, (0, 0)), (6, (0, -1)), (7, (-1, -1)), (8, (-1, 0))],
)
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    decoded = decode_photo(with_orientation(encoded(half_red()[:, :, ::-1], ".png"), orientation))
    assert decoded.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))
    assert decoded[corner].tolist() == [20, 20, 200]


def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    header = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    with pytest.raises(CannotPaintError, match="at most 50 million"):
        decode_photo(header)


def test_damaged_bytes_are_refused_with_a_sentence() -> None:
    with pytest.raises(CannotPaintError, match="damaged or cut short"):
        decode_photo(encoded(half_red(), ".png")[:45])


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBPVP8X"])
)
def test_no_bytes_crash_the_reader(data: bytes, start: bytes) -> None:
    with pytest.raises(CannotPaintError):
        decode_photo(start + data)
