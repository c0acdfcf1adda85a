"""The body of a chat completion request, as callers send it.

Rule: a picture inside the body is never copied: it travels as a view of the one buffer.
What cannot be honoured is refused by name; what is merely unknown is reported back.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, cast

import msgspec
from msgspec import Meta, Raw, Struct

from impasto.api.picture_wire import parse_picture, parse_picture_url
from impasto.domain.chat import ChatRequest, ImageLink, ImagePart, Message, Role, Sampling, TextPart
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.image import ImageConfig
from impasto.domain.model import Modality

MAX_TEXT_BYTES = 1 << 20
MAX_PARTS = 4096
ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
MODALITIES: tuple[Modality, ...] = ("text", "image")
SHAPES: tuple[str, ...] = ("content", "images")
_NOT_YET_SHAPES = ("both", "parts", "markdown")

INERT_FIELDS = frozenset(
    {"user", "metadata", "store", "session_id", "tags", "safety_identifier", "prompt_cache_key", "stream_options"}
)
"""Accepted and without effect on an answer: they serve a caller's own bookkeeping."""

REFUSED_FIELDS = frozenset(
    {
        "audio", "extra_body", "extra_headers", "fallbacks", "function_call", "functions", "include_signatures",
        "logit_bias", "logprobs", "on_unsupported", "post_hooks", "pre_hooks", "prediction", "provider_params",
        "response_format", "retention", "router_candidates", "routing", "service_tier", "thinking", "tool_choice",
        "tools", "top_logprobs", "verbosity", "web_search_options",
    }
)  # fmt: skip
"""Fields that would change the answer and that no part of this gateway honours."""

_EMPTY_VALUES = frozenset({b"null", b"false", b"[]", b"{}", b'""', b'"auto"', b'"none"', b'"default"'})
_HARMLESS = {"response_format": re.compile(rb'\{\s*"type"\s*:\s*"text"\s*\}')}


class _ImageUrl(Struct):
    url: Raw


class _File(Struct):
    file_id: str | None = None
    file_data: Raw = Raw(b"null")


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | str | None = None
    file: _File | None = None


class _Message(Struct):
    role: str
    content: Raw = Raw(b"null")
    text: str | None = None
    images: list[_Part] | None = None


class _ImageConfig(Struct, forbid_unknown_fields=True):
    aspect_ratio: str | None = None
    image_size: str | None = None


class _Fields(Struct):
    model: str
    messages: Annotated[list[_Message], Meta(min_length=1)]
    image_config: Raw = Raw(b"null")
    image_output: str | None = None
    image_delivery: str | None = None
    modalities: list[str] | None = None
    stream: bool | None = None
    n: int | None = None
    max_cost: Decimal | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    reasoning_effort: str | None = None


class _KnownFields(_Fields, forbid_unknown_fields=True):
    pass


_known_fields = msgspec.json.Decoder(_KnownFields)
_fields = msgspec.json.Decoder(_Fields)
_field_names = msgspec.json.Decoder(dict[str, Raw])
_parts = msgspec.json.Decoder(list[_Part])
_text = msgspec.json.Decoder(str)
_image_config = msgspec.json.Decoder(_ImageConfig | None)


@dataclass(frozen=True, slots=True)
class ChatBody:
    """A request and how its answer is to look. `ignored` are fields that this gateway does not know."""

    request: ChatRequest
    shape: str | None
    ignored: tuple[str, ...]


def parse_chat_body(body: bytes | bytearray) -> ChatBody:
    """Read a request's body. Raises 400 or 422, naming the field, the value and the choices."""
    fields, ignored = _decode(body)
    _check_form(fields)
    messages = tuple(_messages(fields.messages))
    _check_text_size(messages)
    request = ChatRequest(
        model=fields.model,
        messages=messages,
        image_config=_parse_image_config(fields.image_config),
        sampling=_sampling(fields),
        modalities=_modalities(fields.modalities),
        max_cost=fields.max_cost,
    )
    return ChatBody(request, _shape(fields), ignored)


