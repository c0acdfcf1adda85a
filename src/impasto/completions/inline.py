"""Bring every picture of a request to hand: links are fetched and what the store keeps is opened, all at once.

Rule: what leaves here holds bytes only, and their type is the one they really have. A photo loses its
GPS position; a picture that was made here is never touched.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pybase64

from impasto.completions.ports import Blob, BlobStore, ImageSource
from impasto.domain.chat import (
    Characters,
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
    Turn,
    TurnPart,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.gps import Patched, gps_patches, without_gps
from impasto.domain.image import base64_reader, dimensions_of, media_type_of
from impasto.domain.ledger import Parent


@dataclass(frozen=True, slots=True)
class Inlined:
    """A request's turns with every picture at hand, and what was found on the way: `fetched` are what links led to, by
    URL, and `without_gps` the places of photos whose position was taken out. Closed once the calls are over."""

    turns: tuple[Turn, ...]
    fetched: dict[str, Parent] = field(default_factory=dict)
    without_gps: tuple[str, ...] = ()
    opened: tuple[Blob, ...] = ()

    def close(self) -> None:
        for blob in self.opened:
            blob.close()


@dataclass(slots=True)
class _AtHand:
    """What was fetched, by URL, and opened, by hash."""

    fetched: dict[str, bytes] = field(default_factory=dict)
    opened: dict[str, Blob] = field(default_factory=dict)


async def inline(request: ChatRequest, images: ImageSource, store: BlobStore, *, strips_gps: bool) -> Inlined:
    """The turns of `request` with every link fetched and every kept part opened. Raises `Failure` naming the place."""
    at_hand = _AtHand()
    try:
        await _bring(request, images, store, at_hand)
        turns = tuple(_turn_at_hand(message, at_hand) for message in request.messages)
        parents = await asyncio.to_thread(_parents_of, at_hand.fetched) if at_hand.fetched else {}
        inputs = Inlined(turns, parents, opened=tuple(at_hand.opened.values()))
        return await _without_gps(inputs, _photos_of(request)) if strips_gps else inputs
    except BaseException:
        for blob in at_hand.opened.values():
            blob.close()
        raise


async def _bring(request: ChatRequest, images: ImageSource, store: BlobStore, at_hand: _AtHand) -> None:
    parts = [part for message in request.messages for part in message.parts]
    urls = {part.url: part.where for part in reversed(parts) if isinstance(part, ImageLink)}
    needed = {kept.sha256: (kept, where) for part in reversed(parts) for kept, where in _needed_by(part)}

    async def fetch(url: str, where: str) -> None:
        at_hand.fetched[url] = await images.fetch(url, where=where)

    async def open_kept(kept: Kept, where: str | None) -> None:
        try:
            at_hand.opened[kept.sha256] = await store.reader(kept.sha256)
        except Failure as failure:
            if failure.code is not Code.ANSWER_GONE:
                raise
            if where is not None:  # a signature that is gone is done without
                raise no_longer_kept(where) from None

    try:
        async with asyncio.TaskGroup() as group:
            for url, where in urls.items():
                group.create_task(fetch(url, where))
            for kept, place in needed.values():
                group.create_task(open_kept(kept, place))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _needed_by(part: MessagePart) -> Iterator[tuple[Kept, str | None]]:
    """What has to be opened, and the place that is said to be wrong where it is gone."""
    match part:
        case KeptText(_, signature):
            yield signature, None
        case KeptImage():
            if part.signature is not None:
                yield part.signature, None
            if part.inline is None:
                yield part.image, part.where


def _turn_at_hand(message: Message, at_hand: _AtHand) -> Turn:
    parts = tuple(_part_at_hand(part, at_hand) for part in message.parts)
    signatures = [kept for part in message.parts for kept, place in _needed_by(part) if place is None]
    is_whole = all(kept.sha256 in at_hand.opened for kept in signatures)
    # A turn is its provider's own with all of its signatures, or not at all: Google refuses one that lacks some.
    return Turn(message.role, parts, message.made_by if is_whole else "")


def _part_at_hand(part: MessagePart, at_hand: _AtHand) -> TurnPart:
    match part:
        case ImageLink(url, where):
            return picture_part(pybase64.b64encode(at_hand.fetched[url]), where)
        case KeptText(text, signature):
            return TextPart(text, _signature(signature, at_hand))
        case KeptImage():
            signed = _signature(part.signature, at_hand) if part.signature else None
            if part.inline is not None:
                return replace(part.inline, signature=signed)
            base64 = Stored(at_hand.opened[part.image.sha256])
            return ImagePart(base64, part.media_type, part.dimensions, part.where, signed)
        case Handle():
            raise AssertionError("a handle is looked up before anything is fetched")
        case _:
            return part


def _photos_of(request: ChatRequest) -> frozenset[str]:
    """The places of the pictures that were not made here, nor by a provider that wants them back as they were."""
    parts = (part for message in request.messages for part in message.parts)
    return frozenset(
        part.where
        for part in parts
        if (isinstance(part, ImagePart) and part.signature is None)
        or isinstance(part, ImageLink)
        or (isinstance(part, KeptImage) and part.is_photo)
    )


async def _without_gps(inputs: Inlined, photos: frozenset[str]) -> Inlined:
    """The same with no photo that tells where it was taken. Looked for beside the event loop."""
    parts = [part for turn in inputs.turns for part in turn.parts if isinstance(part, ImagePart)]
    candidates = [part for part in parts if part.where in photos]
    if not candidates:
        return inputs
    found = await asyncio.gather(*(asyncio.to_thread(_blanked, part) for part in candidates))
    blanked = {part.where: part for part in found if part is not None}
    if not blanked:
        return inputs
    turns = (replace(turn, parts=tuple(_in_its_place(part, blanked) for part in turn.parts)) for turn in inputs.turns)
    return replace(inputs, turns=tuple(turns), without_gps=tuple(blanked))


def _in_its_place(part: TurnPart, blanked: Mapping[str, ImagePart]) -> TurnPart:
    return blanked.get(part.where, part) if isinstance(part, ImagePart) else part


def _blanked(part: ImagePart) -> ImagePart | None:
    """The photo without its position; `None` where it tells none."""
    base64 = part.base64
    if isinstance(base64, Stored):
        patches = gps_patches(base64.source.read, base64.source.byte_count, part.media_type)
        return replace(part, base64=Stored(Patched(base64.source, patches))) if patches else None
    copy = without_gps(base64, part.media_type)
    return None if copy is None else replace(part, base64=copy)


def _signature(kept: Kept, at_hand: _AtHand) -> Characters | None:
    blob = at_hand.opened.get(kept.sha256)
    return None if blob is None else Stored(blob, encoded=False)


def _parents_of(fetched: dict[str, bytes]) -> dict[str, Parent]:
    return {url: Parent("photo", "", hashlib.sha256(data).hexdigest()) for url, data in fetched.items()}


def no_longer_kept(where: str) -> Failure:
    """What is said of a picture that is cited and was let go."""
    return Failure(
        Code.INVALID_IMAGE,
        f"{where} cites a picture that is no longer kept. Send the picture itself, as a data URL or an http(s) URL.",
        param=where,
    )


def picture_part(base64: bytes | memoryview, where: str) -> ImagePart:
    """The part for a picture given as canonical base64. Raises 415 for what is no picture, naming `where`."""
    read = base64_reader(base64)
    media_type = media_type_of(read(0, 256))
    if media_type is None:
        raise Failure(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"{where} holds no picture that is known here: its first bytes are those of no PNG, JPEG, WebP, GIF, "
            "AVIF or HEIC file.",
            param=where,
        )
    if media_type == "image/svg+xml":
        raise Failure(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"{where} is an SVG drawing. Models read pixels: send it as PNG or JPEG.",
            param=where,
        )
    return ImagePart(base64, media_type, dimensions_of(read, media_type), where)
