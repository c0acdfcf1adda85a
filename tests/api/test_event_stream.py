"""Server-sent events to one caller: when it begins, and what goes out while nothing happens."""

import asyncio

import pytest
from starlette.types import Message

from impasto.api.event_stream import KEEP_ALIVE, EventStream


class Line:
    """A caller who notes what is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_the_status_goes_out_with_the_first_event() -> None:
    line = Line()
    stream = EventStream(line.send)
    assert not stream.has_begun
    await stream.write(b"data: 1\n\n")
    await stream.write(b"data: 2\n\n")
    start, *rest = line.messages
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert [message["more_body"] for message in rest] == [True, True]  # whoever opened it ends the answer


async def test_headers_stand_beside_those_of_every_stream() -> None:
    line = Line()
    await EventStream(line.send, {"idempotent-replayed": "true"}).write(b"data: 1\n\n")
    headers = dict(line.messages[0]["headers"])
    assert headers[b"idempotent-replayed"] == b"true"
    assert headers[b"x-accel-buffering"] == b"no"


async def test_a_silence_is_broken_by_a_comment_that_carries_the_status() -> None:
    line = Line()
    stream = EventStream(line.send, silence_seconds=0.02)
    async with stream.kept_alive():
        await asyncio.sleep(0.1)
    assert line.messages[0]["status"] == 200
    assert line.body.startswith(KEEP_ALIVE * 2)
    assert KEEP_ALIVE.startswith(b": ")


async def test_no_comment_falls_into_the_middle_of_an_event() -> None:
    line = Line()
    stream = EventStream(line.send, silence_seconds=0.02)
    async with stream.kept_alive():
        await stream.write(b"data: {")
        await asyncio.sleep(0.1)
        await stream.write(b"}\n\n")
    assert line.body == b"data: {}\n\n"


async def test_an_event_that_cannot_be_completed_is_ended() -> None:
    line = Line()
    stream = EventStream(line.send)
    await stream.write(b"data: {")
    await stream.break_event()
    await stream.break_event()
    assert line.body == b"data: {\n\n"


class SlowLine(Line):
    """A caller who reads nothing until `reads` is set: as with a real server, nothing is sent before."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = asyncio.Event()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        await super().send(message)


async def test_no_comment_waits_for_a_slow_reader_and_falls_into_the_next_event() -> None:
    line = SlowLine()
    line.reads.set()
    stream = EventStream(line.send, silence_seconds=0.02)

    async def write_two_events() -> None:
        await stream.write(b"data: 1\n\n")
        await stream.write(b"data: {")
        await asyncio.sleep(0.01)
        await stream.write(b"}\n\n")

    async with stream.kept_alive():
        await stream.write(b"data: 0\n\n")
        line.reads.clear()
        writing = asyncio.create_task(write_two_events())
        await asyncio.sleep(0.1)
        line.reads.set()
        await writing
    assert b"data: {}\n\n" in line.body


async def test_an_event_whose_last_piece_was_given_up_is_ended() -> None:
    line = SlowLine()
    line.reads.set()
    stream = EventStream(line.send)
    await stream.write(b"data: {")
    line.reads.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.write(b"}\n\n")
    line.reads.set()
    await stream.break_event()
    assert line.body == b"data: {\n\n"


async def test_a_status_that_was_given_up_was_not_sent() -> None:
    line = SlowLine()
    stream = EventStream(line.send, silence_seconds=0.0)
    async with stream.kept_alive():
        await asyncio.sleep(0.01)
    assert not stream.has_begun