def _decode(body: bytes | bytearray) -> tuple[_Fields, tuple[str, ...]]:
    try:
        return _known_fields.decode(body), ()
    except msgspec.ValidationError:
        pass  # an unknown field, or a wrong shape: the second look tells which
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    try:
        values = _field_names.decode(body)
        fields = _fields.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    unknown = values.keys() - set(_Fields.__struct_fields__)
    for name in sorted(unknown & REFUSED_FIELDS):
        _check_harmless(name, bytes(values[name]))
    return fields, tuple(sorted(unknown - REFUSED_FIELDS - INERT_FIELDS))


def _check_harmless(name: str, value: bytes) -> None:
    harmless = _HARMLESS.get(name)
    if value in _EMPTY_VALUES or (harmless and harmless.fullmatch(value)):
        return
    raise Failure(
        Code.UNSUPPORTED, f"{name} is not supported here. Leave it out; nothing is dropped in silence.", param=name
    )


def _not_json(error: Exception) -> Failure:
    return Failure(Code.INVALID_JSON, f"The body is not valid JSON: {error}.")


def _wrong_shape(error: msgspec.ValidationError) -> Failure:
    """msgspec says "Expected `str`, got `int` - at `$.messages[0].role`"; callers know fields, not `$`."""
    what, _, place = str(error).partition(" - at ")
    where = place.strip("`").removeprefix("$").removeprefix(".")
    what = what.replace("`", "")
    return Failure(Code.INVALID_BODY, f"{where or 'The body'}: {what}.", param=where or None)


def _check_form(fields: _Fields) -> None:
    for name, asked in (("stream", bool(fields.stream)), ("n", fields.n not in (None, 1))):
        if asked:
            raise Failure(
                Code.UNSUPPORTED,
                f"{name} is not supported yet: answers come whole, one at a time. Leave {name} out.",
                param=name,
            )
    if fields.image_delivery not in (None, "inline"):
        raise Failure(
            Code.INVALID_VALUE,
            f'image_delivery "{fields.image_delivery[:40]}" is not possible yet. It takes inline.',
            param="image_delivery",
        )


def _shape(fields: _Fields) -> str | None:
    if fields.image_output is None:
        return "images" if fields.modalities and "image" in fields.modalities else None
    if fields.image_output not in SHAPES:
        why = "is not possible yet" if fields.image_output in _NOT_YET_SHAPES else "is unknown"
        raise Failure(
            Code.INVALID_VALUE,
            f'image_output "{fields.image_output[:40]}" {why}. It takes {listed(SHAPES)}.',
            param="image_output",
        )
    return fields.image_output


def _modalities(asked: list[str] | None) -> tuple[Modality, ...]:
    for modality in asked or ():
        if modality not in MODALITIES:
            raise Failure(
                Code.INVALID_VALUE,
                f'modalities "{modality[:40]}" is not possible. It takes {listed(MODALITIES)}.',
                param="modalities",
            )
    return tuple(dict.fromkeys(cast("list[Modality]", asked or [])))


def _parse_image_config(raw: Raw) -> ImageConfig:
    try:
        config = _image_config.decode(raw)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        where = "image_config" + place.strip("`").removeprefix("$")
        raise Failure(
            Code.INVALID_BODY,
            f"{where}: {what.replace('`', '')}. image_config takes aspect_ratio and image_size, both strings.",
            param=where,
        ) from None
    return ImageConfig(config.aspect_ratio, config.image_size) if config else ImageConfig()


def _sampling(fields: _Fields) -> Sampling:
    stop = (fields.stop,) if isinstance(fields.stop, str) else fields.stop
    return Sampling(
        temperature=fields.temperature,
        top_p=fields.top_p,
        max_tokens=fields.max_completion_tokens if fields.max_tokens is None else fields.max_tokens,
        seed=fields.seed,
        stop=tuple(stop) if stop else None,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        reasoning_effort=fields.reasoning_effort,
    )


def _messages(messages: list[_Message]) -> Iterable[Message]:
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        role = ROLES.get(message.role)
        if role is None:
            raise Failure(
                Code.INVALID_VALUE,
                f'{where}.role "{message.role[:40]}" is not possible. It takes {listed(tuple(ROLES))}.',
                param=f"{where}.role",
            )
        yield Message(role, _message_parts(message, where))


