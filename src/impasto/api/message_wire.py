"""The messages of a chat completion request: who said what, in words and pictures.

Rule: a picture inside the body is never copied: it travels as a view of the one buffer.
An answer of this gateway, in any of its shapes, is taken back as what it was.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw, Struct

from impasto.api.json_errors import wrong_shape
from impasto.api.markdown_wire import has_markdown_pictures, parse_markdown
from impasto.api.picture_wire import has_data_url, is_picture_url, parse_handle, parse_picture, parse_picture_url
from impasto.api.signature_wire import parse_details
from impasto.api.tool_wire import ToolCallBody, parse_tool_calls
from impasto.domain.chat import Handle, ImageLink, ImagePart, Message, MessagePart, Role, TextPart
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.tools import ToolCall, ToolResult

MAX_TEXT_CHARACTERS = 1 << 20
MAX_PARTS = 4096
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
}  # fmt: skip

Part = TextPart | ImagePart | ImageLink | Handle
_NULL = Raw(b"null")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_COMPARED_BYTES = 1 << 18


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
    """One message. `text`, `images`, `refusal`, `tool_calls` and `reasoning_details` are fields of earlier answers;
    `tool_call_id` says which call of those a message with the role `tool` answers."""

    role: str
    content: Raw = _NULL
    text: str | None = None
    refusal: str | None = None
    images: list[PartBody] | None = None
    tool_calls: list[ToolCallBody] | None = None
    tool_call_id: str | None = None
    function_call: Raw = _NULL
    reasoning_details: Raw = _NULL


class _ImageUrl(Struct):
    url: Raw


_parts = msgspec.json.Decoder(list[PartBody])
_image_url = msgspec.json.Decoder(_ImageUrl)
_text = msgspec.json.Decoder(str)


def parse_messages(bodies: list[MessageBody]) -> tuple[Message, ...]:
    """Raises 400, 413, 415 or 422, naming the message, the part and the field."""
    messages: list[Message] = []
    waiting = _Waiting()
    for index, body in enumerate(bodies):
        messages.append(_parse_message(body, f"messages[{index}]", waiting))
    waiting.check_empty()
    _check_size([part for message in messages for part in message.parts])
    _check_signatures(messages)
    return tuple(messages)


@dataclass(slots=True)
class _Waiting:
    """The calls of functions that have no result yet: their names by their ids, and the place of their message."""

    names: dict[str, str] = field(default_factory=dict)
    where: str = ""

    def check_empty(self) -> None:
        if self.names:
            raise Failure(
                Code.INVALID_VALUE,
                f"{self.where} has no result for {listed([name[:40] for name in self.names])}. For every call, a "
                "message with the role tool and its tool_call_id has to follow.",
                param=self.where,
            )

    def result(self, body: MessageBody, text: str, where: str) -> ToolResult:
        call_id = body.tool_call_id
        if call_id is None:
            raise _missing("tool_call_id", where)
        name = self.names.pop(call_id, None)
        if name is None:
            where += ".tool_call_id"
            raise Failure(
                Code.INVALID_VALUE,
                f'{where} "{call_id[:40]}" is the id of no call just before that waits for a result.',
                param=where,
            )
        return ToolResult(call_id, name, text)


def _parse_message(body: MessageBody, where: str, waiting: _Waiting) -> Message:
    role = ROLES.get(body.role)
    if role is None:
        raise Failure(
            Code.INVALID_VALUE,
            f'{where}.role "{body.role[:40]}" is not possible. It takes {listed(tuple(ROLES))}.',
            param=f"{where}.role",
        )
    if body.function_call != _NULL:
        raise _unsupported(f"{where}.function_call", "it was replaced by tool_calls")
    if role == "tool":
        return Message(role, (waiting.result(body, _text_of_result(body, where), where),))
    waiting.check_empty()
    parts: list[Part | ToolCall] = [*_parts_of(body, where)]
    if body.tool_calls:
        parts += _parse_calls(body.tool_calls, role, f"{where}.tool_calls", waiting)
    carried = parse_details(body.reasoning_details, f"{where}.reasoning_details") if role == "assistant" else ()
    return Message(role, tuple(parts), carried=carried)


def _parse_calls(bodies: list[ToolCallBody], role: Role, where: str, waiting: _Waiting) -> list[ToolCall]:
    if role != "assistant":
        raise _unsupported(where, "only a message with the role assistant holds it")
    calls = parse_tool_calls(bodies, where)
    waiting.names, waiting.where = {call.id: call.name for call in calls}, where
    return calls


def _text_of_result(body: MessageBody, where: str) -> str:
    texts: list[str] = []
    for part in _parts_of(body, where):
        if not isinstance(part, TextPart):
            raise _unsupported(part.where, "a function's result takes words only. Put a picture in a user message")
        texts.append(part.text)
    return "".join(texts)


def _parts_of(body: MessageBody, where: str) -> Iterable[Part]:
    # In an earlier answer, words stand beside its picture, and came before it; a refusal, or an answer in words
    # alone, repeats them.
    yield from (TextPart(words) for words in dict.fromkeys((body.refusal, body.text)) if words)
    lone_picture = is_picture_url(body.content)
    # An earlier answer may hold the same picture in `content` and in `images`: it counts once.
    if not (lone_picture and _is_among(body.content, body.images or [])):
        for part in _parse_content(body.content, f"{where}.content", lone_picture):
            if not (isinstance(part, TextPart) and part.text == body.text):
                yield part
    yield from _parse_parts(body.images or [], f"{where}.images")


def _is_among(content: Raw, images: list[PartBody]) -> bool:
    """Whether the picture in `content` is one of `images`. Two links to the same picture may differ, and an answer by
    links holds no other picture in `content`."""
    if not has_data_url(content):
        return bool(images)
    return any(_is_same(memoryview(content), _url_in(image)) for image in images)


def _url_in(image: PartBody) -> memoryview:
    try:
        return memoryview(_image_url.decode(image.image_url).url)
    except msgspec.ValidationError:
        return memoryview(image.image_url)


def _is_same(one: memoryview, other: memoryview) -> bool:
    pieces = range(0, len(one), _COMPARED_BYTES)
    return len(one) == len(other) and all(
        bytes(one[at : at + _COMPARED_BYTES]) == bytes(other[at : at + _COMPARED_BYTES]) for at in pieces
    )


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


def _parse_image_url(body: PartBody, where: str) -> ImagePart | ImageLink | Handle:
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


def _parse_file(body: PartBody, where: str) -> ImagePart | ImageLink | Handle:
    match body.file:
        case FileBody(file_data=data) if data != _NULL:
            return parse_picture(data, f"{where}.file.file_data")
        case FileBody(file_id=str(url)) if url.lower().startswith(("http://", "https://")):
            return ImageLink(url, f"{where}.file.file_id")
        case FileBody(file_id=str(name)):
            return _parse_file_id(name, f"{where}.file.file_id")
        case FileBody():
            raise _missing("file_data", f"{where}.file")
    raise _missing("file", where)


def _parse_file_id(file_id: str, where: str) -> Handle:
    """An upload; the id of a picture that was made here cites it too."""
    if file_id.startswith("impasto:"):
        return parse_handle(file_id, where)
    if _FILE_ID.fullmatch(file_id) is None:
        raise Failure(
            Code.INVALID_IMAGE,
            f'{where} "{file_id[:80]}" is no id of a file. POST /v3/upload gives one.',
            param=where,
        )
    return Handle("image", file_id, where) if file_id.startswith("img_") else Handle("file", file_id.lower(), where)


_PARSERS: dict[str, Callable[[PartBody, str], Part]] = {
    "text": _parse_text,
    "input_text": _parse_text,
    "output_text": _parse_text,
    "refusal": _parse_refusal,
    "image_url": _parse_image_url,
    "file": _parse_file,
}


def _unsupported(where: str, why: str) -> Failure:
    return Failure(Code.UNSUPPORTED, f"{where} is not supported: {why}.", param=where)


def _missing(name: str, where: str) -> Failure:
    return Failure(Code.INVALID_BODY, f"{where}.{name} is missing.", param=f"{where}.{name}")


def _check_size(parts: list[MessagePart]) -> None:
    if len(parts) > MAX_PARTS:
        raise Failure(
            Code.INVALID_VALUE,
            f"messages hold {len(parts)} parts. They take at most {MAX_PARTS}.",
            param="messages",
        )
    characters = sum(map(_characters, parts))
    if characters > MAX_TEXT_CHARACTERS:
        raise Failure(
            Code.BODY_TOO_LARGE,
            f"messages hold {characters} characters of text. They take at most {MAX_TEXT_CHARACTERS}; pictures do not "
            "count.",
            param="messages",
        )


def _check_signatures(messages: list[Message]) -> None:
    count = sum(len(message.carried) for message in messages)
    if count > MAX_PARTS:
        raise Failure(
            Code.INVALID_VALUE,
            f"messages hold {count} signatures in reasoning_details. They take at most {MAX_PARTS}.",
            param="messages",
        )


def _characters(part: MessagePart) -> int:
    match part:
        case TextPart(text) | ToolResult(text=text):
            return len(text)
        case ToolCall():
            return len(part.name) + len(part.arguments)
    return 0
