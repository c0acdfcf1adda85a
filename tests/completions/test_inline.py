import asyncio
import base64
from dataclasses import dataclass, field

import pytest

from impasto.completions.inline import inline, picture_part
from impasto.completions.ports import ImageSource
from impasto.domain.chat import ChatRequest, ImageLink, ImagePart, Message, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from tests.fakes.blobs import MemoryStore
from tests.fakes.images import FakeImages
from tests.fakes.models import a_request
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
