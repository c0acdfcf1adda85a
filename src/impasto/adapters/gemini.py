"""Google's Gemini, native wire format: how a call is said, and what its errors mean.

Rule: only keys that the API knows are sent (an unknown one is its 400), and what it
refuses is sorted into whose fault it was.

Sources: https://ai.google.dev/api/generate-content and the models of google-genai 3.4.0.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never
from urllib.parse import quote

import msgspec
from msgspec import Raw

from impasto.adapters.base import AnswerParser, WireRequest
from impasto.adapters.gemini_answer import GeminiAnswerParser, GeminiStreamParser
from impasto.domain.chat import Characters, ImagePart, ModelCall, Sampling, TextPart, Turn, TurnPart
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import Tool, ToolCall, ToolChoice, ToolResult

_SAMPLING_KEYS = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_WORDS_BEFORE_EARLIER_PICTURE = "The picture that you made before:"
_WORDS_BEFORE_EARLIER_WORDS = "You answered before: "
_CALLING_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_UNSIGNED = "skip_thought_signature_validator"
"""Google's own word for a call that its model did not make, or whose signature is lost.
https://ai.google.dev/gemini-api/docs/thought-signatures#faqs"""
_object = msgspec.json.Decoder(dict[str, object])


class GeminiAdapter:
    """`generateContent` and `streamGenerateContent` of the Gemini API."""

    def render(self, call: ModelCall) -> WireRequest:
        method = "streamGenerateContent?alt=sse" if call.streamed else "generateContent"
        path = f"/v1beta/models/{quote(call.model.wire_name, safe='')}:{method}"
        return WireRequest(path, tuple(_body(call)))

    def parser(self, call: ModelCall) -> AnswerParser:
        parser = GeminiStreamParser if call.streamed else GeminiAnswerParser
        call_ids = [part.id for turn in call.turns for part in turn.parts if isinstance(part, ToolCall)]
        return parser(call.model.provider.name, call_ids)

    def failure_of(self, call: ModelCall, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return _failure_of(call.model.provider.name, status, headers, _error_in(body))


def _body(call: ModelCall) -> Iterable[Characters]:
    """The JSON in pieces: everything small is encoded here, pictures are passed on as they lie."""
    system, turns = _split_system(call)
    if not turns:
        raise Failure(
            Code.INVALID_VALUE, "messages hold nothing to answer: add a user message with words.", param="messages"
        )
    yield b'{"contents":['
    for index, turn in enumerate(turns):
        role = b"model" if turn.role == "assistant" else b"user"
        yield (b"," if index else b"") + b'{"role":"' + role + b'","parts":['
        yield from _parts(turn)
        yield b"]}"
    yield b"]"
    if system:
        yield b',"systemInstruction":' + msgspec.json.encode({"parts": [{"text": text} for text in system]})
    if call.tools:
        yield b',"tools":' + msgspec.json.encode(
            [{"functionDeclarations": [_declaration(tool) for tool in call.tools]}]
        )
        yield b',"toolConfig":' + msgspec.json.encode({"functionCallingConfig": _calling(call.tool_choice)})
    config = _generation_config(call)
    if config:
        yield b',"generationConfig":' + msgspec.json.encode(config)
    yield b"}"


def _parts(turn: Turn) -> Iterable[Characters]:
    for index, part in enumerate(turn.parts):
        comma = b"," if index else b""
        match part:
            case TextPart(text, signature):
                yield comma + b'{"text":' + msgspec.json.encode(text)
                yield from _signed(signature)
                yield b"}"
            case ImagePart(base64, media_type, signature=signature):
                yield comma + b'{"inlineData":{"mimeType":"' + media_type.encode() + b'","data":"'
                yield base64
                yield b'"}'
                yield from _signed(signature)
                yield b"}"
            case ToolCall():
                yield comma + msgspec.json.encode(_function_call(part))
            case ToolResult(_, name, text):
                response = {"functionResponse": {"name": name, "response": _object_of(text)}}
                yield comma + msgspec.json.encode(response)
            case _:
                assert_never(part)


def _signed(signature: Characters | None) -> Iterable[Characters]:
    if signature is not None:
        yield b',"thoughtSignature":"'
        yield signature
        yield b'"'


def _function_call(call: ToolCall) -> dict[str, object]:
    part: dict[str, object] = {"functionCall": {"name": call.name, "args": Raw(call.arguments.encode())}}
    return part | ({"thoughtSignature": call.signature} if call.signature else {})


def _object_of(text: str) -> object:
    """What a function returned, as the object that Google wants: one passes as it is, all else is called the result."""
    try:
        _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"result": text}
    return Raw(text.encode())


