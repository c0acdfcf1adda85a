"""Drain a provider's events into a spool, at the provider's full speed, until the answer is whole.

Rule: memory stays flat whatever the picture weighs, and nothing half leaves here: a
picture is decoded, counted and recognised, or the whole answer is a failure.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import assert_never

import pybase64

from impasto.completions.answer import Part, Picture, Words
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
from impasto.domain.image import dimensions_of, media_type_of
from impasto.domain.usage import Usage

MAX_ANSWER_BYTES = 512 << 20
"""Ten drafts at 4K come to half of this; a provider that sends more is broken or hostile."""


@dataclass(slots=True)
class Drained:
    """What came: `usage` is the last count seen, if any; `pictures_made` counts drafts and thoughts as well."""

    parts: list[Part] = field(default_factory=list)
    usage: Usage | None = None
    finish: Finished | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    pictures_made: int = 0


async def drain(events: AsyncGenerator[Event, None], spool: Spool, *, max_bytes: int = MAX_ANSWER_BYTES) -> Drained:
    """Read all of `events` and close them; `max_bytes` bounds pictures and words together.

    Raises `Failure` (`provider_wrong`) for what is no picture and for what is too much.
    """
    drained = Drained()
    intake = _Intake(spool, max_bytes)
    async with aclosing(events):
        async for event in events:
            _take(event, drained, intake)
    return drained


def _take(event: Event, drained: Drained, intake: "_Intake") -> None:
    match event:
        case ImageData(data):
            intake.take(data)
        case ImageStarted():
            intake.start()
        case ImageEnded(thought):
            drained.pictures_made += 1
            if not thought:
                drained.parts.append(intake.end())
        case Text(text):
            intake.count(len(text))
            _add_words(drained.parts, text)
        case UsageSeen(usage):
            drained.usage = usage
        case Report(facts):
            drained.facts = facts
        case Finished():
            drained.finish = event
        case Signature():
            pass  # kept out of the answer
        case _:
            assert_never(event)


def _add_words(parts: list[Part], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], Words):
        parts[-1] = Words(parts[-1].text + text)
    else:
        parts.append(Words(text))


class _Intake:
    """Decodes one picture after another into the spool."""

    def __init__(self, spool: Spool, max_bytes: int) -> None:
        self._spool = spool
        self._max_bytes = max_bytes
        self._bytes_left = max_bytes
        self._end = 0
        self._start = 0
        self._padded = False

    def start(self) -> None:
        self._start = self._end
        self._padded = False

    def count(self, byte_count: int) -> None:
        self._bytes_left -= byte_count
        if self._bytes_left < 0:
            raise Failure(Code.PROVIDER_WRONG, f"The provider's answer is larger than {self._max_bytes} bytes.")

    def take(self, data: bytes) -> None:
        if self._padded:
            raise _no_picture("base64 that goes on after its padding")
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except ValueError as error:
            raise _no_picture(f"broken base64 near byte {self._end - self._start}") from error
        self._padded = data.endswith(b"=")
        self.count(len(decoded))
        self._end += len(decoded)
        self._spool.write(decoded)

    def end(self) -> Picture:
        start, byte_count = self._start, self._end - self._start
        if not byte_count:
            raise _no_picture("no bytes at all")

        def read(offset: int, count: int) -> bytes:
            return self._spool.read(start + offset, max(0, min(count, byte_count - offset)))

        media_type = media_type_of(read(0, 256))
        if media_type is None:
            raise _no_picture("bytes of no picture format that is known here")
        return Picture(start, byte_count, media_type, dimensions_of(read, media_type))


def _no_picture(what: str) -> Failure:
    return Failure(Code.PROVIDER_WRONG, f"The provider sent a picture that is none: {what}.")
