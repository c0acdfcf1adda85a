"""One answer as it comes: taken in at the provider's pace, read along at anybody's.

Rule: memory stays flat whatever the picture weighs and however slowly it is read. A live reader and
one who comes when all is over read the same events from the same record.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import assert_never

from impasto.completions.answer import Item, SignedPieces, Words
from impasto.completions.call import Serving
from impasto.completions.intake import PictureIntake, no_picture
from impasto.completions.ports import BlobStore
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
from impasto.domain.signatures import MAX_SIGNATURE_BYTES, is_signature
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage

MAX_ANSWER_BYTES = 512 << 20
"""Ten drafts at 4K come to half of this; a provider that sends more is broken or hostile."""

Mark = Serving | Text | ToolCall | PictureIntake


@dataclass(frozen=True, slots=True)
class _WordsSignature:
    """A signature of the piece of words that it came with (`is_own`), or of all unsigned ones before it."""

    data: bytes
    is_own: bool


@dataclass(slots=True)
class _Run:
    """Words that follow each other."""

    pieces: list[str] = field(default_factory=list)
    signed: list[SignedPieces] = field(default_factory=list)

    def add(self, text: str, signature: _WordsSignature | None) -> None:
        self.pieces.append(text)
        if signature:
            end = len(self.pieces)
            unsigned = self.signed[-1].end if self.signed else 0
            self.signed.append(SignedPieces(end - 1 if signature.is_own else unsigned, end, signature.data))

    def words(self) -> Words:
        return Words(tuple(self.pieces), tuple(self.signed))


@dataclass(slots=True)
class Journal:
    """What came of one call: `usage` is the last count seen, if any; `pictures_made` counts drafts and thoughts too.
    `is_kept`: its pictures are to be; others never get a name on a disk."""

    store: BlobStore
    max_bytes: int = MAX_ANSWER_BYTES
    is_kept: bool = True
    marks: list[Mark] = field(default_factory=list)
    served_by: Model | None = None
    signatures_refused: bool = False
    usage: Usage | None = None
    finish: Finished | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    pictures_made: int = 0
    failure: Failure | None = None
    ended: bool = False
    _taken_bytes: int = 0
    _picture: PictureIntake | None = None
    _signature: bytearray = field(default_factory=bytearray)
    _signatures_of_words: dict[int, "_WordsSignature"] = field(default_factory=dict)
    _changed: asyncio.Future[None] | None = None

    async def record(self, events: AsyncGenerator[Serving | Event, None]) -> None:
        """Take all of `events` and close them. Raises `Failure`.

        An answer that turns out to be none is heard to its end all the same: its bill comes last.
        """
        failure: Failure | None = None
        async with aclosing(events):
            async for event in events:
                try:
                    self._take(event, spoiled=failure is not None)
                except Failure as error:
                    failure = failure or error
                    if self._taken_bytes > self.max_bytes:
                        break
                self._wake()
        if failure:
            raise failure

    def end(self, failure: Failure | None = None) -> None:
        """Nothing more comes; `failure` says why there is no answer."""
        self.failure = failure
        self.ended = True
        self._wake()

    def close(self) -> None:
        """Let go of the pictures."""
        for mark in self.marks:
            if isinstance(mark, PictureIntake):
                mark.blob.close()

    @property
    def items(self) -> tuple[Item | PictureIntake, ...]:
        """What was said and made, in order: runs of words as one, and no thoughts."""
        items: list[Item | PictureIntake | _Run] = []  # a run of words may have ten thousands
        for place, mark in enumerate(self.marks):
            match mark:
                case Text(text):
                    if not items or not isinstance(items[-1], _Run):
                        items.append(_Run())
                    items[-1].add(text, self._signatures_of_words.get(place))  # type: ignore[union-attr]
                case PictureIntake():
                    if mark.ended and not mark.thought:
                        items.append(mark)
                case ToolCall():
                    items.append(mark)
                case Serving():
                    pass
                case _:
                    assert_never(mark)
        return tuple(item.words() if isinstance(item, _Run) else item for item in items)

    async def follow(self) -> AsyncGenerator[Serving | Event, None]:
        """The answer from its beginning, as it comes: who serves, words, pictures, called functions.

        A picture begins when its bytes say what it is. Raises the failure that ends it.
        """
        place = 0
        while True:
            while place < len(self.marks):
                mark = self.marks[place]
                if isinstance(mark, PictureIntake):
                    async for event in self._follow_picture(mark):
                        yield event
                else:
                    yield mark
                place += 1
            if self.ended:
                break
            await self._change()
        if self.failure:
            raise self.failure

    async def _follow_picture(self, picture: PictureIntake) -> AsyncGenerator[Event, None]:
        while not picture.is_known and not self.ended:
            await self._change()
        if picture.thought or not picture.is_known:
            return
        yield ImageStarted(picture.media_type())
        offset = 0
        is_last = False
        while not is_last:
            is_last = picture.ended or self.ended
            for data in picture.base64_from(offset):
                yield ImageData(data)
                offset += len(data) // 4 * 3
            if not (picture.ended or self.ended) and offset >= picture.byte_count // 3 * 3:
                await self._change()
        if picture.ended:
            yield ImageEnded(picture.thought)

    def _take(self, event: Serving | Event, *, spoiled: bool) -> None:  # noqa: C901 - one case for each kind
        match event:
            case UsageSeen(usage):
                self.usage = usage
            case Finished():
                self.finish = event
            case ImageEnded(thought):
                self._end_picture(thought=thought, spoiled=spoiled)
            case Serving(model, signatures_refused):
                self.served_by = model
                self.signatures_refused = signatures_refused
                self.marks.append(event)
            case Report(facts):
                self.facts = facts
            case ImageData(data):
                if spoiled:
                    self._count(len(data))
                else:
                    self._take_data(data)
            case _ if spoiled:
                pass
            case ImageStarted(_, thought):
                blob = self.store.open() if self.is_kept else self.store.spool()
                self._picture = PictureIntake(blob, thought=thought)
                self.marks.append(self._picture)
            case Text(text):
                self._count(len(text))
                if text:
                    self.marks.append(event)
                self._sign_words(is_own=bool(text))
            case ToolCall(_, name, arguments):
                self._count(len(name) + len(arguments))
                self.marks.append(event)
                self._signature.clear()
            case Signature(data):
                self._count(len(data))
                if len(self._signature) <= MAX_SIGNATURE_BYTES:
                    self._signature += data
            case _:
                assert_never(event)

    def _take_data(self, data: bytes) -> None:
        if self._picture is None:
            raise no_picture("bytes outside of a picture")
        self._count(self._picture.take(data))

    def _end_picture(self, *, thought: bool, spoiled: bool) -> None:
        self.pictures_made += 1
        if self._picture is not None and not spoiled:
            self._picture.signature = self._taken_signature()
            self._picture.end(thought=thought)
        self._picture = None
        self._signature.clear()

    def _sign_words(self, *, is_own: bool) -> None:
        """The signature so far is that of the words that just came, or of what came before where they were none."""
        signature = self._taken_signature()
        place = len(self.marks) - 1
        if not signature or place < 0:
            return
        last = self.marks[place]
        if isinstance(last, PictureIntake):
            last.signature = last.signature or signature
        elif isinstance(last, Text):
            self._signatures_of_words.setdefault(place, _WordsSignature(signature, is_own))

    def _taken_signature(self) -> bytes:
        """What was collected; nothing where it is too long, for a part of it is worth nothing, or no base64, for it
        is passed on as it is."""
        signature = bytes(self._signature)
        self._signature.clear()
        return signature if len(signature) <= MAX_SIGNATURE_BYTES and is_signature(signature) else b""

    def _count(self, byte_count: int) -> None:
        self._taken_bytes += byte_count
        if self._taken_bytes > self.max_bytes:
            raise Failure(Code.PROVIDER_WRONG, f"The provider's answer is larger than {self.max_bytes} bytes.")

    async def _change(self) -> None:
        if self._changed is None or self._changed.done():
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
