"""Where an answer waits until it is whole: memory up to a bound, then a file without a name.

Rule: a spool never outlives its request, and its file has no name that another
process could open. Writes go to the page cache and do not wait for the disk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

from impasto.domain.errors import Code, Failure

DEFAULT_MEMORY_BYTES = 1 << 20


class FileSpool:
    """One answer's bytes: up to `memory_bytes` (at least 1) in memory, more in a file in `folder`.

    Raises `Failure` (`store_unavailable`) when the disk takes no more.
    """

    def __init__(self, memory_bytes: int, folder: str | None = None) -> None:
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=memory_bytes, dir=folder)  # noqa: SIM115 - `close` closes it

    def write(self, data: bytes) -> None:
        with _store_failures():
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            # What a full disk does not take shows here, and not when it is read or closed.
            self._file.flush()

    def read(self, offset: int, count: int) -> bytes:
        with _store_failures():
            self._file.seek(offset)
            return self._file.read(count)

    def close(self) -> None:
        with suppress(OSError):  # a file with bytes that the disk did not take tries to write them once more
            self._file.close()


@contextmanager
def _store_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(
            Code.STORE_UNAVAILABLE,
            "The gateway could not keep the answer: its temporary folder takes no more. Tell its operator.",
            logged=f"spool: {error}",
        ) from error


@dataclass(frozen=True, slots=True)
class FileSpools:
    """Opens spools that hold `memory_bytes` in memory, and more in a file in `folder` (else in that of `TMPDIR`)."""

    memory_bytes: int = DEFAULT_MEMORY_BYTES
    folder: str | None = None

    def open(self) -> FileSpool:
        return FileSpool(self.memory_bytes, self.folder)
