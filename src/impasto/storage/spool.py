"""Where an answer waits until it is whole: memory up to a bound, then a file without a name.

Rule: a spool never outlives its request, and its file has no name that another
process could open. Writes go to the page cache and do not wait for the disk.
"""

import os
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

from impasto.domain.errors import Code, Failure

DEFAULT_MEMORY_BYTES = 1 << 20


class FileSpool:
    """One answer's bytes. Raises `Failure` (`store_unavailable`) when the disk takes no more."""

    def __init__(self, memory_bytes: int) -> None:
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115 - `close` closes it

    def write(self, data: bytes) -> None:
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        except OSError as error:
            raise Failure(
                Code.STORE_UNAVAILABLE,
                "The gateway could not keep the answer: its temporary folder takes no more. Tell its operator.",
                logged=f"spool: {error}",
            ) from error

    def read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class FileSpools:
    """Opens spools that hold `memory_bytes` in memory before they move to a file in the temporary folder (`TMPDIR`)."""

    memory_bytes: int = DEFAULT_MEMORY_BYTES

    def open(self) -> FileSpool:
        return FileSpool(self.memory_bytes)
