"""Uploads as Eden's API has them: the fields of the form, the picture, and how an upload is shown.

Rule: what a file is, its bytes say. The name that came with it is shown back, and is never a path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from impasto.api.bill_wire import time_text
from impasto.api.json_errors import not_json, wrong_shape
from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.image import Dimensions, dimensions_of, media_type_of
from impasto.domain.stored_image import Upload

FILE = "file"
DEFAULT_PURPOSE = "general"
DEFAULT_DAYS = 30
MOST_DAYS = 30
MAX_PURPOSE_CHARACTERS = 50
MAX_USER_CHARACTERS = 200
MAX_NAME_CHARACTERS = 255

SNIFFED_BYTES = 4096
"""What the type of a file is told from; only SVG, which is refused by name, needs as much."""
_KINDS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WebP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/heic": "HEIC",
    "image/heif": "HEIC",
}
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What is said of a file beside it."""

    purpose: str
    days: int
    end_user: str | None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """What came as the file."""

    name: str
    media_type: str
    byte_count: int
    dimensions: Dimensions | None


class IncomingFile:
    """The one file of a form, on its way into `blob`."""

    def __init__(self, blob: Blob) -> None:
        self.blob = blob
        self._name: str | None = None
        self._media_type: str | None = None

    def take(self, field: str, file_name: str) -> "IncomingFile":
        """Hear of a file in the form; what takes its bytes. Refuses a second one."""
        if field != FILE:
            raise _wrong(field, f'{field[:_SHOWN_CHARACTERS]}: this form has one file, in the field "{FILE}".')
        if self._name is not None:
            raise _wrong(FILE, f"{FILE} is given twice. Send each file in a request of its own.")
        self._name = shown_name(file_name)
        return self

    def __call__(self, data: bytes) -> None:
        self.blob.write(data)
        if self._media_type is None and self.blob.byte_count >= SNIFFED_BYTES:
            self._media_type = self._checked_type()  # rather than take the rest of what is no picture

    def found(self) -> FoundFile:
        """What came, now that all of it has. Raises 422 where no file came, or an empty one, 415 for what is not
        taken."""
        if self._name is None:
            raise _wrong(FILE, f'{FILE} is missing. Send the picture as that field: curl -F "{FILE}=@cat.png".')
        media_type = self._media_type or self._checked_type()
        dimensions = dimensions_of(self.blob.read, media_type)
        return FoundFile(self._name, media_type, self.blob.byte_count, dimensions)

    def _checked_type(self) -> str:
        if not self.blob.byte_count:
            raise _wrong(FILE, f"{FILE} is empty.")
        media_type = media_type_of(self.blob.read(0, SNIFFED_BYTES))
        if media_type not in _KINDS:
            kinds = listed(list(dict.fromkeys(_KINDS.values())))
            raise Failure(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"{FILE} is {media_type or 'no picture that is known here'}. It takes {kinds}.",
                param=FILE,
            )
        return media_type


def parse_form(texts: Mapping[str, Sequence[str]]) -> UploadForm:
    """The fields beside the file. Raises 422 naming the field."""
    for name, values in texts.items():
        if name == FILE:
            raise _wrong(
                FILE,
                f"{FILE} was sent as text, without a file name. With curl, an @ stands before the path: "
                f'-F "{FILE}=@cat.png".',
            )
        if name not in ("purpose", "expires_in_days", "user"):
            shown = name[:_SHOWN_CHARACTERS]
            raise _wrong(name, f"{shown} is no field here. It takes {FILE}, purpose, expires_in_days and user.")
        if len(values) > 1:
            raise _wrong(name, f"{name} is given twice. Give it once.")
    said = {name: values[0] for name, values in texts.items()}
    return UploadForm(
        purpose=_text(said, "purpose", MAX_PURPOSE_CHARACTERS) or DEFAULT_PURPOSE,
        days=_days(said.get("expires_in_days")),
        end_user=_text(said, "user", MAX_USER_CHARACTERS),
    )


def shown_name(file_name: str) -> str:
    """What a caller sees again of the name that he gave: no folders, nothing unprintable, its beginning and its end."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip()
    if len(name) > MAX_NAME_CHARACTERS:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) < 16 else ""
        name = name[: MAX_NAME_CHARACTERS - len(ending)] + ending
    return name if name.strip(".") else FILE


class _Chosen(msgspec.Struct, forbid_unknown_fields=True):
    file_ids: Annotated[list[str], Meta(min_length=1, max_length=100)]


_chosen = msgspec.json.Decoder(_Chosen)


def parse_file_ids(body: bytes | bytearray) -> list[str]:
    """The ids in `{"file_ids": […]}`, 1 to 100. Raises 400 and 422."""
    try:
        return _chosen.decode(body).file_ids
    except msgspec.ValidationError as error:
        raise wrong_shape(error, advice=' It takes {"file_ids": ["<id>"]} with 1 to 100 ids.') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None


def upload_body(upload: Upload) -> dict[str, object]:
    """An upload with Eden's fields, and no other."""
    return {
        "file_id": upload.id,
        "file_name": upload.file_name,
        "file_size": upload.byte_count,
        "file_mimetype": upload.media_type,
        "purpose": upload.purpose,
        "metadata": {},
        "created_at": time_text(upload.created_ms),
        "expires_at": time_text(upload.expires_ms),
    }


def _text(said: Mapping[str, str], name: str, most: int) -> str | None:
    text = said.get(name)
    if text is not None and not (text.strip() and len(text) <= most and text.isprintable()):
        raise _wrong(name, f"{name} takes 1 to {most} printable characters.")
    return text


def _days(text: str | None) -> int:
    if text is None:
        return DEFAULT_DAYS
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    if not 1 <= days <= MOST_DAYS:
        raise _wrong(
            "expires_in_days",
            f'expires_in_days "{text[:_SHOWN_CHARACTERS]}" is not possible. It takes a number from 1 to {MOST_DAYS}.',
        )
    return days


def _wrong(param: str, message: str) -> Failure:
    return Failure(Code.INVALID_BODY, message, param=param[:_SHOWN_CHARACTERS])
