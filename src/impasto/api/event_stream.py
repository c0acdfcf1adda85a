"""Server-sent events to one caller.

Rule: the status goes out with the first event, or with the first keep-alive comment after a
silence; a slow reader slows whoever writes, because every write waits for the line, one at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.types import Send

SILENCE_SECONDS = 10.0
KEEP_ALIVE = b": still at work\n\n"
_END_OF_EVENT = b"\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
]


class EventStream:
    """Writes to `send`, with `headers` beside those of every stream; whoever opened it ends the answer.

    `has_begun`: the caller was told 200.
    """

    def __init__(
        self, send: Send, headers: Mapping[str, str] | None = None, *, silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        self._send = send
        self._headers = [*_HEADERS, *((name.encode(), value.encode()) for name, value in (headers or {}).items())]
        self._silence_seconds = silence_seconds
        self._line = asyncio.Lock()
        self._between_events = True
        self._last_write = 0.0
        self.has_begun = False

    async def write(self, data: bytes) -> None:
        """Send whole events, or a piece of one; the pieces of an event come one after the other."""
        async with self._line:
            await self._begin()
            self._between_events = False  # a write that is given up may have sent nothing
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self._between_events = data.endswith(_END_OF_EVENT)
            self._last_write = asyncio.get_running_loop().time()

    async def break_event(self) -> None:
        """End an event that cannot be completed, so that what follows is an event of its own."""
        if not self._between_events:
            await self.write(_END_OF_EVENT)

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """While this is open, a comment goes out after each silence."""
        task = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _begin(self) -> None:
        if not self.has_begun:
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
            self.has_begun = True

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        self._last_write = loop.time()
        while True:
            silent = loop.time() - self._last_write
            if silent < self._silence_seconds:
                await asyncio.sleep(self._silence_seconds - silent)
            elif self._between_events:
                await self.write(KEEP_ALIVE)
            else:
                await asyncio.sleep(self._silence_seconds)
