"""The store on local disk: blobs under their SHA-256, and short notes under a name.

    blobs/ab/abcd…              what is kept
    incoming/<process>/<number> what a process is writing; of no use once it is dead
    notes/<name>

Rule: a file gets its final name when its content is on the disk, in one step that cannot be halved, and
its folder is on the disk before anybody hears of it. A link in place of a file is not followed.
Keeping and deleting of one blob exclude each other by a lock on its folder, which the system lets
go when a process dies.
"""

import asyncio
import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from impasto.completions.ports import Blob
from impasto.storage.drafts import GIVES_NOTHING, TAKES_NO_MORE, Draft, KeptBlob, store_failures
from impasto.storage.store import ListedBlob, checked_name, could_lock, gone, is_sha256

Result = TypeVar("Result")

DISK_THREADS = 8
"""Waits for the disk at the same time: a file system commits together what waits together."""

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class FileStore:
    """The store in `folder`, as `process` uses it: a name that no other living process has.

    Processes on one machine share a folder. Nothing is made before the first byte is kept.
    """

    def __init__(self, folder: Path, process: str) -> None:
        self._folder = folder
        self._blobs = folder / "blobs"
        self._notes = folder / "notes"
        self._incoming = folder / "incoming"
        self._own = self._incoming / checked_name(process)
        self._numbers = itertools.count(1)
        self._durable: set[Path] = set()
        self._threads = ThreadPoolExecutor(DISK_THREADS, "impasto-store")

    def open(self) -> Draft:
        return Draft(self._new_file)

    def spool(self) -> Draft:
        return Draft(self._nameless_file)

    async def keep(self, blob: Blob) -> str:
        if not isinstance(blob, Draft):
            raise TypeError("only what `open` gave can be kept")
        blob.seal()
        return await self._in_thread(lambda: self._keep(blob))

    async def reader(self, sha256: str) -> KeptBlob:
        if not is_sha256(sha256):
            raise gone()
        with store_failures(GIVES_NOTHING):
            try:
                return KeptBlob(os.open(self._shard(sha256) / sha256, _READ))
            except FileNotFoundError:
                raise gone() from None

    async def note(self, name: str, text: bytes | None) -> None:
        path = self._notes / checked_name(name)
        await self._in_thread(lambda: self._remove_note(path) if text is None else self._write_note(path, text))

    async def noted(self, name: str) -> bytes | None:
        path = self._notes / checked_name(name)
        return await self._in_thread(lambda: _content_of(path))

    def names_of_notes(self) -> list[str]:
        """In order of the alphabet."""
        with store_failures(GIVES_NOTHING):
            return sorted(path.name for path in _paths_in(self._notes))

    def names_of_processes(self) -> list[str]:
        """Those that have left something in `incoming`, living or dead."""
        with store_failures(GIVES_NOTHING):
            return sorted(path.name for path in _paths_in(self._incoming))

    def drop_process(self, process: str) -> None:
        """Remove what a dead process was writing."""
        with store_failures(TAKES_NO_MORE), suppress(FileNotFoundError):
            shutil.rmtree(self._incoming / checked_name(process))

    def list_blobs(self) -> Iterator[ListedBlob]:
        """Everything that is kept, in no order."""
        with store_failures(GIVES_NOTHING):
            for shard in _paths_in(self._blobs):
                if not shard.is_symlink():
                    yield from _listed(shard)

    def delete(self, sha256: str, *, untouched_since_ms: int | None = None) -> bool:
        """Remove a blob, unless it was kept again after `untouched_since_ms`. Says whether it was removed."""
        with (
            store_failures(TAKES_NO_MORE),
            suppress(FileNotFoundError),
            _opened(self._shard(sha256)) as shard,
            _locked(shard),
        ):
            found = os.stat(sha256, dir_fd=shard, follow_symlinks=False)
            if untouched_since_ms is None or _touched_ms(found) <= untouched_since_ms:
                os.unlink(sha256, dir_fd=shard)
                return True
        return False

    @contextmanager
    def only_sweeper(self) -> Iterator[bool]:
        """Whether no other process is sweeping this store, which then holds until the end of the block."""
        with store_failures(TAKES_NO_MORE):
            _make_passing(self._folder, self._blobs)
            file = os.open(self._blobs, _READ | os.O_DIRECTORY)
        try:
            yield could_lock(file)
        finally:
            os.close(file)

    def close(self) -> None:
        """Wait for what is being kept; nothing can be kept after that."""
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _keep(self, draft: Draft) -> str:
        sha256 = draft.sha256
        with store_failures(TAKES_NO_MORE), draft.in_use():
            for folder in (self._folder, self._blobs, self._shard(sha256)):
                self._make(folder)
            with _opened(self._shard(sha256)) as shard:
                if not _touch(shard, sha256, draft.byte_count):
                    path = draft.synced()
                    with _locked(shard):
                        os.rename(path, sha256, dst_dir_fd=shard)
                    draft.was_moved()
                os.fsync(shard)  # also for what was there: who put it there may not have come so far
        return sha256

    def _write_note(self, path: Path, text: bytes) -> None:
        draft = self.open()
        try:
            draft.write(text)
            with store_failures(TAKES_NO_MORE):
                for folder in (self._folder, self._notes):
                    self._make(folder)
                draft.synced().rename(path)
                draft.was_moved()
                _sync_folder(self._notes)
        finally:
            draft.close()

    def _remove_note(self, path: Path) -> None:
        with store_failures(TAKES_NO_MORE):
            path.unlink(missing_ok=True)

    def _shard(self, sha256: str) -> Path:
        return self._blobs / sha256[:2]

    def _new_file(self) -> tuple[int, Path]:
        try:
            return self._numbered_file()
        except FileNotFoundError:
            _make_passing(self._folder, self._incoming, self._own)
            return self._numbered_file()

    def _nameless_file(self) -> tuple[int, Path]:
        file, path = self._new_file()
        path.unlink()
        return file, path

    def _numbered_file(self) -> tuple[int, Path]:
        for number in self._numbers:
            path = self._own / str(number)
            with suppress(FileExistsError):  # of an earlier process by this name
                return os.open(path, _NEW_FILE, 0o600), path
        raise AssertionError("numbers do not end")

    def _make(self, folder: Path) -> None:
        """Make a folder whose name survives a loss of power, also where another process has just made it."""
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            if folder in self._durable:
                return
        with suppress(PermissionError):  # where we may not even look, we have made no folder
            _sync_folder(folder.parent)
        self._durable.add(folder)


