"""Who may come in: requests are let in by the bytes that they will hold, not by their number.

Rule: first come, first served. Who would wait too long hears so, with nothing read and nothing
spent; the largest request is let in alone rather than never.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.datastructures import Headers
from starlette.types import Scope

from impasto.domain.errors import Code, Failure

ANSWER_BYTES = 1 << 20
"""What an answer holds at most while it waits and while it is sent, whatever it weighs; see `storage/drafts.py`."""

RETRY_AFTER_SECONDS = 5


class Admission:
    """Holds at most `max_bytes` for all requests together; a request waits up to `wait_seconds` for its turn."""

    def __init__(self, max_bytes: int, wait_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._wait_seconds = wait_seconds
        self._held_bytes = 0
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, byte_count: int) -> AsyncIterator[None]:
        """While this is open, `byte_count` is held. Raises `overloaded` with the time to come back."""
        if self._line or not self._fits(byte_count):
            await self._wait(byte_count)
        else:
            self._held_bytes += byte_count
        try:
            yield
        finally:
            self._held_bytes -= byte_count
            self._let_in()

    async def _wait(self, byte_count: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((byte_count, turn))
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._held_bytes -= byte_count
            else:
                with suppress(ValueError):  # who made room meanwhile has passed it over
                    self._line.remove((byte_count, turn))
            self._let_in()
            if not isinstance(error, TimeoutError):
                raise
            raise Failure(
                Code.OVERLOADED,
                f"This gateway is full, and {self._wait_seconds:g} seconds made no room. Nothing was spent; try again.",
                retry_helps=True,
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from None

    def _let_in(self) -> None:
        while self._line and self._fits(self._line[0][0]):
            byte_count, turn = self._line.popleft()
            if not turn.done():
                self._held_bytes += byte_count
                turn.set_result(None)

    def _fits(self, byte_count: int) -> bool:
        return self._held_bytes == 0 or self._held_bytes + byte_count <= self._max_bytes


def bytes_held_by(scope: Scope, max_body_bytes: int) -> int:
    """What a request will hold: its body, as large as it may be where it does not say, and its answer."""
    declared = Headers(scope=scope).get("content-length", "")
    body_bytes = int(declared[:20]) if declared.isdecimal() else max_body_bytes
    return min(body_bytes, max_body_bytes) + ANSWER_BYTES
