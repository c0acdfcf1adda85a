import asyncio
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, insert, select, update

from impasto.domain.ledger import Delivery, State
from impasto.storage.database import Database
from impasto.storage.retention import BATCH, FRESH_MS, ORPHAN_MS, _delete_files, _forgetting, sweep
from impasto.storage.tables import accounts, blobs, generations, idempotency_keys, keys
from tests.storage.conftest import Shelf
from tests.storage.conftest import kept as keep

NOW_MS = int(time.time() * 1000)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def kept(shelf: Shelf, content: bytes, age_ms: int = 0) -> str:
    """A blob whose bytes were kept `age_ms` ago."""
    sha256 = await keep(shelf.store, content)
    if age_ms:
        shelf.age(sha256, NOW_MS - age_ms)
    return sha256


async def with_row(database: Database, shelf: Shelf, content: bytes, age_ms: int) -> str:
    """A blob that was kept `age_ms` ago, and its row."""
    sha256 = await kept(shelf, content, age_ms)
    await name(database, sha256, len(content), NOW_MS - age_ms)
    return sha256


async def name(database: Database, sha256: str, byte_count: int, kept_ms: int) -> None:
    """Write a blob's row, or that it was kept again."""

    def write(connection: Connection) -> None:
        again = update(blobs).where(blobs.c.sha256 == sha256).values(kept_ms=kept_ms)
        if connection.execute(again).rowcount == 0:
            connection.execute(insert(blobs), {"sha256": sha256, "byte_count": byte_count, "kept_ms": kept_ms})

    await database.write(write)


async def run(database: Database, statement: Executable, parameters: list[dict[str, Any]] | None = None) -> None:
    await database.write(lambda connection: connection.execute(statement, parameters))


async def rows(database: Database) -> set[str]:
    return await database.read(lambda connection: set(connection.scalars(select(blobs.c.sha256))))


def files(shelf: Shelf) -> set[str]:
    return {blob.sha256 for blob in shelf.store.list_blobs()}


async def swept(database: Database, shelf: Shelf, **settings: Any) -> int:
    bounds = {"max_age_ms": None, "max_bytes": None, "now_ms": NOW_MS} | settings
    return await sweep(database, shelf.store, **bounds)


async def test_what_is_older_than_the_bound_goes_row_and_file(database: Database, shelf: Shelf) -> None:
    await with_row(database, shelf, b"old", 7 * DAY_MS)
    young = await with_row(database, shelf, b"young", 7 * DAY_MS - 1000)
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 1
    assert await rows(database) == files(shelf) == {young}
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0


async def test_the_oldest_go_until_the_rest_fits(database: Database, shelf: Shelf) -> None:
    hashes = [await with_row(database, shelf, bytes([day]) * 10, day * DAY_MS) for day in range(1, 7)]
    assert await swept(database, shelf, max_bytes=60) == 0
    assert await swept(database, shelf, max_bytes=35) == 3
    assert await rows(database) == files(shelf) == set(hashes[:3])


async def test_sweepers_of_several_machines_together_let_go_of_what_one_would(database: Database) -> None:
    for number in range(40):
        await name(database, f"{number:064x}", 10, NOW_MS - DAY_MS)
    together = [database.write(_forgetting(NOW_MS, 305, NOW_MS)) for _ in range(6)]
    assert sum(map(len, await asyncio.gather(*together))) == 10


async def test_copies_of_what_stays_go_but_for_the_newest(database: Database, shelf: Shelf) -> None:
    sha256 = await with_row(database, shelf, b"again and again", 2 * DAY_MS)
    for _ in range(3):
        await kept(shelf, b"again and again")
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0
    assert [(listed.sha256, listed.copies) for listed in shelf.store.list_blobs()] == [(sha256, 1)]
    assert await rows(database) == {sha256}


async def test_no_bound_is_none(database: Database, shelf: Shelf) -> None:
    sha256 = await with_row(database, shelf, b"very old", 3000 * DAY_MS)
    assert await swept(database, shelf) == 0
    assert await rows(database) == files(shelf) == {sha256}


async def test_an_empty_store_is_swept(database: Database, shelf: Shelf) -> None:
    assert await swept(database, shelf, max_age_ms=HOUR_MS, max_bytes=1) == 0


async def test_what_was_kept_just_now_stays_however_little_room_there_is(database: Database, shelf: Shelf) -> None:
    fresh = await with_row(database, shelf, b"fresh", FRESH_MS - 60_000)
    await with_row(database, shelf, b"older", FRESH_MS + 60_000)
    assert await swept(database, shelf, max_bytes=1) == 1
    assert await rows(database) == files(shelf) == {fresh}


async def test_more_than_a_batch(database: Database, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "store", tmp_path)
    count = BATCH + 20
    hashes = await asyncio.gather(*(kept(shelf, b"%d" % number, DAY_MS) for number in range(2 * count)))
    added = [{"sha256": sha256, "byte_count": 1, "kept_ms": NOW_MS - DAY_MS} for sha256 in hashes[:count]]
    await run(database, insert(blobs), added)
    assert await swept(database, shelf, max_bytes=10) == count - 10 + count
    assert len(await rows(database)) == 10
    assert await rows(database) == files(shelf)


