"""White space before a whole answer: only where it is asked for, and never after the answer began."""

import asyncio

import pytest
from starlette.types import Message

from impasto.api.spaces import Spaces
from impasto.domain.errors import Code, Failure
from tests.api.surface import PICTURE, data_url, picture_events, surface


class Line:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.heard_several = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == 4:
            self.heard_several.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_off_is_off() -> None:
    line = Line()
    spaces = Spaces(line.send, 0)
    async with spaces.sent_in_silence():
        await asyncio.sleep(0.02)
    assert (line.messages, spaces.has_begun) == ([], False)


async def test_what_is_quick_has_no_space_before_it() -> None:
    line = Line()
    spaces = Spaces(line.send, 5)
    async with spaces.sent_in_silence():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (line.messages, spaces.has_begun) == ([], False)


async def test_silence_is_broken_by_the_status_and_a_space_again_and_again() -> None:
    line = Line()
    spaces = Spaces(line.send, 0.01)
    async with spaces.sent_in_silence():
        await line.heard_several.wait()
    told = len(line.messages)
    await asyncio.sleep(0.03)
    assert len(line.messages) == told
    assert spaces.has_begun
    assert [message["type"] for message in line.messages[:2]] == ["http.response.start", "http.response.body"]
    assert line.messages[0]["status"] == 200
    assert b"content-length" not in dict(line.messages[0]["headers"])
    assert set(line.body) == {ord(" ")}
    assert all(message["more_body"] for message in line.messages[1:])


@pytest.mark.parametrize("seconds", [0, 5])
async def test_a_failure_before_keeps_its_status(seconds: float) -> None:
    line = Line()
    with pytest.raises(Failure):
        async with Spaces(line.send, seconds).sent_in_silence():
            raise Failure(Code.PROVIDER_WRONG, "No.")
    assert line.messages == []


async def test_an_answer_after_spaces_is_the_same_json() -> None:
    at = surface(spaces_seconds=0.01)
    at.answerers.pause_seconds = 0.02
    answer = await at.complete()
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body.startswith(b" ")
    assert answer.message["content"] == data_url(PICTURE)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-impasto-generation-id"] == answer.json["id"]
    assert "content-length" not in answer.headers
    assert at.store.open_blobs == []


async def test_a_failure_after_spaces_is_told_under_status_200() -> None:
    at = surface([*picture_events(PICTURE), Failure(Code.PROVIDER_BROKE_OFF, "It broke off.")], spaces_seconds=0.01)
    at.answerers.pause_seconds = 0.02
    answer = await at.complete()
    assert (answer.status, answer.complete) == (200, True)
    assert answer.json["error"]["code"] == "provider_broke_off"
    assert answer.json["detail"] == "It broke off."
    assert at.store.open_blobs == []


async def test_a_stream_has_comments_and_no_spaces() -> None:
    at = surface(spaces_seconds=0.01)
    at.answerers.pause_seconds = 0.02
    answer = await at.complete(stream=True)
    assert answer.body.startswith(b"data: ")
