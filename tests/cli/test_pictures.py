"""Pictures as files: read, named after their bytes, and never lost."""

import base64
import struct
from pathlib import Path

import click
import pytest

from impasto.cli.pictures import check_output, data_url_of, save_picture
from tests.fakes.pictures import png


def jpeg(width: int, height: int) -> bytes:
    """As much of a JPEG file as tells its type and dimensions."""
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01"
    return b"\xff\xd8" + frame + b"\xff\xd9"


def test_a_photo_becomes_a_data_url_of_what_it_is(folder: Path) -> None:
    (folder / "wrong.png").write_bytes(jpeg(8, 8))
    url = data_url_of("wrong.png")
    assert url == "data:image/jpeg;base64," + base64.b64encode(jpeg(8, 8)).decode()


def test_what_is_no_picture_is_said(folder: Path) -> None:
    (folder / "t.txt").write_text("hello")
    with pytest.raises(click.ClickException, match=r"-i t\.txt is no picture"):
        data_url_of("t.txt")


@pytest.mark.parametrize(("path", "why"), [("no.png", "No such file or directory"), (".", "Is a directory")])
def test_what_cannot_be_read_is_said(path: str, why: str) -> None:
    with pytest.raises(click.ClickException, match=f"cannot be read: {why}"):
        data_url_of(path)


@pytest.mark.parametrize(
    ("asked", "data", "saved"),
    [
        ("x.png", png(8, 4), "x.png"),
        ("x.PNG", png(8, 4), "x.PNG"),
        ("x.png", jpeg(8, 4), "x.jpg"),
        ("x.jpeg", jpeg(8, 4), "x.jpeg"),
        ("x", png(8, 4), "x.png"),
        ("x.tar.gz", png(8, 4), "x.tar.png"),
    ],
)
def test_the_suffix_follows_the_bytes_and_a_change_is_said(asked: str, data: bytes, saved: str, folder: Path) -> None:
    result = save_picture(data, Path(asked))
    assert result.path == Path(saved)
    assert (folder / saved).read_bytes() == data
    assert bool(result.note) is (asked != saved)
    assert result.dimensions
    assert (result.dimensions.width, result.dimensions.height) == (8, 4)
    assert result.byte_count == len(data)


def test_a_picture_that_cannot_be_written_is_kept_elsewhere(folder: Path) -> None:
    result = save_picture(png(8, 8), Path("gone/x.png"))
    try:
        assert result.path.read_bytes() == png(8, 8)
        assert "x.png could not be written: No such file or directory" in result.note
    finally:
        result.path.unlink()


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(folder: Path) -> None:
    (folder / "file").touch()
    for output, said in (
        ("gone/x.png", "there is no folder gone. Make it first: mkdir -p gone."),
        ("file/x.png", "there is no folder file."),
        (".", "is a folder. Name a file in it, like output.png."),
    ):
        with pytest.raises(click.ClickException) as caught:
            check_output(Path(output))
        assert said in caught.value.message
    check_output(Path("x.png"))
    check_output(Path("file"))