def _declaration(tool: Tool) -> dict[str, object]:
    # `parameters` takes a dialect of OpenAPI's, this field JSON Schema.
    pairs = (("description", tool.description), ("parametersJsonSchema", tool.parameters and Raw(tool.parameters)))
    return {"name": tool.name} | {key: value for key, value in pairs if value}


def _calling(choice: ToolChoice) -> dict[str, object]:
    config: dict[str, object] = {"mode": _CALLING_MODES[choice.mode]}
    return config | ({"allowedFunctionNames": [choice.name]} if choice.name else {})


def _split_system(call: ModelCall) -> tuple[list[str], list[Turn]]:
    """Instructions apart from turns, and the turns in a form that the model takes."""
    system = [
        part.text
        for turn in call.turns
        if turn.role == "system"
        for part in turn.parts
        if isinstance(part, TextPart) and part.text
    ]
    turns = [_without_empty_words(turn) for turn in call.turns if turn.role != "system"]
    turns = [*_with_joined_results(turn for turn in turns if turn.parts)]
    if call.model.signatures and call.model.makes_images:
        turns = _with_own_turns_only(turns, call.model.provider.id)
    else:
        turns = [_without_signatures(turn) for turn in turns]
    if call.model.signatures and not call.model.makes_images:
        turns = [_with_signed_call(turn) for turn in turns]
    if system and turns and not call.model.system_messages:
        return [], _with_instructions(TextPart("\n\n".join(system)), turns)
    return system, turns


def _with_instructions(instructions: TextPart, turns: Sequence[Turn]) -> list[Turn]:
    """The turns with `instructions` before the first words of the user."""
    first = next((index for index, turn in enumerate(turns) if turn.role == "user"), None)
    if first is None:
        return [Turn("user", (instructions,)), *turns]
    with_them = Turn("user", (instructions, *turns[first].parts))
    return [*turns[:first], with_them, *turns[first + 1 :]]


def _without_empty_words(turn: Turn) -> Turn:
    return replace(
        turn, parts=tuple(part for part in turn.parts if not isinstance(part, TextPart) or part.text or part.signature)
    )


def _with_joined_results(turns: Iterable[Turn]) -> Iterable[Turn]:
    """The turns, with all that came of one turn's calls in one turn, in the order of the calls.

    https://ai.google.dev/gemini-api/docs/function-calling#parallel_function_calling
    """
    places: dict[str, int] = {}
    results: list[ToolResult] = []
    for turn in turns:
        if turn.role == "tool":
            results += (part for part in turn.parts if isinstance(part, ToolResult))
            continue
        if results:
            yield _results_turn(results, places)
            results = []
        places = {part.id: place for place, part in enumerate(turn.parts) if isinstance(part, ToolCall)}
        yield turn
    if results:
        yield _results_turn(results, places)


def _results_turn(results: Sequence[ToolResult], places: Mapping[str, int]) -> Turn:
    in_order = sorted(results, key=lambda result: places.get(result.call_id, len(places)))
    return Turn("tool", tuple(in_order))


def _with_signed_call(turn: Turn) -> Turn:
    """The turn, its first call signed: Gemini 3 signs the first of a turn and wants it back so."""
    first = next((part for part in turn.parts if isinstance(part, ToolCall)), None)
    if first is None or first.signature:
        return turn
    return Turn(turn.role, tuple(replace(first, signature=_UNSIGNED) if part is first else part for part in turn.parts))


