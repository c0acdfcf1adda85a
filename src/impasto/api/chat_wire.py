"""The body of a chat completion request, as callers send it.

Rule: what cannot be honoured is refused by name; what is merely unknown is reported back.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, cast

import msgspec
from msgspec import Meta, Raw, Struct

from impasto.api.format_wire import parse_response_format
from impasto.api.json_errors import not_json, wrong_shape
from impasto.api.message_wire import MessageBody, parse_messages
from impasto.api.shapes import DELIVERIES, SHAPES
from impasto.api.tool_wire import parse_tool_choice, parse_tools
from impasto.domain.chat import ChatRequest, Sampling
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.image import ImageConfig
from impasto.domain.model import Modality
from impasto.domain.retention import Keeps

MODALITIES: tuple[Modality, ...] = ("text", "image")
MAX_COUNT = 10
MAX_NAME_CHARACTERS = 200
MAX_COST_DIGITS = 40
MAX_IGNORED = 50

INERT_FIELDS = frozenset({"metadata", "store", "prompt_cache_key", "stream_options"})
"""Accepted and without effect on an answer: they serve a caller's own bookkeeping."""

REFUSED_FIELDS = frozenset(
    {
        "audio", "extra_body", "extra_headers", "fallbacks", "function_call", "functions",
        "logit_bias", "logprobs", "on_unsupported", "post_hooks", "pre_hooks", "prediction", "provider_params",
        "router_candidates", "routing", "service_tier", "thinking", "top_logprobs", "verbosity",
        "web_search_options",
    }
)  # fmt: skip
"""Fields that would change the answer and that no part of this gateway honours."""

_EMPTY_VALUES: tuple[object, ...] = (None, False, [], {}, "", "auto", "none", "default")
_HARMLESS_VALUES: dict[str, object] = {"thinking": {"type": "disabled"}}
_LONGEST_HARMLESS = 100


class _ImageConfig(Struct, forbid_unknown_fields=True):
    aspect_ratio: str | None = None
    image_size: str | None = None


_NULL = Raw(b"null")


class _Fields(Struct):
    model: str
    messages: Annotated[list[MessageBody], Meta(min_length=1)]
    image_config: Raw = Raw(b"null")
    image_output: str | None = None
    image_delivery: str | None = None
    include_signatures: bool | None = None
    tags: Raw = _NULL
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
    tools: Raw = Raw(b"null")
    tool_choice: Raw = Raw(b"null")
    parallel_tool_calls: bool | None = None
    response_format: Raw = Raw(b"null")
    retention: str | None = None
    session_id: str | None = None
    user: str | None = None
    safety_identifier: str | None = None


class _KnownFields(_Fields, forbid_unknown_fields=True):
    pass


_known_fields = msgspec.json.Decoder(_KnownFields)
_fields = msgspec.json.Decoder(_Fields)
_field_names = msgspec.json.Decoder(dict[str, Raw])
_image_config = msgspec.json.Decoder(_ImageConfig | None)


@dataclass(frozen=True, slots=True)
class ChatBody:
    """A request and how its answer is to look.

    `ignored` are fields that this gateway does not know. `signatures`: its provider's come with the answer. `count` is
    how many answers are wanted, `n`. `keeps` is the most that may be kept of it, where it says so; `session_id` and
    `end_user` are its names for a conversation and a person.
    """

    request: ChatRequest
    shape: str | None
    ignored: tuple[str, ...]
    streamed: bool = False
    count: int = 1
    delivery: str | None = None
    signatures: bool = False
    tags: Raw = field(default_factory=lambda: _NULL)
    keeps: Keeps | None = None
    session_id: str | None = None
    end_user: str | None = None


