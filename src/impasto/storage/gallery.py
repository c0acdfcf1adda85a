"""Finds the pictures that requests cite, or bring back.

Rule: each question is a statement or a few on an index, and as quick when a picture was made a hundred thousand
times as when it was made once.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, select, union_all

from impasto.domain.stored_image import StoredImage, Upload
from impasto.storage.database import Database
from impasto.storage.images import image_of, upload_of
from impasto.storage.tables import generations, images, uploads

BATCH = 64
"""How many are looked for at once: databases bound the parameters of a statement, and callers do not."""
RECENT = 100
"""Of a conversation, the pictures of its last requests are looked at: of requests that ran side by side the one that
began last may have ended first."""

_IMAGES = select(images).where(images.c.id.in_(bindparam("ids", expanding=True)))
_UPLOADS = select(uploads).where(
    uploads.c.id.in_(bindparam("ids", expanding=True)),
    uploads.c.key_id == bindparam("key_id"),
    uploads.c.expires_ms > bindparam("now_ms"),
)
_LAST_FIRST = (images.c.created_ms.desc(), images.c.choice.desc(), images.c.place.desc())


def _latest() -> Select[Any]:
    recent = (
        select(images, generations.c.created_ms.label("begun_ms"))
        .select_from(generations.join(images, images.c.generation_id == generations.c.id))
        .where(
            generations.c.key_id == bindparam("key_id"),
            generations.c.session_id == bindparam("session_id"),
            images.c.gone_ms.is_(None),
        )
        .order_by(generations.c.created_ms.desc())
        .limit(RECENT)
        .subquery()
    )
    of = recent.c
    last_first = (of.created_ms.desc(), of.begun_ms.desc(), of.generation_id, of.choice.desc(), of.place.desc())
    return select(recent).order_by(*last_first).limit(1)


_LATEST = _latest()


@dataclass(frozen=True, slots=True)
class SqlGallery:
    """The gallery in the database. `now` is in seconds since the epoch."""

    database: Database
    now: Callable[[], float] = time.time

    async def images(self, ids: Collection[str]) -> dict[str, StoredImage]:
        found = await self._found(_IMAGES, ids)
        return {image.id: image for image in map(image_of, found)}

    async def recognised(self, key_id: str, hashes: Collection[str]) -> dict[str, StoredImage]:
        def look(connection: Connection) -> Iterator[RowMapping]:
            for batch in _batches(hashes):
                # Filled up with what is looked for anyway, so that there are few statements, and each is built once.
                width = 1 << (len(batch) - 1).bit_length()
                of = {f"sha256_{index}": batch[index % len(batch)] for index in range(width)}
                yield from connection.execute(_newest_of(width), {**of, "key_id": key_id}).mappings()

        found = await self.database.read(lambda connection: list(look(connection))) if hashes else []
        return {image.sha256: image for image in map(image_of, found)}

    async def latest(self, key_id: str, session_id: str) -> StoredImage | None:
        of = {"key_id": key_id, "session_id": session_id}
        row = await self.database.read(lambda connection: connection.execute(_LATEST, of).mappings().first())
        return None if row is None else image_of(row)

    async def uploads(self, key_id: str, ids: Collection[str]) -> dict[str, Upload]:
        found = await self._found(_UPLOADS, ids, key_id=key_id, now_ms=int(self.now() * 1000))
        return {upload.id: upload for upload in map(upload_of, found)}

    async def _found(self, statement: Select[Any], ids: Collection[str], **of: object) -> list[RowMapping]:
        def look(connection: Connection) -> Iterator[RowMapping]:
            for batch in _batches(ids):
                yield from connection.execute(statement, {"ids": batch, **of}).mappings()

        return await self.database.read(lambda connection: list(look(connection))) if ids else []


def _batches(names: Collection[str]) -> Iterator[list[str]]:
    """Those that can be ids or hashes: a text that a database has no place for names nothing."""
    possible = (name for name in names if name.isascii() and name.isprintable())
    while batch := list(islice(possible, BATCH)):
        yield batch


@cache
def _newest_of(count: int) -> Any:
    """The newest picture of each of `count` hashes: a walk along the index for each, which ends at the first."""
    return union_all(
        *(
            select(
                select(images)
                .where(
                    images.c.sha256 == bindparam(f"sha256_{index}"),
                    images.c.key_id == bindparam("key_id"),
                    images.c.gone_ms.is_(None),
                )
                .order_by(*_LAST_FIRST)
                .limit(1)
                .subquery()
            )
            for index in range(count)
        )
    )
