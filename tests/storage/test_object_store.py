"""The store in a bucket: where things lie, copies, what somebody else changed, and a bucket that is away."""

import asyncio
import itertools
import random
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from impasto.domain.errors import Code, Failure
from impasto.storage import object_store
from impasto.storage.object_store import Bucket, ObjectStore, _Copy
from tests.buckets import TestBucket
from tests.storage.conftest import LARGE, SMALL, kept, sha256_of


class Late(ObjectStore):
    """Its next looks, as many as `looks_left`, see what was there when it was told to remember."""

    remembered: Sequence[_Copy] = ()
    looks_left = 0

    def remember(self, sha256: str) -> None:
        self.remembered = list(super()._copies_in(f"blobs/{sha256[:2]}/{sha256}"))

    def _copies_in(self, prefix: str) -> Iterator[_Copy]:
        self.looks_left -= 1
        return iter(self.remembered) if self.looks_left >= 0 else super()._copies_in(prefix)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool"


@pytest.fixture
def store(bucket: TestBucket, spool: Path) -> Iterator["Late"]:
    """At whose first keeping it is a second past 1000, at the next another second later."""
    opened = Late(bucket.bucket, spool, itertools.count(1001).__next__, "p1")
    yield opened
    opened.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def files_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def folder_of(sha256: str) -> str:
    return f"a/b/blobs/{sha256[:2]}/{sha256}"


async def content_of(store: ObjectStore, sha256: str) -> bytes:
    reader = await store.reader(sha256)
    content = reader.read(0, reader.byte_count)
    reader.close()
    return content


async def test_everything_lies_where_it_belongs_and_nothing_on_this_machine(
    store: Late, bucket: TestBucket, spool: Path
) -> None:
    large, small = await kept(store, LARGE), await kept(store, SMALL)
    await store.note("chatcmpl-1", b"note")
    (await store.reader(large)).close()
    blobs = [f"{folder_of(large)}/0000001001000-p1-1", f"{folder_of(small)}/0000001002000-p1-2"]
    assert bucket.names() == sorted([*blobs, "a/b/notes/chatcmpl-1"])
    assert files_in(spool) == []
    await store.note("chatcmpl-1", None)
    assert store.delete(large)
    assert bucket.names() == blobs[1:]


async def test_a_bucket_without_a_prefix(bucket: TestBucket, spool: Path) -> None:
    store = ObjectStore(Bucket(bucket.name, "", bucket.bucket.options), spool, time.time, "p1")
    sha256 = await kept(store, SMALL)
    assert [name.rpartition("/")[0] for name in bucket.names()] == [f"blobs/{sha256[:2]}/{sha256}"]
    assert [listed.sha256 for listed in store.list_blobs()] == [sha256]
    assert await content_of(store, sha256) == SMALL
    store.close()


async def test_what_is_kept_again_is_another_copy_until_the_older_go(store: Late, bucket: TestBucket) -> None:
    sha256 = await kept(store, SMALL)
    await kept(store, SMALL)
    assert list(store.list_blobs()) == [(sha256, len(SMALL), 1_002_000, 2)]
    assert not store.delete(sha256, untouched_since_ms=1_001_999)
    assert bucket.names() == [f"{folder_of(sha256)}/0000001002000-p1-2"]


