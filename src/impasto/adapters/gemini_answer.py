"""Google's Gemini, native wire format: an answer, however it is cut, as events.

Rule: parts are taken in the order in which they come and never by index; a picture and
a signature pass through in pieces; the last usage that was seen is the bill.

Sources: https://ai.google.dev/api/generate-content, recorded answers of four models, and
https://ai.google.dev/gemini-api/docs/thought-signatures for what the pieces mean.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeGuard

from impasto.adapters.json_scan import Began, Ended, JsonError, JsonScanner, Path, Scalar, StringPiece, Token, Value
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
from impasto.domain.usage import Usage

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
_MAX_TOKENS = 2**31 - 1
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


@dataclass(slots=True)
class _Counts:
    """usageMetadata as it came: totals by name, and what each detail holds by its list and index."""

    totals: dict[str, Scalar] = field(default_factory=dict)
    details: dict[tuple[str, int], dict[str, Scalar]] = field(default_factory=dict)


class GeminiAnswerParser:
    """Parses one whole `GenerateContentResponse`. `provider` is the name that failures give."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._scanner = JsonScanner(_STREAMED)
        self._events: list[Event] = []
        self._part: _Part | None = None
        self._counts: _Counts | None = None
        self._has_candidate = False
        self._has_output = False
        self._facts: dict[str, str] = {}

    def feed(self, data: bytes) -> Sequence[Event]:
        try:
            tokens = self._scanner.feed(data)
        except JsonError as error:
            raise self._wrong("sent an answer that is not what its API promises", str(error)) from error
        return self._read(tokens)

    def finish(self) -> Sequence[Event]:
        try:
            tokens = self._scanner.finish()
        except JsonError as error:
            raise Failure(
                Code.PROVIDER_BROKE_OFF,
                f"{self._provider} broke off its answer. It may bill for the call all the same.",
                logged=f"{self._provider}: {error}",
            ) from error
        events = self._read(tokens)
        usage = usage_of(self._counts) if self._counts else None
        if usage:
            events.append(UsageSeen(usage))
        return [*events, self._finished()]

    def _read(self, tokens: Iterable[Token]) -> list[Event]:
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
            raise self._wrong("sent an answer that is not what its API promises", "two pictures in one part")
        if part.picture == "none":
            self._events.append(ImageStarted(part.media_type))
        part.picture = "whole" if piece.last else "open"
        data = part.rest + piece.data if part.rest else piece.data
        end = len(data) if piece.last else len(data) - len(data) % 4
        part.rest = data[end:]
        if end:
            self._events.append(ImageData(data[:end]))

    def _read_value(self, path: Path, value: Scalar) -> None:
        match path:
            case ("usageMetadata", *_):
                self._read_count(path, value)
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

    def _read_count(self, path: Path, value: Scalar) -> None:
        counts = self._counts = self._counts or _Counts()
        match path:
            case (_, str(name)) if value is not None:
                counts.totals[name] = value
            case (_, str(name), int(index), str(key)):
                counts.details.setdefault((name, index), {})[key] = value

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
            raise self._wrong("sent an answer with no candidate in it")
        return Finished(reason, native, facts.get("finishMessage", ""))

    def _failed_midway(self) -> Failure:
        said = " ".join(value for name, value in self._facts.items() if name.partition(".")[0] == "error")
        return self._wrong("failed in the middle of its answer", said[:_LONGEST_LOGGED])

    def _wrong(self, what: str, logged: str = "") -> Failure:
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


_TOTALS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)


def usage_of(counts: _Counts) -> Usage | None:
    """Our five kinds from Google's counts; `None` where there are none or one is no count.

    On success the total is prompt + candidates + thoughts, and the candidates exceed what their
    details say: the rest is billed as text. On a refusal the candidates repeat the thoughts, which
    shows in a total that holds them once. Counts that disagree otherwise are marked as estimated,
    and what only the total knows of is counted as output.
    """
    totals = [counts.totals.get(name, 0) for name in _TOTALS]
    image_input, image_output = (_image_tokens(counts, f"{name}TokensDetails") for name in ("prompt", "candidates"))
    numbers = [value for value in (*totals, image_input, image_output) if _is_count(value)]
    if len(numbers) < len(totals) + 2 or not any(name in counts.totals for name in _TOTALS):
        return None
    prompt, tools, cached, candidates, thoughts, total, image_input, image_output = numbers
    if candidates == thoughts and total == prompt + tools + thoughts:
        candidates = 0
    usage = Usage(
        input_text_tokens=max(0, prompt + tools - image_input),
        input_image_tokens=image_input,
        output_text_tokens=max(0, candidates - image_output),
        output_image_tokens=image_output,
        thought_tokens=thoughts,
        cached_tokens=cached,
    )
    if "totalTokenCount" not in counts.totals or usage.total_tokens == total:
        return usage
    unaccounted = max(0, total - usage.total_tokens)
    return replace(usage, output_text_tokens=usage.output_text_tokens + unaccounted, estimated=True)


def _image_tokens(counts: _Counts, name: str) -> int | None:
    found = [
        detail.get("tokenCount") or 0
        for (kind, _), detail in counts.details.items()
        if kind == name and detail.get("modality") == "IMAGE"
    ]
    numbers = [value for value in found if _is_count(value)]
    return sum(numbers) if len(numbers) == len(found) else None


def _is_count(value: Scalar) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