def _message_parts(message: _Message, where: str) -> tuple[TextPart | ImagePart | ImageLink, ...]:
    parts = _content_parts(message.content, f"{where}.content")
    if message.text:
        # An earlier answer in the shape `content`: its words are beside its picture.
        parts = [TextPart(message.text), *parts]
    if message.images:
        # An earlier answer may hold the same picture in `content` and in `images`: it counts once.
        parts = [part for part in parts if isinstance(part, TextPart)]
        parts += _parse_parts(message.images, f"{where}.images")
    return tuple(parts)


def _content_parts(content: Raw, where: str) -> list[TextPart | ImagePart | ImageLink]:
    view = memoryview(content)
    if bytes(view[:5]) == b"null":
        return []
    if bytes(view[:1]) == b"[":
        try:
            parts = _parts.decode(content)
        except msgspec.ValidationError as error:
            raise _wrong_part(error, where) from None
        return _parse_parts(parts, where)
    if bytes(view[:12]).replace(b"\\", b"").startswith(b'"data:image'):
        return [parse_picture_url(content, where)]
    try:
        text = _text.decode(content)
    except msgspec.ValidationError as error:
        raise _wrong_part(error, where) from None
    return [TextPart(text)] if text else []


def _wrong_part(error: msgspec.ValidationError, where: str) -> Failure:
    what, _, place = str(error).partition(" - at ")
    where += place.strip("`").removeprefix("$")
    return Failure(Code.INVALID_BODY, f"{where}: {what.replace('`', '')}.", param=where)


def _parse_parts(parts: list[_Part], where: str) -> list[TextPart | ImagePart | ImageLink]:
    if len(parts) > MAX_PARTS:
        raise Failure(Code.INVALID_VALUE, f"{where} has {len(parts)} parts. It takes at most {MAX_PARTS}.", param=where)
    return [_parse_part(part, f"{where}[{index}]") for index, part in enumerate(parts)]


def _parse_part(part: _Part, where: str) -> TextPart | ImagePart | ImageLink:
    match part:
        case _Part(type="text" | "input_text" | "output_text", text=str(text)):
            return TextPart(text)
        case _Part(type="refusal", refusal=str(refusal)):
            return TextPart(refusal)
        case _Part(type="image_url", image_url=_ImageUrl(url=url)):
            return parse_picture_url(url, f"{where}.image_url.url")
        case _Part(type="image_url", image_url=str(url)):
            return parse_picture_url(Raw(msgspec.json.encode(url)), f"{where}.image_url")
        case _Part(type="file", file=_File(file_id=None, file_data=data)) if bytes(memoryview(data)[:5]) != b"null":
            return parse_picture(data, f"{where}.file.file_data")
        case _Part(type="file", file=_File(file_id=str(file_id))) if file_id.startswith(("http://", "https://")):
            return ImageLink(file_id, f"{where}.file.file_id")
        case _Part(type="file", file=_File(file_id=str())):
            raise Failure(
                Code.UNSUPPORTED,
                f"{where}.file.file_id names an upload, which this gateway does not keep yet. Send the picture as "
                "image_url with a data URL or an http(s) URL.",
                param=f"{where}.file.file_id",
            )
        case _Part(type="text" | "refusal" | "image_url" | "file" as kind):
            raise Failure(Code.INVALID_BODY, f"{where}: a part of type {kind} has a field {kind}.", param=where)
    raise Failure(
        Code.UNSUPPORTED,
        f'{where}.type "{part.type[:40]}" is not supported. It takes text, image_url and file.',
        param=f"{where}.type",
    )


def _check_text_size(messages: tuple[Message, ...]) -> None:
    size = sum(len(part.text) for message in messages for part in message.parts if isinstance(part, TextPart))
    if size > MAX_TEXT_BYTES:
        raise Failure(
            Code.BODY_TOO_LARGE,
            f"messages hold {size} characters of text. They take at most {MAX_TEXT_BYTES}; pictures do not count.",
            param="messages",
        )
