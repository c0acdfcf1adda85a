"""What a request cites and what it brings back, found again: handles, links of this gateway, earlier answers.

Rule: a caller cites what his own key made or uploaded. An earlier answer is recognised by the hash of its
pictures, in whatever shape it comes back, and becomes the turn that its provider gave, with the signatures
that the provider wants back.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

import pybase64

from impasto.completions.carried import claimed
from impasto.completions.inline import no_longer_kept
from impasto.completions.kept import KeptCompletion, KeptPicture, KeptWords, kept_answers_of
from impasto.completions.ports import BlobStore, Gallery, Ledger
from impasto.domain.chat import (
    Buffer,
    ChatRequest,
    Handle,
    ImageLink,
    ImagePart,
    Kept,
    KeptImage,
    KeptText,
    Message,
    MessagePart,
    Stored,
    TextPart,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Parent
from impasto.domain.stored_image import StoredImage, Upload
from impasto.domain.tools import ToolCall

HASHED_CHARACTERS = 1 << 20
"""Base64 that is decoded at a time; a multiple of four."""


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link of this gateway to a picture. `is_open`: whoever holds it may see the picture now."""

    image_id: str
    is_open: bool


LinkReader = Callable[[str], OwnLink | None]
"""Says whether a URL is a link of this gateway."""
_Completions = Mapping[tuple[str, int], KeptCompletion | None]
"""Answers by their generation and choice; `None` where one is not kept any more."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A request without handles. `parents` are its pictures in order; of a link to elsewhere only the URL is known."""

    request: ChatRequest
    parents: tuple[Parent | ImageLink, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """Finds them. `read_link` knows the links of this gateway."""

    gallery: Gallery
    ledger: Ledger
    store: BlobStore
    read_link: LinkReader

    async def recalled(self, request: ChatRequest, key_id: str, session_id: str | None) -> Recalled:
        """`request` with everything found. Raises 400 naming the place of what is not there."""
        if not any(message.carried or any(map(_is_picture, message.parts)) for message in request.messages):
            return Recalled(request)
        request = await self._with_previous(request, key_id, session_id)
        found = await self._look_up(request, key_id)
        completions = await self._completions(request, found)
        messages = [message for each in request.messages for message in _recognised(each, found, completions)]
        parents = dict.fromkeys(
            parent for message in request.messages for part in message.parts for parent in found.parents_of(part)
        )
        return Recalled(replace(request, messages=tuple(messages)), tuple(parents))

    async def _with_previous(self, request: ChatRequest, key_id: str, session_id: str | None) -> ChatRequest:
        """The request with the last picture before it in place of each `previous`."""
        handles = [part for message in request.messages for part in message.parts if _is_previous(part)]
        if not handles:
            return request
        previous = _last_picture(request)
        if previous is None and session_id is not None:
            latest = await self.gallery.latest(key_id, session_id)
            previous = None if latest is None else Handle("image", latest.id, "")
        if previous is None:
            raise _nothing_before(handles[0].where, session_id)
        return _replaced(request, lambda part: replace(previous, where=part.where) if _is_previous(part) else part)

    async def _look_up(self, request: ChatRequest, key_id: str) -> "_Found":
        parts = [part for message in request.messages for part in message.parts]
        links = {part.url: link for part in parts if isinstance(part, ImageLink) and (link := self.read_link(part.url))}
        cited = {part.id for part in parts if isinstance(part, Handle) and part.kind == "image"}
        files = {part.id for part in parts if isinstance(part, Handle) and part.kind == "file"}
        hashes = await _hashes_of([part for part in parts if isinstance(part, ImagePart)])
        ids = cited | {link.image_id for link in links.values()}
        carried = {each.id for message in request.messages for each in message.carried if not each.is_of_words}
        return _Found(
            key_id,
            links,
            hashes,
            await self.gallery.images(ids) if ids else {},
            await self.gallery.uploads(key_id, files) if files else {},
            await self.gallery.recognised(key_id, set(hashes.values())) if hashes else {},
            await self.gallery.images(carried) if carried else {},
        )

    async def _completions(self, request: ChatRequest, found: "_Found") -> _Completions:
        """The answers that pictures of the assistant's turns are from, where they are still kept."""
        parts = (part for message in request.messages if _is_answer(message) for part in message.parts)
        makings = dict.fromkeys(_making_of(image) for part in parts if (image := found.made(part)))
        return {making: await self._completion(*making) for making in makings}

    async def _completion(self, generation_id: str, choice: int) -> KeptCompletion | None:
        """The answer that a picture is from, where that is still kept."""
        generation = await self.ledger.find(generation_id)
        if generation is None:
            return None
        try:
            answers = await kept_answers_of(generation, self.store)
        except Failure as failure:
            if failure.code is Code.ANSWER_GONE:
                return None
            raise
        return next((completion for completion in answers.completions if completion.call == choice), None)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was looked up for one request of the key `key_id`: `hashes` are those of inline pictures, by their place,
    `carried` the pictures that signatures in it are said to be of."""

    key_id: str
    links: Mapping[str, OwnLink]
    hashes: Mapping[str, str]
    images: Mapping[str, StoredImage]
    uploads: Mapping[str, Upload]
    by_hash: Mapping[str, StoredImage]
    carried: Mapping[str, StoredImage]

    def claimed(self, message: Message) -> Message | None:
        """The model's turn that it is by the signatures that it carries."""
        named = {image.id: image.sha256 for image in self.carried.values() if image.key_id == self.key_id}
        return claimed(message, self.hashes, named) if message.carried else None

    def part_of(self, part: MessagePart) -> MessagePart:
        """The part, or what it stands for. Raises 400 where that is not there."""
        match part:
            case Handle(kind="file"):
                return _uploaded(part, self.uploads.get(part.id))
            case Handle():
                return self._cited(part.where, part.id)
            case ImageLink(url, where) if url in self.links:
                return self._linked(where, self.links[url])
            case ImagePart() if image := self.by_hash.get(self.hashes[part.where]):
                return replace(_kept(image, part.where), inline=part)
        return part

    def made(self, part: MessagePart) -> StoredImage | None:
        """The picture that a part of the request cites or brings, where the caller's own key made it."""
        match part:
            case Handle(kind="image"):
                image = self.images.get(part.id)
            case ImageLink(url) if url in self.links:
                image = self.images.get(self.links[url].image_id)
            case ImagePart(where=where):
                image = self.by_hash.get(self.hashes[where])
            case _:
                image = None
        return image if image is not None and image.key_id == self.key_id else None

    def parents_of(self, part: MessagePart) -> Iterator[Parent | ImageLink]:
        image = self.made(part)
        match self.part_of(part):
            case KeptImage() if image is not None:
                yield Parent("image", image.id, image.sha256)
            case KeptImage() as kept if isinstance(part, Handle):
                yield Parent("file", part.id, kept.image.sha256)
            case KeptImage() as kept:
                yield Parent("photo", "", kept.image.sha256)
            case ImagePart(where=where):
                yield Parent("photo", "", self.hashes[where])
            case ImageLink() as link:
                yield link

    def _cited(self, where: str, image_id: str) -> KeptImage:
        image = self.images.get(image_id)
        if image is None or image.key_id != self.key_id:
            raise Failure(
                Code.INVALID_IMAGE,
                f'{where} cites the picture "{image_id[:80]}", which this key did not make. applied[].id of an answer '
                "names its pictures.",
                param=where,
            )
        if image.gone_ms is not None:
            raise no_longer_kept(where)
        return _kept(image, where)

    def _linked(self, where: str, link: OwnLink) -> KeptImage:
        """What a link of this gateway leads to: for the key that made it also when its time is over."""
        image = self.images.get(link.image_id)
        if image is None or not (link.is_open or image.key_id == self.key_id):
            raise Failure(
                Code.INVALID_IMAGE,
                f"{where} is a link of this gateway that is not signed, is over, or leads to a picture that is not "
                "there. A picture is there for the key that made it, and by the whole link that its answer gave.",
                param=where,
            )
        if image.gone_ms is not None:
            raise no_longer_kept(where)
        return _kept(image, where)


def _kept(image: StoredImage, where: str) -> KeptImage:
    return KeptImage(Kept(image.sha256, image.byte_count), image.media_type, image.dimensions, where)


def _uploaded(handle: Handle, upload: Upload | None) -> KeptImage:
    if upload is None:
        raise Failure(
            Code.INVALID_IMAGE,
            f'{handle.where} names the file "{handle.id[:80]}", which this key did not upload, or which has expired. '
            "POST /v3/upload gives a file_id.",
            param=handle.where,
        )
    image = Kept(upload.sha256, upload.byte_count)
    return KeptImage(image, upload.media_type, upload.dimensions, handle.where, is_photo=True)


def _recognised(message: Message, found: _Found, completions: _Completions) -> list[Message]:
    """The message; that of an assistant as the turns that its pictures were made in, then what is unknown of it."""
    parts = [found.part_of(part) for part in message.parts]
    own = {place: image for place, part in enumerate(message.parts) if (image := found.made(part))}
    if not _is_answer(message) or not own:
        return [found.claimed(message) or Message(message.role, tuple(parts))]
    cited: dict[tuple[str, int], dict[str, KeptImage]] = {}
    for place, image in own.items():
        part = parts[place]
        if isinstance(part, KeptImage):
            cited.setdefault(_making_of(image), {}).setdefault(image.sha256, part)
    known = {making: completion for making in cited if (completion := completions[making]) is not None}
    turns = [_as_made(completion, cited[making]) for making, completion in known.items()]
    if not turns and (turn := found.claimed(message)):
        return [turn]
    told = {place for place, image in own.items() if _making_of(image) in known}
    said = "".join(_letters_of(text) for completion in known.values() for text in _texts_of(completion))
    rest = [part for place, part in enumerate(parts) if place not in told and not _is_said(part, said)]
    return [*turns, *([Message(message.role, tuple(rest))] if rest else [])]


def _is_answer(message: Message) -> bool:
    """Whether an earlier answer is looked for in it. What calls functions stays whole: their results follow it at
    once, and no model that makes pictures calls any."""
    return message.role == "assistant" and not any(isinstance(part, ToolCall) for part in message.parts)


def _making_of(image: StoredImage) -> tuple[str, int]:
    return image.generation_id, image.choice


def _as_made(completion: KeptCompletion, cited: Mapping[str, KeptImage]) -> Message:
    """The model's turn as its provider gave it, with those of its pictures that are cited, by their hashes."""
    parts: list[MessagePart] = []
    for item in completion.items:
        match item:
            case KeptWords():
                parts += _parts_of(item)
            case KeptPicture() if item.sha256 in cited:
                signature = Kept(item.signature_sha256, item.signature_byte_count) if item.signature_sha256 else None
                parts.append(replace(cited[item.sha256], signature=signature))
    is_signed = any(isinstance(part, KeptText) or getattr(part, "signature", None) for part in parts)
    # Google counts a signature as input; it stands for what the model thought and made.
    # https://ai.google.dev/gemini-api/docs/thinking#signatures
    tokens = completion.bill.usage.completion_tokens if is_signed else 0
    return Message("assistant", tuple(parts), completion.served_by.provider, tokens)


def _parts_of(words: KeptWords) -> Iterator[MessagePart]:
    """The provider's own parts: signed ones apart, what lies between them as one."""
    at = 0
    for signed in words.signed:
        if signed.start > at:
            yield TextPart("".join(words.pieces[at : signed.start]))
        text = "".join(words.pieces[signed.start : signed.end])
        yield KeptText(text, Kept(signed.sha256, signed.byte_count)) if signed.sha256 else TextPart(text)
        at = signed.end
    if at < len(words.pieces):
        yield TextPart("".join(words.pieces[at:]))


def _texts_of(completion: KeptCompletion) -> Iterator[str]:
    yield from ("".join(item.pieces) for item in completion.items if isinstance(item, KeptWords))


def _is_said(part: MessagePart, said: str) -> bool:
    """Whether these are words of the recognised turns, which a shape may have parted anew."""
    return isinstance(part, TextPart) and _letters_of(part.text) in said


def _letters_of(text: str) -> str:
    return "".join(text.split())


def _is_picture(part: MessagePart) -> bool:
    return isinstance(part, ImagePart | ImageLink | Handle)


def _is_previous(part: MessagePart) -> TypeGuard[Handle]:
    return isinstance(part, Handle) and part.kind == "previous"


def _last_picture(request: ChatRequest) -> ImagePart | ImageLink | Handle | None:
    """The last picture of the assistant's turns."""
    pictures = (
        part
        for message in reversed(request.messages)
        if message.role == "assistant"
        for part in reversed(message.parts)
        if isinstance(part, ImagePart | ImageLink | Handle) and not _is_previous(part)
    )
    return next(pictures, None)


def _replaced(request: ChatRequest, change: Callable[[MessagePart], MessagePart]) -> ChatRequest:
    messages = (replace(message, parts=tuple(map(change, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))


def _nothing_before(where: str, session_id: str | None) -> Failure:
    also = "" if session_id is None else f', nor was one made under the session_id "{session_id[:80]}"'
    return Failure(
        Code.INVALID_IMAGE,
        f"{where} cites the previous picture, but there is none: no assistant message of this request holds one{also}. "
        "Send the conversation with it, its session_id, or the picture's own id.",
        param=where,
    )


async def _hashes_of(parts: Iterable[ImagePart]) -> dict[str, str]:
    """The SHA-256 of each picture by its place, computed beside the event loop."""
    parts = list(parts)
    hashes = await asyncio.gather(*(asyncio.to_thread(sha256_of, part.base64) for part in parts))
    return {part.where: sha256 for part, sha256 in zip(parts, hashes, strict=True)}


def sha256_of(base64: Buffer | Stored) -> str:
    """The SHA-256 of what canonical base64 holds, in hexadecimal. Works in pieces, so that memory stays flat."""
    found = hashlib.sha256()
    if isinstance(base64, Stored):
        for offset in range(0, base64.source.byte_count, HASHED_CHARACTERS):
            found.update(base64.source.read(offset, HASHED_CHARACTERS))
        return found.hexdigest()
    view = memoryview(base64)
    for start in range(0, len(view), HASHED_CHARACTERS):
        found.update(pybase64.b64decode(view[start : start + HASHED_CHARACTERS]))
    return found.hexdigest()
