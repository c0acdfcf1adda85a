"""The messages of a chat completion request: who said what, in words and pictures.

Rule: a picture inside the body is never copied: it travels as a view of the one buffer.
An answer of this gateway, in any of its shapes, is taken back as what it was.
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Raw, Struct

from impasto.api.json_errors import wrong_shape
from impasto.api.markdown_wire import has_markdown_pictures, parse_markdown
from impasto.api.picture_wire import is_picture_url, parse_picture, parse_picture_url
from impasto.domain.chat import ImageLink, ImagePart, Message, Role, TextPart
from impasto.domain.errors import Code, Failure, listed

MAX_TEXT_CHARACTERS = 1 << 20
MAX_PARTS = 4096
ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

Part = TextPart | ImagePart | ImageLink
_NULL = Raw(b"null")


class FileBody(Struct):
    """A picture as a file: `file_data` holds it, or `file_id` says where it is."""

    file_id: str | None = None
    file_data: Raw = _NULL


class PartBody(Struct):
    """One part; `type` says which of the other fields counts."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Raw = _NULL
    file: FileBody | None = None


class MessageBody(Struct):
    """One message. `text`, `images` and `refusal` are fields of earlier answers."""

    role: str
    content: Raw = _NULL
    text: str | None = None
    refusal: str | None = None
    images: list[PartBody] | None = None
    tool_calls: list[Raw] | None = None


class _ImageUrl(Struct):
    url: Raw


_parts = msgspec.json.Decoder(list[PartBody])
_image_url = msgspec.json.Decoder(_ImageUrl)
_text = msgspec.json.Decoder(str)


def parse_messages(bodies: list[MessageBody]) -> tuple[Message, ...]:
    """Raises 400, 413, 415 or 422, naming the message, the part and the field."""
    messages = tuple(_parse_message(body, f"messages[{index}]") for index, body in enumerate(bodies))
    _check_size([part for message in messages for part in message.parts])
    return messages


def _parse_message(body: MessageBody, where: str) -> Message:
    role = ROLES.get(body.role)
    if role is None:
        raise Failure(
            Code.INVALID_VALUE,
            f'{where}.role "{body.role[:40]}" is not possible. It takes {listed(tuple(ROLES))}.',
            param=f"{where}.role",
        )
    if body.tool_calls:
        raise Failure(
            Code.UNSUPPORTED,
            f"{where}.tool_calls is not supported: this gateway calls no tools.",
            param=f"{where}.tool_calls",
        )
    return Message(role, tuple(_parts_of(body, where)))


def _parts_of(body: MessageBody, where: str) -> Iterable[Part]:
    # In an earlier answer, words stand beside its picture, and came before it; a refusal, or an answer in words
    # alone, repeats them.
    yield from (TextPart(words) for words in dict.fromkeys((body.refusal, body.text)) if words)
    lone_picture = is_picture_url(body.content)
    # An earlier answer may hold the same picture in `content` and in `images`: it counts once.
    if not (lone_picture and body.images):
        for part in _parse_content(body.content, f"{where}.content", lone_picture):
            if not (isinstance(part, TextPart) and part.text == body.text):
                yield part
    yield from _parse_parts(body.images or [], f"{where}.images")


def _parse_content(content: Raw, where: str, lone_picture: bool) -> Iterable[Part]:
    if lone_picture:
        return [parse_picture_url(content, where)]
    try:
        match chr(memoryview(content)[0]):
            case "n":
                return []
            case '"' if has_markdown_pictures(content):
                return list(parse_markdown(content, where))
            case "[":
                return _parse_parts(_parts.decode(content), where)
            case _:
                words = _text.decode(content)
                return [TextPart(words)] if words else []
    except msgspec.ValidationError as error:
        raise wrong_shape(error, where) from None


def _parse_parts(bodies: list[PartBody], where: str) -> Iterable[Part]:
    return [_parse_part(body, f"{where}[{index}]") for index, body in enumerate(bodies)]


def _parse_part(body: PartBody, where: str) -> Part:
    parse = _PARSERS.get(body.type)
    if parse is None:
        raise Failure(
            Code.UNSUPPORTED,
            f'{where}.type "{body.type[:40]}" is not supported. It takes text, image_url and file.',
            param=f"{where}.type",
        )
    return parse(body, where)


def _parse_text(body: PartBody, where: str) -> TextPart:
    if body.text is None:
        raise _missing("text", where)
    return TextPart(body.text)


def _parse_refusal(body: PartBody, where: str) -> TextPart:
    if body.refusal is None:
        raise _missing("refusal", where)
    return TextPart(body.refusal)


def _parse_image_url(body: PartBody, where: str) -> ImagePart | ImageLink:
    where += ".image_url"
    match chr(memoryview(body.image_url)[0]):
        case "n":
            raise _missing("image_url", where.removesuffix(".image_url"))
        case '"':
            return parse_picture_url(body.image_url, where)
    try:
        url = _image_url.decode(body.image_url).url
    except msgspec.ValidationError as error:
        raise wrong_shape(error, where) from None
    return parse_picture_url(url, f"{where}.url")


def _parse_file(body: PartBody, where: str) -> ImagePart | ImageLink:
    match body.file:
        case FileBody(file_data=data) if data != _NULL:
            return parse_picture(data, f"{where}.file.file_data")
        case FileBody(file_id=str(url)) if url.lower().startswith(("http://", "https://")):
            return ImageLink(url, f"{where}.file.file_id")
        case FileBody(file_id=str()):
            raise Failure(
                Code.UNSUPPORTED,
                f"{where}.file.file_id names an upload, which this gateway does not keep yet. Send the picture as "
                "image_url with a data URL or an http(s) URL.",
                param=f"{where}.file.file_id",
            )
        case FileBody():
            raise _missing("file_data", f"{where}.file")
    raise _missing("file", where)


_PARSERS: dict[str, Callable[[PartBody, str], Part]] = {
    "text": _parse_text,
    "input_text": _parse_text,
    "output_text": _parse_text,
    "refusal": _parse_refusal,
    "image_url": _parse_image_url,
    "file": _parse_file,
}


def _missing(field: str, where: str) -> Failure:
    return Failure(Code.INVALID_BODY, f"{where}.{field} is missing.", param=f"{where}.{field}")


def _check_size(parts: list[Part]) -> None:
    if len(parts) > MAX_PARTS:
        raise Failure(
            Code.INVALID_VALUE,
            f"messages hold {len(parts)} parts. They take at most {MAX_PARTS}.",
            param="messages",
        )
    characters = sum(len(part.text) for part in parts if isinstance(part, TextPart))
    if characters > MAX_TEXT_CHARACTERS:
        raise Failure(
            Code.BODY_TOO_LARGE,
            f"messages hold {characters} characters of text. They take at most {MAX_TEXT_CHARACTERS}; pictures do not "
            "count.",
            param="messages",
        )
