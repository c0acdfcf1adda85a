"""The sweep and what hangs on blobs: rows of pictures, prompts and uploads."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.storage.blobs import FileStore
from impasto.storage.books import check_books
from impasto.storage.database import Database, SqliteDatabase
from impasto.storage.retention import FRESH_MS, sweep
from impasto.storage.tables import blob_owners, blobs, images, parents, prompts, uploads
from tests.storage.contents import PROMPT, Contents, sha256_of

NOW_MS = int(time.time() * 1000)
DAY_MS = 24 * 3_600_000
WEEK_MS = 7 * DAY_MS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "store", "p1")
    yield opened
    opened.close()


@pytest.fixture
async def kept(database: Database, store: FileStore) -> Contents:
    contents = Contents(database, store, NOW_MS)
    await contents.add_key("ann")
    return contents


async def swept(kept: Contents, **settings: Any) -> int:
    bounds = {"max_age_ms": None, "max_bytes": None, "now_ms": NOW_MS} | settings
    return await sweep(kept.database, kept.store, **bounds)


async def test_a_picture_whose_bytes_go_leaves_what_it_was_and_from_what(kept: Contents) -> None:
    (old,) = await kept.generation("g1", age_ms=8 * DAY_MS)
    (young,) = await kept.generation("g2", pictures=(b"young",), age_ms=DAY_MS, parent=old)
    assert await swept(kept, max_age_ms=WEEK_MS) == 2
    gone = {row["id"]: row["gone_ms"] for row in await kept.rows(images)}
    assert gone == {old: NOW_MS, young: None}
    assert {row["generation_id"] for row in await kept.rows(prompts)} == {"g2"}
    assert [(row["ref"], row["sha256"]) for row in await kept.rows(parents)] == [(old, "f" * 64)]
    assert await kept.ids(blob_owners) == await kept.ids(blobs) == await kept.files()
    assert await kept.ids(blobs) == {sha256_of(b"young"), sha256_of(b"signature of g2")}
    assert await swept(kept, max_age_ms=WEEK_MS, now_ms=NOW_MS + 5) == 0
    assert (await kept.one(images, old))["gone_ms"] == NOW_MS


async def test_a_picture_that_is_made_again_keeps_its_bytes_and_its_own_row(kept: Contents) -> None:
    (old,) = await kept.generation("g1", age_ms=8 * DAY_MS)
    (again,) = await kept.generation("g2", age_ms=DAY_MS)
    assert await swept(kept, max_age_ms=WEEK_MS) == 1
    assert {row["id"] for row in await kept.rows(images) if row["gone_ms"] is None} == {old, again}
    assert sha256_of(b"picture") in await kept.files()


async def test_a_prompt_stays_as_long_as_one_of_its_pictures_and_no_longer(kept: Contents) -> None:
    await kept.generation("g1", pictures=(b"one", b"two"), age_ms=DAY_MS)
    await kept.keep(b"two")
    again = {sha256_of(b"two"), sha256_of(b"signature of g1")}
    await kept.touch_rows(again, NOW_MS)
    await swept(kept, max_bytes=1)
    gone = {row["id"]: row["gone_ms"] for row in await kept.rows(images)}
    assert gone == {"img_g1_0": NOW_MS, "img_g1_1": None}
    assert len(await kept.rows(prompts)) == 1
    await swept(kept, max_bytes=1, now_ms=NOW_MS + FRESH_MS + 1)
    assert await kept.rows(prompts) == []
    assert len(await kept.rows(images)) == 2


async def test_a_prompt_goes_by_its_age_although_a_picture_stays(kept: Contents) -> None:
    await kept.generation("g1", age_ms=8 * DAY_MS)
    await kept.touch_rows({sha256_of(b"picture")}, NOW_MS)
    await swept(kept, max_age_ms=WEEK_MS)
    assert await kept.rows(prompts) == []
    assert [row["gone_ms"] for row in await kept.rows(images)] == [None]


async def test_an_upload_lives_as_long_as_it_was_to_whatever_its_age(kept: Contents) -> None:
    await kept.upload("up1", age_ms=30 * DAY_MS, expires_ms=NOW_MS + 1)
    await kept.upload("up2", content=b"expired", age_ms=30 * DAY_MS, expires_ms=NOW_MS)
    await kept.upload("up3", content=b"expired but made too", age_ms=30 * DAY_MS, expires_ms=NOW_MS)
    await kept.generation("g1", pictures=(b"expired but made too",), age_ms=DAY_MS)
    assert await swept(kept, max_age_ms=WEEK_MS) == 1
    assert await kept.ids(uploads) == {"up1"}
    assert await kept.files() == await kept.ids(blobs) == await kept.ids(blob_owners)
    assert {sha256_of(b"upload"), sha256_of(b"expired but made too")} < await kept.files()
    assert await swept(kept, max_age_ms=WEEK_MS, now_ms=NOW_MS + 1) == 1
    assert await kept.ids(uploads) == set()


async def test_for_want_of_room_uploads_go_as_well(kept: Contents) -> None:
    await kept.upload("up1", age_ms=DAY_MS)
    await kept.upload("up2", content=b"younger", age_ms=FRESH_MS - 1000)
    assert await swept(kept, max_bytes=10) == 1
    assert await kept.ids(uploads) == {"up2"}
    assert await kept.files() == await kept.ids(blobs) == await kept.ids(blob_owners) == {sha256_of(b"younger")}


async def test_the_books_agree_with_the_store_after_it(kept: Contents) -> None:
    for number in range(5):
        await kept.generation(f"g{number}", pictures=(b"%d" % number, b"same"), age_ms=number * DAY_MS)
        await kept.upload(f"up{number}", content=b"%d" % number, age_ms=number * DAY_MS)
    before = await kept.database.read(check_books)
    for settings in ({"max_age_ms": 3 * DAY_MS}, {"max_bytes": 20}, {"now_ms": NOW_MS + FRESH_MS, "max_bytes": 1}):
        await swept(kept, **settings)
        assert await kept.database.read(check_books) == before


async def test_what_was_let_go_of_is_not_in_the_log_of_the_database(kept: Contents, database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        pytest.skip("PostgreSQL's log is its own")
    await kept.generation("g1", age_ms=8 * DAY_MS)
    log = database.path.with_name(database.path.name + "-wal")
    assert PROMPT.encode() in log.read_bytes()
    await swept(kept, max_age_ms=WEEK_MS)
    assert log.read_bytes() == b""
    assert PROMPT.encode() not in database.path.read_bytes()
