"""Google's Gemini, native wire format: an answer, however it is cut, as events.

Rule: parts are taken in the order in which they come and never by index; a picture and
a signature pass through in pieces; the last usage that was seen is the bill.

Sources: https://ai.google.dev/api/generate-content, recorded answers of four models, and
https://ai.google.dev/gemini-api/docs/thought-signatures for what the pieces mean.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from impasto.adapters.gemini_usage import Counts, usage_of
from impasto.adapters.json_scan import Began, Ended, JsonError, JsonScanner, Path, Scalar, StringPiece, Token, Value
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
    rest: bytes = b""


class GeminiAnswerParser:
    """Parses one whole `GenerateContentResponse`. `provider` is the name that failures give."""

    def __init__(self, provider: str) -> None:
        self._reading = _Reading(provider)
        self._document = _Document(self._reading)

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._document.feed(data)

    def finish(self) -> Sequence[Event]:
        return [*self._document.finish(), *self._reading.finish()]


class GeminiStreamParser:
    """Parses the answer of `streamGenerateContent?alt=sse`: one `GenerateContentResponse` in each event."""

    def __init__(self, provider: str) -> None:
        self._reading = _Reading(provider)
        self._document: _Document | None = None
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
                    self._document = _Document(self._reading)
                case SseData(data) if self._document:
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
            raise self._reading.wrong("sent an answer that is not what its API promises", str(error)) from error
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

    def __init__(self, provider: str) -> None:
        self._provider = provider
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
                self._events.append(Signature(piece.data))

    def _read_picture(self, part: _Part, piece: StringPiece) -> None:
        if part.picture == "whole":
            raise self.wrong("sent an answer that is not what its API promises", "two pictures in one part")
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

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        text = "" if part.thought else part.text or ""
        self._has_output |= bool(text) or (part.picture != "none" and not part.thought)
        if part.picture != "none":
            self._events.append(ImageEnded(part.thought))
        elif text or part.is_signed:
            # Without words as well, so that a signature never ends up with the part after its own.
            self._events.append(Text(text))

    def _finished(self) -> Finished:
        facts = self._facts
        blocked, native = facts.get("blockReason"), facts.get("finishReason", "FINISH_REASON_UNSPECIFIED")
        reason = _FINISH_REASONS.get(native, FinishReason.STOP)
        if blocked and reason is FinishReason.STOP and not self._has_output:
            return Finished(FinishReason.CONTENT_FILTER, blocked, facts.get("blockReasonMessage", ""))
        if not self._has_candidate:
            raise self.wrong("sent an answer with no candidate in it")
        return Finished(reason, native, facts.get("finishMessage", ""))

    def _failed_midway(self) -> Failure:
        said = " ".join(value for name, value in self._facts.items() if name.partition(".")[0] == "error")
        return self.wrong("failed in the middle of its answer", said[:_LONGEST_LOGGED])

    def wrong(self, what: str, logged: str = "") -> Failure:
        message = f"{self._provider} {what}. It may bill for the call."
        return Failure(Code.PROVIDER_WRONG, message, logged=f"{message} {logged}".strip())


def _is_part(path: Path) -> bool:
    return len(path) == _PART_DEPTH and path[:4] == ("candidates", 0, "content", "parts")


def _camel(path: Path) -> Path:
    """Google reads and documents both spellings, and writes the one without underscores."""
    if not any(isinstance(step, str) and "_" in step for step in path):
        return path
    return tuple(_AFTER_UNDERSCORE.sub(_upper, step) if isinstance(step, str) else step for step in path)


def _upper(found: re.Match[str]) -> str:
    return found[1].upper()
