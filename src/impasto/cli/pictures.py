"""Pictures at the edge of the command line: files in, files out.

Rule: the suffix of a file follows its bytes, and a change of it is said.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """A picture on disk. `renamed`: its suffix is another than the one that was asked for."""

    path: Path
    media_type: str
    dimensions: Dimensions | None
    byte_count: int
    renamed: bool


def data_url_of(path: str) -> str:
    """The file as a data URL. Raises `click.ClickException` for what is no picture."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from error
    media_type = media_type_of(data[:256])
    if media_type is None:
        raise click.ClickException(f"{path} is no picture: its first bytes are those of no PNG, JPEG, WebP or HEIC.")
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def picture_in(answer: dict[str, Any]) -> bytes:
    """The picture of an answer in the shape `content`. Raises `click.ClickException` where there is none."""
    message = answer["choices"][0]["message"]
    if message.get("refusal"):
        raise click.ClickException(f"Refused: {message['refusal']}")
    content = message.get("content") or ""
    if not content.startswith("data:image/"):
        raise click.ClickException(f"The model answered in words: {content}")
    return base64.b64decode(content.partition(",")[2])


def save_picture(data: bytes, asked: Path) -> Saved:
    """Write `data` to `asked`, its suffix corrected to the type of the bytes."""
    media_type = media_type_of(data[:256]) or "application/octet-stream"
    suffixes = _SUFFIXES.get(media_type, (asked.suffix,))
    path = asked if asked.suffix.lower() in suffixes else asked.with_suffix(suffixes[0])
    try:
        path.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
    dimensions = dimensions_of(lambda offset, count: data[offset : offset + count], media_type)
    return Saved(path, media_type, dimensions, len(data), renamed=path != asked)
