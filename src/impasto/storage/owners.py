"""What each blob is kept for, and the end of those that are kept for nothing.

Rule: a blob's row goes in the transaction that takes its last owner away, and its bytes after that, unless somebody
needs them again: who has a row for them, and a request that runs and may be about to write one.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select

from impasto.domain.ledger import State
from impasto.storage.database import Database
from impasto.storage.store import Store
from impasto.storage.tables import blob_owners, blobs, generations

DELETED_AT_ONCE = 8
CLOCK_MS = 5000
"""How far the times of files, and the clocks of servers, may be apart."""
FILE_CLOCK_SECONDS = 0.02
"""How far the times of files may be behind: a system stamps them with the time of its last tick."""

_AMONG: BindParameter[Any] = bindparam("hashes", expanding=True)
_OWNERS: BindParameter[Any] = bindparam("owners", expanding=True)
_OWNED = select(blob_owners.c.sha256).where(blob_owners.c.owner.in_(_OWNERS)).distinct()
# Whoever keeps one of these at the same time writes the same row, and is waited for.
_LOCK = (
    select(blobs.c.sha256, blobs.c.byte_count)
    .where(blobs.c.sha256.in_(_AMONG))
    .order_by(blobs.c.sha256)
    .with_for_update()
)
_DISOWN = delete(blob_owners).where(blob_owners.c.owner.in_(_OWNERS), blob_owners.c.sha256.in_(_AMONG))
_STILL_OWNED = select(blob_owners.c.sha256).where(blob_owners.c.sha256.in_(_AMONG)).distinct()
_FORGET = delete(blobs).where(blobs.c.sha256.in_(_AMONG))
_NAMED = select(blobs.c.sha256).where(blobs.c.sha256.in_(_AMONG))
OLDEST_RUNNING = select(func.min(generations.c.created_ms)).where(generations.c.state == State.RUNNING)


class Freed(NamedTuple):
    """A blob that is kept for nothing any more; its row is gone, and its bytes are still to go."""

    sha256: str
    byte_count: int


def forget_owners(connection: Connection, owners: Sequence[str], but: Collection[str] = ()) -> list[Freed]:
    """Nothing is kept for these generations and uploads any more, `but` for these hashes. `owners`: some hundreds at
    most. The bytes of what it gives are deleted by `delete_freed`, once the transaction is durable."""
    owned = list(connection.scalars(_OWNED, {"owners": owners})) if owners else []
    hashes = [sha256 for sha256 in owned if sha256 not in but]
    if not hashes:
        return []
    kept = [Freed(row.sha256, row.byte_count) for row in connection.execute(_LOCK, {"hashes": hashes})]
    connection.execute(_DISOWN, {"owners": owners, "hashes": hashes})
    still_owned = set(connection.scalars(_STILL_OWNED, {"hashes": hashes}))
    freed = [blob for blob in kept if blob.sha256 not in still_owned]
    if freed:
        connection.execute(_FORGET, {"hashes": [blob.sha256 for blob in freed]})
    return freed


async def delete_freed(database: Database, store: Store, freed: Sequence[Freed], now: Callable[[], float]) -> int:
    """Delete bytes whose rows are gone; of how many. The sweep takes what has to stay for the moment.

    A running generation may have kept the same bytes, and write the row when it ends. An upload keeps its bytes once
    more when it has its row: it then finds that they are gone, or they stay.
    """
    if not freed:
        return 0
    hashes, bound_ms = [blob.sha256 for blob in freed], int(now() * 1000)
    await asyncio.sleep(FILE_CLOCK_SECONDS)

    def look(connection: Connection) -> tuple[int | None, set[str]]:
        oldest_ms = connection.scalar(OLDEST_RUNNING)
        return oldest_ms, set(connection.scalars(_NAMED, {"hashes": hashes}))

    oldest_ms, named = await database.read(look)
    bound_ms = bound_ms if oldest_ms is None else min(bound_ms, oldest_ms - CLOCK_MS)
    return await delete_untouched(store, [sha256 for sha256 in hashes if sha256 not in named], bound_ms)


async def delete_untouched(store: Store, hashes: Collection[str], bound_ms: int) -> int:
    """Delete bytes that were not kept again after `bound_ms`; of how many nothing is left."""

    def delete_it(sha256: str) -> bool:
        return store.delete(sha256, untouched_since_ms=bound_ms)

    def delete_them() -> int:
        with ThreadPoolExecutor(DELETED_AT_ONCE, "impasto-deletes") as threads:
            return sum(threads.map(delete_it, hashes))

    return await asyncio.to_thread(delete_them) if hashes else 0
