"""What happens on the wire itself: bodies that are too large or lie about it, and the connection afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.gateway import KEY, gateway

MEGABYTE = 1 << 20
HEAD = f"POST /v3/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
NEXT = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


class Line:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, headers and body."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    def fall_silent(self) -> None:
        """Say that nothing more will be said; go on listening."""
        self._writer.write_eof()

    async def is_over(self) -> bool:
        return await self._reader.read() == b""

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with gateway(tmp_path, {"IMPASTO_MAX_BODY_MB": "1"}) as running:
        spoken = Line(*await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2])))
        yield spoken
        await spoken.hang_up()


def code_of(body: bytes) -> object:
    return json.loads(body)["error"]["code"]


@pytest.mark.parametrize("key", [True, False])
async def test_a_body_too_large_is_told_so_and_the_connection_goes_on(line: Line, key: bool) -> None:
    head = HEAD if key else HEAD.replace(KEY.encode(), b"nobody's")
    await line.say(head + b"Content-Length: %d\r\n\r\n" % (20 * MEGABYTE))
    for _ in range(20):
        await line.say(b"x" * MEGABYTE)
    await line.say(NEXT)
    status, _, body = await line.hear()
    assert (status, code_of(body)) == ((413, "body_too_large") if key else (401, "invalid_api_key"))
    assert (await line.hear())[0] == 200


async def test_a_body_that_hides_its_length_is_no_larger(line: Line) -> None:
    await line.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        await line.say(b"100000\r\n" + b"x" * MEGABYTE + b"\r\n")
    await line.say(b"0\r\n\r\n" + NEXT)
    status, _, body = await line.hear()
    assert (status, code_of(body)) == (413, "body_too_large")
    assert (await line.hear())[0] == 200


async def test_who_asks_first_need_not_send(line: Line) -> None:
    await line.say(HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (20 * MEGABYTE))
    assert (await line.hear())[0] == 413


async def test_who_asks_first_and_may_is_told_to_go_on(line: Line) -> None:
    await line.say(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await line.hear())[0] == 100
    await line.say(b"{}")
    assert (await line.hear())[0] == 422


async def test_a_body_shorter_than_it_said_is_not_answered(line: Line) -> None:
    await line.say(HEAD + b"Content-Length: 50\r\n\r\n{}")
    line.fall_silent()
    assert await line.is_over()


@pytest.mark.parametrize(
    "length",
    [b"-1", b"x", b"9" * 5000, b"2\r\nContent-Length: 3", b"2\r\nTransfer-Encoding: chunked", b"\xb2"],
)
async def test_a_length_that_is_none_is_refused(line: Line, length: bytes) -> None:
    await line.say(HEAD + b"Content-Length: " + length + b"\r\n\r\n{}")
    assert (await line.hear())[0] == 400
    assert await line.is_over()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.test/v3/models?key=1", 200),
        (b"/v3/models/google%2Fgemini-2.5-flash-image", 200),
        (b"//evil.test/v3/models", 404),
        (b"/v3/%ff%00", 404),
        (b"/%2e%2e/v3/models", 404),
        (b"/v3/chat%2Fcompletions", 405),
    ],
)
async def test_targets_in_disguise(line: Line, target: bytes, status: int) -> None:
    await line.say(b"GET " + target + b" HTTP/1.1\r\nHost: evil.test\r\n\r\n")
    answered, headers, _ = await line.hear()
    assert answered == status
    assert headers["x-request-id"]
