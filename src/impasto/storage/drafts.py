"""Bytes of the store that somebody has open: a draft that is being written, and a blob that is kept.

Rule: writing and reading go to the page cache and never wait for the disk. Bytes are in one place
at a time, so that a reader finds all of them at every moment: in memory up to a bound, then in a file.
"""

import errno
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from impasto.domain.errors import Code, Failure

MEMORY_BYTES = 256 << 10
"""What a draft holds in memory, and no disk has to take of a short answer that is not kept."""

TAKES_NO_MORE = "The gateway could not keep the answer: its store takes no more. Tell its operator."
GIVES_NOTHING = "The gateway could not read what it keeps: its store does not give it back. Tell its operator."


class Draft:
    """Bytes on their way into the store. `new_file` opens a file of its own where they no longer fit into memory, and
    says its path, `None` for one without a name.

    Written, read and closed by one thread; kept by another, which has the last word on when it is let go.
    """

    def __init__(self, new_file: Callable[[], tuple[int, Path | None]]) -> None:
        self._new_file = new_file
        self._hash = hashlib.sha256()
        self._byte_count = 0
        self._memory = bytearray()
        self._file: int | None = None
        self._path: Path | None = None
        self._is_sealed = False
        self._spoiled: OSError | None = None
        self._lock = Lock()
        self._users = 0
        self._is_closed = False

    @property
    def byte_count(self) -> int:
        return self._byte_count

    @property
    def sha256(self) -> str:
        """In hexadecimal, of all that was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Add to it. Once the disk has refused something, a draft takes no more, for it would have a hole."""
        if self._is_closed or self._is_sealed:
            raise ValueError("this blob is kept or closed; open another one to write")
        with store_failures(TAKES_NO_MORE), self._spoiling():
            if self._file is None and self._byte_count + len(data) > MEMORY_BYTES:
                self._move_to_file()
            if self._file is None:
                self._memory += data
            else:
                _write_all(self._file, data, self._byte_count)
        self._hash.update(data)
        self._byte_count += len(data)

    def read(self, offset: int, count: int) -> bytes:
        if self._is_closed:
            raise ValueError("this blob is closed")
        memory, file = self._memory, self._file  # in this order: `_move_to_file` may be at work in another thread
        if file is not None:
            return _read_all(file, offset, count, self._byte_count)
        with memoryview(memory) as view:
            return bytes(view[offset : offset + count])

    def close(self) -> None:
        with self._lock:
            is_mine = not self._is_closed and not self._users
            self._is_closed = True
        if is_mine:
            self._let_go()

    def seal(self) -> None:
        """From here on it has the content that its SHA-256 says. Raises `store_unavailable` where it has a hole."""
        if self._is_closed:
            raise ValueError("this blob is closed")
        with store_failures(TAKES_NO_MORE), self._spoiling():
            self._is_sealed = True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Holds it open, should its owner close it meanwhile."""
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, "closed before it was kept")
            self._users += 1
        try:
            yield
        finally:
            self._end_use()

    def _end_use(self) -> None:
        with self._lock:
            self._users -= 1
            is_mine = self._is_closed and not self._users
        if is_mine:
            self._let_go()

    def synced(self) -> Path:
        """The file of a sealed draft, once a loss of power cannot take its content. Raises `OSError`."""
        file = self._move_to_file() if self._file is None else self._file
        if self._path is None:
            raise OSError(errno.ENOENT, "kept once, and deleted since")
        with self._spoiling():
            os.fsync(file)
        return self._path

    def content(self) -> bytes | mmap.mmap:
        """All of a sealed draft; a file is not read into memory as a whole. To be asked for while it is `in_use`."""
        if self._file is None:
            return bytes(self._memory)
        return mmap.mmap(self._file, self._byte_count, access=mmap.ACCESS_READ)

    def was_moved(self) -> None:
        """Its file has another name now, and stays when this is closed."""
        self._path = None

    def _move_to_file(self) -> int:
        file, path = self._new_file()
        try:
            _write_all(file, self._memory, 0)
        except OSError:
            os.close(file)
            if path is not None:
                path.unlink(missing_ok=True)
            raise
        self._path = path
        self._file = file
        self._memory = bytearray()
        return file

    @contextmanager
    def _spoiling(self) -> Iterator[None]:
        """What the disk refused once stays refused: after a failed fsync the next one succeeds, and means nothing."""
        if self._spoiled is not None:
            raise self._spoiled
        try:
            yield
        except OSError as error:
            self._spoiled = error
            raise

    def _let_go(self) -> None:
        with suppress(OSError):  # what cannot be removed now goes with the folder of this process
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
        self._path, self._file, self._memory = None, None, bytearray()


class KeptBlob:
    """A blob that is kept, open to read: `file` is its descriptor. It stays whole while it is open."""

    def __init__(self, file: int) -> None:
        self._file: int | None = file
        self._byte_count = os.fstat(file).st_size

    @property
    def byte_count(self) -> int:
        return self._byte_count

    def write(self, data: bytes) -> None:
        raise ValueError("this blob is kept or closed; open another one to write")

    def read(self, offset: int, count: int) -> bytes:
        if self._file is None:
            raise ValueError("this blob is closed")
        return _read_all(self._file, offset, count, self._byte_count)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


@contextmanager
def store_failures(sentence: str) -> Iterator[None]:
    """What the disk refuses is `store_unavailable` to everybody else."""
    try:
        yield
    except OSError as error:
        raise Failure(Code.STORE_UNAVAILABLE, sentence, logged=f"store: {error}") from error


def _write_all(file: int, data: bytes | bytearray, offset: int) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):  # a disk that is almost full takes a part, and says so the next time
            written += os.pwrite(file, view[written:], offset + written)


def _read_all(file: int, offset: int, count: int, byte_count: int) -> bytes:
    count = min(count, byte_count - offset)
    if count <= 0:
        return b""
    with store_failures(GIVES_NOTHING):
        data = os.pread(file, count, offset)
        if len(data) < count:
            raise OSError(errno.EIO, "a file of the store is shorter than it was")
    return data
