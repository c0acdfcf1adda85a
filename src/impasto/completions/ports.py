"""What the order of steps needs from outside.

Rule: a port has one to four methods, one real implementation at an edge, and one
fake under `tests/fakes/`.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from impasto.domain.chat import ModelCall
from impasto.domain.events import Event
from impasto.domain.keys import VirtualKey


class Answerers(Protocol):
    """Something that can answer model calls: providers over HTTP, or an engine in this process."""

    def check_ready(self, call: ModelCall) -> None:
        """Refuse with `provider_not_configured`, naming what to set, where the call could not be made at all."""

    def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        """The answer as it arrives. Whoever reads it closes it (`aclose`), so that a call given up ends at once.

        Raises `Failure`: before the first event where nothing was sent or the call was refused,
        later where the answer broke off.
        """


class ImageSource(Protocol):
    """Fetches a picture that a caller named by URL. Raises `Failure` naming `where`."""

    async def fetch(self, url: str, *, where: str) -> bytes: ...


class Spool(Protocol):
    """Bytes of one answer on their way: in memory up to a bound, then in a file without a name.

    Closed by whoever opened it, once, when the answer was sent or given up.
    """

    def write(self, data: bytes) -> None: ...

    def read(self, offset: int, count: int) -> bytes: ...

    def close(self) -> None: ...


class Spools(Protocol):
    """Opens spools."""

    def open(self) -> Spool: ...


class KeyStore(Protocol):
    """Knows the virtual keys."""

    def find(self, secret: str) -> VirtualKey | None: ...
