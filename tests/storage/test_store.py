"""What every store promises: to the order of steps, and to those who clean up."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from impasto.completions.ports import BlobStore
from impasto.domain.errors import Code, Failure
from impasto.storage.drafts import MEMORY_BYTES, Draft, KeptBlob
from impasto.storage.store import Store
from tests.fakes.blobs import MemoryStore
from tests.storage.conftest import LARGE, SMALL, Shelf, kept, sha256_of

OPEN_FILES = Path("/proc/self/fd")


def open_files() -> int:
    """Files, and no connections."""
    found = 0
    for path in OPEN_FILES.iterdir() if OPEN_FILES.exists() else ():
        with suppress(FileNotFoundError):
            found += not str(path.readlink()).startswith(("socket:", "anon_inode:"))
    return found


@pytest.fixture(params=["disk", "bucket", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """Also the fake."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory
        assert memory.open_blobs == []
        return
    shelf = Shelf(request.getfixturevalue("bucket") if request.param == "bucket" else tmp_path, tmp_path / "spool")
    with shelf.closing:
        yield shelf.used_by("p1")


# To the order of steps.


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_written_is_read_at_every_moment(any_store: BlobStore, seed: int) -> None:
    chance, written, blob = random.Random(seed), b"", any_store.open()
    for size in (0, 1, 60_000, 100_000, 150_000, 65_536, 3):
        piece = chance.randbytes(size)
        blob.write(piece)
        written += piece
        start, count = chance.randrange(len(written) + 1), chance.randrange(400_000)
        assert blob.byte_count == len(written)
        assert blob.read(start, count) == written[start : start + count]
        assert blob.read(len(written), 10) == b""
    assert await any_store.keep(blob) == sha256_of(written)
    assert blob.read(0, len(written) + 1) == written
    blob.close()


@pytest.mark.parametrize("data", [b"", SMALL, bytes(MEMORY_BYTES), bytes(MEMORY_BYTES + 1), LARGE])
async def test_what_is_kept_is_there_for_others(any_store: BlobStore, data: bytes) -> None:
    reader = await any_store.reader(await kept(any_store, data))
    assert reader.byte_count == len(data)
    assert reader.read(0, len(data) + 1) == data
    assert reader.read(5, 10) == data[5:15]
    reader.close()


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_what_was_not_kept_is_gone(any_store: BlobStore, data: bytes) -> None:
    blob = any_store.open()
    blob.write(data)
    blob.close()
    with pytest.raises(Failure) as raised:
        await any_store.reader(sha256_of(data))
    assert raised.value.code is Code.ANSWER_GONE
    assert raised.value.message.startswith("The answer was made and charged, and is no longer kept")
    assert not raised.value.retry_helps


