"""Deletion on request: what goes, what stays, and that what went is not in the files any more."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.completions.kept import note_name
from impasto.domain.deletion import Deleted
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import State
from impasto.storage.blobs import FileStore
from impasto.storage.books import check_books
from impasto.storage.database import Database, SqliteDatabase
from impasto.storage.deletion import BATCH, SqlDeletion
from impasto.storage.ledger import SqlLedger
from impasto.storage.retention import ORPHAN_MS, sweep
from impasto.storage.tables import (
    blob_owners,
    blobs,
    entries,
    generations,
    images,
    parents,
    prompts,
    tags,
    uploads,
)
from tests.storage.contents import PROMPT, WORD, Contents, sha256_of

MINUTE_MS = 60_000
WHOLE = len(b"picture") + len(b"signature of g1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "store", "p1")
    yield opened
    opened.close()


@pytest.fixture
async def kept(database: Database, store: FileStore) -> Contents:
    contents = Contents(database, store, int(time.time() * 1000) - MINUTE_MS)
    for key in ("ann", "bob"):
        await contents.add_key(key)
    return contents


@pytest.fixture
def deletion(kept: Contents) -> SqlDeletion:
    return SqlDeletion(kept.database, kept.store, SqlLedger(kept.database, "p1"), time.time)


async def refusal(deleting: Any) -> Failure:
    with pytest.raises(Failure) as refused:
        await deleting
    return refused.value


async def test_of_a_generation_the_content_goes_and_the_money_stays(kept: Contents, deletion: SqlDeletion) -> None:
    await kept.generation("g1", user="u", parent="img_gone")
    assert await deletion.generation("g1", "ann") == Deleted(1, 1, 0, 2, WHOLE)
    for table in (images, prompts, parents, blobs, blob_owners):
        assert await kept.rows(table) == []
    assert await kept.files() == set()
    row = await kept.one(generations, "g1")
    assert [row[name] for name in ("answer", "answer_sha256", "session_id", "end_user", "request_hash")] == [None] * 5
    assert (row["state"], row["key_id"]) == (State.DONE, "ann")
    assert len(await kept.rows(entries)) == len(await kept.rows(tags)) == 1
    assert await deletion.generation("g1", "ann") == Deleted()


async def test_a_picture_takes_its_answer_with_it_and_leaves_the_other_pictures(
    kept: Contents, deletion: SqlDeletion
) -> None:
    first, second = await kept.generation("g1", pictures=(b"one", b"other"), user="u")
    (made,) = await kept.generation("g2", parent=first)
    assert await deletion.image(first, "ann") == Deleted(1, 0, 0, 2, len(b"one") + len(b"signature of g1"))
    assert await kept.ids(images) == {second, made}
    row = await kept.one(generations, "g1")
    assert (row["answer"], row["session_id"], row["end_user"]) == (None, "s", "u")
    assert len(await kept.rows(prompts)) == 2
    assert await kept.files() == {sha256_of(each) for each in (b"other", b"picture", b"signature of g2")}
    assert [(row["ref"], row["sha256"]) for row in await kept.rows(parents)] == [(first, "")]
    assert (await refusal(deletion.image(first, "ann"))).code is Code.NOT_FOUND
    assert await deletion.image(second, "ann") == Deleted(1, 1, 0, 1, len(b"other"))
    assert (await kept.one(generations, "g1"))["session_id"] is None
    assert {row["generation_id"] for row in await kept.rows(prompts)} == {"g2"}


async def test_of_two_pictures_that_are_the_same_the_bytes_stay_for_the_other(
    kept: Contents, deletion: SqlDeletion
) -> None:
    first, second = await kept.generation("g1", pictures=(b"same", b"same once"), user="u")
    await kept.generation("g2", key="bob", pictures=(b"same",))
    await deletion.image(first, "ann")
    assert sha256_of(b"same") in await kept.files() & await kept.ids(blobs)
    await deletion.generation("g2", None)
    assert await kept.files() == await kept.ids(blobs) == {sha256_of(b"same once")}
    assert await kept.ids(images) == {second}


async def test_nobody_deletes_what_is_somebody_elses(kept: Contents, deletion: SqlDeletion) -> None:
    (image,) = await kept.generation("g1")
    for refused in (
        await refusal(deletion.image(image, "bob")),
        await refusal(deletion.image("img_no", "bob")),
        await refusal(deletion.generation("g1", "bob")),
        await refusal(deletion.generation("no", None)),
        await refusal(deletion.content("no", None)),
    ):
        assert refused.code is Code.NOT_FOUND
        assert "There is no " in refused.message
    assert await kept.ids(images) == {image}
    assert len(await kept.files()) == 2


async def test_what_still_runs_is_refused_and_left_alone(kept: Contents, deletion: SqlDeletion) -> None:
    await kept.generation("g1", state=State.RUNNING)
    await kept.generation("g2", pictures=(b"other",))
    assert (await refusal(deletion.generation("g1", "ann"))).code is Code.STILL_RUNNING
    deleted = await deletion.content("ann", None)
    assert (deleted.generations, deleted.still_running) == (1, 1)
    assert (await kept.one(generations, "g1"))["session_id"] == "s"


async def test_of_a_key_all_goes_and_of_others_nothing(kept: Contents, deletion: SqlDeletion) -> None:
    await kept.generation("g1")
    await kept.generation("g2", pictures=(b"second",), user="u")
    await kept.generation("g3", key="bob", pictures=(b"bobs",))
    await kept.upload("up1")
    await kept.upload("up2", key="bob", content=b"bobs upload")
    await kept.generation("g4", key="bob", pictures=(b"from it",), parent="up1")
    deleted = await deletion.content("ann", None)
    assert (deleted.images, deleted.generations, deleted.uploads, deleted.blobs) == (2, 2, 1, 5)
    assert await kept.ids(uploads) == {"up2"}
    assert {row["key_id"] for row in await kept.rows(images)} == {"bob"}
    assert await kept.files() == await kept.ids(blobs) == {
        sha256_of(each)
        for each in (b"bobs", b"bobs upload", b"from it", b"signature of g3", b"signature of g4")
    }  # fmt: skip
    assert {row["sha256"] for row in await kept.rows(parents)} == {""}
    assert await deletion.content("ann", None) == Deleted()


async def test_of_an_end_user_what_is_his_goes_of_one_key_or_of_all(kept: Contents, deletion: SqlDeletion) -> None:
    for number, (key, user) in enumerate([("ann", "u"), ("ann", "v"), ("bob", "u"), ("bob", None)]):
        await kept.generation(f"g{number}", key=key, pictures=(f"{number}".encode(),), user=user)
        await kept.upload(f"up{number}", key=key, content=f"upload {number}".encode(), user=user)
    deleted = await deletion.content("ann", "u")
    assert (deleted.images, deleted.generations, deleted.uploads) == (1, 1, 1)
    assert await kept.ids(uploads) == {"up1", "up2", "up3"}
    assert (await deletion.content(None, "u")).uploads == 1
    assert await kept.ids(uploads) == {"up1", "up3"}
    assert {row["generation_id"] for row in await kept.rows(images)} == {"g1", "g3"}


async def test_more_than_a_batch_goes_and_what_failed_goes_the_next_time(kept: Contents, deletion: SqlDeletion) -> None:
    count = BATCH + 5
    for number in range(count):
        await kept.generation(f"g{number}", pictures=(b"%d" % number,))
        await kept.upload(f"up{number}", content=b"upload %d" % number)
    deleted = await deletion.content("ann", None)
    assert (deleted.images, deleted.generations, deleted.uploads, deleted.blobs) == (count, count, count, 3 * count)
    assert await kept.files() == set()


async def test_bytes_that_a_running_request_may_have_kept_stay_for_the_sweep(
    kept: Contents, deletion: SqlDeletion
) -> None:
    await kept.generation("g1")
    await kept.generation("g2", key="bob", pictures=(b"picture",), state=State.RUNNING, age_ms=-20_000)
    await kept.keep(b"picture", -30_000)
    assert (await deletion.generation("g1", "ann")).blobs == 2
    assert await kept.ids(blobs) == set()
    assert await kept.files() == {sha256_of(b"picture"), sha256_of(b"signature of g2")}


async def test_deleting_and_keeping_at_once_lose_no_bytes_that_have_a_row(
    kept: Contents, deletion: SqlDeletion
) -> None:
    for turn in range(10):
        await kept.generation(f"g{turn}")

        async def keep_again(turn: int = turn) -> None:
            await kept.generation(f"other{turn}", state=State.RUNNING)
            await kept.keep(b"picture")
            await kept.database.write(lambda connection: None)
            await kept.end(f"other{turn}")
            await kept.generation(f"again{turn}", key="bob", age_ms=-2 * MINUTE_MS)

        await asyncio.gather(deletion.generation(f"g{turn}", "ann"), keep_again())
        assert await kept.ids(blobs) <= await kept.files()
        assert sha256_of(b"picture") in await kept.ids(blobs)


async def test_a_note_that_was_left_behind_goes_first(kept: Contents, deletion: SqlDeletion) -> None:
    await kept.generation("g1")
    await kept.store.note(note_name("g1", 0), b"not one of ours")
    await deletion.generation("g1", "ann")
    assert kept.store.names_of_notes() == ["g1.0"]  # a later version may read it


class BreakingStore(FileStore):
    """Deletes nothing: its process was killed before."""

    def delete(self, sha256: str, *, untouched_since_ms: int | None = None) -> bool:
        raise Failure(Code.STORE_UNAVAILABLE, "The store is away.")


async def test_who_dies_on_the_way_leaves_files_that_the_sweep_removes(kept: Contents, tmp_path: Path) -> None:
    broken = BreakingStore(tmp_path / "store", "p2")
    await kept.generation("g1")
    await kept.upload("up1", key="bob")
    deletion = SqlDeletion(kept.database, broken, SqlLedger(kept.database, "p2"), time.time)
    assert (await refusal(deletion.content("ann", None))).code is Code.STORE_UNAVAILABLE
    broken.close()
    assert await kept.ids(images) == set()
    assert await kept.ids(blobs) == {sha256_of(b"upload")}
    assert len(await kept.files()) == 3
    later_ms = int(time.time() * 1000) + ORPHAN_MS + MINUTE_MS
    assert await sweep(kept.database, kept.store, max_age_ms=None, max_bytes=None, now_ms=later_ms) == 2
    assert await kept.files() == await kept.ids(blobs) == {sha256_of(b"upload")}


async def test_the_books_balance_after_it(kept: Contents, deletion: SqlDeletion) -> None:
    await kept.generation("g1", pictures=(b"a", b"b"))
    await kept.upload("up1")
    before = await kept.database.read(check_books)
    await deletion.image("img_g1_0", "ann")
    await deletion.content("ann", None)
    assert await kept.database.read(check_books) == before


async def test_what_was_deleted_is_not_in_the_files_of_the_database(
    kept: Contents, deletion: SqlDeletion, database: Database
) -> None:
    if not isinstance(database, SqliteDatabase):
        pytest.skip("PostgreSQL overwrites what is deleted when it vacuums")
    for number in range(30):
        await kept.generation(f"g{number}", pictures=(b"%d" % number,), user="vermilionuser")
    await kept.generation("g30", key="bob", user="somebody")
    files = [database.path.with_name(database.path.name + end) for end in ("", "-wal")]

    def content() -> bytes:
        return b"".join(file.read_bytes() for file in files if file.exists())

    assert WORD.encode() in content()
    await deletion.content("ann", None)
    await deletion.generation("g30", "bob")
    for word in (PROMPT, WORD, "vermilion", "dusk", "somebody"):
        assert word.encode() not in content()
