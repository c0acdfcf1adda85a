"""Deletion on request: of a picture, of a generation, of all that a key or an end user left.

Rule: content goes, rows, files and traces of them; what was spent stays, and so do tags, by which it is counted. Each
batch is a transaction, so that money is written between them, and the files go after it: whoever dies on the way leaves
files without rows, which the sweep removes, and never a row without its file.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from impasto.domain.deletion import Deleted
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import State
from impasto.storage.database import Database, clear_log
from impasto.storage.ledger import SqlLedger
from impasto.storage.owners import Freed, delete_freed, forget_owners
from impasto.storage.recovery import resolve_noted
from impasto.storage.search import forget_deleted_words
from impasto.storage.store import Store
from impasto.storage.tables import blob_owners, generations, images, keys, parents, prompts, uploads
from impasto.storage.uploads import delete_uploads

BATCH = 200

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_IS_CONTENT = or_(
    *(
        column.is_not(None)
        for column in (
            generations.c.answer,
            generations.c.answer_sha256,
            generations.c.session_id,
            generations.c.end_user,
            generations.c.request_hash,
        )
    ),
    *(exists().where(table.c.generation_id == generations.c.id) for table in (images, prompts, parents)),
    exists().where(blob_owners.c.owner == generations.c.id),
)
# Locked in the order in which closings lock them.
_LOCK_ENDED = (
    select(generations.c.id)
    .where(generations.c.id.in_(_IDS), generations.c.state != State.RUNNING, _IS_CONTENT)
    .order_by(generations.c.id)
    .with_for_update()
)
_LOCK_ONE = select(generations.c.key_id, generations.c.state).where(generations.c.id == bindparam("id"))
_IMAGE = select(images.c.generation_id, images.c.key_id).where(images.c.id == bindparam("id"))
_OTHER_HASHES = select(images.c.sha256).where(
    images.c.generation_id == bindparam("generation_id"), images.c.id != bindparam("id"), images.c.gone_ms.is_(None)
)
_IMAGES_OF = select(images.c.id).where(images.c.generation_id.in_(_IDS))
_EMPTY_ANSWER = update(generations).where(generations.c.id.in_(_IDS)).values(answer=None, answer_sha256=None)
_EMPTY = _EMPTY_ANSWER.values(session_id=None, end_user=None, request_hash=None)
# Another picture was made from one of these: that it was stays, what it was of goes.
_BLANK_PARENTS = update(parents).where(parents.c.ref.in_(_IDS), parents.c.sha256 != "").values(sha256="")
_DELETE_IMAGES = delete(images).where(images.c.id.in_(_IDS))
_DELETE_WORDS = [delete(table).where(table.c.generation_id.in_(_IDS)) for table in (prompts, parents)]
_KEY = select(keys.c.id).where(keys.c.id == bindparam("id"))

Batch = tuple[Deleted, list[Freed]]


@dataclass(frozen=True, slots=True)
class SqlDeletion:
    """Deletes from the database and the store. `now` gives seconds since the epoch.

    `key_id` is whose content it may be; `None`: anybody's. Doing it again deletes nothing more. Raises
    `ledger_unavailable` and `store_unavailable`; to ask again goes on from there.
    """

    database: Database
    store: Store
    ledger: SqlLedger
    now: Callable[[], float]

    async def image(self, image_id: str, key_id: str | None) -> Deleted:
        """Delete a picture, and with it the answer that it was in, for that cannot be given again without it. Other
        pictures of that answer stay as pictures. Raises `not_found`."""
        return await self._at_once(lambda connection: _delete_image(connection, image_id, key_id))

    async def generation(self, generation_id: str, key_id: str | None) -> Deleted:
        """Delete what is kept of a generation. Raises `not_found` and `still_running`."""

        def change(connection: Connection) -> Batch:
            found = connection.execute(_LOCK_ONE.with_for_update(), {"id": generation_id}).first()
            if found is None or key_id not in (None, found.key_id):
                raise _no("generation", generation_id)
            if found.state == State.RUNNING:
                raise _still_running(generation_id)
            return _delete_ended(connection, [generation_id])

        return await self._at_once(change)

    async def content(self, key_id: str | None, end_user: str | None) -> Deleted:
        """Delete all that a key left, or an end user of it, or an end user of any key. Raises `not_found` for a key
        that is not there."""
        if key_id is None and end_user is None:
            raise ValueError("whose?")
        if key_id is not None and await self.database.read(lambda connection: not _has_key(connection, key_id)):
            raise _no("key", key_id)
        await resolve_noted(self.ledger, self.store)
        whose = [_is(generations, key_id, end_user), _is(uploads, key_id, end_user)]
        deleted = await self._generations(whose[0]) + await self._uploads(whose[1])
        await self._leave_no_trace()
        return deleted

    async def _at_once(self, change: Callable[[Connection], Batch]) -> Deleted:
        await resolve_noted(self.ledger, self.store)
        deleted = await self._done(change)
        await self._leave_no_trace()
        return deleted

    async def _generations(self, whose: ColumnElement[bool]) -> Deleted:
        deleted, after = Deleted(), (-1, "")
        while True:
            found = await self.database.read(partial(_page_of, whose=whose, after=after))
            if not found:
                break
            ids, after = [id_ for _, id_ in found], found[-1]
            deleted += await self._done(partial(_delete_ended, ids=ids))
        running = select(func.count()).select_from(generations).where(whose, generations.c.state == State.RUNNING)
        return deleted + Deleted(still_running=await self.database.read(lambda c: c.scalar(running) or 0))

    async def _uploads(self, whose: ColumnElement[bool]) -> Deleted:
        chosen = select(uploads.c.id).where(whose).order_by(uploads.c.id).limit(BATCH).with_for_update()
        deleted = Deleted()
        while True:
            batch = await self._done(lambda connection: _delete_uploads(connection, chosen))
            deleted += batch
            if batch.uploads < BATCH:
                return deleted

    async def _done(self, change: Callable[[Connection], Batch]) -> Deleted:
        deleted, freed = await self.database.write(change)
        await delete_freed(self.database, self.store, freed, self.now)
        return deleted + Deleted(blobs=len(freed), byte_count=sum(blob.byte_count for blob in freed))

    async def _leave_no_trace(self) -> None:
        await forget_deleted_words(self.database)
        await clear_log(self.database)


def _is(table: Any, key_id: str | None, end_user: str | None) -> ColumnElement[bool]:
    said = ((table.c.key_id, key_id), (table.c.end_user, end_user))
    return and_(*(column == value for column, value in said if value is not None))


def _page_of(connection: Connection, whose: ColumnElement[bool], after: tuple[int, str]) -> list[tuple[int, str]]:
    """Ended generations with content, as time and id, the next batch of them in this order."""
    place = (generations.c.created_ms, generations.c.id)
    chosen: Select[Any] = (
        select(*place)
        .where(whose, generations.c.state != State.RUNNING, _IS_CONTENT, tuple_(*place) > tuple_(*after))
        .order_by(*place)
        .limit(BATCH)
    )
    return [(row.created_ms, row.id) for row in connection.execute(chosen)]


def _delete_ended(connection: Connection, ids: Sequence[str]) -> Batch:
    """Delete all content of those of these generations that have ended."""
    ended = list(connection.scalars(_LOCK_ENDED, {"ids": ids}))
    if not ended:
        return Deleted(), []
    freed = forget_owners(connection, ended)
    image_ids = list(connection.scalars(_IMAGES_OF, {"ids": ended}))
    _delete_rows(connection, ended, image_ids)
    return Deleted(images=len(image_ids), generations=len(ended)), freed


def _delete_image(connection: Connection, image_id: str, key_id: str | None) -> Batch:
    found = connection.execute(_IMAGE, {"id": image_id}).first()
    if found is None or key_id not in (None, found.key_id):
        raise _no("picture", image_id)
    generation_id = found.generation_id
    connection.execute(_LOCK_ONE.with_for_update(), {"id": generation_id}).one()
    others = set(connection.scalars(_OTHER_HASHES, {"generation_id": generation_id, "id": image_id}))
    freed = forget_owners(connection, [generation_id], but=others)
    if others:
        _delete_images(connection, [image_id])
        connection.execute(_EMPTY_ANSWER, {"ids": [generation_id]})
    else:
        _delete_rows(connection, [generation_id], [image_id])
    return Deleted(images=1, generations=0 if others else 1), freed


def _delete_uploads(connection: Connection, chosen: Select[Any]) -> Batch:
    ids = list(connection.scalars(chosen))
    return Deleted(uploads=len(ids)), delete_uploads(connection, ids)


def _delete_rows(connection: Connection, generation_ids: Collection[str], image_ids: Collection[str]) -> None:
    """The rows of pictures, and what there is beside them of their generations."""
    _delete_images(connection, image_ids)
    for statement in _DELETE_WORDS:
        connection.execute(statement, {"ids": generation_ids})
    connection.execute(_EMPTY, {"ids": generation_ids})


def _delete_images(connection: Connection, image_ids: Collection[str]) -> None:
    if image_ids:
        # In this order: who ends just now with a picture that was made from one of these holds its row until he has.
        connection.execute(_DELETE_IMAGES, {"ids": image_ids})
        connection.execute(_BLANK_PARENTS, {"ids": image_ids})


def _has_key(connection: Connection, key_id: str) -> bool:
    return connection.execute(_KEY, {"id": key_id}).first() is not None


def _no(what: str, asked: str) -> Failure:
    return Failure(Code.NOT_FOUND, f'There is no {what} "{asked}".')


def _still_running(generation_id: str) -> Failure:
    return Failure(
        Code.STILL_RUNNING, f"The generation {generation_id} still runs. Delete it when it has ended.", retry_helps=True
    )