def _with_own_turns_only(turns: Sequence[Turn], provider_id: str) -> list[Turn]:
    """The model's turns where they are Google's own and signed; other answers told as part of the next user turn.

    Gemini 3 refuses a model turn whose picture or first words lack their signature. A user turn needs none.
    https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior
    """
    told: list[Turn] = []
    waiting: list[TurnPart] = []
    for turn in turns:
        if turn.role == "assistant" and _is_signed_by(turn, provider_id):
            if waiting:
                told.append(Turn("user", tuple(waiting)))
                waiting = []
            told.append(turn)
        elif turn.role == "assistant":
            waiting += _as_told(turn)
        else:
            told.append(Turn("user", (*waiting, *turn.parts)))
            waiting = []
    if waiting:
        told.append(Turn("user", tuple(waiting)))
    return told


def _is_signed_by(turn: Turn, provider_id: str) -> bool:
    """Whether the turn is this provider's and every picture in it, and something at all, has its signature."""
    pictures = [part.signature is not None for part in turn.parts if isinstance(part, ImagePart)]
    words = [part.signature is not None for part in turn.parts if isinstance(part, TextPart)]
    return turn.made_by == provider_id and all(pictures) and any([*pictures, *words])


def _without_signatures(turn: Turn) -> Turn:
    """For a model that wants none back."""
    return replace(
        turn,
        parts=tuple(
            replace(part, signature=None) if isinstance(part, TextPart | ImagePart) else part for part in turn.parts
        ),
    )


def _as_told(turn: Turn) -> Iterable[TextPart | ImagePart]:
    for part in turn.parts:
        match part:
            case TextPart(text):
                yield TextPart(_WORDS_BEFORE_EARLIER_WORDS + text)
            case ImagePart():
                yield TextPart(_WORDS_BEFORE_EARLIER_PICTURE)
                yield replace(part, signature=None)


def _generation_config(call: ModelCall) -> dict[str, object]:
    config: dict[str, object] = {}
    if call.model.makes_images:
        asked = call.modalities or ("text", "image")
        config["responseModalities"] = [modality.upper() for modality in asked]
        pairs = (("aspectRatio", call.image_config.aspect_ratio), ("imageSize", call.image_config.image_size))
        image_config = {key: value for key, value in pairs if value is not None}
        if image_config:
            config["imageConfig"] = image_config
    if call.response_format is not None:
        config["responseMimeType"] = "application/json"
        if call.response_format.schema:
            config["responseJsonSchema"] = Raw(call.response_format.schema)
    return config | _sampling(call.sampling)


def _sampling(sampling: Sampling) -> dict[str, object]:
    config = {_SAMPLING_KEYS[name]: value for name, value in sampling.asked().items() if name in _SAMPLING_KEYS}
    if sampling.reasoning_effort is not None:
        config["thinkingConfig"] = {"thinkingLevel": sampling.reasoning_effort}
    return config


class _Error(msgspec.Struct):
    """google.rpc.Status. `details` are google.rpc.ErrorInfo, RetryInfo, QuotaFailure and others."""

    message: str | None = ""
    status: str | None = ""
    details: list[dict[str, object]] | None = None

    @property
    def text(self) -> str:
        return (self.message or "").strip()

    def detail(self, kind: str, key: str) -> str:
        for detail in self.details or ():
            if str(detail.get("@type", "")).endswith(kind):
                return str(detail.get(key, ""))
        return ""

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0][:300]


class _ErrorBody(msgspec.Struct):
    error: _Error


_error_body = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody])
_KEY_REFUSED = re.compile(r"API key (not valid|expired|not found)", re.IGNORECASE)
_NO_QUOTA = re.compile(r"limit: 0(?!\.?\d)")
_SIGNATURE = re.compile(r"thought[ _]signature", re.IGNORECASE)
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)s?")
_LONGEST_WAIT_SECONDS = 24 * 3600


