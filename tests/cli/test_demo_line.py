"""The demo's line: what it does to bytes, and what it tells of them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from impasto.cli.demo_line import Answered, Cut, Fate, Line, Slow

BODY = bytes(range(256)) * 2000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 512000\r\nx-impasto-generation-id: chatcmpl-1\r\n\r\n"
ASKED = b"POST / HTTP/1.1\r\nX-Stainless-Retry-Count: 2\r\n\r\n"


@dataclass
class Seen:
    """Everything that the line told."""

    asked_with: list[int] = field(default_factory=list)
    cuts: int = 0
    answers: list[Answered] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def asked(self, retry_count: int) -> None:
        self.asked_with.append(retry_count)

    def was_cut(self) -> None:
        self.cuts += 1

    def answered(self, answer: Answered) -> None:
        self.answers.append(answer)

    def passed(self, share: float) -> None:
        self.shares.append(share)


@asynccontextmanager
async def answering(answer: bytes | None, port: int = 0) -> AsyncIterator[int]:
    """A server that answers so and hangs up, or never answers. Its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        yield server.sockets[0].getsockname()[1]


async def got_through(line: Line) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(ASKED)
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("fate", [None, Slow(10_000_000)])
async def test_bytes_pass_as_they_are(fate: Fate) -> None:
    seen = Seen()
    async with answering(HEAD + BODY) as port, Line(port, deque([fate]), seen) as line:
        assert await got_through(line) == HEAD + BODY
    assert seen.asked_with == [2]
    assert seen.answers == [Answered(200, len(BODY), "chatcmpl-1")]
    assert seen.shares == sorted(seen.shares)
    assert seen.shares[-1] == 1
    assert seen.cuts == 0


async def test_a_cut_ends_the_waiting() -> None:
    seen = Seen()
    async with answering(None) as port, Line(port, deque([Cut(0.05)]), seen) as line:
        assert await got_through(line) == b""
    assert (seen.asked_with, seen.cuts, seen.answers) == ([2], 1, [])


async def test_an_answer_that_breaks_off_is_passed_on_as_far_as_it_came() -> None:
    async with answering(HEAD + BODY[:1000]) as port, Line(port, deque(), Seen()) as line:
        assert await got_through(line) == HEAD + BODY[:1000]


async def test_a_caller_waits_for_a_gateway_that_starts_again() -> None:
    async with answering(HEAD) as port:
        pass
    async with Line(port, deque(), Seen()) as line:
        waiting = asyncio.create_task(got_through(line))
        await asyncio.sleep(0.1)
        async with answering(HEAD, port):
            assert await waiting == HEAD
