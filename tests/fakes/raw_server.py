"""An HTTP server of bare sockets, that sends what it is told to the byte and can break off anywhere."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Connection:
    """One connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hang_up(self) -> None:
        """FIN, after all that was sent."""
        await self.writer.drain()
        self.writer.close()

    async def reset(self) -> None:
        """RST, some time after what was sent has arrived."""
        await asyncio.sleep(0.05)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def wait_for_end(self) -> None:
        """Until the other side closes."""
        while await self.reader.read(1 << 16):
            pass


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: header names are lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[Connection], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    """`requests` are those that came, `connections` counts what they came over, `ended` is set when one closed."""

    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(
    handler: Handler, *, reads_body: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Reads each request and lets `handler` answer it, until the connection closes."""
    served = RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while not writer.is_closing():
                served.requests.append(await _request(reader, reads_body=reads_body))
                await handler(Connection(reader, writer))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeDecodeError, ConnectionError):
            pass  # the other side left, or speaks no HTTP
        finally:
            served.ended.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()[:2]
    served.base_url = f"{'https' if tls else 'http'}://{host}:{port}"
    async with server:
        yield served


async def _request(reader: asyncio.StreamReader, *, reads_body: bool) -> Request:
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0"))) if reads_body else b""
    return Request(line, headers, body)
