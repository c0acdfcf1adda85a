"""The store on disk: where things lie, links, a full disk, a process that dies."""

import asyncio
import os
import random
import resource
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from impasto.domain.errors import Code, Failure
from impasto.storage.blobs import FileStore
from impasto.storage.drafts import MEMORY_BYTES, Draft
from tests.fakes.blobs import MemoryStore
from tests.storage.conftest import LARGE, SMALL, kept, sha256_of
from tests.storage.test_store import open_files


def path_of(folder: Path, sha256: str) -> Path:
    return folder / "blobs" / sha256[:2] / sha256


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def modes_in(folder: Path) -> set[tuple[bool, int]]:
    """Of the folder and all in it: whether it is a folder, and who may use it."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (folder, *folder.rglob("*"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store"


@pytest.fixture
def disk(folder: Path) -> Iterator[FileStore]:
    store = FileStore(folder, "p1")
    yield store
    store.close()


async def test_nothing_is_made_before_there_is_something_to_keep(disk: FileStore, tmp_path: Path) -> None:
    blob = disk.open()
    blob.write(bytes(MEMORY_BYTES))
    assert disk.names_of_notes() == disk.names_of_processes() == []
    assert list(disk.list_blobs()) == []
    assert await disk.noted("a") is None
    disk.drop_process("p2")
    assert not disk.delete("0" * 64)
    assert files_in(tmp_path) == []
    blob.close()


async def test_everything_lies_where_it_belongs_and_only_its_owner_sees_it(disk: FileStore, folder: Path) -> None:
    blob = disk.open()
    blob.write(LARGE)
    assert [path.parent for path in files_in(folder)] == [folder / "incoming" / "p1"]
    sha256 = await disk.keep(blob)
    assert files_in(folder) == [path_of(folder, sha256)]
    blob.close()
    await kept(disk, SMALL)
    await disk.note("chatcmpl-1", b"note")
    assert sorted(files_in(folder)) == sorted(
        [path_of(folder, sha256), path_of(folder, sha256_of(SMALL)), folder / "notes" / "chatcmpl-1"]
    )
    assert modes_in(folder) == {(True, 0o700), (False, 0o600)}


async def test_closing_gives_files_back(disk: FileStore, folder: Path) -> None:
    await kept(disk, SMALL)
    before = open_files()
    for number in range(10):
        (await disk.reader(sha256_of(SMALL))).close()
        await kept(disk, LARGE + bytes(number))
        dropped = disk.open()
        dropped.write(LARGE)
        dropped.close()
        await disk.note("a", SMALL)
    assert open_files() == before
    assert files_in(folder / "incoming") == []


async def test_who_gives_up_while_it_is_kept_loses_nothing_and_leaves_nothing(folder: Path) -> None:
    before = open_files()
    store = FileStore(folder, "p1")
    for number in range(20):
        blob = store.open()
        blob.write(LARGE + bytes(number))
        keeping = asyncio.create_task(store.keep(blob))
        for _ in range(number % 3):
            await asyncio.sleep(0)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        blob.close()
    store.close()
    assert files_in(folder / "incoming") == []
    assert all(sha256_of(path.read_bytes()) == path.name for path in files_in(folder / "blobs"))
    assert open_files() == before


async def test_a_blob_that_shrinks_while_it_is_read_is_said(disk: FileStore, folder: Path) -> None:
    reader = await disk.reader(await kept(disk, SMALL))
    os.truncate(path_of(folder, sha256_of(SMALL)), 4)
    with pytest.raises(Failure) as raised:
        reader.read(0, 100)
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert "shorter than it was" in raised.value.logged
    reader.close()


async def test_a_link_in_place_of_a_blob_is_not_followed(disk: FileStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SMALL)
    path = path_of(folder, await kept(disk, SMALL))
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(Failure) as raised:
        await disk.reader(path.name)
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert list(disk.list_blobs()) == []
    await kept(disk, SMALL)
    assert not path.is_symlink()
    assert len(list(disk.list_blobs())) == 1


async def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    for folder in (tmp_path / "link", tmp_path / "link" / "store"):
        store = FileStore(folder, "p1")
        sha256 = await kept(store, LARGE)
        await store.note("a", SMALL)
        assert [blob.sha256 for blob in store.list_blobs()] == [sha256]
        with store.only_sweeper() as is_only:
            assert is_only
        store.close()


async def test_an_open_blob_survives_its_deletion(disk: FileStore) -> None:
    draft = disk.open()
    draft.write(LARGE)
    sha256 = await disk.keep(draft)
    reader = await disk.reader(sha256)
    assert disk.delete(sha256)
    assert not disk.delete(sha256)
    assert reader.read(0, len(LARGE)) == draft.read(0, len(LARGE)) == LARGE
    with pytest.raises(Failure, match="could not keep"):
        await disk.keep(draft)
    draft.close()
    reader.close()


def test_what_a_dead_process_was_writing_is_dropped(disk: FileStore, folder: Path) -> None:
    dead, again = FileStore(folder, "p0"), FileStore(folder, "p0")
    lost, mine, other = dead.open(), disk.open(), again.open()
    for blob in (lost, mine, other):
        blob.write(LARGE)
    assert sorted(path.name for path in files_in(folder / "incoming" / "p0")) == ["1", "2"]
    assert disk.names_of_processes() == ["p0", "p1"]
    disk.drop_process("p0")
    assert disk.names_of_processes() == ["p1"]
    assert mine.read(0, 7) == lost.read(0, 7) == b"picture"
    for blob in (lost, mine, other):
        blob.close()


async def test_a_store_that_cannot_be_is_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileStore(tmp_path / "file" / "store", "p1")
    large, small = store.open(), store.open()
    small.write(SMALL)
    with pytest.raises(Failure) as writing:
        large.write(LARGE)
    with pytest.raises(Failure) as keeping:
        await store.keep(small)
    with pytest.raises(Failure) as noting:
        await store.note("a", b"x")
    for raised in (writing, keeping, noting):
        assert raised.value.code is Code.STORE_UNAVAILABLE
        assert raised.value.message.startswith("The gateway could not keep the answer: its store takes no more.")
    (tmp_path / "file").unlink()
    assert await store.keep(small) == sha256_of(SMALL)
    large.close()
    small.close()
    store.close()


# A full disk.


async def test_what_did_not_fit_whole_is_not_kept() -> None:
    store = MemoryStore(room=100)
    blob = store.open()
    blob.write(bytes(60))
    for size in (50, 10):
        with pytest.raises(Failure) as raised:
            blob.write(bytes(size))
        assert raised.value.code is Code.STORE_UNAVAILABLE
    assert blob.byte_count == 60
    with pytest.raises(Failure):
        await store.keep(blob)
    blob.close()
    assert (store.room, store.kept) == (100, {})


_FULL_DISK = """
    import asyncio, resource, signal, sys
    from pathlib import Path
    from impasto.domain.errors import Failure
    from impasto.storage.blobs import FileStore

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        store = FileStore(Path(sys.argv[1]), "p1")
        blob, small = store.open(), store.open()
        small.write(bytes(50_000))
        limit(int(sys.argv[2]))
        try:
            for size in SIZES:
                blob.write(bytes(size))
        except Failure as failure:
            print(failure.code, failure.retry_helps, "File too large" in failure.logged)
        else:
            print("it all fitted")
        before = blob.byte_count
        print(blob.read(0, 1 << 20) == bytes(before))
        limit(10_000)
        for attempt in (store.keep(small), store.note("a", bytes(20_000))):
            try:
                await attempt
            except Failure as failure:
                print(failure.code)
        limit(resource.RLIM_INFINITY)
        try:
            blob.write(b"more")
        except Failure as failure:
            print(failure.code)
        try:
            await store.keep(blob)
        except Failure as failure:
            print(failure.code)
        blob.close()
        await store.keep(small)
        small.close()
        store.close()

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no such limit here")
@pytest.mark.parametrize(
    ("max_bytes", "sizes"),
    [(300_000, [500_000]), (300_000, [64_000] * 9), (100_000, [64_000] * 9), (0, [256 << 10, 1])],
)
def test_a_full_disk_is_said_when_it_is_written_to(folder: Path, max_bytes: int, sizes: list[int]) -> None:
    program = textwrap.dedent(_FULL_DISK).replace("SIZES", repr(sizes))
    command = [sys.executable, "-c", program, str(folder), str(max_bytes)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    full = str(Code.STORE_UNAVAILABLE)
    assert (ran.stdout.splitlines(), ran.stderr) == ([f"{full} False True", "True", full, full, full, full], "")
    assert files_in(folder) == [path_of(folder, sha256_of(bytes(50_000)))]


async def test_after_a_sync_that_failed_nothing_is_believed(tmp_path: Path) -> None:
    """A descriptor that cannot be synced stands for a disk that could not."""
    reading, writing = os.pipe()
    draft = Draft(lambda: (os.open(tmp_path / "1", os.O_RDWR | os.O_CREAT), tmp_path / "1"))
    draft.write(LARGE)
    assert draft._file is not None
    os.dup2(writing, draft._file)
    for _ in range(2):
        with pytest.raises(OSError, match="Invalid argument"):
            draft.synced()
    with pytest.raises(Failure):
        draft.seal()
    draft.close()
    os.close(reading)
    os.close(writing)


# A process that dies.

_KEEPING = """
    import asyncio, os, sys
    from pathlib import Path
    from impasto.storage.blobs import FileStore

    store = FileStore(Path(sys.argv[1]), "dying")

    async def keep(number):
        blob = store.open()
        for _ in range(number):
            blob.write(os.urandom(60_000))
        sha256 = await store.keep(blob)
        os.write(1, f"{sha256}\\n".encode())
        blob.close()

    async def main():
        turn = 0
        while True:
            turn += 1
            noting = store.note("note", f"{turn:08}".encode() * 500)
            await asyncio.gather(noting, *(keep(number) for number in range(8)))

    asyncio.run(main())
"""


def test_a_kill_leaves_no_half_blob_and_takes_none_that_was_confirmed(disk: FileStore, folder: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_KEEPING), str(folder)]
    chance = random.Random(7)
    for _ in range(12):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(chance.random() * 0.06)
            process.kill()
            confirmed = (first + process.stdout.read()).decode().splitlines()
        found = {path.name: path.read_bytes() for path in files_in(folder / "blobs")}
        assert all(sha256_of(data) == sha256 for sha256, data in found.items())
        assert {sha256 for sha256 in confirmed if len(sha256) == 64} <= found.keys()
        for path in files_in(folder / "notes"):
            assert path.name == "note"
            assert path.read_bytes() == path.read_bytes()[:8] * 500
        disk.drop_process("dying")
        assert files_in(folder / "incoming") == []
