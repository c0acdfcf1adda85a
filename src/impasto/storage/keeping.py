"""All that is kept, put together: the database, the store, the ledger, the keys, and who looks after them.

Rule: made without touching anything; opened before the first request and closed after the last.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from impasto.completions.ports import Ledger
from impasto.domain.keys import VirtualKey, secret_from
from impasto.domain.retention import Retention
from impasto.domain.spending import BudgetState, Group, Question, Totals
from impasto.storage.caretaker import Caretaker
from impasto.storage.database import Database, database_at
from impasto.storage.deletion import SqlDeletion
from impasto.storage.gallery import SqlGallery
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.keys import SqlKeys, hashing_key_of
from impasto.storage.ledger import SqlLedger
from impasto.storage.lineage import SqlLineage
from impasto.storage.processes import Processes
from impasto.storage.store import Store
from impasto.storage.totals import totals_of
from impasto.storage.uploads import SqlUploads
from impasto.storage.usage import budget_state_of, spending_of

PROCESSES_FOLDER = "processes"


@dataclass(frozen=True, slots=True)
class Keeping:
    """One process's hold on what its gateway keeps."""

    database: Database
    store: Store
    ledger: Ledger
    gallery: SqlGallery
    lineage: SqlLineage
    keys: SqlKeys
    register: SqlKeyRegister
    uploads: SqlUploads
    deletion: SqlDeletion
    caretaker: Caretaker
    secret: bytes = field(repr=False)

    @classmethod
    def at(
        cls,
        database_url: str,
        open_store: Callable[[str], Store],
        data: Path,
        secret: bytes,
        fixed_keys: Mapping[str, VirtualKey],
        retention: Retention,
    ) -> Self:
        """What is kept in this database and this store, which is opened by the name of a process; `data` is this
        machine's own. Raises `DatabaseUrlError`."""
        process = f"p-{os.urandom(8).hex()}"
        database = database_at(database_url)
        store = open_store(process)
        ledger = SqlLedger(database, process, time.time)
        hashing_key = hashing_key_of(secret)
        keys = SqlKeys(database, hashing_key, fixed_keys, time.time)
        register = SqlKeyRegister(database, hashing_key, time.time, _new_secret, _new_id, keys.forget)
        processes = Processes(database, data / PROCESSES_FOLDER, process, time.time, time.monotonic)
        caretaker = Caretaker(database, store, ledger, processes, secret, retention, time.time, time.monotonic)
        gallery = SqlGallery(database, time.time)
        uploads = SqlUploads(database, store, time.time)
        deletion = SqlDeletion(database, store, ledger, time.time)
        lineage = SqlLineage(database)
        return cls(database, store, ledger, gallery, lineage, keys, register, uploads, deletion, caretaker, secret)

    async def open(self) -> "asyncio.Task[None]":
        """Get ready for the first request; the task looks after everything until it is cancelled."""
        await self.caretaker.prepare()
        return asyncio.create_task(self.caretaker.run())

    async def close(self) -> None:
        """Nothing more is asked."""
        await self.caretaker.leave()

    async def budget_of(self, account_id: str) -> BudgetState | None:
        """What is left to an account, or `None` where it has no budget."""
        return await self.database.read(lambda connection: budget_state_of(connection, account_id, time.time()))

    async def spending_of(self, question: Question) -> list[Group]:
        """What was spent."""
        return await self.database.read(lambda connection: spending_of(connection, question))

    async def totals_of(self) -> Totals:
        """What the ledger comes to, all in all."""
        return await self.database.read(totals_of)


def _new_secret() -> str:
    return secret_from(os.urandom(32))


def _new_id() -> str:
    return os.urandom(16).hex()
