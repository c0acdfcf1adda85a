"""Signatures that go out with an answer, for its caller to carry, and come back with the message that he appends.

Rule: outwards they are read from the store while they are sent. Inwards a turn is the model's own only where every
picture in it and its first words are told exactly and signed; else nothing of it is claimed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from impasto.completions.answer import Answers, Completion, Picture, SignedPieces, Words
from impasto.completions.ports import Blob, BlobStore
from impasto.domain.chat import ImagePart, Message, MessagePart, Stored, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.signatures import (
    MOST_TOKENS_OF_CARRIED,
    CarriedSignature,
    id_of_picture,
    id_of_words,
    place_of_words,
)

HASHED_BYTES = 1 << 20
"""Of a picture that are read at a time."""


@dataclass(frozen=True, slots=True)
class SignedPart:
    """The signature of one part of an answer: `index` is the part's place in the model's order, `made_by` the provider
    whose it is. `data` is read while it is sent."""

    id: str
    index: int
    made_by: str
    data: Stored


@dataclass(slots=True)
class Signatures:
    """Those of the answers to one request, open to read, by the number of their call. Closed by who opened them."""

    by_call: dict[int, tuple[SignedPart, ...]] = field(default_factory=dict)
    opened: list[Blob] = field(default_factory=list)

    def of(self, call: int) -> tuple[SignedPart, ...]:
        return self.by_call.get(call, ())

    def close(self) -> None:
        for blob in self.opened:
            blob.close()


async def signatures_of(answers: Answers, store: BlobStore) -> Signatures:
    """The signatures of `answers`, where they were asked for. One that is not kept any more is left out."""
    signatures = Signatures()
    if not answers.asking.manner.signatures:
        return signatures
    try:
        for call, completion in answers.completions.items():
            signed: list[SignedPart] = []
            for index, part in enumerate(_parts_of(completion)):
                data = await _data_of(part, store, signatures.opened)
                if data is not None:
                    signed.append(SignedPart(part.id, index, completion.served_by.provider, data))
            signatures.by_call[call] = tuple(signed)
    except BaseException:
        signatures.close()
        raise
    return signatures


def hash_of(picture: Picture) -> str:
    """The SHA-256 of a picture that is not kept, in hexadecimal. To be asked for beside the event loop."""
    found = hashlib.sha256()
    for offset in range(0, picture.byte_count, HASHED_BYTES):
        found.update(picture.read(offset, HASHED_BYTES))
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an answer as its provider gave it: its signature is the blob `sha256`, or `data`, or there is none."""

    id: str = ""
    sha256: str = ""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class _AtHand:
    """A signature that is kept nowhere, to be read as if it were."""

    data: bytes = field(repr=False)

    @property
    def byte_count(self) -> int:
        return len(self.data)

    def read(self, offset: int, count: int) -> bytes:
        return self.data[offset : offset + count]


def _parts_of(completion: Completion) -> Iterator[_Part]:
    characters = 0
    for item in completion.shown_items:
        match item:
            case Words():
                for text, signed in _cut(item):
                    yield _Part(id_of_words(text, characters), signed.sha256, signed.data) if signed else _Part()
                    characters += len(text)
            case Picture():
                yield _Part(item.id or id_of_picture(item.sha256), item.signature_sha256, item.signature)
            case _:
                yield _Part()  # a call, which holds its own


def _cut(words: Words) -> Iterator[tuple[str, SignedPieces | None]]:
    """The texts of the provider's own parts: signed ones apart, what lies between them as one."""
    at = 0
    for signed in words.signed:
        if signed.start > at:
            yield "".join(words.pieces[at : signed.start]), None
        yield "".join(words.pieces[signed.start : signed.end]), signed
        at = signed.end
    if at < len(words.pieces):
        yield "".join(words.pieces[at:]), None


async def _data_of(part: _Part, store: BlobStore, opened: list[Blob]) -> Stored | None:
    if not part.sha256:
        return Stored(_AtHand(part.data), encoded=False) if part.data else None
    try:
        opened.append(await store.reader(part.sha256))
    except Failure as failure:
        if failure.code is Code.ANSWER_GONE:
            return None
        raise
    return Stored(opened[-1], encoded=False)