@pytest.mark.parametrize(
    "sha256", ["", "ab", "../../etc/passwd", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"]
)
async def test_what_is_no_hash_is_not_kept(any_store: BlobStore, sha256: str) -> None:
    with pytest.raises(Failure) as raised:
        await any_store.reader(sha256)
    assert raised.value.code is Code.ANSWER_GONE


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_the_same_content_is_kept_once(any_store: BlobStore, data: bytes) -> None:
    assert await kept(any_store, data) == await kept(any_store, data) == sha256_of(data)
    blob = any_store.open()
    blob.write(data)
    assert await any_store.keep(blob) == await any_store.keep(blob)
    blob.close()
    reader = await any_store.reader(sha256_of(data))
    assert reader.read(0, len(data)) == data
    reader.close()


async def test_closing_twice_is_closing_once(any_store: BlobStore) -> None:
    reader = await any_store.reader(await kept(any_store, SMALL))
    other = any_store.open()
    for blob in (reader, other):
        blob.close()
        blob.close()


async def test_a_blob_that_is_kept_or_closed_takes_no_more(any_store: BlobStore) -> None:
    blob = any_store.open()
    blob.write(SMALL)
    reader = await any_store.reader(await any_store.keep(blob))
    for sealed in (blob, reader):
        with pytest.raises(ValueError, match="kept or closed"):
            sealed.write(b"more")
        sealed.close()
        with pytest.raises(ValueError, match="closed"):
            sealed.read(0, 1)
        with pytest.raises(ValueError, match="closed"):
            sealed.write(b"more")
    with pytest.raises(ValueError, match="closed"):
        await any_store.keep(blob)


async def test_notes_come_back_until_they_are_taken_away(any_store: BlobStore) -> None:
    assert await any_store.noted("chatcmpl-1") is None
    await any_store.note("chatcmpl-1", b"one")
    await any_store.note("chatcmpl-1", b"two")
    await any_store.note("chatcmpl-2", b"")
    assert (await any_store.noted("chatcmpl-1"), await any_store.noted("chatcmpl-2")) == (b"two", b"")
    await any_store.note("chatcmpl-1", None)
    await any_store.note("chatcmpl-1", None)
    assert await any_store.noted("chatcmpl-1") is None


async def test_many_at_once_do_not_meet(any_store: BlobStore) -> None:
    contents = [bytes([number]) * (number * 20_000) for number in range(30)] * 2
    hashes = await asyncio.gather(*(kept(any_store, data) for data in contents))
    assert hashes == [sha256_of(data) for data in contents]


# To those who clean up.


async def test_nothing_is_made_before_there_is_something_to_keep(store: Store, shelf: Shelf) -> None:
    blob = store.open()
    blob.write(bytes(MEMORY_BYTES))
    assert store.names_of_notes() == []
    assert list(store.list_blobs()) == []
    assert await store.noted("a") is None
    store.drop_process("p2")
    assert not store.delete("0" * 64)
    assert not shelf.spool.exists()
    blob.close()


async def test_what_was_never_to_be_kept_is_read_and_goes(store: Store) -> None:
    before = open_files()
    blob = store.spool()
    blob.write(LARGE)
    assert blob.read(7, 7) == b"picture"
    blob.close()
    assert open_files() == before
    assert list(store.list_blobs()) == []


async def test_closing_gives_files_back(store: Store) -> None:
    await kept(store, SMALL)
    before = open_files()
    for number in range(5):
        (await store.reader(sha256_of(SMALL))).close()
        (await store.reader(await kept(store, LARGE + bytes(number)))).close()
        dropped = store.open()
        dropped.write(LARGE)
        dropped.close()
        await store.note("a", SMALL)
    assert open_files() == before


@pytest.mark.parametrize("pauses", range(4))
async def test_who_gives_up_leaves_nothing_open(shelf: Shelf, pauses: int) -> None:
    store = shelf.used_by("p2")
    sha256 = await kept(store, LARGE)
    before = open_files()
    for number in range(5):
        blob = store.open()
        blob.write(LARGE + bytes(number))
        working = [asyncio.create_task(store.keep(blob)), asyncio.create_task(store.reader(sha256))]
        for _ in range(pauses):
            await asyncio.sleep(0)
        for task in working:
            task.cancel()
        for result in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(result, Draft | KeptBlob):  # it was quicker
                result.close()
        blob.close()
    store.close()
    assert open_files() == before


async def test_what_is_listed(store: Store, shelf: Shelf) -> None:
    for data in (SMALL, LARGE):
        shelf.age(await kept(store, data), 1_000_999)
    assert sorted(store.list_blobs()) == sorted(
        [(sha256_of(SMALL), len(SMALL), 1_000_999, 1), (sha256_of(LARGE), len(LARGE), 1_000_999, 1)]
    )


async def test_what_is_kept_again_counts_as_kept_now(store: Store, shelf: Shelf) -> None:
    sha256 = await kept(store, LARGE)
    shelf.age(sha256, 1_000_999)
    await kept(store, LARGE)
    (listed,) = store.list_blobs()
    assert (listed.sha256, listed.byte_count) == (sha256, len(LARGE))
    assert listed.touched_ms > 1_000_999
    assert not store.delete(sha256, untouched_since_ms=1_000_999)
    (await store.reader(sha256)).close()
    assert store.delete(sha256)


async def test_what_was_kept_again_is_not_deleted_for_being_old(store: Store, shelf: Shelf) -> None:
    sha256 = await kept(store, SMALL)
    shelf.age(sha256, 2_000_999)
    assert not store.delete(sha256, untouched_since_ms=2_000_998)
    assert store.delete(sha256, untouched_since_ms=2_000_999)
    assert list(store.list_blobs()) == []


async def test_an_open_blob_survives_its_deletion(store: Store) -> None:
    draft = store.open()
    draft.write(LARGE)
    sha256 = await store.keep(draft)
    reader = await store.reader(sha256)
    assert store.delete(sha256)
    assert not store.delete(sha256)
    assert reader.read(0, len(LARGE)) == draft.read(0, len(LARGE)) == LARGE
    draft.close()
    reader.close()


async def test_what_is_kept_again_while_it_is_swept_is_there(store: Store, shelf: Shelf) -> None:
    """Whoever has kept it reads it, however the sweeper's steps fall in between."""
    other = shelf.used_by("p2")
    for turn in range(10):
        sha256 = await kept(store, LARGE)
        shelf.age(sha256, 1_000_999)
        sweeping = asyncio.create_task(asyncio.to_thread(other.delete, sha256, untouched_since_ms=2_000_000))
        for _ in range(turn):
            await asyncio.sleep(0)
        again = await kept(store, LARGE)
        await sweeping
        (await store.reader(again)).close()
        (listed,) = other.list_blobs()
        assert listed.touched_ms > 2_000_000
        store.delete(sha256)


async def test_half_a_blob_that_something_else_left_is_replaced(store: Store, shelf: Shelf) -> None:
    sha256 = await kept(store, LARGE)
    shelf.spoil(sha256)
    await kept(store, LARGE)
    reader = await store.reader(sha256)
    assert reader.read(0, len(LARGE)) == LARGE
    reader.close()


async def test_processes_share_a_store(store: Store, shelf: Shelf) -> None:
    other = shelf.used_by("p2")
    await store.note("chatcmpl-1.0", b"noted")
    reader = await other.reader(await kept(store, LARGE))
    assert reader.read(0, 7) == b"picture"
    reader.close()
    assert await other.noted("chatcmpl-1.0") == b"noted"
    other.drop_process("p1")
    assert len(list(store.list_blobs())) == 1


async def test_only_what_was_opened_here_can_be_kept(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.keep(MemoryStore().open())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a" * 121, "a\n"])
async def test_names_are_checked(store: Store, shelf: Shelf, name: str) -> None:
    for refused in (store.note(name, b""), store.note(name, None), store.noted(name)):
        with pytest.raises(ValueError, match="1 to 120"):
            await refused
    for use in (store.drop_process, shelf.used_by):
        with pytest.raises(ValueError, match="1 to 120"):
            use(name)


async def test_the_names_of_notes(store: Store) -> None:
    for name in ("chatcmpl-2", "chatcmpl-1", ".hidden"):
        await store.note(name, b"x")
    assert store.names_of_notes() == [".hidden", "chatcmpl-1", "chatcmpl-2"]


def test_one_process_sweeps_at_a_time(store: Store, shelf: Shelf) -> None:
    other = shelf.used_by("p2")
    with store.only_sweeper() as first, other.only_sweeper() as second:
        assert (first, second) == (True, False)
    with other.only_sweeper() as third:
        assert third
