"""Google's Gemini, native wire format: an answer, however it is cut, as events.

Rule: parts are taken in the order in which they come and never by index; a picture and
a signature pass through in pieces; the last usage that was seen is the bill.

Sources: https://ai.google.dev/api/generate-content, recorded answers of four models, and
https://ai.google.dev/gemini-api/docs/thought-signatures for what the pieces mean.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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

_SNAKE = {
    "inline_data": "inlineData",
    "mime_type": "mimeType",
    "thought_signature": "thoughtSignature",
    "finish_reason": "finishReason",
    "finish_message": "finishMessage",
}
"""Google reads and documents both spellings and writes the second."""

_STREAMED = ("data", "thoughtSignature", "thought_signature")
_PART_DEPTH = 5  # ("candidates", 0, "content", "parts", index)
_MAX_TOKENS = 2**31 - 1


@dataclass(slots=True)
class _Part:
    """What is known so far of the part that is open."""

    text: str | None = None
    media_type: str = ""
    thought: bool = False
    has_picture: bool = False
    rest: bytes = b""


@dataclass(slots=True)
class _Counts:
    """usageMetadata as it came: totals by name, and details as [modality, count] by list and index."""

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
        self._saw_candidate = False
        self._facts: dict[str, str] = {}

    def feed(self, data: bytes) -> Sequence[Event]:
        try:
            tokens = self._scanner.feed(data)
        except JsonError as error:
            raise Failure(
                Code.PROVIDER_WRONG,
                f"{self._provider} sent an answer that is not what its API promises. It may bill for the call.",
                logged=f"{self._provider}: {error}",
            ) from error
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
        events = [*self._read(tokens)]
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
                    self._read_value(path, value)
                case Began(path) if _is_part(path):
                    self._part = _Part()
                case Ended(path) if _is_part(path):
                    self._end_part()
                case Began(path) if path == ("candidates", 0):
                    self._saw_candidate = True
                case _:
                    pass
        events, self._events = self._events, []
        return events

    def _read_piece(self, piece: StringPiece) -> None:
        part = self._part
        if part is None or not _is_part(piece.path[:_PART_DEPTH]):
            return
        if piece.path[-1] != "data":
            self._events.append(Signature(piece.data))
            return
        if not part.has_picture:
            part.has_picture = True
            self._events.append(ImageStarted(part.media_type))
        data = part.rest + piece.data if part.rest else piece.data
        whole = len(data) if piece.last else len(data) - len(data) % 4
        part.rest = data[whole:]
        if whole:
            self._events.append(ImageData(data[:whole]))

    def _read_value(self, path: Path, value: Scalar) -> None:
        head = path[0] if path else None
        if head == "usageMetadata":
            self._read_count(path, value)
        elif head == "candidates" and len(path) > 2 and path[1] == 0:
            self._read_candidate(path, value)
        elif path == ("error", "message"):
            raise Failure(
                Code.PROVIDER_WRONG,
                f"{self._provider} failed in the middle of its answer. It may bill for the call.",
                logged=f"{self._provider}: {value}",
            )
        elif head == "promptFeedback" and len(path) == 2:
            self._facts[str(path[1])] = str(value)

    def _read_candidate(self, path: Path, value: Scalar) -> None:
        if len(path) == 3:
            self._facts[_SNAKE.get(str(path[2]), str(path[2]))] = str(value)
            return
        part = self._part
        if part is None or not _is_part(path[:_PART_DEPTH]):
            return
        match [_SNAKE.get(str(key), key) for key in path[_PART_DEPTH:]]:
            case ["text"]:
                part.text = str(value)
            case ["thought"]:
                part.thought = value is True
            case ["inlineData", "mimeType"]:
                part.media_type = str(value)

    def _read_count(self, path: Path, value: Scalar) -> None:
        counts = self._counts = self._counts or _Counts()
        match path:
            case (_, str(name)):
                counts.totals[name] = value
            case (_, str(name), int(index), str(key)):
                counts.details.setdefault((name, index), {})[key] = value

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if part.has_picture:
            self._events.append(ImageEnded(part.thought))
        elif part.text is not None and not part.thought:
            self._events.append(Text(part.text))

    def _finished(self) -> Finished:
        blocked = self._facts.get("blockReason")
        if not self._saw_candidate:
            if not blocked:
                raise Failure(
                    Code.PROVIDER_WRONG,
                    f"{self._provider} sent an answer with no candidate in it. It may bill for the call.",
                )
            return Finished(FinishReason.CONTENT_FILTER, blocked, self._facts.get("blockReasonMessage", ""))
        native = self._facts.get("finishReason", "FINISH_REASON_UNSPECIFIED")
        return Finished(_FINISH_REASONS.get(native, FinishReason.STOP), native, self._facts.get("finishMessage", ""))


def _is_part(path: Path) -> bool:
    return len(path) == _PART_DEPTH and path[:4] == ("candidates", 0, "content", "parts")


def usage_of(counts: _Counts) -> Usage | None:
    """Our five kinds from Google's counts; `None` where a count is no count.

    On success the total is prompt + candidates + thoughts, and the candidates exceed what their
    details say: the rest is billed as text. On a refusal the candidates repeat the thoughts, which
    shows in a total that holds them once.
    """
    totals = {name: counts.totals.get(name, 0) for name in _TOTALS}
    images = {name: _image_tokens(counts, name) for name in ("promptTokensDetails", "candidatesTokensDetails")}
    if not all(_is_count(value) for value in (*totals.values(), *images.values())):
        return None
    prompt, tools, cached, candidates, thoughts, total = (int(value or 0) for value in totals.values())
    image_input, image_output = (int(value or 0) for value in images.values())
    if candidates == thoughts and total == prompt + tools + thoughts:
        candidates = 0
    return Usage(
        input_text_tokens=max(0, prompt + tools - image_input),
        input_image_tokens=image_input,
        output_text_tokens=max(0, candidates - image_output),
        output_image_tokens=image_output,
        thought_tokens=thoughts,
        cached_tokens=cached,
    )


_TOTALS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)


def _image_tokens(counts: _Counts, name: str) -> Scalar:
    found = [detail.get("tokenCount", 0) for (kind, _), detail in counts.details.items() if kind == name
             and detail.get("modality") == "IMAGE"]  # fmt: skip
    return sum(value for value in found if isinstance(value, int)) if all(map(_is_count, found)) else None


def _is_count(value: Scalar) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