def claimed(message: Message, hashes: Mapping[str, str], named: Mapping[str, str]) -> Message | None:
    """The model's turn that `message` is by the signatures that it carries; `None` where that cannot be told.

    `hashes` are those of its pictures by their place, `named` those of pictures by the ids that this gateway gave them.
    """
    owners = {each.made_by for each in message.carried}
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    pictures = [part for part in message.parts if isinstance(part, ImagePart)]
    if message.role != "assistant" or len(owners) != 1 or len(texts) + len(pictures) != len(message.parts):
        return None
    telling = _Telling.of("".join(texts), pictures, message.carried, hashes, named)
    if telling is None:
        return None
    parts = [*(telling.as_sent(message.parts) if _is_mixed(message.parts) else telling.in_models_order())]
    first = next((part for part in parts if isinstance(part, TextPart)), None)
    signed_texts = sum(isinstance(part, TextPart) and part.signature is not None for part in parts)
    if not parts or (first and first.signature is None) or signed_texts != len(telling.words):
        return None
    tokens = min(sum(len(part.signature or b"") for part in parts), MOST_TOKENS_OF_CARRIED)
    return Message(message.role, tuple(parts), owners.pop(), tokens)


@dataclass(frozen=True, slots=True)
class _SignedWords:
    """From which to which character of all words they stand, and which of the signatures is theirs."""

    start: int
    end: int
    number: int


@dataclass(frozen=True, slots=True)
class _Telling:
    """What the signatures `carried` tell of a message: which of its `words`, all of which are `said`, are signed, and
    which is whose of its `pictures`, by the number of their signature."""

    said: str
    carried: Sequence[CarriedSignature]
    words: Sequence[_SignedWords]
    pictures: Mapping[int, ImagePart]

    @classmethod
    def of(
        cls, said: str, pictures: Sequence[ImagePart], carried: Sequence[CarriedSignature],
        hashes: Mapping[str, str], named: Mapping[str, str],
    ) -> "_Telling | None":  # fmt: skip
        """`None` where words or a picture are not those that were signed."""
        words: list[_SignedWords] = []
        for number, each in enumerate(carried):
            if not (each.is_of_words and said):
                continue
            place = place_of_words(each.id, said)
            if place is None:
                return None
            words.append(_SignedWords(*place, number))
        words.sort(key=lambda each: each.start)
        if any(one.end > other.start for one, other in pairwise(words)):
            return None
        found: dict[int, ImagePart] = {}
        for picture in pictures:
            sha256 = hashes[picture.where]
            names = (sha256, id_of_picture(sha256))
            its = [at for at, each in enumerate(carried) if named.get(each.id, each.id) in names and at not in found]
            if not its:
                return None
            found[its[0]] = replace(picture, signature=carried[its[0]].data)
        return cls(said, carried, words, found)

    def as_sent(self, parts: Sequence[MessagePart]) -> Iterator[TextPart | ImagePart]:
        """The parts in the order of a message that has words and pictures in theirs."""
        by_place = {picture.where: picture for picture in self.pictures.values()}
        at = 0
        for part in parts:
            if isinstance(part, ImagePart):
                yield by_place[part.where]
            elif isinstance(part, TextPart):
                yield from self._texts(at, at + len(part.text))
                at += len(part.text)

    def in_models_order(self) -> Iterator[TextPart | ImagePart]:
        """The parts of a message that has its words apart from its pictures. A place that no signature is of is one
        of unsigned words."""
        by_number = {each.number: each for each in self.words}
        at, last = 0, -1
        for number, each in sorted(enumerate(self.carried), key=lambda pair: pair[1].index):
            if number in by_number:
                yield from self._texts(at, by_number[number].end)
                at = by_number[number].end
            elif not each.is_of_words and each.index > last + 1:
                end = min((words.start for words in self.words if words.start >= at), default=len(self.said))
                yield from self._texts(at, end)
                at = end
            if number in self.pictures:
                yield self.pictures[number]
            last = each.index
        yield from self._texts(at, len(self.said))

    def _texts(self, start: int, end: int) -> Iterator[TextPart]:
        """The words from `start` to `end`, signed ones apart."""
        at = start
        for each in self.words:
            if start <= each.start and each.end <= end:
                if each.start > at:
                    yield TextPart(self.said[at : each.start])
                yield TextPart(self.said[each.start : each.end], self.carried[each.number].data)
                at = each.end
        if at < end:
            yield TextPart(self.said[at:end])


def _is_mixed(parts: Sequence[MessagePart]) -> bool:
    """Whether words come after a picture: then the order is the model's."""
    kinds = [isinstance(part, ImagePart) for part in parts if not isinstance(part, TextPart) or part.text]
    return any(before and not after for before, after in pairwise(kinds))
