"""Uploads as rows, and their bytes: these go with the last who needs them, and never under somebody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from impasto.domain.errors import Code, Failure
from impasto.domain.image import Dimensions
from impasto.domain.stored_image import Upload
from impasto.storage.blobs import FileStore
from impasto.storage.database import Database
from impasto.storage.owners import Freed, delete_freed
from impasto.storage.tables import accounts, blob_owners, blobs, generations, keys, parents, uploads
from impasto.storage.uploads import BATCH, MOST_BYTES_OF_A_KEY, SqlUploads, delete_uploads, sweep_uploads

DAY_MS = 24 * 3600 * 1000


@dataclass(slots=True)
class Cabinet:
    """Uploads on a database and a store. Its time is that of the files, and `days` later."""

    database: Database
    store: FileStore
    days: float = 0
    uploads: SqlUploads = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.uploads = SqlUploads(self.database, self.store, self.now)

    def now(self) -> float:
        return time.time() + self.days * 24 * 3600

    async def add(self, data: bytes = b"a cat", key_id: str = "ada", **changes: Any) -> Upload:
        """An upload that is kept."""
        upload = await self.prepared(data, key_id, **changes)
        await self.uploads.add(upload)
        return upload

    async def prepared(self, data: bytes, key_id: str = "ada", days: float = 30, **changes: Any) -> Upload:
        """An upload whose bytes are kept, and whose row is not written yet."""
        sha256 = await self.keep(data)
        self.count += 1
        now_ms = int(self.now() * 1000) + self.count
        upload = Upload(
            f"upload-{self.count}", key_id, sha256, "cat.png", "image/png", len(data), Dimensions(4, 3), "general",
            now_ms, now_ms + int(days * DAY_MS),
        )  # fmt: skip
        return replace(upload, **changes)

    async def keep(self, data: bytes) -> str:
        blob = self.store.open()
        blob.write(data)
        sha256 = await self.store.keep(blob)
        blob.close()
        return sha256

    async def own(self, sha256: str, owner: str) -> None:
        """What a generation writes of a picture of its own."""
        await self.database.write(
            lambda connection: connection.execute(insert(blob_owners).values(sha256=sha256, owner=owner))
        )

    async def rows(self) -> tuple[set[str], set[str], set[tuple[str, str]]]:
        """Which uploads and which blobs have a row, and who owns what."""

        def look(connection: Connection) -> tuple[set[str], set[str], set[tuple[str, str]]]:
            owners = {(row.sha256, row.owner) for row in connection.execute(select(blob_owners))}
            return (
                set(connection.scalars(select(uploads.c.id))),
                set(connection.scalars(select(blobs.c.sha256))),
                owners,
            )

        return await self.database.read(look)

    def kept(self) -> set[str]:
        return {blob.sha256 for blob in self.store.list_blobs()}


@pytest.fixture
async def cabinet(database: Database, tmp_path: Path) -> AsyncIterator[Cabinet]:
    def write_keys(connection: Connection) -> None:
        connection.execute(insert(accounts).values(id="a", name="A", created_ms=1))
        for key_id in ("ada", "bob"):
            connection.execute(insert(keys).values(id=key_id, account_id="a", name="A", scopes="[]", created_ms=1))

    await database.write(write_keys)
    store = FileStore(tmp_path / "store", "p1")
    yield Cabinet(database, store)
    store.close()


async def listed(cabinet: Cabinet, purpose: str | None = None, limit: int = 100, offset: int = 0) -> list[Upload]:
    _, found = await cabinet.uploads.page("ada", purpose, limit=limit, offset=offset)
    return found


async def test_an_upload_comes_back_as_it_was_written(cabinet: Cabinet) -> None:
    first = await cabinet.add(b"a cat", end_user="zoe")
    second = await cabinet.add(b"a dog", dimensions=None)
    assert await listed(cabinet) == [second, first]
    assert await cabinet.rows() == (
        {first.id, second.id},
        {first.sha256, second.sha256},
        {(first.sha256, first.id), (second.sha256, second.id)},
    )


async def test_the_uploads_of_a_key_have_a_bound_together(cabinet: Cabinet) -> None:
    first = await cabinet.add(b"a cat", byte_count=MOST_BYTES_OF_A_KEY)
    with pytest.raises(Failure) as raised:
        await cabinet.add(b"a dog", byte_count=1)
    assert (raised.value.code, raised.value.param) == (Code.BODY_TOO_LARGE, "file")
    await cabinet.add(b"a dog", key_id="bob", byte_count=1)
    assert await listed(cabinet) == [first]


async def test_the_list_is_counted_and_cut_into_pages(cabinet: Cabinet) -> None:
    added = [await cabinet.add() for _ in range(5)]
    await cabinet.add(key_id="bob")
    newest_first = added[::-1]
    assert await cabinet.uploads.page("ada", None, limit=2, offset=2) == (5, newest_first[2:4])
    assert await cabinet.uploads.page("ada", None, limit=1000, offset=2**31 * 1000) == (5, [])


async def test_the_list_is_of_one_purpose_where_one_is_asked_for(cabinet: Cabinet) -> None:
    of_vision = await cabinet.add(purpose="vision")
    await cabinet.add()
    assert await cabinet.uploads.page("ada", "vision", limit=9, offset=0) == (1, [of_vision])


async def test_what_has_expired_is_neither_listed_nor_counted_and_goes_all_the_same(cabinet: Cabinet) -> None:
    await cabinet.add(days=1)
    left = await cabinet.add(days=3)
    cabinet.days = 2
    assert await cabinet.uploads.page("ada", None, limit=9, offset=0) == (1, [left])
    assert await cabinet.uploads.delete("ada", None) == 1
    assert (await cabinet.rows())[0] == set()


async def test_what_is_deleted_is_gone_with_its_bytes(cabinet: Cabinet) -> None:
    await cabinet.add()
    assert await cabinet.uploads.delete("ada", None) == 1
    assert await cabinet.rows() == (set(), set(), set())
    assert cabinet.kept() == set()


async def test_only_the_keys_own_are_deleted(cabinet: Cabinet) -> None:
    mine, others = await cabinet.add(), await cabinet.add(b"a dog", "bob")
    assert await cabinet.uploads.delete("ada", None) == 1
    assert await cabinet.uploads.delete("ada", [mine.id, others.id]) == 0
    assert cabinet.kept() == {others.sha256}
    assert await cabinet.uploads.delete(None, [others.id]) == 1


async def test_only_those_with_the_ids_are_deleted(cabinet: Cabinet) -> None:
    first, second, third = [await cabinet.add(data) for data in (b"1", b"2", b"3")]
    assert await cabinet.uploads.delete("ada", {first.id, third.id, "unknown"}) == 2
    assert await listed(cabinet) == [second]
    assert cabinet.kept() == {second.sha256}


@pytest.mark.parametrize("other", ["bob", "ada"])
async def test_bytes_that_another_upload_needs_stay(other: str, cabinet: Cabinet) -> None:
    first, second = await cabinet.add(), await cabinet.add(key_id=other)
    assert await cabinet.uploads.delete("ada", [first.id]) == 1
    assert await cabinet.rows() == ({second.id}, {second.sha256}, {(second.sha256, second.id)})
    assert cabinet.kept() == {second.sha256}
    await cabinet.uploads.delete(None, [second.id])
    assert cabinet.kept() == set()


async def test_bytes_that_a_generation_needs_stay(cabinet: Cabinet) -> None:
    upload = await cabinet.add()
    await cabinet.own(upload.sha256, "chatcmpl-1")
    await cabinet.uploads.delete("ada", None)
    assert await cabinet.rows() == (set(), {upload.sha256}, {(upload.sha256, "chatcmpl-1")})
    assert cabinet.kept() == {upload.sha256}


async def test_bytes_that_are_kept_again_after_their_rows_went_stay(cabinet: Cabinet) -> None:
    upload = await cabinet.add()
    freed = await cabinet.database.write(lambda connection: delete_uploads(connection, [upload.id]))
    assert freed == [Freed(upload.sha256, upload.byte_count)]
    await cabinet.keep(b"a cat")
    await delete_freed(cabinet.database, cabinet.store, freed, lambda: time.time() - 60)
    assert cabinet.kept() == {upload.sha256}


async def test_no_trace_stays_with_the_pictures_that_were_made_from_it(cabinet: Cabinet) -> None:
    upload = await cabinet.add()

    def write(connection: Connection) -> None:
        connection.execute(
            insert(generations).values(
                id="chatcmpl-1", key_id="ada", account_id="a", model="maker/brush", state="done", sent=True,
                owner="p", delivery="delivered", deliverer="p", request="{}", created_ms=1,
            )
        )  # fmt: skip
        made_from = {"generation_id": "chatcmpl-1", "place": 0, "kind": "file", "ref": upload.id}
        connection.execute(insert(parents).values(**made_from, sha256=upload.sha256))

    await cabinet.database.write(write)
    await cabinet.uploads.delete("ada", [upload.id])
    left = await cabinet.database.read(lambda connection: connection.execute(select(parents)).one())
    assert (left.ref, left.sha256) == (upload.id, "")


async def test_a_batch_is_not_the_end(cabinet: Cabinet) -> None:
    one = await cabinet.add()

    def add_many(connection: Connection) -> None:
        row = dict(connection.execute(select(uploads)).mappings().one())
        many = [row | {"id": f"many-{number}"} for number in range(2 * BATCH)]
        connection.execute(insert(uploads), many)
        connection.execute(insert(blob_owners), [{"sha256": one.sha256, "owner": upload["id"]} for upload in many])

    await cabinet.database.write(add_many)
    assert await cabinet.uploads.delete("ada", None) == 2 * BATCH + 1
    assert await cabinet.rows() == (set(), set(), set())
    assert cabinet.kept() == set()


async def test_two_who_delete_the_last_two_leave_nothing(cabinet: Cabinet) -> None:
    for _ in range(5):
        added = [await cabinet.add() for _ in range(4)]
        counts = await asyncio.gather(*(cabinet.uploads.delete("ada", [upload.id]) for upload in added))
        assert counts == [1, 1, 1, 1]
        assert await cabinet.rows() == (set(), set(), set())
        assert cabinet.kept() == set()


async def test_one_who_uploads_what_another_deletes_has_its_bytes(cabinet: Cabinet) -> None:
    """As `api/upload.py` does it: kept, written, kept once more."""

    async def upload() -> None:
        blob = cabinet.store.open()
        try:
            blob.write(b"a cat")
            await cabinet.store.keep(blob)
            row = await cabinet.prepared(b"another")
            await cabinet.uploads.add(replace(row, sha256=blob.sha256))
            await cabinet.store.keep(blob)
        finally:
            blob.close()

    for _ in range(20):
        old = await cabinet.add()
        await asyncio.gather(cabinet.uploads.delete("ada", [old.id]), upload())
        assert (await listed(cabinet))[0].sha256 in cabinet.kept()
        await cabinet.uploads.delete("ada", None)


async def test_the_sweep_takes_what_has_expired_and_names_the_bytes_that_nobody_needs(cabinet: Cabinet) -> None:
    old = [await cabinet.add(data, days=1) for data in (b"1", b"2", b"3")]
    left = await cabinet.add(b"2", days=3)
    await cabinet.own(old[2].sha256, "chatcmpl-1")
    now_ms = left.created_ms + 2 * DAY_MS
    swept = await cabinet.database.write(lambda connection: sweep_uploads(connection, now_ms))
    assert (swept.count, swept.freed) == (3, [Freed(old[0].sha256, 1)])
    found, named, _ = await cabinet.rows()
    assert (found, named) == ({left.id}, {old[1].sha256, old[2].sha256})
    again = await cabinet.database.write(lambda connection: sweep_uploads(connection, now_ms))
    assert (again.count, again.freed) == (0, [])


async def test_no_ids_delete_nothing(cabinet: Cabinet) -> None:
    upload = await cabinet.add()
    assert await cabinet.database.write(lambda connection: delete_uploads(connection, [])) == []
    assert await cabinet.uploads.delete("ada", []) == 0
    assert cabinet.kept() == {upload.sha256}