def _make_passing(*folders: Path) -> None:
    """Make folders, each within the one before, that a loss of power may take again."""
    folders[0].parent.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        folder.mkdir(exist_ok=True, mode=0o700)


def _touch(shard: int, sha256: str, byte_count: int) -> bool:
    """Whether the blob is there whole; it then counts as kept now, and is not deleted for being old."""
    with _locked(shard), suppress(FileNotFoundError):
        found = os.stat(sha256, dir_fd=shard, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_size == byte_count:
            os.utime(sha256, dir_fd=shard, follow_symlinks=False)
            return True
    return False


def _listed(shard: Path) -> Iterator[ListedBlob]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(shard) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if is_sha256(entry.name) and stat.S_ISREG(found.st_mode):
                    yield ListedBlob(entry.name, found.st_size, _touched_ms(found))


def _touched_ms(found: os.stat_result) -> int:
    return found.st_mtime_ns // 1_000_000


def _paths_in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []


def _content_of(path: Path) -> bytes | None:
    with store_failures(GIVES_NOTHING), suppress(FileNotFoundError), os.fdopen(os.open(path, _READ), "rb") as file:
        return file.read()
    return None


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    file = os.open(folder, _READ | os.O_DIRECTORY)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _locked(file: int) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # an operator's folder may be a link
    try:
        os.fsync(file)
    finally:
        os.close(file)
