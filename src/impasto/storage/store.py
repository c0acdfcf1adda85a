"""What a store is to the rest of this room: what the order of steps asks of it, and what those ask who clean up.

Rule: whichever store it is, what is being kept at this moment outlives every sweep. What has no
`async` before it waits for a disk or a network, and is called in a thread.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from impasto.completions.ports import BlobStore
from impasto.domain.errors import Code, Failure

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,120}")


class ListedBlob(NamedTuple):
    """A blob of the store; `touched_ms` is when it was last kept, in milliseconds since the epoch."""

    sha256: str
    byte_count: int
    touched_ms: int
    copies: int = 1
    """How often it lies there: a store that cannot touch what it has keeps the same bytes again."""


class Store(BlobStore, Protocol):
    """A store that can be cleaned up. Raises `store_unavailable`."""

    def names_of_notes(self) -> list[str]:
        """In order of the alphabet."""

    def drop_process(self, process: str) -> None:
        """Remove what a dead process was writing."""

    def list_blobs(self) -> Iterator[ListedBlob]:
        """Everything that is kept, in no order."""

    def delete(self, sha256: str, *, untouched_since_ms: int | None = None) -> bool:
        """Remove a blob, but for what was kept again after `untouched_since_ms`. Says whether nothing of it is left."""

    def only_sweeper(self) -> AbstractContextManager[bool]:
        """Whether no other process on this machine is sweeping, which then holds until the end of the block."""

    def close(self) -> None:
        """Wait for what is being kept; nothing can be kept after that."""


def is_sha256(text: str) -> bool:
    """In hexadecimal, as blobs are named."""
    return _SHA256.fullmatch(text) is not None


def checked_name(name: str) -> str:
    """A name of a note or of a process. Raises `ValueError`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name here: it takes 1 to 120 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return name


def gone() -> Failure:
    """What is asked for is not kept."""
    return Failure(
        Code.ANSWER_GONE,
        "The answer was made and charged, and is no longer kept: this gateway lets the oldest go after the time and "
        "the space that IMPASTO_RETENTION gives them. A new request makes, and charges, a new one.",
    )


def could_lock(file: int) -> bool:
    """Whether nobody else had locked this open file; until it is closed, it is locked now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