async def test_a_blob_kept_again_survives(database: Database, shelf: Shelf) -> None:
    again = await with_row(database, shelf, b"again", 8 * DAY_MS)
    await kept(shelf, b"again")
    await name(database, again, 5, NOW_MS)
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0
    assert await rows(database) == files(shelf) == {again}


async def test_a_blob_that_is_being_kept_again_survives_its_row(database: Database, shelf: Shelf) -> None:
    again = await with_row(database, shelf, b"again", 8 * DAY_MS)
    await kept(shelf, b"again")
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0
    assert await rows(database) == set()
    assert files(shelf) == {again}


async def test_a_file_whose_row_came_back_stays(database: Database, shelf: Shelf) -> None:
    named = await with_row(database, shelf, b"named", 8 * DAY_MS)
    other = await kept(shelf, b"other", 8 * DAY_MS)
    assert await _delete_files(database, shelf.store, [named, other], NOW_MS) == 1
    assert files(shelf) == {named}


async def test_keeping_and_sweeping_at_once_lose_no_blob_that_has_a_row(database: Database, shelf: Shelf) -> None:
    contents = [b"%d" % number for number in range(6)]

    async def keep_again(content: bytes, pauses: int) -> None:
        for _ in range(pauses):
            await asyncio.sleep(0)
        await name(database, await kept(shelf, content), len(content), NOW_MS)

    for turn in range(0, 12, 1 if isinstance(shelf.place, Path) else 4):
        for content in contents:
            await with_row(database, shelf, content, 8 * DAY_MS)
        keeping = (keep_again(content, turn * number) for number, content in enumerate(contents))
        await asyncio.gather(swept(database, shelf, max_age_ms=7 * DAY_MS), *keeping)
        assert len(await rows(database)) == len(contents)
        assert await rows(database) <= files(shelf)


async def test_a_file_without_a_row_goes_after_an_hour(database: Database, shelf: Shelf) -> None:
    await kept(shelf, b"orphan", ORPHAN_MS + 1000)
    young = await kept(shelf, b"about to have a row", ORPHAN_MS - 60_000)
    named = await with_row(database, shelf, b"named", 3 * HOUR_MS)
    assert await swept(database, shelf) == 1
    assert files(shelf) == {young, named}


async def test_a_file_that_a_running_generation_may_need_stays(database: Database, shelf: Shelf) -> None:
    began_ms = NOW_MS - 5 * HOUR_MS
    needed = await kept(shelf, b"kept since it began", 4 * HOUR_MS)
    await kept(shelf, b"kept before", 6 * HOUR_MS)
    await database.write(lambda connection: begin(connection, began_ms))
    assert await swept(database, shelf) == 1
    assert files(shelf) == {needed}
    await run(database, update(generations).values(state=State.DONE))
    assert await swept(database, shelf) == 1
    assert files(shelf) == set()


def begin(connection: Connection, created_ms: int) -> None:
    """A running generation."""
    connection.execute(insert(accounts), {"id": "a", "name": "a", "created_ms": 0})
    connection.execute(insert(keys), {"id": "k", "account_id": "a", "name": "k", "scopes": "[]", "created_ms": 0})
    row = {"id": "chatcmpl-1", "key_id": "k", "account_id": "a", "model": "m", "state": State.RUNNING, "sent": True}
    rest = {"owner": "p", "delivery": Delivery.OPEN, "deliverer": "p", "request": "{}", "created_ms": created_ms}
    connection.execute(insert(generations), row | rest)


async def test_what_was_said_goes_from_its_row_and_the_row_stays(database: Database, shelf: Shelf) -> None:
    await database.write(lambda connection: begin(connection, NOW_MS - 9 * DAY_MS))
    answer = select(generations.c.answer)
    for age_ms, left in ((DAY_MS, '{"said": "much"}'), (8 * DAY_MS, None)):
        ended = {"state": State.DONE, "answer": '{"said": "much"}', "ended_ms": NOW_MS - age_ms}
        await run(database, update(generations).values(ended))
        assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0
        assert await database.read(lambda connection: connection.scalars(answer).all()) == [left]


async def test_idempotency_keys_that_have_expired_go(database: Database, shelf: Shelf) -> None:
    added = [
        {
            "key_id": "k",
            "hash": number.to_bytes(32),
            "request_hash": bytes(32),
            "generation_id": f"chatcmpl-{number}",
            "expires_ms": NOW_MS - BATCH - 50 + number,
        }
        for number in range(BATCH + 60)
    ]
    await run(database, insert(idempotency_keys), added)
    assert await swept(database, shelf) == 0
    left = select(idempotency_keys.c.expires_ms).order_by(idempotency_keys.c.expires_ms)
    found = await database.read(lambda connection: list(connection.scalars(left)))
    assert found == [NOW_MS + number for number in range(1, 10)]


async def test_one_process_sweeps_at_a_time(database: Database, shelf: Shelf) -> None:
    await with_row(database, shelf, b"old", 8 * DAY_MS)
    with shelf.used_by("p2").only_sweeper() as is_only:
        assert is_only
        assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 0
    assert await swept(database, shelf, max_age_ms=7 * DAY_MS) == 1