async def test_the_newest_copy_that_is_whole_is_read(
    store: Late, bucket: TestBucket, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = await kept(store, LARGE)
    bucket.put(f"{folder_of(sha256)}/0000001001001-p1-7", LARGE[:-1])
    assert await content_of(store, sha256) == LARGE
    assert [record.message for record in caplog.records] == ["store_copy_is_wrong"]


@pytest.mark.parametrize("wrong", [b"", LARGE[:-1], bytes(len(LARGE)), LARGE + b"x"], ids=len)
async def test_bytes_that_are_not_what_was_kept_are_never_given(store: Late, bucket: TestBucket, wrong: bytes) -> None:
    sha256 = await kept(store, LARGE)
    bucket.put(f"{folder_of(sha256)}/0000001001000-p1-1", wrong)
    with pytest.raises(Failure, match="does not give it back") as raised:
        await store.reader(sha256)
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert raised.value.logged == f"store: no copy of {sha256} is what it was"


async def test_a_reader_finds_the_copy_that_came_for_the_one_that_went(store: Late) -> None:
    """Between a reader's look and its reach, a newer copy came and the older one was swept."""
    sha256 = await kept(store, SMALL)
    store.remember(sha256)
    await kept(store, SMALL)
    assert not store.delete(sha256, untouched_since_ms=1_001_000)
    store.looks_left = 1
    assert await content_of(store, sha256) == SMALL


async def test_what_goes_while_it_is_reached_for_is_gone(store: Late) -> None:
    sha256 = await kept(store, SMALL)
    store.remember(sha256)
    assert store.delete(sha256)
    store.looks_left = 99
    with pytest.raises(Failure) as raised:
        await store.reader(sha256)
    assert raised.value.code is Code.ANSWER_GONE


async def test_more_than_one_page_is_listed(store: Late, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of S3 has a thousand; here one that a test can fill."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    names = [f"n{number:04}" for number in range(25)]
    await asyncio.gather(*(store.note(name, b"") for name in names))
    assert store.names_of_notes() == names
    hashes = await asyncio.gather(*(kept(store, bytes(number % 20)) for number in range(25)))
    assert sorted(listed.sha256 for listed in store.list_blobs()) == sorted(set(hashes))


async def test_what_is_long_comes_in_parts_and_ranges(store: Late, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(5).randbytes(12_000_000)
    monkeypatch.setattr(object_store, "LONGEST_PUT_BYTES", 6 << 20)
    monkeypatch.setattr(object_store, "PART_BYTES", 5 << 20)
    monkeypatch.setattr(object_store, "RANGE_BYTES", 5 << 20)
    sha256 = await kept(store, content)
    (listed,) = store.list_blobs()
    assert listed.byte_count == len(content)
    assert await content_of(store, sha256) == content


async def test_objects_of_others_are_left_alone(store: Late, bucket: TestBucket) -> None:
    bucket.put("blobs/of/others", SMALL)
    bucket.put("a/b/blobs/readme.txt", SMALL)
    bucket.put(f"{folder_of(sha256_of(LARGE))}/of-somebody", LARGE)
    await kept(store, SMALL)
    assert [listed.sha256 for listed in store.list_blobs()] == [sha256_of(SMALL)]


async def every_use(store: ObjectStore) -> list[Failure]:
    """Why nothing can be done."""
    blob = store.open()
    blob.write(SMALL)
    failures = []
    for use in (
        store.keep(blob),
        store.note("a", b"x"),
        store.note("a", None),
        store.noted("a"),
        store.reader("a" * 64),
    ):
        with pytest.raises(Failure) as raised:
            await use
        failures.append(raised.value)
    for call in (store.names_of_notes, lambda: list(store.list_blobs()), lambda: store.delete("a" * 64), store.probe):
        with pytest.raises(Failure) as raised:
            call()
        failures.append(raised.value)
    blob.close()
    store.close()
    return failures


async def test_a_bucket_that_is_away_is_ours(bucket: TestBucket, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "RETRIES", 0)
    options = {**bucket.bucket.options, "endpoint": f"http://127.0.0.1:{closed_port()}"}
    for failure in await every_use(ObjectStore(Bucket(bucket.name, "", options), spool, time.time, "p1")):
        assert failure.code is Code.STORE_UNAVAILABLE
        assert failure.message.startswith(("The gateway could not keep", "The gateway could not read"))
        assert re.match(r"store: Generic S3 error: .* HTTP error: error sending request$", failure.logged)


async def test_a_bucket_that_is_not_there_holds_nothing_that_could_be_missing(bucket: TestBucket, spool: Path) -> None:
    for failure in await every_use(ObjectStore(Bucket("nobody", "", bucket.bucket.options), spool, time.time, "p1")):
        assert failure.code is Code.STORE_UNAVAILABLE
        assert "NoSuchBucket" in failure.logged


async def test_a_bucket_that_never_answers_is_given_up(
    bucket: TestBucket, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BRIEF_SECONDS", "LONG_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(object_store, name, 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        options = {**bucket.bucket.options, "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        for failure in await every_use(ObjectStore(Bucket(bucket.name, "", options), spool, time.time, "p1")):
            assert failure.code is Code.STORE_UNAVAILABLE


async def test_a_spool_that_takes_no_more_is_ours(bucket: TestBucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = ObjectStore(bucket.bucket, tmp_path / "file", time.time, "p1")
    blob = store.open()
    for _ in range(2):
        with pytest.raises(Failure) as raised:
            blob.write(LARGE)
        assert raised.value.code is Code.STORE_UNAVAILABLE
    with pytest.raises(Failure):
        await store.keep(blob)
    blob.close()
    store.close()
    assert bucket.names() == []


def test_a_probe_leaves_nothing(store: Late, bucket: TestBucket) -> None:
    store.probe()
    assert bucket.names() == []


def test_what_signs_requests_is_not_shown(bucket: TestBucket) -> None:
    assert "secret" not in repr(bucket.bucket)
