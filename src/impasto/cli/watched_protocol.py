"""uvicorn's HTTP protocol, which also knows how much of what was sent has not arrived.

Rule: what the other side has not confirmed has not arrived, however long ago it was written. Linux
tells; elsewhere, what the system has taken counts as arrived.
"""

import struct
import sys
from asyncio import BaseTransport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from impasto.api.body import UNCONFIRMED

if sys.platform == "linux":
    import fcntl
    import termios


class WatchedProtocol(HttpToolsProtocol):
    """One connection. When it is over, what had not arrived by then is remembered."""

    _unconfirmed_at_end: int | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, object]", self.scope)[UNCONFIRMED] = self._unconfirmed

    def connection_lost(self, exc: Exception | None) -> None:
        if self._unconfirmed_at_end is None:
            unsent = _unconfirmed_of(self.transport)
            # After a reset the system has thrown away what had not arrived, and shows nothing of it.
            self._unconfirmed_at_end = max(unsent, 1) if exc is not None else unsent
        super().connection_lost(exc)

    def _unconfirmed(self) -> tuple[int, bool]:
        """How many bytes have not arrived, and whether the connection is over."""
        if self._unconfirmed_at_end is not None:
            return self._unconfirmed_at_end, True
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
