"""What the order of steps needs from outside.

Rule: a port has one to four methods, one real implementation at an edge, and one
fake under `tests/fakes/`.
"""

from collections.abc import AsyncGenerator, Callable, Collection
from typing import Protocol

from impasto.domain.chat import ModelCall
from impasto.domain.events import Event
from impasto.domain.key_records import AccountRecord, KeyRecord, KeyTerms, NewKey
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Beginning, Closing, Delivery, Generation, Opening
from impasto.domain.stored_image import StoredImage, Upload


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

    def spool(self) -> Blob:
        """A new blob to write that is never kept: its bytes have no name on a disk, and go with the process."""

    async def keep(self, blob: Blob) -> str:
        """Keep it; its SHA-256 in hexadecimal. It stays readable until it is closed."""

    async def reader(self, sha256: str) -> Blob:
        """A kept blob, to read without waiting. Raises `answer_gone` where it is not kept any more."""

    async def note(self, name: str, text: bytes | None) -> None:
        """Keep a note of a few kilobytes under `name`; `None` takes it away."""

    async def noted(self, name: str) -> bytes | None: ...


class Gallery(Protocol):
    """Finds the pictures that requests cite, or bring back. Raises `ledger_unavailable`."""

    async def images(self, ids: Collection[str]) -> dict[str, StoredImage]:
        """Those with these ids, by id, whoever made them; also such whose bytes were let go."""

    async def recognised(self, key_id: str, hashes: Collection[str]) -> dict[str, StoredImage]:
        """The pictures of a key with these SHA-256, by hash: of several the newest. Only such as are kept."""

    async def latest(self, key_id: str, session_id: str) -> StoredImage | None:
        """The last picture of a conversation that is kept."""

    async def uploads(self, key_id: str, ids: Collection[str]) -> dict[str, Upload]:
        """The uploads of a key with these ids that have not expired."""


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

    async def find(self, secret: str, *, now: bool) -> VirtualKey | None:
        """The key with this secret, unless it was revoked.

        `now`: as it is this moment, in every process. Otherwise a look into memory will do, because the ledger
        checks the key when it reserves. Raises `invalid_api_key` for a key that has expired, and
        `ledger_unavailable`.
        """


class KeyRecords(Protocol):
    """What is kept of keys and accounts, to be read. Raises `ledger_unavailable`."""

    async def record(self, key_id: str) -> KeyRecord:
        """One key. Raises `not_found`."""

    async def records(self, *, limit: int, offset: int) -> tuple[int, list[KeyRecord]]:
        """How many keys there are, and `limit` of them from `offset` on, the oldest first."""

    async def accounts(self, *, limit: int, offset: int) -> tuple[int, list[AccountRecord]]:
        """How many accounts there are, and `limit` of them from `offset` on, the oldest first."""


class KeyRegister(KeyRecords, Protocol):
    """Where keys are made and changed; each change holds at once, in every process. Raises `ledger_unavailable`, and
    `not_found` for a key that is not there."""

    async def create(self, terms: KeyTerms, account_id: str | None = None) -> NewKey:
        """A new key, with an account of its own, or one for an account that is there: its budget stays as it is."""

    async def change(self, key_id: str, change: Callable[[KeyTerms], KeyTerms]) -> KeyRecord:
        """What `change` makes of a key's terms. What it raises is raised, and nothing has changed."""

    async def rotate(self, key_id: str, check: Callable[[KeyTerms], None]) -> NewKey:
        """The same key with another secret; the old one is worth nothing from here on. `check` may refuse."""

    async def revoke(self, key_id: str) -> KeyRecord:
        """The end of a key. Doing it again changes nothing."""
