"""Lets go of what was kept for long enough: the oldest blobs, prompts, expired uploads and idempotency keys.

Rule: a blob's row goes first, in a transaction of its own, and its bytes after that, unless they were
kept again in between. Bytes without a row go when nobody can be about to write the row. Rows of pictures stay,
and say that the bytes are gone; what an unexpired upload needs goes for want of room, and not for its age.
Transactions are short, and wait for nobody but another sweeper: money is written between them.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, exists, func, select, text, update

from impasto.storage.database import Database, clear_log
from impasto.storage.owners import OLDEST_RUNNING, delete_freed, delete_untouched
from impasto.storage.search import forget_deleted_words
from impasto.storage.store import ListedBlob, Store
from impasto.storage.tables import blob_owners, blobs, generations, idempotency_keys, images, prompts, uploads
from impasto.storage.uploads import BATCH as UPLOADS_AT_ONCE
from impasto.storage.uploads import sweep_uploads

FRESH_MS = 15 * 60 * 1000
"""However little room there is: a caller may still be reading what was kept in this time."""
ORPHAN_MS = 60 * 60 * 1000
"""Bytes of this age without a row are those whose process died before it wrote the row."""
BATCH = 200

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:lock)")
_LOCK = 0x73776565  # "swee"; any number that nobody else uses
_BYTES = select(func.coalesce(func.sum(blobs.c.byte_count), 0))
# A row that somebody else holds is skipped: it is being kept again, and to wait for it could be a deadlock.
_OLDEST = (
    select(blobs.c.sha256, blobs.c.byte_count)
    .where(blobs.c.kept_ms <= bindparam("bound_ms"))
    .order_by(blobs.c.kept_ms)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_IS_UPLOADED = exists().where(
    blob_owners.c.sha256 == blobs.c.sha256,
    uploads.c.id == blob_owners.c.owner,
    uploads.c.expires_ms > bindparam("now_ms"),
)
_OLDEST_NOT_UPLOADED = _OLDEST.where(~_IS_UPLOADED)
_AMONG: BindParameter[Any] = bindparam("hashes", expanding=True)
_ROWS_OF = select(blobs.c.sha256).where(blobs.c.sha256.in_(_AMONG))
_DELETE = [delete(table).where(table.c.sha256.in_(_AMONG)) for table in (blobs, blob_owners)]
_GONE = (
    update(images).where(images.c.sha256.in_(_AMONG), images.c.gone_ms.is_(None)).values(gone_ms=bindparam("now_ms"))
)
_MADE_ALSO = images.alias("made_also")
_DELETE_PROMPTS_OF = delete(prompts).where(
    prompts.c.generation_id.in_(select(images.c.generation_id).where(images.c.sha256.in_(_AMONG))),
    ~exists().where(_MADE_ALSO.c.generation_id == prompts.c.generation_id, _MADE_ALSO.c.gone_ms.is_(None)),
)
_OLD_PROMPTS = (
    select(prompts.c.number)
    .where(prompts.c.created_ms <= bindparam("bound_ms"))
    .order_by(prompts.c.created_ms)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_DELETE_PROMPTS = delete(prompts).where(prompts.c.number.in_(bindparam("numbers", expanding=True)))
_DELETE_UPLOADS = delete(uploads).where(
    uploads.c.sha256.in_(_AMONG), ~exists().where(blobs.c.sha256 == uploads.c.sha256)
)
_EXPIRED = (
    select(idempotency_keys.c.key_id, idempotency_keys.c.hash)
    .where(idempotency_keys.c.expires_ms <= bindparam("now_ms"))
    .order_by(idempotency_keys.c.expires_ms)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_OLD_ANSWERS = (
    select(generations.c.id)
    .where(generations.c.answer.is_not(None), generations.c.ended_ms <= bindparam("bound_ms"))
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_CLEAR_ANSWER = update(generations).where(generations.c.id == bindparam("b_id")).values(answer=None)
_DELETE_EXPIRED = delete(idempotency_keys).where(
    idempotency_keys.c.key_id == bindparam("b_key_id"), idempotency_keys.c.hash == bindparam("b_hash")
)


async def sweep(database: Database, store: Store, *, max_age_ms: int | None, max_bytes: int | None, now_ms: int) -> int:
    """Let go of blobs older than `max_age_ms`, then of the oldest until all come to `max_bytes`; how many files went.

    Does nothing while another process on this machine sweeps; those of other machines may. What the last run of the
    gateway left open is to be resolved before the first sweep. Raises `ledger_unavailable` and `store_unavailable`; the
    next sweep goes on from there.
    """
    with store.only_sweeper() as is_only:
        if not is_only:
            return 0
        await _all_of(database, partial(_forget_expired, now_ms=now_ms))
        count = await _let_go_of_uploads(database, store, now_ms)
        if max_age_ms is not None:
            await _all_of(database, partial(_clear_answers, bound_ms=now_ms - max_age_ms))
            if await _all_of(database, partial(_forget_prompts, bound_ms=now_ms - max_age_ms)):
                await forget_deleted_words(database)
            count += await _let_go_of_old(database, store, now_ms - max_age_ms, now_ms)
        if max_bytes is not None:
            count += await _make_room(database, store, max_bytes, now_ms)
        count += await _remove_orphans(database, store, now_ms - ORPHAN_MS)
        await clear_log(database)
        return count


async def _all_of(database: Database, forget: Callable[[Connection], int]) -> int:
    """Batch after batch, each a transaction; how many went."""
    count = found = await database.write(forget)
    while found == BATCH:
        count += (found := await database.write(forget))
    return count


def _clear_answers(connection: Connection, bound_ms: int) -> int:
    """Short answers are in their rows: what was said goes as pictures do. What it cost stays."""
    old = [{"b_id": id_} for id_ in connection.scalars(_OLD_ANSWERS, {"bound_ms": bound_ms})]
    if old:
        connection.execute(_CLEAR_ANSWER, old)
    return len(old)


def _forget_prompts(connection: Connection, bound_ms: int) -> int:
    old = list(connection.scalars(_OLD_PROMPTS, {"bound_ms": bound_ms}))
    if old:
        connection.execute(_DELETE_PROMPTS, {"numbers": old})
    return len(old)


async def _let_go_of_uploads(database: Database, store: Store, now_ms: int) -> int:
    """Those that have expired."""
    count = 0
    while True:
        swept = await database.write(partial(sweep_uploads, now_ms=now_ms))
        count += await delete_freed(database, store, swept.freed, lambda: now_ms / 1000)
        if swept.count < UPLOADS_AT_ONCE:
            return count


async def _let_go_of_old(database: Database, store: Store, bound_ms: int, now_ms: int) -> int:
    count = 0
    while hashes := await database.write(_forgetting(bound_ms, None, now_ms)):
        count += await _delete_files(database, store, hashes, bound_ms)
    return count


async def _make_room(database: Database, store: Store, max_bytes: int, now_ms: int) -> int:
    count, bound_ms = 0, now_ms - FRESH_MS
    while hashes := await database.write(_forgetting(bound_ms, max_bytes, now_ms)):
        # Not in the same step: who deletes uploads has locked them before their blobs.
        await database.write(partial(_forget_uploads, hashes=hashes))
        count += await _delete_files(database, store, hashes, bound_ms)
    return count


def _forget_uploads(connection: Connection, hashes: Sequence[str]) -> None:
    """Uploads whose bytes were let go."""
    connection.execute(_DELETE_UPLOADS, {"hashes": hashes})


def _forgetting(bound_ms: int, max_bytes: int | None, now_ms: int) -> Callable[[Connection], list[str]]:
    """Lets go of the oldest blobs of those kept until `bound_ms`: a batch, or as many of it as leave `max_bytes`."""
    oldest = _OLDEST_NOT_UPLOADED if max_bytes is None else _OLDEST

    def forget(connection: Connection) -> list[str]:
        if max_bytes is not None and connection.dialect.name == "postgresql":
            connection.execute(_ONE_AT_A_TIME, {"lock": _LOCK})  # two that see the same sum delete twice as much
        excess = None if max_bytes is None else int(connection.scalar(_BYTES) or 0) - max_bytes
        if excess is not None and excess <= 0:
            return []
        rows = connection.execute(oldest, {"bound_ms": bound_ms, "now_ms": now_ms})
        found = [(row.sha256, row.byte_count) for row in rows]
        gone = [sha256 for sha256, _ in (found if excess is None else _first_worth(found, excess))]
        if gone:
            _let_go(connection, gone, now_ms)
        return gone

    return forget


def _let_go(connection: Connection, hashes: Sequence[str], now_ms: int) -> None:
    """The rows of blobs, and what hangs on them. What pictures were, and from what, stays; what was asked for does
    not stay longer than what was made of it."""
    for statement in _DELETE:
        connection.execute(statement, {"hashes": hashes})
    connection.execute(_GONE, {"hashes": hashes, "now_ms": now_ms})
    connection.execute(_DELETE_PROMPTS_OF, {"hashes": hashes})


def _first_worth(found: Sequence[tuple[str, int]], byte_count: int) -> Iterator[tuple[str, int]]:
    for sha256, size in found:
        if byte_count <= 0:
            return
        byte_count -= size
        yield sha256, size


async def _remove_orphans(database: Database, store: Store, bound_ms: int) -> int:
    """A running generation may still need every blob that was kept since it began."""
    oldest_ms = await database.read(lambda connection: connection.scalar(OLDEST_RUNNING))
    bound_ms = bound_ms if oldest_ms is None else min(bound_ms, oldest_ms)
    listed = _untouched(store, bound_ms)
    count = 0
    while batch := await asyncio.to_thread(_next_batch, listed):
        count += await _delete_files(database, store, [blob.sha256 for blob in batch], bound_ms)
    return count


def _untouched(store: Store, bound_ms: int) -> Iterator[ListedBlob]:
    """Those not kept again since. On the way, of each blob all copies but the newest go."""
    for blob in store.list_blobs():
        if blob.copies > 1:
            store.delete(blob.sha256, untouched_since_ms=blob.touched_ms - 1)
        if blob.touched_ms <= bound_ms:
            yield blob


def _next_batch(listed: Iterator[ListedBlob]) -> list[ListedBlob]:
    return list(islice(listed, BATCH))


async def _delete_files(database: Database, store: Store, hashes: Sequence[str], bound_ms: int) -> int:
    """Delete bytes that no row names and that were not kept again after `bound_ms`; their row may follow any moment."""
    named = await database.read(lambda connection: set(connection.scalars(_ROWS_OF, {"hashes": list(hashes)})))
    return await delete_untouched(store, [sha256 for sha256 in hashes if sha256 not in named], bound_ms)


def _forget_expired(connection: Connection, now_ms: int) -> int:
    found = [{"b_key_id": row.key_id, "b_hash": row.hash} for row in connection.execute(_EXPIRED, {"now_ms": now_ms})]
    if found:
        connection.execute(_DELETE_EXPIRED, found)
    return len(found)
