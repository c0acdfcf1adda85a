"""Folds events into what they say, so that answers can be compared however their bytes were cut."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from impasto.adapters.base import AnswerParser
from impasto.domain.events import (
    Event,
    Finished,
    ImageData,
    ImageEnded,
    ImageStarted,
    Report,
    Signature,
    Text,
    UsageSeen,
)
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class FoldedText:
    text: str
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class FoldedImage:
    base64: bytes
    thought: bool = False
    signature: bytes = b""
    claimed: str = ""


@dataclass(frozen=True, slots=True)
class FoldedCall:
    call: ToolCall
    signature: bytes = b""


@dataclass(slots=True)
class Folded:
    """`parts` in order; `usage` is the last one seen."""

    parts: list[FoldedText | FoldedImage | FoldedCall] = field(default_factory=list)
    usage: Usage | None = None
    finish: Finished | None = None


def events_of(parser: AnswerParser, pieces: Iterable[bytes]) -> list[Event]:
    """All events of a document that comes in `pieces`."""
    return [*(event for piece in pieces for event in parser.feed(piece)), *parser.finish()]


def fold(events: Sequence[Event]) -> Folded:
    """Checks the promises of the events on the way: pieces of a multiple of four, pictures closed, the end last."""
    folded = Folded()
    data: bytes | None = None
    claimed, signature = "", b""
    for event in events:
        match event:
            case ImageStarted(claimed):
                assert data is None
                data = b""
            case ImageData(piece):
                assert data is not None
                assert piece
                assert len(data) % 4 == 0
                data += piece
            case ImageEnded(thought):
                assert data is not None
                folded.parts.append(FoldedImage(data, thought, signature, claimed))
                data, signature = None, b""
            case Text(text):
                assert data is None
                folded.parts.append(FoldedText(text, signature))
                signature = b""
            case ToolCall():
                assert data is None
                folded.parts.append(FoldedCall(event, signature))
                signature = b""
            case Signature(piece):
                signature += piece
            case UsageSeen(usage):
                folded.usage = usage
            case Finished():
                assert event is events[-1]
                folded.finish = event
            case Report():
                raise AssertionError("a provider sends no report")
    assert data is None
    assert not signature
    return folded
