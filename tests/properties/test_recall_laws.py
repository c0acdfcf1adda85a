"""Whatever a model said and in whatever shape it was shown: sent back, it is the turn that the model gave."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from impasto.api.shapes import DELIVERIES, SHAPES
from impasto.domain.chat import Characters, ImagePart, Stored, TextPart, Turn
from impasto.domain.events import Event, Finished, FinishReason, ImageEnded, Signature, Text, UsageSeen
from impasto.domain.image import Dimensions
from impasto.domain.stored_image import StoredImage
from impasto.domain.usage import Usage
from tests.api.surface import Surface, data_url, picture_events, png, surface
from tests.fakes.blobs import MemoryBlob
from tests.fakes.folding import chunks_of, folded
from tests.fakes.gallery import MemoryGallery

KEY_ID = "key-1"
BILL: list[Event] = [UsageSeen(Usage(5, 0, 20, 1120, 7)), Finished(FinishReason.STOP, "STOP")]


@dataclass(frozen=True, slots=True)
class Part:
    """What a model gave: words, or a picture, and the signature that came with it."""

    given: str | bytes
    signature: bytes = b""

    def events(self) -> list[Event]:
        signed: list[Event] = [Signature(self.signature)] if self.signature else []
        if isinstance(self.given, str):
            return [*signed, Text(self.given)]
        return [*picture_events(self.given)[:-1], *signed, ImageEnded()]


SIGNATURES = st.sampled_from([b"", b"AAAA", b"b25l", b"dHdv"])
TEXTS = st.text(
    st.sampled_from(list('ab \n\t"\\/!üŋ🚣[]()<&\0')) | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
)
WORDS = st.builds(Part, TEXTS, SIGNATURES)
PICTURES = st.builds(Part, st.builds(png, st.integers(40, 44)), SIGNATURES)
ANSWERS = st.lists(WORDS | PICTURES, max_size=6).filter(
    lambda parts: any(isinstance(part.given, bytes) for part in parts)
)


@given(ANSWERS, st.sampled_from(SHAPES), st.sampled_from(DELIVERIES), st.booleans())
@example([Part("a\n\n"), Part(png(40)), Part("\n\nb"), Part(png(41))], "markdown", "inline", False)
@example([Part(png(40), b"AAAA"), Part("x"), Part(png(40), b"b25l")], "content", "inline", True)
@example([Part(png(40), b"AAAA"), Part(png(41), b"b25l"), Part(png(42))], "content", "inline", True)
@example([Part("a"), Part("b", b"AAAA"), Part("c"), Part(png(40))], "both", "url", False)
def test_what_comes_back_is_what_the_model_gave(
    parts: Sequence[Part], shape: str, delivery: str, streamed: bool
) -> None:
    turns, shown = asyncio.run(asked_again(parts, shape, delivery, streamed=streamed))
    pictures = {part.given for part in parts if isinstance(part.given, bytes)}
    assert shown == pictures or (shape == "content" and shown and not (streamed and delivery == "inline"))
    asks, model, again = turns
    assert (asks.parts, again.parts) == ((TextPart("a boat"),), (TextPart("at night"),))
    assert (model.role, model.made_by) == ("assistant", "maker")
    assert [told(part) for part in model.parts] == expected(parts, shown)


async def asked_again(
    parts: Sequence[Part], shape: str, delivery: str, *, streamed: bool
) -> tuple[Sequence[Turn], set[bytes]]:
    """The turns of a second request, which appends the answer to the first; and the pictures that it cites."""
    gallery = MemoryGallery()
    at = surface([*(event for part in parts for event in part.events()), *BILL], gallery=gallery)
    messages: list[Any] = [{"role": "user", "content": "a boat"}]
    manner: dict[str, Any] = {"image_output": shape, "image_delivery": delivery, "stream": streamed}
    answer = await at.complete(messages=messages, **manner)
    body = folded(chunks_of(answer.body), shape) if streamed else answer.json
    message = body["choices"][0]["message"]
    gallery.kept += images_of(at)
    messages += [message, {"role": "user", "content": "at night"}]
    again = await at.complete(messages=messages, image_output=shape)
    assert again.status == 200, again.body
    call = at.answerers.calls[-1]
    return call.turns, {bytes_of(part) for part in call.turns[1].parts if isinstance(part, ImagePart)}


def images_of(at: Surface) -> list[StoredImage]:
    """The pictures that the ledger was told of."""
    ending = at.ledger.closings[-1].ending
    assert ending is not None
    generation_id = at.ledger.closings[-1].generation_id
    return [
        StoredImage(
            row.id, generation_id, KEY_ID, row.sha256, row.media_type, row.byte_count, Dimensions(4, 3), 1, row.choice
        )
        for row in ending.images
    ]


def expected(parts: Sequence[Part], shown: set[bytes]) -> list[object]:
    """What the model gave, without the pictures that a shape leaves out; unsigned words that follow each other are
    one."""
    found: list[object] = []
    joins = False
    for part in parts:
        if isinstance(part.given, bytes):
            if part.given in shown:
                found.append((part.given, part.signature))
            joins = False
            continue
        if joins and not part.signature:
            found[-1] = (f"{found[-1][0]}{part.given}", b"")  # type: ignore[index]
        else:
            found.append((part.given, part.signature))
        joins = not part.signature
    return found


def told(part: object) -> object:
    match part:
        case TextPart(text, signature):
            return text, written(signature)
        case ImagePart(signature=signature):
            return bytes_of(part), written(signature)
    raise AssertionError(part)


def bytes_of(part: ImagePart) -> bytes:
    """Also after the blob that it is read from was closed."""
    return written(part.base64) if isinstance(part.base64, Stored) else part.decoded()


def written(characters: Characters | None) -> bytes:
    if isinstance(characters, Stored):
        assert isinstance(characters.source, MemoryBlob)
        return bytes(characters.source.data)
    return bytes(characters or b"")


def test_a_picture_comes_back_as_a_data_url_too() -> None:
    """That the law above is about what it says: inline pictures are data URLs, which hold no id."""
    answer = asyncio.run(surface(picture_events(png(40)) + BILL).complete())
    assert answer.message["content"] == data_url(png(40))