def _error_in(body: bytes) -> _Error | None:
    """Google's error, also as the one element of an array; `None` for anything else, such as a proxy's page."""
    try:
        found: _ErrorBody | list[_ErrorBody] = _error_body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list):
        return found[0].error if found else None
    return found.error


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Whose fault an error was, and what we say about it."""

    code: Code
    message: str
    retry_helps: bool = False


_ACCOUNT = _Meaning(
    Code.PROVIDER_AUTH,
    "{provider} refused this gateway's key or account. Its operator has to mend that; nothing was spent.",
)
_NOT_UNDERSTOOD = _Meaning(Code.PROVIDER_WRONG, "{provider} did not understand what this gateway sent.{said}")
_REJECTED = _Meaning(Code.PROVIDER_REJECTED, "{provider} refused the request, and nothing was spent.{said}")
_SIGNATURE_REFUSED = _Meaning(
    Code.SIGNATURE_REFUSED, "{provider} does not take back what it signed before, and nothing was spent.{said}"
)
_UNKNOWN_MODEL = _Meaning(Code.MODEL_RETIRED, "{provider} does not know this model.")
_WITHOUT_QUOTA = _Meaning(
    Code.PROVIDER_NO_QUOTA,
    "This gateway's key has no quota for this model at {provider}: image models need a billed account. "
    "Its operator has to mend that; nothing was spent.",
)
_LIMITED = _Meaning(Code.PROVIDER_RATE_LIMITED, "{provider} limits how much this gateway may ask.{wait}", True)
_OVERLOADED = _Meaning(Code.PROVIDER_OVERLOADED, "{provider} is overloaded; nothing was spent.{wait}", True)
# A proxy says 503 as well when it lost Google in the middle of the call.
_PERHAPS_OVERLOADED = _Meaning(Code.PROVIDER_OVERLOADED, "{provider} could not answer. It may bill for the call.")
_TOO_SLOW = _Meaning(
    Code.PROVIDER_TIMEOUT, "{provider} took too long by its own clock. It may bill for the call all the same."
)
_FAILED = _Meaning(Code.PROVIDER_WRONG, "{provider} failed with status {status}. It may bill for the call.{said}")


def _meaning_of(status: int, error: _Error | None) -> _Meaning:
    match status:
        case 400 | 401 | 403 if _is_our_account(status, error):
            return _ACCOUNT
        case 400 if error and "Unknown name" in error.text:
            return _NOT_UNDERSTOOD
        case 400 if error and _SIGNATURE.search(error.text):
            return _SIGNATURE_REFUSED
        case 400 | 413 if error:
            return _REJECTED
        case 404 if error and error.status == "NOT_FOUND":
            return _UNKNOWN_MODEL
        case 429:
            return _WITHOUT_QUOTA if error and _NO_QUOTA.search(error.text) else _LIMITED
        case 503:
            return _OVERLOADED if error else _PERHAPS_OVERLOADED
        case 408 | 504:
            return _TOO_SLOW
    return _FAILED


def _failure_of(provider: str, status: int, headers: Mapping[str, str], error: _Error | None) -> Failure:
    meaning = _meaning_of(status, error)
    said = f" It said: {error.first_line}" if error and error.first_line else ""
    wait = _wait_seconds(headers, error) if meaning.retry_helps else None
    advice = f" Try again in {wait} seconds." if wait else ""
    return Failure(
        meaning.code,
        meaning.message.format(provider=provider, status=status, said=said, wait=advice),
        logged=f"{provider} answered {status} {error.status if error else 'without an error of its own'}:{said}",
        retry_helps=meaning.retry_helps,
        retry_after_seconds=wait,
    )


def _is_our_account(status: int, error: _Error | None) -> bool:
    """A bad key arrives as 400 INVALID_ARGUMENT with the reason API_KEY_INVALID, never as 401."""
    if status in (401, 403):
        return True
    if error is None:
        return False
    reason = error.detail("google.rpc.ErrorInfo", "reason")
    return reason.startswith("API_KEY") or error.status == "FAILED_PRECONDITION" or bool(_KEY_REFUSED.match(error.text))


def _wait_seconds(headers: Mapping[str, str], error: _Error | None) -> int | None:
    """Whole seconds to wait, from RetryInfo or `Retry-After`; a date or nonsense there is no figure."""
    said = (error.detail("google.rpc.RetryInfo", "retryDelay") if error else "") or headers.get("retry-after", "")
    found = _SECONDS.fullmatch(said.strip())
    if not found:
        return None
    return max(1, math.ceil(min(float(found[1]), _LONGEST_WAIT_SECONDS)))
