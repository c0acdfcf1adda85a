"""The line between the demo's client and a gateway: a TCP proxy that is cut and slowed on purpose.

Rule: it changes no byte. Each connection is one attempt of the client, and its fate is decided
before; what passes is told to a watcher.
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

WAIT_SECONDS = 20.0
"""How long a new connection waits for a gateway that is being started again, as load balancers let them wait."""

_PIECE_BYTES = 1 << 16
# Segments as on a real line, and small windows: on loopback the system would else take megabytes at once and
# deliver them for a process that is long dead.
_SEGMENT_BYTES = 1400
_WINDOW_BYTES = 1 << 13
_READ_AHEAD_BYTES = 1 << 14
_RETRY_COUNT = re.compile(rb"\r\nx-stainless-retry-count: *(\d+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_GENERATION = re.compile(rb"\r\nx-impasto-generation-id: *(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cut:
    """So long after the request has passed, both ends are hung up on."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class Slow:
    """The answer passes, but no faster than that."""

    bytes_per_second: int


Fate = Cut | Slow | None
"""What becomes of an attempt; `None` is nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The head of an answer: its status, how many bytes follow, and the generation that it names, if any."""

    status: int
    length: int
    generation: str


class Watcher(Protocol):
    """Who is told what happens on the line."""

    def asked(self, retry_count: int) -> None: ...
    def was_cut(self) -> None: ...
    def answered(self, answer: Answered) -> None: ...
    def passed(self, share: float) -> None: ...


@dataclass(slots=True)
class Line:
    """A line to `target_port` of this machine, for as long as the `async with` lasts; `port` is its near end."""

    target_port: int
    fates: deque[Fate]
    watcher: Watcher
    port: int = 0
    _server: asyncio.Server | None = None
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=_PIECE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await _end(self._carrying)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.watcher.asked(_number(_RETRY_COUNT, head))
            fate = self.fates.popleft() if self.fates else None
            answer, far = await _connected(self.target_port)
            far.write(head)
            await self._both_ways([_pass(reader, far), self._answer(answer, writer, fate)], fate)
        except (OSError, EOFError):  # somebody hung up, which is what this is about
            pass
        finally:
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _both_ways(self, ways: "Iterable[asyncio._CoroutineLike[None]]", fate: Fate) -> None:
        """Until one end hangs up, or the line is cut."""
        tasks = {asyncio.create_task(way) for way in ways}
        seconds = fate.after_seconds if isinstance(fate, Cut) else None
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self.watcher.was_cut()
        finally:
            await _end(tasks)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        generation = _GENERATION.search(head)
        answer = Answered(status, _number(_LENGTH, head), generation[1].decode() if generation else "")
        self.watcher.answered(answer)
        writer.write(head)
        passed = 0
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
            passed += len(data)
            self.watcher.passed(min(1.0, passed / max(1, answer.length)))
            if isinstance(fate, Slow):
                await asyncio.sleep(len(data) / fate.bytes_per_second)
        await _flushed(writer)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE_BYTES):
        writer.write(data)
        await writer.drain()


async def _flushed(writer: asyncio.StreamWriter) -> None:
    """What was written has gone to the system; then the line can be hung up politely."""
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while True:
        far = _socket()
        try:
            await loop.sock_connect(far, ("127.0.0.1", port))
            return await asyncio.open_connection(sock=far, limit=_READ_AHEAD_BYTES)
        except OSError:
            far.close()
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)


def _socket() -> socket.socket:
    far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    far.setblocking(False)
    with suppress(OSError, AttributeError):  # where a system does not let choose, more is under way
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    return far


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _number(pattern: re.Pattern[bytes], head: bytes) -> int:
    found = pattern.search(head)
    return int(found[1]) if found else 0
