"""uvicorn's HTTP protocol, which also knows how much of what was sent has not arrived.

Rule: what the other side has not confirmed has not arrived, however long ago it was written. Linux
tells; elsewhere, what the system has taken counts as arrived.
"""

import struct
import sys
from asyncio import BaseTransport
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from impasto.api.body import UNCONFIRMED

if sys.platform == "linux":
    import fcntl
    import termios


class WatchedProtocol(HttpToolsProtocol):
    """One connection. When it is over, what had not arrived by then is remembered."""

    _unconfirmed_at_end: int | None = None
    _requests = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._requests += 1
        cast("dict[str, object]", self.scope)[UNCONFIRMED] = partial(self._unconfirmed, self._requests)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._unconfirmed_at_end is None:
            unsent = _unconfirmed_of(self.transport)
            # After a reset the system has thrown away what had not arrived, and shows nothing of it. And a caller who
            # closes before he has read what his system took in for him resets the connection.
            self._unconfirmed_at_end = max(unsent, 1) if exc is not None else unsent
        super().connection_lost(exc)

    def _unconfirmed(self, request: int) -> tuple[int, bool]:
        """How many bytes have not arrived, and whether no more will be known: the connection is over, or its caller
        has gone on to the next request, which he does when he has the answer."""
        if self._unconfirmed_at_end is not None:
            return self._unconfirmed_at_end, True
        if self._requests > request:
            return 0, True
        return _unconfirmed_of(self.transport), False


def _unconfirmed_of(transport: BaseTransport) -> int:
    connection: Any = transport.get_extra_info("socket")
    buffered: int = transport.get_write_buffer_size()  # type: ignore[attr-defined]
    try:
        return buffered + _in_kernel(connection)
    except (OSError, ValueError, AttributeError):
        return buffered


def _in_kernel(connection: Any) -> int:
    if sys.platform != "linux":
        return 0
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])
