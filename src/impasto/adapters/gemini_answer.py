"""Google's Gemini, native wire format: an answer, however it is cut, as events.

Rule: parts are taken in the order in which they come and never by index; a picture and
a signature pass through in pieces; the last usage that was seen is the bill.

Sources: https://ai.google.dev/api/generate-content, recorded answers of four models, and
https://ai.google.dev/gemini-api/docs/thought-signatures for what the pieces mean.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from impasto.adapters.gemini_usage import Counts, usage_of
from impasto.adapters.json_scan import Began, Ended, JsonError, JsonScanner, Path, Scalar, StringPiece, Token, Value
from impasto.adapters.json_text import JsonText
from impasto.adapters.sse import SseBegan, SseData, SseEnded, SseReader, SseToken
from impasto.domain.errors import Code, Failure
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Signature,
    Text,
    UsageSeen,
)
from impasto.domain.tools import MAX_SIGNATURE_CHARACTERS, ToolCall

_FINISH_REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
} | dict.fromkeys(
    (
        "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "IMAGE_RECITATION", "NO_IMAGE", "ESCALATION",
        "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
    ),
    FinishReason.CONTENT_FILTER,
)  # fmt: skip
"""A reason that is not here (a malformed function call, one of the future) counts as a stop: an answer
with something in it is delivered under its native name, and one with nothing in it is a failure later on."""

_STREAMED = ("data", "thoughtSignature", "thought_signature")
_PART_DEPTH = 5  # ("candidates", 0, "content", "parts", index)
_ARGUMENTS_DEPTH = _PART_DEPTH + 2  # (..., "functionCall", "args")
_CALLS = ("functionCall", "function_call")
_MAX_ARGUMENTS_BYTES = 1 << 20
_LONGEST_CALL_ID = 40
"""What OpenAI's own API takes back."""
_LONGEST_LOGGED = 300
_AFTER_UNDERSCORE = re.compile("_([a-z])")


@dataclass(slots=True)
class _Part:
    """What is known so far of the part that is open."""

    text: str | None = None
    media_type: str = ""
    thought: bool = False
    picture: Literal["none", "open", "whole"] = "none"
    is_signed: bool = False
    signature: bytearray = field(default_factory=bytearray)
    rest: bytes = b""
    call_name: str = ""
    call_id: str = ""
    arguments: JsonText | None = None


class GeminiAnswerParser:
    """Parses one whole `GenerateContentResponse`. `provider` is the name that failures give, `call_ids` are
    those of earlier calls of functions: no call of this answer takes one of them."""

    def __init__(self, provider: str, call_ids: Collection[str] = ()) -> None:
        self._reading = _Reading(provider, call_ids)
        self._document = _Document(self._reading)

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._document.feed(data)

    def finish(self) -> Sequence[Event]:
        return [*self._document.finish(), *self._reading.finish()]


class GeminiStreamParser:
    """Parses the answer of `streamGenerateContent?alt=sse`: one `GenerateContentResponse` in each event."""

    def __init__(self, provider: str, call_ids: Collection[str] = ()) -> None:
        self._reading = _Reading(provider, call_ids)
        self._document: _Document | None = None
        self._at_start = False
        self._sse = SseReader()

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._read(self._sse.feed(data))

    def finish(self) -> Sequence[Event]:
        return [*self._read(self._sse.finish()), *self._reading.finish()]

    def _read(self, tokens: Iterable[SseToken]) -> list[Event]:
        events: list[Event] = []
        for token in tokens:
            match token:
                case SseBegan():
                    self._document, self._at_start = _Document(self._reading), True
                case SseData(b"[DONE]") if self._at_start:
                    self._document = None  # Google does not say it, but proxies before Google do
                case SseData(data) if self._document:
                    self._at_start = False
                    events += self._document.feed(data)
                case SseEnded() if self._document:
                    events += self._document.finish()
                    self._document = None
                case _:
                    pass
        return events


