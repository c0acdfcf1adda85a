"""What callers uploaded: their rows, and what becomes of the bytes when one of them goes.

Rule: bytes are in the store before their row is written, and go after it, unless somebody else needs
them too.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, insert, select

from impasto.domain.stored_image import Upload
from impasto.storage.blobs import FileStore
from impasto.storage.database import Database
from impasto.storage.images import upload_of
from impasto.storage.ledger_commands import INSERT_INTO, Insert
from impasto.storage.tables import blob_owners, blobs, uploads

BATCH = 200
FILE_CLOCK_SECONDS = 0.02
"""How far the times of files may be behind: a system stamps them with the time of its last tick."""


def _kept_again(statement: Insert) -> Insert:
    return statement.on_conflict_do_update(index_elements=["sha256"], set_={"kept_ms": statement.excluded["kept_ms"]})


_ADD = insert(uploads)
_KEEP_BLOB = {dialect: _kept_again(insert_into(blobs)) for dialect, insert_into in INSERT_INTO.items()}
_ADD_OWNER = insert(blob_owners)
_DELETE = delete(uploads).where(uploads.c.id.in_(bindparam("ids", expanding=True)))
_EXPIRED = (
    select(uploads.c.id)
    .where(uploads.c.expires_ms <= bindparam("now_ms"))
    .order_by(uploads.c.expires_ms)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_OWNED = select(blob_owners.c.sha256).where(blob_owners.c.owner.in_(bindparam("owners", expanding=True))).distinct()
_AMONG: BindParameter[Any] = bindparam("hashes", expanding=True)
# Whoever keeps one of these at the same time writes the same row, and is waited for.
_LOCK = select(blobs.c.sha256).where(blobs.c.sha256.in_(_AMONG)).order_by(blobs.c.sha256).with_for_update()
_DISOWN = delete(blob_owners).where(blob_owners.c.owner.in_(bindparam("owners", expanding=True)))
_STILL_OWNED = select(blob_owners.c.sha256).where(blob_owners.c.sha256.in_(_AMONG)).distinct()
_FORGET = delete(blobs).where(blobs.c.sha256.in_(_AMONG))
_NAMED = select(blobs.c.sha256).where(blobs.c.sha256.in_(_AMONG))


@dataclass(frozen=True, slots=True)
class Swept:
    """How many uploads went, and the hashes of the blobs that nobody needs any more, whose bytes are still there."""

    count: int
    hashes: list[str]


@dataclass(frozen=True, slots=True)
class SqlUploads:
    """Uploads in the database and the store. `now` gives seconds since the epoch."""

    database: Database
    store: FileStore
    now: Callable[[], float]

    async def add(self, upload: Upload) -> None:
        await self.database.write(lambda connection: _add(connection, upload))

    async def page(self, key_id: str, purpose: str | None, *, limit: int, offset: int) -> tuple[int, list[Upload]]:
        shown = [uploads.c.key_id == key_id, uploads.c.expires_ms > self._now_ms()]
        if purpose is not None:
            shown.append(uploads.c.purpose == purpose)
        count = select(func.count()).select_from(uploads).where(*shown)
        newest = select(uploads).where(*shown).order_by(uploads.c.created_ms.desc(), uploads.c.id.desc())

        def look(connection: Connection) -> tuple[int, list[Upload]]:
            rows = connection.execute(newest.limit(limit).offset(offset)).mappings()
            return int(connection.scalar(count) or 0), [upload_of(row) for row in rows]

        return await self.database.read(look)

    async def delete(self, key_id: str | None, ids: Collection[str] | None) -> int:
        which: list[ColumnElement[bool]] = []
        if key_id is not None:
            which.append(uploads.c.key_id == key_id)
        if ids is not None:
            which.append(uploads.c.id.in_(ids))
        now_ms, count = self._now_ms(), 0
        while True:
            found, shown, hashes = await self._delete_batch(which, now_ms)
            count += shown
            if hashes:
                await delete_bytes(self.database, self.store, hashes, self.now)
            if found < BATCH:
                return count

    async def _delete_batch(self, which: Sequence[ColumnElement[bool]], now_ms: int) -> tuple[int, int, list[str]]:
        """How many rows went, how many of them had not expired, and the hashes that nobody needs any more."""
        chosen = select(uploads.c.id, uploads.c.expires_ms).where(*which).order_by(uploads.c.id).limit(BATCH)

        def change(connection: Connection) -> tuple[int, int, list[str]]:
            rows = connection.execute(chosen.with_for_update()).all()
            hashes = _delete(connection, [row.id for row in rows])
            return len(rows), sum(row.expires_ms > now_ms for row in rows), hashes

        return await self.database.write(change)

    def _now_ms(self) -> int:
        return int(self.now() * 1000)


def sweep_uploads(connection: Connection, now_ms: int) -> Swept:
    """Delete a batch of expired uploads; there are more where `BATCH` went."""
    ids = list(connection.scalars(_EXPIRED, {"now_ms": now_ms}))
    return Swept(len(ids), _delete(connection, ids))


def forget_owners(connection: Connection, owners: Sequence[str]) -> list[str]:
    """Nothing is kept for these generations and uploads any more. Deletes their rows of `blob_owners`, and those of
    `blobs` that were there for nobody else, whose hashes it gives: their bytes are to be deleted after the
    transaction. `owners`: some hundreds at most."""
    hashes = list(connection.scalars(_OWNED, {"owners": owners})) if owners else []
    if not hashes:
        return []
    connection.execute(_LOCK, {"hashes": hashes})
    connection.execute(_DISOWN, {"owners": owners})
    still_owned = set(connection.scalars(_STILL_OWNED, {"hashes": hashes}))
    orphans = sorted(sha256 for sha256 in hashes if sha256 not in still_owned)
    if orphans:
        connection.execute(_FORGET, {"hashes": orphans})
    return orphans


async def delete_bytes(database: Database, store: FileStore, hashes: Sequence[str], now: Callable[[], float]) -> None:
    """Delete the bytes of blobs whose rows are gone, unless they were kept again since. Whoever writes a row keeps
    its bytes once more after that: he then either finds that they are gone, or they stay."""
    bound_ms = int(now() * 1000)
    await asyncio.sleep(FILE_CLOCK_SECONDS)
    named = await database.read(lambda connection: set(connection.scalars(_NAMED, {"hashes": list(hashes)})))

    def delete_them() -> None:
        for sha256 in hashes:
            if sha256 not in named:
                store.delete(sha256, untouched_since_ms=bound_ms)

    await asyncio.to_thread(delete_them)


def _add(connection: Connection, upload: Upload) -> None:
    size = upload.dimensions
    connection.execute(
        _ADD,
        {
            "id": upload.id,
            "key_id": upload.key_id,
            "sha256": upload.sha256,
            "file_name": upload.file_name,
            "media_type": upload.media_type,
            "byte_count": upload.byte_count,
            "width": size.width if size else None,
            "height": size.height if size else None,
            "purpose": upload.purpose,
            "end_user": upload.end_user,
            "created_ms": upload.created_ms,
            "expires_ms": upload.expires_ms,
        },
    )
    blob = {"sha256": upload.sha256, "byte_count": upload.byte_count, "kept_ms": upload.created_ms}
    connection.execute(_KEEP_BLOB[connection.dialect.name], blob)
    connection.execute(_ADD_OWNER, {"sha256": upload.sha256, "owner": upload.id})


def _delete(connection: Connection, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    connection.execute(_DELETE, {"ids": ids})
    return forget_owners(connection, ids)
