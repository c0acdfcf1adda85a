"""What the order of steps needs from outside.

Rule: a port has one to four methods, one real implementation at an edge, and one
fake under `tests/fakes/`.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from impasto.domain.chat import ModelCall
from impasto.domain.events import Event
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Beginning, Closing, Delivery, Generation, Opening


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


class Blob(Protocol):
    """Bytes of one picture on their way into the store, readable from the first one on; or one that is kept.

    Closed by whoever opened it, once; what was not kept by then is gone.
    """

    def write(self, data: bytes) -> None:
        """Add to it. Raises `store_unavailable` when the disk takes no more."""

    def read(self, offset: int, count: int) -> bytes: ...

    @property
    def byte_count(self) -> int: ...

    def close(self) -> None: ...


class BlobStore(Protocol):
    """Keeps bytes under their SHA-256, and short notes under a name, so that neither a crash nor a loss of power
    takes what it has confirmed. Raises `store_unavailable` where it cannot."""

    def open(self) -> Blob:
        """A new blob to write."""

    async def keep(self, blob: Blob) -> str:
        """Keep it; its SHA-256 in hexadecimal. It stays readable until it is closed."""

    def reader(self, sha256: str) -> Blob:
        """A kept blob, to read. Raises `answer_gone` where it is not kept any more."""

    async def note(self, name: str, text: bytes | None) -> None:
        """Keep a note of a few kilobytes under `name`; `None` takes it away."""

    async def noted(self, name: str) -> bytes | None: ...


class Ledger(Protocol):
    """The till: every method is one durable, atomic step, and raises `ledger_unavailable` where it cannot be taken."""

    async def begin(self, opening: Opening) -> Beginning:
        """Reserve for a new generation, or find the one that it repeats. Raises `budget_spent`, `budget_held`,
        `too_many_at_once`, `no_price`, `invalid_api_key`, `idempotency_key_reused`."""

    async def mark_sent(self, generation_id: str) -> None:
        """From here on something may have been sent for it."""

    async def close(self, closing: Closing) -> None:
        """Resolve calls. Doing it again changes nothing."""

    async def note_delivery(self, generation_id: str, claim: int, delivery: Delivery) -> None:
        """What became of the answer of the caller that attached as `claim`."""

    async def find(self, generation_id: str) -> Generation | None: ...


class KeyStore(Protocol):
    """Knows the virtual keys."""

    def find(self, secret: str) -> VirtualKey | None: ...
