"""White space before a whole answer, for proxies that lose patience with a silent line.

Rule: off unless the operator asks for it, because the status goes out before the answer is known:
a failure after that is told under status 200.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.types import Send

from impasto.api.errors import error_body
from impasto.domain.errors import Failure


class Spaces:
    """Sends a space after each silence of `seconds`; never where that is 0. `has_begun`: the caller was told 200."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self.has_begun = False

    @asynccontextmanager
    async def sent_in_silence(self) -> AsyncIterator[None]:
        """While this is open, silence is broken. A failure is sent as the body where the answer has begun."""
        if not self._seconds:
            yield
            return
        task = asyncio.create_task(self._break_silence())
        try:
            yield
        except Failure as failure:
            await _stopped(task)
            if self.has_begun:
                body = msgspec.json.encode({"error": error_body(failure), "detail": failure.message})
                await self._send({"type": "http.response.body", "body": body, "more_body": False})
            raise
        finally:
            await _stopped(task)

    async def _break_silence(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            if not self.has_begun:
                headers = [(b"content-type", b"application/json"), (b"x-accel-buffering", b"no")]
                self.has_begun = True
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": b" ", "more_body": True})


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