def parse_chat_body(body: bytes | bytearray) -> ChatBody:
    """Read a request's body. Raises 400, 413, 415 or 422, naming the field, the value and the choices."""
    try:
        return _parse(body)
    except msgspec.ValidationError as error:
        raise wrong_shape(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Strings are only decoded where they are read, so bytes that are no UTF-8 may show late.
        raise not_json(error) from None


def _parse(body: bytes | bytearray) -> ChatBody:
    fields, ignored = _decode(body)
    _check_form(fields)
    tools = parse_tools(fields.tools)
    request = ChatRequest(
        model=fields.model,
        messages=parse_messages(fields.messages),
        image_config=_parse_image_config(fields.image_config),
        sampling=_sampling(fields),
        modalities=_modalities(fields.modalities),
        max_cost=_max_cost(fields.max_cost),
        tools=tools,
        tool_choice=parse_tool_choice(fields.tool_choice, tools, fields.parallel_tool_calls),
        response_format=parse_response_format(fields.response_format),
    )
    return ChatBody(
        request=request,
        shape=_shape(fields),
        ignored=ignored,
        streamed=bool(fields.stream),
        count=1 if fields.n is None else fields.n,
        delivery=fields.image_delivery,
        signatures=bool(fields.include_signatures),
        tags=fields.tags,
        keeps=_keeps(fields.retention),
        session_id=_name("session_id", fields.session_id),
        end_user=_name("user", fields.user) or _name("safety_identifier", fields.safety_identifier),
    )


def _decode(body: bytes | bytearray) -> tuple[_Fields, tuple[str, ...]]:
    try:
        return _known_fields.decode(body), ()
    except msgspec.ValidationError:
        pass  # an unknown field, or a wrong shape: the second look tells which
    fields = _fields.decode(body)
    values = _field_names.decode(body)
    unknown = values.keys() - set(_Fields.__struct_fields__)
    for name in sorted(unknown & REFUSED_FIELDS):
        _check_harmless(name, values[name])
    ignored = sorted(name[:100] for name in unknown - REFUSED_FIELDS - INERT_FIELDS)
    return fields, tuple(ignored[:MAX_IGNORED])


def _check_harmless(name: str, value: Raw) -> None:
    if len(memoryview(value)) <= _LONGEST_HARMLESS:
        said = msgspec.json.decode(value)
        if said in _EMPTY_VALUES or (name in _HARMLESS_VALUES and said == _HARMLESS_VALUES[name]):
            return
    raise Failure(
        Code.UNSUPPORTED, f"{name} is not supported here. Leave it out; nothing is dropped in silence.", param=name
    )


def _check_form(fields: _Fields) -> None:
    if fields.n is not None and not 1 <= fields.n <= MAX_COUNT:
        raise Failure(Code.INVALID_VALUE, f"n {fields.n} is not possible. It takes 1 to {MAX_COUNT}.", param="n")
    if fields.image_delivery is not None and fields.image_delivery not in DELIVERIES:
        raise Failure(
            Code.INVALID_VALUE,
            f'image_delivery "{fields.image_delivery[:40]}" is not possible. It takes {listed(DELIVERIES)}.',
            param="image_delivery",
        )


def _keeps(asked: str | None) -> Keeps | None:
    if asked is None:
        return None
    if asked not in tuple(Keeps):
        raise Failure(
            Code.INVALID_VALUE,
            f'retention "{asked[:40]}" is not possible. It takes {listed(tuple(Keeps))}.',
            param="retention",
        )
    return Keeps(asked)


def _name(field: str, value: str | None) -> str | None:
    """A caller's name for something, which a row takes; an empty one is none."""
    if value is not None and (len(value) > MAX_NAME_CHARACTERS or "\0" in value):
        raise Failure(
            Code.INVALID_VALUE,
            f"{field} is too long or holds a NUL. It takes at most {MAX_NAME_CHARACTERS} characters; this has "
            f"{len(value)}.",
            param=field,
        )
    return value or None


def _shape(fields: _Fields) -> str | None:
    if fields.image_output is None:
        return "images" if fields.modalities and "image" in fields.modalities else None
    if fields.image_output not in SHAPES:
        raise Failure(
            Code.INVALID_VALUE,
            f'image_output "{fields.image_output[:40]}" is not possible. It takes {listed(SHAPES)}.',
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


def _max_cost(asked: Decimal | None) -> Decimal | None:
    """msgspec reads "NaN" and 1e-999999 as decimals too; neither is money, and the one cannot be compared."""
    if asked is None:
        return None
    if asked.is_finite() and asked >= 0 and len(asked.as_tuple().digits) + abs(asked.adjusted()) <= MAX_COST_DIGITS:
        return asked
    raise Failure(
        Code.INVALID_VALUE,
        "max_cost is no sum of money. It takes US dollars, from 0 up, such as 0.05.",
        param="max_cost",
    )


def _parse_image_config(raw: Raw) -> ImageConfig:
    try:
        config = _image_config.decode(raw)
    except msgspec.ValidationError as error:
        advice = " image_config takes aspect_ratio and image_size, both strings."
        raise wrong_shape(error, "image_config", advice) from None
    return ImageConfig(config.aspect_ratio, config.image_size) if config else ImageConfig()


def _sampling(fields: _Fields) -> Sampling:
    stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or ()
    most = [asked for asked in (fields.max_tokens, fields.max_completion_tokens) if asked is not None]
    return Sampling(
        temperature=fields.temperature,
        top_p=fields.top_p,
        max_tokens=min(most, default=None),
        seed=fields.seed,
        stop=tuple(end for end in stop if end) or None,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        reasoning_effort=fields.reasoning_effort,
    )
