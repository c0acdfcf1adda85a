"""Read a request's body into one buffer, bounded; notice when its caller leaves.

Rule: what is too large is refused before it is read, and what lies about its length
as soon as it shows.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from impasto.domain.errors import Code, Failure

Result = TypeVar("Result")


class CallerLeftError(ConnectionError):
    """The caller hung up before he was answered."""


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytearray:
    """The whole body. Raises 413 for more than `max_bytes`."""
    # Room for all of it at once: a buffer that grows by an eighth each time copies itself ten times over.
    body = bytearray(_declared_bytes(scope, max_bytes))
    end = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeftError
        piece = message.get("body", b"")
        body[end : end + len(piece)] = piece
        end += len(piece)
        if end > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            del body[end:]
            return body


async def body_pieces(scope: Scope, receive: Receive, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes, held by nobody. Raises as `read_body`."""
    _declared_bytes(scope, max_bytes)
    left, more = max_bytes, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeftError
        piece = message.get("body", b"")
        left -= len(piece)
        if left < 0:
            raise _too_large(max_bytes)
        more = message.get("more_body", False)
        yield piece


UNCONFIRMED = "impasto.unconfirmed"
"""Key of a scope, set by a server that can tell: gives how many bytes of the connection the caller's side has not
confirmed, and whether no more will be known."""

CONFIRMED_WITHIN_SECONDS = 30.0
RESET_WITHIN_SECONDS = 1.0
"""How long a caller who leaves without reading what his system has confirmed may take to show it."""
_LOOK_SECONDS = (0.0, 0.002, 0.01, 0.05, 0.25)


class Line:
    """A caller's line, once his request is read. Whoever opens it closes it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._leaving = asyncio.ensure_future(receive())
        self._unconfirmed: Callable[[], tuple[int, bool]] | None = scope.get(UNCONFIRMED)

    @property
    def is_lost(self) -> bool:
        """Whether the caller has hung up."""
        return self._leaving.done()

    async def unless_lost(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` comes to. When the caller hangs up before, it is cancelled, and `CallerLeftError` raised."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait((working, self._leaving), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise CallerLeftError
        finally:
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    @property
    def can_tell(self) -> bool:
        """Whether it can be known what has arrived."""
        return self._unconfirmed is not None

    async def confirmed(self) -> bool:
        """Whether all that was sent has arrived, and was not thrown away unread. What is not confirmed within half a
        minute has not."""
        if self._unconfirmed is None:
            return True
        clock = asyncio.get_running_loop().time
        until, arrived = clock() + CONFIRMED_WITHIN_SECONDS, False
        for attempt in itertools.count():
            left, is_known = self._unconfirmed()
            if is_known or clock() > until:
                return not left
            if left == 0 and not arrived:
                arrived, until = True, clock() + RESET_WITHIN_SECONDS
            await asyncio.sleep(_LOOK_SECONDS[min(attempt, len(_LOOK_SECONDS) - 1)])
        return False

    def close(self) -> None:
        self._leaving.cancel()


def _declared_bytes(scope: Scope, max_bytes: int) -> int:
    """What a body says that it weighs, 0 where it does not; refuses what is too much."""
    declared = Headers(scope=scope).get("content-length", "0")
    declared_bytes = int(declared[:20]) if declared.isdecimal() else 0
    if declared_bytes > max_bytes:
        raise _too_large(max_bytes)
    return declared_bytes


def _too_large(max_bytes: int) -> Failure:
    return Failure(
        Code.BODY_TOO_LARGE,
        f"The body is larger than {max_bytes >> 20} MB, the most that this gateway takes (IMPASTO_MAX_BODY_MB).",
    )
