"""Take in an answer: into a spool until it is whole, or passing it on while it comes.

Rule: memory stays flat whatever the picture weighs. Both ways take every event with the same
hands, so a live answer comes to the same parts, usage and cost as a whole one.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import assert_never

from impasto.completions.answer import Part, Words
from impasto.completions.call import Serving
from impasto.completions.intake import PictureIntake, no_picture
from impasto.completions.ports import Spool
from impasto.domain.errors import Code, Failure
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
from impasto.domain.model import Model
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage

MAX_ANSWER_BYTES = 512 << 20
"""Ten drafts at 4K come to half of this; a provider that sends more is broken or hostile."""

HEAD_BYTES = 256 << 10
"""Kept of a live picture to read its dimensions from: content credentials may stand before them."""

SNIFFED_BYTES = 344
"""Base64 that is held back of a live picture until its type can be told."""


@dataclass(slots=True)
class Drained:
    """What came: `usage` is the last count seen, if any; `pictures_made` counts drafts and thoughts as well."""

    served_by: Model | None = None
    parts: list[Part] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    finish: Finished | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    pictures_made: int = 0


async def drain(
    events: AsyncGenerator[Serving | Event, None], spool: Spool, *, max_bytes: int = MAX_ANSWER_BYTES
) -> Drained:
    """Read all of `events` and close them; `max_bytes` bounds pictures and words together.

    Raises `Failure` (`provider_wrong`) for what is no picture and for what is too much.
    """
    taking = Taking(lambda offset: PictureIntake(spool, offset), max_bytes)
    async with aclosing(events):
        async for event in events:
            taking.take(event)
    return taking.drained


async def pass_on(
    events: AsyncGenerator[Serving | Event, None], drained: Drained, *, max_bytes: int = MAX_ANSWER_BYTES
) -> AsyncGenerator[Serving | Event, None]:
    """Pass `events` on as they come, each taken into `drained` first, and close them.

    A picture is passed on from the moment that its bytes say what it is: `ImageStarted` then
    gives the type that it has.
    """
    taking = Taking(lambda _: PictureIntake(HeadSpool(), 0), max_bytes, drained)
    waiting: list[ImageData] | None = None
    is_thought = False
    async with aclosing(events):
        async for event in events:
            taking.take(event)
            match event:
                case ImageStarted(_, thought):
                    waiting, is_thought = [], thought
                case ImageData() | ImageEnded() if is_thought:
                    pass  # known from the start to be no result
                case ImageData() if waiting is not None:
                    waiting.append(event)
                    if sum(len(piece.data) for piece in waiting) < SNIFFED_BYTES:
                        continue
                    yield ImageStarted(taking.media_type())
                    for piece in waiting:
                        yield piece
                    waiting = None
                case ImageEnded() if waiting is not None:
                    yield ImageStarted(taking.media_type())
                    for piece in waiting:
                        yield piece
                    waiting = None
                    yield event
                case Signature():
                    pass  # kept out of the answer
                case _:
                    yield event


class Taking:
    """Takes events one by one into `drained`. `picture_at(offset)` begins the picture that starts there."""

    def __init__(
        self, picture_at: Callable[[int], PictureIntake], max_bytes: int, drained: Drained | None = None
    ) -> None:
        self.drained = drained if drained is not None else Drained()
        self._picture_at = picture_at
        self._max_bytes = max_bytes
        self._taken_bytes = 0
        self._offset = 0
        self._picture: PictureIntake | None = None

    def take(self, event: Serving | Event) -> None:
        drained = self.drained
        match event:
            case ImageData(data):
                self._take_data(data)
            case ImageStarted():
                self._picture = self._picture_at(self._offset)
            case ImageEnded(thought):
                self._end_picture(thought=thought)
            case Text(text):
                self._count(len(text))
                _add_words(drained.parts, text)
            case ToolCall(_, name, arguments):
                self._count(len(name) + len(arguments))
                drained.tool_calls.append(event)
            case UsageSeen(usage):
                drained.usage = usage
            case Report(facts):
                drained.facts = facts
            case Finished():
                drained.finish = event
            case Serving(model):
                drained.served_by = model
            case Signature():
                pass  # kept out of the answer
            case _:
                assert_never(event)

    def media_type(self) -> str:
        """The type of the picture that is open or has just ended."""
        if self._picture is None:
            raise no_picture("no bytes at all")
        return self._picture.media_type()

    def _take_data(self, data: bytes) -> None:
        if self._picture is None:
            raise no_picture("bytes outside of a picture")
        byte_count = self._picture.take(data)
        self._offset += byte_count
        self._count(byte_count)

    def _end_picture(self, *, thought: bool) -> None:
        self.drained.pictures_made += 1
        if not thought and self._picture is not None:
            self.drained.parts.append(self._picture.end())

    def _count(self, byte_count: int) -> None:
        self._taken_bytes += byte_count
        if self._taken_bytes > self._max_bytes:
            raise Failure(Code.PROVIDER_WRONG, f"The provider's answer is larger than {self._max_bytes} bytes.")


class HeadSpool:
    """A spool that keeps the beginning of one picture and lets the rest go."""

    def __init__(self) -> None:
        self._head = bytearray()

    def write(self, data: bytes) -> None:
        if len(self._head) < HEAD_BYTES:
            self._head += data

    def read(self, offset: int, count: int) -> bytes:
        return bytes(self._head[offset : offset + count])

    def close(self) -> None:
        self._head.clear()


def _add_words(parts: list[Part], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], Words):
        parts[-1] = Words(parts[-1].text + text)
    else:
        parts.append(Words(text))
