"""Content to delete: generations with pictures, words and signatures, and uploads, as the ledger and the store keep
them."""

import asyncio
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from impasto.domain.ledger import Delivery, State
from impasto.storage.blobs import FileStore
from impasto.storage.database import Database
from impasto.storage.tables import (
    accounts,
    blob_owners,
    blobs,
    entries,
    generations,
    images,
    keys,
    parents,
    prompts,
    tags,
    uploads,
)

PROMPT = "a vermilionlighthouse at dusk"
WORD = "vermilionlighthouse"


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Contents:
    """What is kept in `database` and `store`; `now_ms` is the time of everything."""

    database: Database
    store: FileStore
    now_ms: int

    async def add_key(self, name: str) -> None:
        def write(connection: Connection) -> None:
            connection.execute(insert(accounts), {"id": name, "name": name, "created_ms": 0})
            row = {"id": name, "account_id": name, "name": name, "scopes": "[]", "created_ms": 0}
            connection.execute(insert(keys), row)

        await self.database.write(write)

    async def generation(
        self,
        id_: str,
        key: str = "ann",
        pictures: Sequence[bytes] = (b"picture",),
        state: State = State.DONE,
        *,
        session: str | None = "s",
        user: str | None = None,
        age_ms: int = 0,
        parent: str | None = None,
    ) -> list[str]:
        """A generation of a key, with an answer, a signature and `pictures`; the ids of its pictures."""
        kept = [*pictures, f"signature of {id_}".encode()]
        for content in kept:
            await self.keep(content, age_ms)
        image_ids = [f"img_{id_}_{place}" for place in range(len(pictures))]
        at_ms = self.now_ms - age_ms
        row = {
            "id": id_, "key_id": key, "account_id": key, "model": "m", "state": state, "sent": True, "owner": "p",
            "delivery": Delivery.LOST, "deliverer": "p", "request": "{}", "created_ms": at_ms, "ended_ms": at_ms,
            "request_hash": bytes(32), "session_id": session, "end_user": user,
            "answer": None if state == State.RUNNING else f'{{"said": "{PROMPT}"}}',
        }  # fmt: skip
        entry = {
            "generation_id": id_, "call": 0, "step": 0, "kind": "reserved", "account_id": key, "period": "all",
            "held": 5, "unknown": 0, "spent": 0, "at_ms": at_ms,
        }  # fmt: skip

        def write(connection: Connection) -> None:
            connection.execute(insert(generations), row)
            connection.execute(insert(entries), entry)
            connection.execute(insert(tags), {"generation_id": id_, "name": "env", "value": "prod"})
            if state == State.RUNNING:
                return
            for content in kept:
                _own(connection, content, id_, at_ms)
            for place, (image_id, content) in enumerate(zip(image_ids, pictures, strict=True)):
                connection.execute(insert(images), {
                    "id": image_id, "generation_id": id_, "key_id": key, "choice": 0, "place": place,
                    "sha256": sha256_of(content), "media_type": "image/png", "byte_count": len(content),
                    "created_ms": at_ms,
                })  # fmt: skip
            prompt = {"generation_id": id_, "text": PROMPT, "characters": len(PROMPT), "created_ms": at_ms}
            connection.execute(insert(prompts), prompt)
            if parent:
                of = {"generation_id": id_, "place": 0, "kind": "image", "ref": parent, "sha256": "f" * 64}
                connection.execute(insert(parents), of)

        await self.database.write(write)
        return image_ids

    async def upload(
        self, id_: str, key: str = "ann", content: bytes = b"upload", user: str | None = None, expires_ms: int = 2**50,
        age_ms: int = 0,
    ) -> None:  # fmt: skip
        await self.keep(content, age_ms)
        row = {
            "id": id_, "key_id": key, "sha256": sha256_of(content), "file_name": "me.png", "media_type": "image/png",
            "byte_count": len(content), "purpose": "", "end_user": user, "created_ms": self.now_ms - age_ms,
            "expires_ms": expires_ms,
        }  # fmt: skip

        def write(connection: Connection) -> None:
            connection.execute(insert(uploads), row)
            _own(connection, content, id_, self.now_ms - age_ms)

        await self.database.write(write)

    async def keep(self, content: bytes, age_ms: int = 0) -> str:
        """Bytes that were kept `age_ms` ago, without a row."""
        blob = self.store.open()
        blob.write(content)
        sha256 = await self.store.keep(blob)
        blob.close()
        seconds = (self.now_ms - age_ms) / 1000
        os.utime(self.store._shard(sha256) / sha256, (seconds, seconds))
        return sha256

    async def touch_rows(self, hashes: Collection[str], kept_ms: int) -> None:
        """These were kept again."""
        statement = update(blobs).where(blobs.c.sha256.in_(hashes)).values(kept_ms=kept_ms)
        await self.database.write(lambda connection: connection.execute(statement))

    async def end(self, id_: str) -> None:
        """A generation that ran has ended, without a picture."""
        statement = update(generations).where(generations.c.id == id_).values(state=State.DONE)
        await self.database.write(lambda connection: connection.execute(statement))

    async def rows(self, table: Table) -> list[Mapping[str, Any]]:
        def read(connection: Connection) -> list[Mapping[str, Any]]:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

        return await self.database.read(read)

    async def one(self, table: Table, id_: str) -> Mapping[str, Any]:
        (found,) = [row for row in await self.rows(table) if row["id"] == id_]
        return found

    async def ids(self, table: Table) -> set[str]:
        name = "id" if "id" in table.c else "sha256" if "sha256" in table.c else "generation_id"
        return {row[name] for row in await self.rows(table)}

    async def files(self) -> set[str]:
        return await asyncio.to_thread(lambda: {blob.sha256 for blob in self.store.list_blobs()})


def _own(connection: Connection, content: bytes, owner: str, kept_ms: int) -> None:
    sha256 = sha256_of(content)
    if connection.execute(update(blobs).where(blobs.c.sha256 == sha256).values(kept_ms=kept_ms)).rowcount == 0:
        connection.execute(insert(blobs), {"sha256": sha256, "byte_count": len(content), "kept_ms": kept_ms})
    connection.execute(insert(blob_owners), {"sha256": sha256, "owner": owner})
