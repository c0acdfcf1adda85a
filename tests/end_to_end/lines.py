"""Lines that break: a caller whose connection can be torn, and a TCP proxy that tears those of others."""

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.gateway import KEY
from tests.end_to_end.till import body_of

_LINGER_NOT = struct.pack("ii", 1, 0)


def tear(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    own = writer.get_extra_info("socket")
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


@dataclass(slots=True)
class TornCall:
    """A chat request on a connection of its own, that can be torn at any moment."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> str:
        """The head of the answer."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def read(self, count: int) -> bytes:
        return await self.reader.readexactly(count)

    def tear(self) -> None:
        tear(self.writer)

    async def end(self) -> bytes:
        """All that is left of the answer."""
        data = await self.reader.read()
        self.writer.close()
        return data


async def torn_call(
    url: str, prompt: str = "a banana", *, key: str = KEY, headers: Mapping[str, str] | None = None, **fields: Any
) -> TornCall:
    """Ask, and do not wait for the answer."""
    body = json.dumps(body_of(prompt, **fields)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    sent = {"Host": "x", "Authorization": f"Bearer {key}", "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (sent | dict(headers or {})).items())
    writer.write(f"POST /v3/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body)
    await writer.drain()
    return TornCall(reader, writer)


@dataclass(frozen=True, slots=True)
class Tear:
    """The line is torn on both sides: when `when` is over, or when `after_bytes` of the answer have passed; at
    `after_bytes` -1, when all of them have."""

    when: Callable[[], Awaitable[object]] | None = None
    after_bytes: int | None = None


@dataclass(slots=True)
class Line:
    """A TCP proxy. `fates` are those of the coming connections, one after the other; later ones hold."""

    url: str = ""
    fates: deque[Tear | None] = field(default_factory=deque)
    torn: int = 0
    _target: int = 0
    _tearing: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fate = self.fates.popleft() if self.fates else None
        above, below = await asyncio.open_connection("127.0.0.1", self._target)
        self._ends |= {writer, below}
        ways = [asyncio.ensure_future(_pass(reader, below)), asyncio.ensure_future(self._answer(above, writer, fate))]
        if fate and fate.when:
            ways.append(asyncio.ensure_future(_awaited(fate.when)))
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if fate and (fate.when is None or ways[-1].done()):
            self.torn += 1
            self._tearing.set()
            tear(writer)
            tear(below)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, below):
            end.transport.abort()
        self._ends -= {writer, below}

    async def _answer(self, above: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Tear | None) -> None:
        left = fate.after_bytes if fate else None
        if left is None:
            await _pass(above, writer)
        elif left >= 0:
            while left and (data := await above.read(left)):
                writer.write(data)
                await writer.drain()
                left -= len(data)
        else:
            head = await above.readuntil(b"\r\n\r\n")
            (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            writer.write(head + await above.readexactly(int(length.split(b":")[1])))
            await writer.drain()

    async def until_torn(self, count: int) -> None:
        while self.torn < count:
            await self._tearing.wait()
            self._tearing.clear()

    async def close(self) -> None:
        while self._ends:
            for end in self._ends:
                end.transport.abort()
            await asyncio.sleep(0.01)


async def _awaited(when: Callable[[], Awaitable[object]]) -> None:
    await when()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def line_to(url: str, *fates: Tear | None) -> AsyncIterator[Line]:
    """A line to the gateway at `url`."""
    line = Line(fates=deque(fates), _target=int(url.rpartition(":")[2]))
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        await line.close()
        await server.wait_closed()
