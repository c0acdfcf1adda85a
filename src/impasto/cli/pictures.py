"""Pictures at the edge of the command line: files in, files out.

Rule: the suffix of a file follows its bytes, and a change of it is said. A picture that
was paid for is never dropped because a file could not be written.
"""

import base64
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from impasto.domain.image import Dimensions, dimensions_of, media_type_of

_SUFFIXES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/avif": (".avif",),
    "image/heic": (".heic",),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture on disk. `note`: why its path is another than the one that was asked for, or nothing."""

    path: Path
    media_type: str
    dimensions: Dimensions | None
    byte_count: int
    note: str = ""


def data_url_of(path: str) -> str:
    """The file as a data URL. Raises `click.ClickException` for what is no picture."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise click.ClickException(f"-i {path} cannot be read: {error.strerror}.") from error
    media_type = media_type_of(data[:256])
    if media_type is None:
        raise click.ClickException(
            f"-i {path} is no picture: its first bytes are those of no PNG, JPEG, WebP, GIF or HEIC file."
        )
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def check_output(output: Path) -> None:
    """Refuse a place that cannot be written, before anything is asked for. Raises `click.ClickException`."""
    folder = output.parent
    if output.is_dir():
        raise click.ClickException(f"-o {output} is a folder. Name a file in it, like {output / 'output.png'}.")
    if not folder.is_dir():
        raise click.ClickException(f"-o {output}: there is no folder {folder}. Make it first: mkdir -p {folder}.")
    if not os.access(output if output.exists() else folder, os.W_OK):
        raise click.ClickException(f"-o {output} cannot be written by this user. Name another place.")


def save_picture(data: bytes, asked: Path) -> Saved:
    """Write `data` to `asked`, its suffix corrected to the type of the bytes; to the temporary folder if that fails."""
    media_type = media_type_of(data[:256]) or "application/octet-stream"
    suffixes = _SUFFIXES.get(media_type, (asked.suffix,))
    path = asked if asked.suffix.lower() in suffixes else asked.with_suffix(suffixes[0])
    note = "" if path == asked else f"the bytes are {media_type}, and the suffix follows them"
    try:
        path.write_bytes(data)
    except OSError as error:
        note = f"{path} could not be written: {error.strerror}"
        path = _kept_elsewhere(data, path.suffix)
    dimensions = dimensions_of(lambda offset, count: data[offset : offset + count], media_type)
    return Saved(path, media_type, dimensions, len(data), note)


def _kept_elsewhere(data: bytes, suffix: str) -> Path:
    try:
        with tempfile.NamedTemporaryFile(prefix="impasto-", suffix=suffix, delete=False) as file:
            file.write(data)
    except OSError as error:
        raise click.ClickException(f"The picture came and cannot be written anywhere: {error.strerror}.") from error
    return Path(file.name)
