"""What callers uploaded: their rows, and what becomes of the bytes when one of them goes.

Rule: bytes are in the store before their row is written, and go after it, unless somebody else needs
them too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from impasto.domain.errors import Code, Failure
from impasto.domain.stored_image import Upload
from impasto.storage.database import Database, clear_log
from impasto.storage.images import upload_of
from impasto.storage.ledger_commands import INSERT_INTO, Insert
from impasto.storage.owners import Freed, delete_freed, forget_owners
from impasto.storage.store import Store
from impasto.storage.tables import blob_owners, blobs, parents, uploads

BATCH = 200


def _kept_again(statement: Insert) -> Insert:
    return statement.on_conflict_do_update(index_elements=["sha256"], set_={"kept_ms": statement.excluded["kept_ms"]})


MOST_BYTES_OF_A_KEY = 2 * 10**9
"""Of uploads that have not expired, so that nobody's uploads drive out everybody's pictures."""

_ADD = insert(uploads)
_HELD = select(func.sum(uploads.c.byte_count)).where(
    uploads.c.key_id == bindparam("key_id"), uploads.c.expires_ms > bindparam("now_ms")
)
_KEEP_BLOB = {dialect: _kept_again(insert_into(blobs)) for dialect, insert_into in INSERT_INTO.items()}
_ADD_OWNER = insert(blob_owners)
_DELETE = delete(uploads).where(uploads.c.id.in_(bindparam("ids", expanding=True)))
# A picture was made from one of these: that it was stays, what it was of goes.
_BLANK_PARENTS = (
    update(parents).where(parents.c.ref.in_(bindparam("ids", expanding=True)), parents.c.sha256 != "").values(sha256="")
)
_EXPIRED = (
    select(uploads.c.id)
    .where(uploads.c.expires_ms <= bindparam("now_ms"))
    .order_by(uploads.c.expires_ms)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many uploads went, and the blobs that were kept for nothing else, whose bytes `delete_freed` deletes."""

    count: int
    freed: list[Freed]


@dataclass(frozen=True, slots=True)
class SqlUploads:
    """Uploads in the database and the store. `now` gives seconds since the epoch."""

    database: Database
    store: Store
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
            found, shown, freed = await self._delete_batch(which, now_ms)
            count += shown
            await delete_freed(self.database, self.store, freed, self.now)
            if found < BATCH:
                break
        if count:
            await clear_log(self.database)
        return count

    async def _delete_batch(self, which: Sequence[ColumnElement[bool]], now_ms: int) -> tuple[int, int, list[Freed]]:
        """How many rows went, how many of them had not expired, and the blobs that are kept for nothing else."""
        chosen = select(uploads.c.id, uploads.c.expires_ms).where(*which).order_by(uploads.c.id).limit(BATCH)

        def change(connection: Connection) -> tuple[int, int, list[Freed]]:
            rows = connection.execute(chosen.with_for_update()).all()
            freed = delete_uploads(connection, [row.id for row in rows])
            return len(rows), sum(row.expires_ms > now_ms for row in rows), freed

        return await self.database.write(change)

    def _now_ms(self) -> int:
        return int(self.now() * 1000)


def sweep_uploads(connection: Connection, now_ms: int) -> Swept:
    """Delete a batch of expired uploads; there are more where `BATCH` went. That pictures were made from them stays."""
    ids = list(connection.scalars(_EXPIRED, {"now_ms": now_ms}))
    return Swept(len(ids), _delete(connection, ids))


def delete_uploads(connection: Connection, ids: Sequence[str]) -> list[Freed]:
    """Delete uploads, some hundreds at most, on request: no hash of them stays either."""
    if ids:
        connection.execute(_BLANK_PARENTS, {"ids": ids})
    return _delete(connection, ids)


def _add(connection: Connection, upload: Upload) -> None:
    held = int(connection.scalar(_HELD, {"key_id": upload.key_id, "now_ms": upload.created_ms}) or 0)
    if held + upload.byte_count > MOST_BYTES_OF_A_KEY:
        raise Failure(
            Code.BODY_TOO_LARGE,
            f"The uploads of this key hold {held / 1e9:.2f} GB, and this one would take them above "
            f"{MOST_BYTES_OF_A_KEY / 1e9:.0f} GB. Delete some: POST /v3/upload/delete.",
            param="file",
        )
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


def _delete(connection: Connection, ids: Sequence[str]) -> list[Freed]:
    if not ids:
        return []
    freed = forget_owners(connection, ids)
    connection.execute(_DELETE, {"ids": ids})
    return freed
