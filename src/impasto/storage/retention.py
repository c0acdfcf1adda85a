"""Lets go of what was kept for long enough: the oldest blobs, and the idempotency keys that have expired.

Rule: a blob's row goes first, in a transaction of its own, and its bytes after that, unless they were
kept again in between. Bytes without a row go when nobody can be about to write the row.
Transactions are short, and wait for nobody but another sweeper: money is written between them.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, func, select, text, update

from impasto.domain.ledger import State
from impasto.storage.database import Database
from impasto.storage.store import ListedBlob, Store
from impasto.storage.tables import blobs, generations, idempotency_keys

FRESH_MS = 15 * 60 * 1000
"""However little room there is: a caller may still be reading what was kept in this time."""
ORPHAN_MS = 60 * 60 * 1000
"""Bytes of this age without a row are those whose process died before it wrote the row."""
BATCH = 200
DELETED_AT_ONCE = 8

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
_DELETE = delete(blobs).where(blobs.c.sha256 == bindparam("b_sha256"))
_ROWS_OF = select(blobs.c.sha256).where(blobs.c.sha256.in_(bindparam("hashes", expanding=True)))
_OLDEST_RUNNING = select(func.min(generations.c.created_ms)).where(generations.c.state == State.RUNNING)
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
        while await database.write(lambda connection: _forget_expired(connection, now_ms)) == BATCH:
            pass
        count = 0
        if max_age_ms is not None:
            while await database.write(lambda connection: _clear_answers(connection, now_ms - max_age_ms)) == BATCH:
                pass
            count += await _let_go_of_old(database, store, now_ms - max_age_ms)
        if max_bytes is not None:
            count += await _make_room(database, store, max_bytes, now_ms - FRESH_MS)
        return count + await _remove_orphans(database, store, now_ms - ORPHAN_MS)


def _clear_answers(connection: Connection, bound_ms: int) -> int:
    """Short answers are in their rows: what was said goes as pictures do. What it cost stays."""
    old = [{"b_id": id_} for id_ in connection.scalars(_OLD_ANSWERS, {"bound_ms": bound_ms})]
    if old:
        connection.execute(_CLEAR_ANSWER, old)
    return len(old)


async def _let_go_of_old(database: Database, store: Store, bound_ms: int) -> int:
    count = 0
    while hashes := await database.write(_forgetting(bound_ms, None)):
        count += await _delete_files(database, store, hashes, bound_ms)
    return count


async def _make_room(database: Database, store: Store, max_bytes: int, bound_ms: int) -> int:
    count = 0
    while hashes := await database.write(_forgetting(bound_ms, max_bytes)):
        count += await _delete_files(database, store, hashes, bound_ms)
    return count


def _forgetting(bound_ms: int, max_bytes: int | None) -> Callable[[Connection], list[str]]:
    """Deletes the oldest rows of those kept until `bound_ms`: a batch, or as many of it as leave `max_bytes`."""

    def forget(connection: Connection) -> list[str]:
        if max_bytes is not None and connection.dialect.name == "postgresql":
            connection.execute(_ONE_AT_A_TIME, {"lock": _LOCK})  # two that see the same sum delete twice as much
        excess = None if max_bytes is None else int(connection.scalar(_BYTES) or 0) - max_bytes
        if excess is not None and excess <= 0:
            return []
        found = [(row.sha256, row.byte_count) for row in connection.execute(_OLDEST, {"bound_ms": bound_ms})]
        gone = found if excess is None else list(_first_worth(found, excess))
        if gone:
            connection.execute(_DELETE, [{"b_sha256": sha256} for sha256, _ in gone])
        return [sha256 for sha256, _ in gone]

    return forget


def _first_worth(found: Sequence[tuple[str, int]], byte_count: int) -> Iterator[tuple[str, int]]:
    for sha256, size in found:
        if byte_count <= 0:
            return
        byte_count -= size
        yield sha256, size


async def _remove_orphans(database: Database, store: Store, bound_ms: int) -> int:
    """A running generation may still need every blob that was kept since it began."""
    oldest_ms = await database.read(lambda connection: connection.scalar(_OLDEST_RUNNING))
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

    def delete_it(sha256: str) -> bool:
        return store.delete(sha256, untouched_since_ms=bound_ms)

    def delete_them() -> int:
        with ThreadPoolExecutor(DELETED_AT_ONCE, "impasto-sweep") as threads:
            return sum(threads.map(delete_it, (sha256 for sha256 in hashes if sha256 not in named)))

    return await asyncio.to_thread(delete_them)


def _forget_expired(connection: Connection, now_ms: int) -> int:
    found = [{"b_key_id": row.key_id, "b_hash": row.hash} for row in connection.execute(_EXPIRED, {"now_ms": now_ms})]
    if found:
        connection.execute(_DELETE_EXPIRED, found)
    return len(found)