class _Document:
    """One JSON document of an answer on its way into the reading."""

    def __init__(self, reading: "_Reading") -> None:
        self._reading = reading
        self._scanner = JsonScanner(_STREAMED)
        reading.begin_document()

    def feed(self, data: bytes) -> list[Event]:
        try:
            tokens = self._scanner.feed(data)
        except JsonError as error:
            raise self._reading.unusable(str(error)) from error
        return self._reading.read(tokens)

    def finish(self) -> list[Event]:
        """The last events, and the usage if the document had one."""
        try:
            tokens = self._scanner.finish()
        except JsonError as error:
            raise self._reading.broke_off(str(error)) from error
        return [*self._reading.read(tokens), *self._reading.end_document()]


class _Reading:
    """What is known of an answer so far, over one document or many."""

    def __init__(self, provider: str, call_ids: Collection[str]) -> None:
        self._provider = provider
        self._call_ids = set(call_ids)
        self._has_calls = False
        self._events: list[Event] = []
        self._part: _Part | None = None
        self._counts: Counts | None = None
        self._has_candidate = False
        self._has_output = False
        self._facts: dict[str, str] = {}

    def begin_document(self) -> None:
        # Counts run: those of a later document are the whole again, never an addition.
        self._counts = None

    def end_document(self) -> list[Event]:
        usage = usage_of(self._counts) if self._counts else None
        return [UsageSeen(usage)] if usage else []

    def finish(self) -> list[Event]:
        return [self._finished()]

    def broke_off(self, logged: str) -> Failure:
        return Failure(
            Code.PROVIDER_BROKE_OFF,
            f"{self._provider} broke off its answer. It may bill for the call all the same.",
            logged=f"{self._provider}: {logged}",
        )

    def read(self, tokens: Iterable[Token]) -> list[Event]:
        for token in tokens:
            match token:
                case _ if self._part and _is_in_arguments(token.path):
                    self._read_arguments(self._part, token)
                case StringPiece():
                    self._read_piece(token)
                case Value(path, value):
                    self._read_value(_camel(path), value)
                case Began(path) if _is_part(path):
                    self._part = _Part()
                case Ended(path) if _is_part(path):
                    self._end_part()
                case Began(path) if path == ("candidates", 0):
                    self._has_candidate = True
                case Ended(("error",)):
                    raise self._failed_midway()
                case _:
                    pass
        events, self._events = self._events, []
        return events

    def _read_piece(self, piece: StringPiece) -> None:
        part, path = self._part, piece.path
        if part is None or not _is_part(path[:_PART_DEPTH]):
            return
        match _camel(path[_PART_DEPTH:]):
            case ("inlineData", "data"):
                self._read_picture(part, piece)
            case ("thoughtSignature",):
                part.is_signed = True
                if len(part.signature) <= MAX_SIGNATURE_CHARACTERS:
                    part.signature += piece.data[: MAX_SIGNATURE_CHARACTERS + 1]
                self._events.append(Signature(piece.data))

    def _read_arguments(self, part: _Part, token: Token) -> None:
        if len(token.path) == _ARGUMENTS_DEPTH and isinstance(token, Began | Value):
            part.arguments = JsonText(_MAX_ARGUMENTS_BYTES)
        try:
            if part.arguments:
                part.arguments.take(token)
        except JsonError as error:
            raise self.unusable(str(error)) from error

    def _read_picture(self, part: _Part, piece: StringPiece) -> None:
        if part.picture == "whole":
            raise self.unusable("two pictures in one part")
        if part.picture == "none":
            self._events.append(ImageStarted(part.media_type, part.thought))
        part.picture = "whole" if piece.last else "open"
        data = part.rest + piece.data if part.rest else piece.data
        end = len(data) if piece.last else len(data) - len(data) % 4
        part.rest = data[end:]
        if end:
            self._events.append(ImageData(data[:end]))

    def _read_value(self, path: Path, value: Scalar) -> None:
        match path:
            case ("usageMetadata", *_):
                self._counts = self._counts or Counts()
                self._counts.read(path, value)
            case ("candidates", 0, "content", "parts", int(), *rest):
                self._read_part(rest, value)
            case ("candidates", 0, str(name)) | ("promptFeedback", str(name)) if isinstance(value, str):
                self._facts[name] = value
            case ("error", *rest):
                self._facts[".".join(map(str, path))] = str(value)
                if not rest and value is not None:
                    raise self._failed_midway()

    def _read_part(self, path: Sequence[str | int], value: Scalar) -> None:
        part = self._part
        if part is None:
            return
        match path, value:
            case ["text"], str(text):
                part.text = text
            case ["thought"], _:
                part.thought = value is True
            case ["inlineData", "mimeType"], str(media_type):
                part.media_type = media_type
            case ["functionCall", "name"], str(name):
                part.call_name = name
            case ["functionCall", "id"], str(call_id):
                part.call_id = call_id

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        text = "" if part.thought else part.text or ""
        self._has_output |= bool(text) or (part.picture != "none" and not part.thought)
        if part.picture != "none":
            self._events.append(ImageEnded(part.thought))
        elif part.call_name and not part.thought:
            self._events.append(self._call_of(part))
        elif text or part.is_signed:
            # Without words as well, so that a signature never ends up with the part after its own.
            self._events.append(Text(text))

    def _call_of(self, part: _Part) -> ToolCall:
        arguments = part.arguments.whole() if part.arguments else "null"
        if arguments == "null":
            arguments = "{}"
        elif not arguments.startswith("{"):
            raise self.unusable("the arguments of a call are no object")
        self._has_calls = self._has_output = True
        is_carried = len(part.signature) <= MAX_SIGNATURE_CHARACTERS
        signature = part.signature.decode(errors="replace") if is_carried else ""
        return ToolCall(self._call_id(part), part.call_name, arguments, signature)

    def _call_id(self, part: _Part) -> str:
        """Google's own; where it gave none, or one that is taken, how many came before and the name."""
        call_id, number = part.call_id, len(self._call_ids)
        while not call_id or call_id in self._call_ids:
            call_id = f"call_{number}_{part.call_name}"[:_LONGEST_CALL_ID]
            number += 1
        self._call_ids.add(call_id)
        return call_id

    def _finished(self) -> Finished:
        facts = self._facts
        blocked, native = facts.get("blockReason"), facts.get("finishReason", "FINISH_REASON_UNSPECIFIED")
        reason = _FINISH_REASONS.get(native, FinishReason.STOP)
        if blocked and reason is FinishReason.STOP and not self._has_output:
            return Finished(FinishReason.CONTENT_FILTER, blocked, facts.get("blockReasonMessage", ""))
        if not self._has_candidate:
            raise self.wrong("sent an answer with no candidate in it")
        if self._has_calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        return Finished(reason, native, facts.get("finishMessage", ""))

    def _failed_midway(self) -> Failure:
        said = " ".join(value for name, value in self._facts.items() if name.partition(".")[0] == "error")
        return self.wrong("failed in the middle of its answer", said[:_LONGEST_LOGGED])

    def unusable(self, logged: str) -> Failure:
        return self.wrong("sent an answer that is not what its API promises", logged)

    def wrong(self, what: str, logged: str = "") -> Failure:
        message = f"{self._provider} {what}. It may bill for the call."
        return Failure(Code.PROVIDER_WRONG, message, logged=f"{message} {logged}".strip())


def _is_part(path: Path) -> bool:
    return len(path) == _PART_DEPTH and path[:4] == ("candidates", 0, "content", "parts")


def _is_in_arguments(path: Path) -> bool:
    """Of the part that is open: whether this is of the arguments of its call."""
    return len(path) >= _ARGUMENTS_DEPTH and path[_PART_DEPTH] in _CALLS and path[_PART_DEPTH + 1] == "args"


def _camel(path: Path) -> Path:
    """Google reads and documents both spellings, and writes the one without underscores."""
    if not any(isinstance(step, str) and "_" in step for step in path):
        return path
    return tuple(_AFTER_UNDERSCORE.sub(_upper, step) if isinstance(step, str) else step for step in path)


def _upper(found: re.Match[str]) -> str:
    return found[1].upper()
