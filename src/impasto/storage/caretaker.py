"""Looks after what is kept while a process runs: it joins the others, shows that it lives, brings
to an end what dead ones left, and lets go of what is old.

Rule: before a process takes work, all that its forerunners on this machine left is resolved. What
goes wrong later is logged and tried again; it stops no request.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from impasto.domain.errors import Failure
from impasto.domain.retention import Retention
from impasto.storage import schema
from impasto.storage.database import Database
from impasto.storage.keys import ensure_operator
from impasto.storage.ledger import SqlLedger
from impasto.storage.processes import BEAT_SECONDS, Processes
from impasto.storage.recovery import resolve, resolve_noted
from impasto.storage.retention import sweep
from impasto.storage.secret import check_same_secret
from impasto.storage.store import Store

LEAVE_SECONDS = 5.0
SWEEP_SECONDS = 600.0
_log = logging.getLogger("impasto.storage")


@dataclass(slots=True)
class Caretaker:
    """`prepare`d before the first request, `run` beside them, and closed by `leave` after the last."""

    database: Database
    store: Store
    ledger: SqlLedger
    processes: Processes
    secret: bytes
    retention: Retention
    now: Callable[[], float]
    monotonic: Callable[[], float]
    _is_prepared: bool = False
    _unwell: set[str] = field(default_factory=set)
    _swept: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether whatever it did last went well."""
        return self._is_prepared and not self._unwell

    async def prepare(self) -> None:
        """Get ready for the first request. Raises as `prepare_database`."""
        await self.prepare_database()
        await self.processes.join()
        await self.resolve_dead()
        self._is_prepared = True

    async def prepare_database(self) -> None:
        """Raises `Failure` or `SecretError` where the gateway cannot work on this database."""
        await schema.prepare(self.database)
        await check_same_secret(self.database, self.secret)
        await ensure_operator(self.database, self.now())

    async def run(self) -> None:
        """Look after everything until cancelled. No chore waits for another: what is slow is a bucket, or many notes,
        and without a beat the others would take this process for dead, and resolve what it is at."""
        await asyncio.gather(*(self._do_again_and_again(name, chore) for name, chore in self._chores().items()))

    async def look_after(self) -> None:
        """One round of all chores. Whatever goes wrong in it, the next one comes."""
        await asyncio.gather(*(self._do(name, chore) for name, chore in self._chores().items()))

    def _chores(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {"beat": self.processes.beat, "resolve": self.resolve_dead, "sweep": self._sweep_now_and_then}

    async def _do_again_and_again(self, name: str, chore: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._do(name, chore)

    async def _do(self, name: str, chore: Callable[[], Awaitable[None]]) -> None:
        try:
            await chore()
        except Exception as error:
            if name not in self._unwell:
                why = error.logged if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
                _log.error("unwell", extra={"facts": {"chore": name, "why": why}})
            self._unwell.add(name)
        else:
            self._unwell.discard(name)

    async def resolve_dead(self) -> None:
        """Bring to an end what dead processes were at. They are forgotten last: whoever dies meanwhile leaves them to
        the next."""
        dead_ones = await self.processes.dead()
        if dead_ones:
            await resolve_noted(self.ledger, self.store)
        for dead in dead_ones:
            left = await self.processes.left_running(dead)
            for generation_id in left:
                await resolve(generation_id, self.ledger, self.store)
            await asyncio.to_thread(self.store.drop_process, dead)
            await self.processes.bury(dead)
            _log.warning("resolved", extra={"facts": {"process": dead, "generations": len(left)}})

    async def leave(self) -> None:
        """The last request is answered."""
        await self.ledger.flush()
        with suppress(TimeoutError):  # while the database is away it would take for ever: the next start resolves it
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.ledger.taken_back()
        with suppress(Failure):
            await self.processes.leave()
        await asyncio.to_thread(self._close_store)
        await self.database.close()

    def _close_store(self) -> None:
        with suppress(Failure):
            self.store.drop_process(self.processes.id)
        self.store.close()

    async def _sweep_now_and_then(self) -> None:
        at = self.monotonic()
        if self._swept is not None and at - self._swept < SWEEP_SECONDS:
            return
        max_age = self.retention.max_age_seconds
        await sweep(
            self.database,
            self.store,
            max_age_ms=None if max_age is None else max_age * 1000,
            max_bytes=self.retention.max_bytes,
            now_ms=int(self.now() * 1000),
        )
        self._swept = at
