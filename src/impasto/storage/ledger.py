"""The ledger: what is reserved, what it came to, and what is left of a budget.

Rule: reserving checks the budget in the same step, under the account's lock, and every amount is
an entry that is only ever added. What is done twice has happened once: the primary key of the
entries sees to that, in every process.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from sqlalchemy import Connection

from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Beginning, Closing, Delivery, Generation, Opening
from impasto.storage import ledger_closing, ledger_opening, ledger_reading
from impasto.storage.database import Database
from impasto.storage.group_commit import GroupCommit
from impasto.storage.ledger_claims import Claims
from impasto.storage.ledger_commands import Delivered, Sent, TakenBack, add_to_balances, note_deliveries, sums_of

RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses before what has to be written is tried again; the last one goes on."""


class SqlLedger:
    """The ledger in `database`, for the process `process`. `now` gives seconds since the epoch.

    `close` comes back only when all is written: while the database is away it goes on trying.
    """

    def __init__(self, database: Database, process: str, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._process = process
        self._now = now
        self._commits = GroupCommit(database, self._apply)
        self._claims = Claims()
        self._taking_back: set[asyncio.Task[None]] = set()

    async def begin(self, opening: Opening) -> Beginning:
        """What became of `opening`. Where nobody will hear it, because the commit may or may not have arrived or the
        caller has gone, whatever was begun or attached to is taken back."""
        begun = self._commits.put(opening)
        try:
            beginning = cast("Beginning", await asyncio.shield(begun))
        except asyncio.CancelledError:
            self._take_back(opening, begun)
            raise
        except Failure as failure:
            if failure.code is Code.LEDGER_UNAVAILABLE:
                self._take_back(opening, begun)
            else:
                self._claims.forget(opening)
            raise
        self._claims.forget(opening)
        return beginning

    async def mark_sent(self, generation_id: str) -> None:
        await self._commits.do(Sent(generation_id))

    async def close(self, closing: Closing) -> None:
        await self._until_written(closing)

    async def note_delivery(self, generation_id: str, claim: int, delivery: Delivery) -> None:
        await self._commits.do(Delivered(generation_id, claim, delivery))

    async def find(self, generation_id: str) -> Generation | None:
        return await self._database.read(lambda connection: ledger_reading.find(connection, generation_id))

    async def flush(self) -> None:
        """Wait until everything that waits is written."""
        await self._commits.flush()

    async def taken_back(self) -> None:
        """Wait until what nobody heard of is taken back: while the database is away, that is long."""
        while self._taking_back:
            await asyncio.wait(self._taking_back)

    def _take_back(self, opening: Opening, begun: asyncio.Future[object]) -> None:
        task = asyncio.create_task(self._take_back_when_done(opening, begun))
        self._taking_back.add(task)
        task.add_done_callback(self._taking_back.discard)

    async def _take_back_when_done(self, opening: Opening, begun: asyncio.Future[object]) -> None:
        await asyncio.wait({begun})
        attached = self._claims.of(opening)
        self._claims.forget(opening)
        await self._until_written(TakenBack(opening, attached))

    async def _until_written(self, command: Closing | TakenBack) -> None:
        attempt = 0
        while True:
            try:
                await self._commits.do(command)
            except Failure as failure:
                if failure.code is not Code.LEDGER_UNAVAILABLE:
                    raise
            else:
                return
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    def _apply(self, connection: Connection, commands: Sequence[object], redone: bool) -> Sequence[object]:
        """Locks are taken in one order in every process, accounts, generations, balances, so that those who write at
        once wait for each other and never in a ring. Closings come before openings: what they release may be
        reserved again."""
        now = self._now()
        results: list[object] = [None] * len(commands)
        openings = [(place, command) for place, command in enumerate(commands) if isinstance(command, Opening)]
        taken_back = [command for command in commands if isinstance(command, TakenBack)]
        asked = [opening for _, opening in openings]
        found = ledger_opening.lock(connection, [*asked, *(each.opening for each in taken_back)])
        for place, command in enumerate(commands):
            if isinstance(command, Sent):
                results[place] = command.apply(connection)
        note_deliveries(connection, _deliveries_of(commands, taken_back))
        entries = ledger_closing.close(connection, _closings_of(commands, taken_back), now)
        if asked:
            begun, reserved = ledger_opening.begin(
                connection, asked, now, self._process, found, sums_of(entries), self._claims, redone=redone
            )
            entries += reserved
            for (place, _), result in zip(openings, begun, strict=True):
                results[place] = result
        add_to_balances(connection, sums_of(entries))
        return results


def _deliveries_of(commands: Sequence[object], taken_back: Sequence[TakenBack]) -> list[Delivered]:
    lost = [Delivered(each.attached.generation_id, each.attached.claim, Delivery.LOST)
            for each in taken_back if each.attached]  # fmt: skip
    return [*(command for command in commands if isinstance(command, Delivered)), *lost]


def _closings_of(commands: Sequence[object], taken_back: Sequence[TakenBack]) -> list[Closing]:
    void = [ledger_closing.voided(each.opening) for each in taken_back]
    return [*(command for command in commands if isinstance(command, Closing)), *void]
