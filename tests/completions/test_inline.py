import asyncio
import base64
from dataclasses import dataclass, field, replace

import pytest

from impasto.completions.inline import Inlined, inline, picture_part
from impasto.completions.ports import Blob, ImageSource
from impasto.domain.chat import (
    ChatRequest,
    Handle,
    ImageLink,
    ImagePart,
    KeptImage,
    KeptText,
    Message,
    MessagePart,
    Stored,
    TextPart,
    Turn,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.ledger import Parent
from tests.completions.past import kept, sha256
from tests.fakes.blobs import MemoryBlob, MemoryStore
from tests.fakes.images import FakeImages
from tests.fakes.models import a_request
from tests.fakes.photos import exif, exif_segment, jpeg_with
from tests.fakes.photos import picture as photo_by
from tests.fakes.pictures import png

ONE, TWO = "https://example.com/one.png", "https://example.com/two.png"


def asking_for(*urls: str) -> ChatRequest:
    links = [ImageLink(url, f"messages[0].content[{index}].image_url.url") for index, url in enumerate(urls)]
    return a_request("google/painting-model", Message("user", (*links, TextPart("as a sketch"))))


async def brought(request: ChatRequest, images: ImageSource) -> tuple[Turn, ...]:
    return (await inline(request, images, MemoryStore(), strips_gps=True)).turns


@dataclass
class SlowImages:
    """Never gives a picture, except for a failure; counts who was cut short."""

    failing: str
    fetching: int = 0
    cancelled: list[str] = field(default_factory=list)

    async def fetch(self, url: str, *, where: str) -> bytes:
        if url == self.failing:
            await asyncio.sleep(0)
            raise Failure(Code.IMAGE_FETCH_FAILED, f"{where}: gone", param=where)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(url)
            raise
        raise AssertionError


async def test_links_become_parts_with_what_their_bytes_show() -> None:
    pictures = png(3, 2), png(2, 3)
    turns = await brought(asking_for(ONE, TWO), FakeImages({ONE: pictures[0], TWO: pictures[1]}))
    assert turns == (
        Turn(
            "user",
            (
                ImagePart(
                    base64.b64encode(pictures[0]), "image/png", Dimensions(3, 2), "messages[0].content[0].image_url.url"
                ),
                ImagePart(
                    base64.b64encode(pictures[1]), "image/png", Dimensions(2, 3), "messages[0].content[1].image_url.url"
                ),
                TextPart("as a sketch"),
            ),
        ),
    )


async def test_a_picture_named_twice_is_fetched_once() -> None:
    images = FakeImages({ONE: png()})
    turns = await brought(asking_for(ONE, ONE), images)
    assert images.fetched == [ONE]
    assert [part.where for part in turns[0].parts if isinstance(part, ImagePart)] == [
        "messages[0].content[0].image_url.url",
        "messages[0].content[1].image_url.url",
    ]


async def test_without_links_nothing_is_fetched() -> None:
    images = FakeImages()
    assert await brought(a_request(), images) == (Turn("user", (TextPart("a banana"),)),)
    assert images.fetched == []


async def test_a_failure_names_the_first_place_and_ends_the_other_fetches() -> None:
    images = SlowImages(failing=TWO)
    with pytest.raises(Failure) as raised:
        await brought(asking_for(ONE, TWO, TWO), images)
    assert raised.value.param == "messages[0].content[1].image_url.url"
    assert images.cancelled == [ONE]


async def test_giving_up_ends_all_fetches() -> None:
    images = SlowImages(failing="")
    task = asyncio.create_task(brought(asking_for(ONE, TWO), images))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(images.cancelled) == [ONE, TWO]


@pytest.mark.parametrize("data", [b"", b"hello", b"<html></html>", b'<svg xmlns="http://www.w3.org/2000/svg"/>'])
async def test_what_is_no_picture_is_refused_by_its_place(data: bytes) -> None:
    with pytest.raises(Failure) as raised:
        await brought(asking_for(ONE), FakeImages({ONE: data}))
    assert raised.value.code is Code.UNSUPPORTED_MEDIA_TYPE
    assert raised.value.param == "messages[0].content[0].image_url.url"


def test_a_part_keeps_the_buffer_it_was_given() -> None:
    view = memoryview(base64.b64encode(png()))
    assert picture_part(view, "here").base64 is view


# --- what the store keeps ---

RED, GREEN = png(3, 2), png(2, 3, (0, 255, 0))
WORDS_SIGNATURE, PICTURE_SIGNATURE = b"d29yZHM=", b"cGljdHVyZQ=="
TAKEN = jpeg_with(exif_segment(exif()))
"""A photo that says where it was taken."""


def storing(*contents: bytes) -> MemoryStore:
    return MemoryStore(kept={sha256(content): content for content in contents})


def cited(data: bytes = RED, where: str = "here", signature: bytes | None = None, **more: object) -> KeptImage:
    part = KeptImage(kept(data), "image/png", Dimensions(3, 2), where)
    changes = dict(more) | ({"signature": kept(signature)} if signature else {})
    return replace(part, **changes)  # type: ignore[arg-type]


def said(*parts: MessagePart) -> Message:
    return Message("assistant", parts, "google", 9)


def asked(*messages: Message) -> ChatRequest:
    return a_request("google/painting-model", *messages)


async def at_hand(request: ChatRequest, store: MemoryStore, images: ImageSource | None = None) -> Inlined:
    return await inline(request, images or FakeImages(), store, strips_gps=True)


async def test_what_is_kept_is_read_from_the_store_while_it_is_sent() -> None:
    store = storing(RED, WORDS_SIGNATURE, PICTURE_SIGNATURE)
    answer = said(KeptText("Here", kept(WORDS_SIGNATURE)), cited(signature=PICTURE_SIGNATURE))
    inputs = await at_hand(asked(answer, Message("user", (cited(where="there"),))), store)
    own, asks = inputs.turns
    words, picture = own.parts
    assert own.made_by == "google"
    assert isinstance(words, TextPart)
    assert (words.text, bytes(words.signature or b"")) == ("Here", WORDS_SIGNATURE)
    for part, where, signature in ((picture, "here", PICTURE_SIGNATURE), (asks.parts[0], "there", b"")):
        assert isinstance(part, ImagePart)
        assert isinstance(part.base64, Stored)
        assert (part.decoded(), part.media_type, part.dimensions, part.where) == (
            RED, "image/png", Dimensions(3, 2), where,
        )  # fmt: skip
        assert bytes(part.base64) == base64.b64encode(RED)
        assert bytes(part.signature or b"") == signature
    assert len(store.open_blobs) == 3  # each once
    inputs.close()
    assert store.open_blobs == []


async def test_a_recognised_picture_is_not_read_again() -> None:
    store = storing(PICTURE_SIGNATURE)
    brought = picture_part(memoryview(base64.b64encode(RED)), "here")
    inputs = await at_hand(asked(said(cited(signature=PICTURE_SIGNATURE, inline=brought))), store)
    (picture,) = inputs.turns[0].parts
    assert isinstance(picture, ImagePart)
    assert picture.base64 is brought.base64
    assert bytes(picture.signature or b"") == PICTURE_SIGNATURE
    inputs.close()
    assert store.open_blobs == []


@pytest.mark.parametrize("gone", [WORDS_SIGNATURE, PICTURE_SIGNATURE])
async def test_a_turn_that_lacks_a_signature_is_nobodys_own(gone: bytes) -> None:
    store = storing(*{RED, WORDS_SIGNATURE, PICTURE_SIGNATURE} - {gone})
    answer = said(KeptText("Here", kept(WORDS_SIGNATURE)), cited(signature=PICTURE_SIGNATURE))
    inputs = await at_hand(asked(answer), store)
    (turn,) = inputs.turns
    assert turn.made_by == ""
    assert [part.text for part in turn.parts if isinstance(part, TextPart)] == ["Here"]
    inputs.close()
    assert store.open_blobs == []


async def test_a_turn_without_signatures_keeps_its_provider() -> None:
    inputs = await at_hand(asked(said(TextPart("Here"), cited())), storing(RED))
    assert inputs.turns[0].made_by == "google"
    inputs.close()


async def test_a_picture_that_is_gone_is_named_by_its_first_place() -> None:
    store = storing(GREEN)
    with pytest.raises(Failure, match="no longer kept") as raised:
        await at_hand(asked(Message("user", (cited(GREEN), cited(RED, "one"), cited(RED, "two")))), store)
    assert (raised.value.code, raised.value.param) == (Code.INVALID_IMAGE, "one")
    assert store.open_blobs == []


@dataclass(slots=True)
class BrokenStore(MemoryStore):
    """Gives no blob but `good`; what it raises is a failure, or an error that nobody expects."""

    good: str = ""
    error: Exception = field(default_factory=lambda: Failure(Code.STORE_UNAVAILABLE, "broken"))

    async def reader(self, sha256: str) -> MemoryBlob:
        await asyncio.sleep(0)
        if sha256 == self.good:
            return await MemoryStore.reader(self, sha256)
        await asyncio.sleep(0)
        raise self.error


@pytest.mark.parametrize("error", [Failure(Code.STORE_UNAVAILABLE, "broken"), OSError("worse")])
@pytest.mark.parametrize("broken", [cited(GREEN, "there"), KeptText("Here", kept(WORDS_SIGNATURE))])
async def test_a_store_that_breaks_is_told_and_leaves_nothing_open(broken: MessagePart, error: Exception) -> None:
    store = BrokenStore(kept={sha256(RED): RED}, good=sha256(RED), error=error)
    with pytest.raises(type(error)):
        await at_hand(asked(said(cited(), broken)), store)
    assert store.open_blobs == []


@pytest.mark.parametrize("fetched", [None, b"no picture", OSError("worse")])
async def test_a_link_that_gives_no_picture_leaves_nothing_open(fetched: bytes | Exception | None) -> None:
    store = storing(RED)
    images = FakeImages({} if fetched is None else {ONE: fetched})
    with pytest.raises((Failure, OSError)):
        await at_hand(asked(Message("user", (cited(), ImageLink(ONE, "there")))), store, images)
    assert store.open_blobs == []


async def test_a_photo_that_cannot_be_read_for_its_position_leaves_nothing_open() -> None:
    store = storing(RED)
    store.breaks = True
    with pytest.raises(Failure):
        await at_hand(asked(Message("user", (cited(is_photo=True),))), store)
    assert store.open_blobs == []


async def test_giving_up_leaves_nothing_open() -> None:
    store = storing(RED)
    images = SlowImages(failing="")
    task = asyncio.create_task(at_hand(asked(Message("user", (cited(), ImageLink(ONE, "there")))), store, images))
    for _ in range(9):
        await asyncio.sleep(0)
    assert store.open_blobs != []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.open_blobs == []


async def test_a_handle_is_looked_up_before() -> None:
    with pytest.raises(AssertionError):
        await at_hand(asked(Message("user", (Handle("image", "img_1", "here"),))), MemoryStore())


async def test_what_links_led_to_is_told_by_its_hash() -> None:
    inputs = await at_hand(asking_for(ONE, TWO, ONE), MemoryStore(), FakeImages({ONE: RED, TWO: GREEN}))
    assert inputs.fetched == {ONE: Parent("photo", "", sha256(RED)), TWO: Parent("photo", "", sha256(GREEN))}


# --- positions ---


def jpeg_at(where: str, data: bytes = TAKEN) -> ImagePart:
    return picture_part(memoryview(base64.b64encode(data)), where)


async def test_photos_lose_their_position_and_nothing_else() -> None:
    store = storing(TAKEN)
    uploaded = replace(cited(TAKEN, "uploaded"), media_type="image/jpeg", is_photo=True)
    plain = jpeg_at("plain", photo_by(".jpg"))
    request = asked(Message("user", (uploaded, jpeg_at("inline"), ImageLink(ONE, "linked"), plain, TextPart("it"))))
    inputs = await at_hand(request, store, FakeImages({ONE: TAKEN}))
    assert inputs.without_gps == ("uploaded", "inline", "linked")
    pictures = {part.where: part for part in inputs.turns[0].parts if isinstance(part, ImagePart)}
    for where in inputs.without_gps:
        data = pictures[where].decoded()
        assert len(data) == len(TAKEN)
        assert data != TAKEN
        assert photo_by(".jpg")[2:] == data[-len(photo_by(".jpg")) + 2 :]
    assert pictures["plain"] is plain
    assert inputs.turns[0].parts[-1] == TextPart("it")
    assert inputs.fetched[ONE].sha256 == sha256(TAKEN)
    inputs.close()
    assert store.open_blobs == []


async def test_what_a_model_made_is_never_touched() -> None:
    store = storing(TAKEN)
    made = replace(cited(TAKEN), media_type="image/jpeg")
    back = replace(cited(TAKEN, "back", inline=jpeg_at("back")), media_type="image/jpeg")
    carried = replace(jpeg_at("carried"), signature=b"c2ln")
    inputs = await at_hand(asked(said(back), said(carried), Message("user", (made,))), store)
    assert inputs.without_gps == ()
    pictures = [part for turn in inputs.turns for part in turn.parts if isinstance(part, ImagePart)]
    assert [picture.decoded() for picture in pictures] == [TAKEN, TAKEN, TAKEN]
    inputs.close()


async def test_positions_stay_where_the_operator_wants_them() -> None:
    request = asked(Message("user", (jpeg_at("inline"),)))
    inputs = await inline(request, FakeImages(), MemoryStore(), strips_gps=False)
    (picture,) = inputs.turns[0].parts
    assert isinstance(picture, ImagePart)
    assert (picture.decoded(), inputs.without_gps) == (TAKEN, ())


def test_closing_closes_each_blob_once() -> None:
    store = MemoryStore()
    blobs: list[Blob] = [store.open(), store.open()]
    Inlined((), opened=tuple(blobs)).close()
    assert store.open_blobs == []
