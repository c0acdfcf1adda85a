"""What of an answer has not arrived, over real connections."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from impasto.api.body import UNCONFIRMED, Line
from impasto.cli.watched_protocol import WatchedProtocol

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")

LONG, SHORT = bytes(8 << 20), b"short"
"""More than any buffer holds; and what the caller's system confirms at once."""
Unconfirmed = Callable[[], tuple[int, bool]]


class Server:
    """Answers, and gives away what it knows of the line."""

    def __init__(self, answer: bytes = LONG) -> None:
        self.answer = answer
        self.asked: asyncio.Queue[tuple[Unconfirmed, Line]] = asyncio.Queue()
        self.sent = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        line = Line(scope, receive)
        await self.asked.put((scope[UNCONFIRMED], line))
        headers = [(b"content-length", str(len(self.answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.answer, "more_body": False})
        self.sent.set()


@asynccontextmanager
async def serving(app: Server) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=WatchedProtocol, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


def asking(port: int) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port))
    caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    caller.setblocking(False)
    return caller


async def test_what_was_read_to_its_end_has_arrived() -> None:
    app = Server()
    async with serving(app) as port:
        caller = asking(port)
        unconfirmed, line = await app.asked.get()
        confirmed = asyncio.create_task(line.confirmed())
        assert unconfirmed()[0] > 0
        taken = 0
        while taken < len(LONG):
            taken += len(await asyncio.get_running_loop().sock_recv(caller, 1 << 20))
        assert await confirmed
        caller.close()
        line.close()


@pytest.mark.parametrize("is_reset", [False, True])
async def test_what_nobody_read_has_not_arrived(is_reset: bool) -> None:
    app = Server()
    async with serving(app) as port:
        caller = asking(port)
        unconfirmed, line = await app.asked.get()
        if is_reset:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
        assert not await line.confirmed()
        assert unconfirmed()[1]
        line.close()


async def test_what_is_thrown_away_unread_has_not_arrived() -> None:
    app = Server(SHORT)
    async with serving(app) as port:
        caller = asking(port)
        unconfirmed, line = await app.asked.get()
        await app.sent.wait()
        while unconfirmed()[0]:  # noqa: ASYNC110 - the kernel tells when it is asked
            await asyncio.sleep(0.001)
        confirmed = asyncio.create_task(line.confirmed())
        caller.close()
        assert not await confirmed
        line.close()


@pytest.mark.parametrize("goes_on", [False, True])
async def test_who_has_read_and_leaves_or_asks_again_has_it(goes_on: bool) -> None:
    app = Server(SHORT)
    async with serving(app) as port:
        caller = asking(port)
        _, line = await app.asked.get()
        while not (await asyncio.get_running_loop().sock_recv(caller, 1 << 16)).endswith(SHORT):
            pass
        if goes_on:
            caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            _, next_line = await app.asked.get()
            next_line.close()
        else:
            caller.close()
        assert await line.confirmed()
        caller.close()
        line.close()
