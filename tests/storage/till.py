"""What a test of the ledger needs: a clock, accounts with keys, and requests of a few cents."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from impasto.domain.budget import Balance, Budget, period_at
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Beginning, Closing, Ending, Opening, Outcome, Resolution, RetryReach, State
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.tables import accounts, balances, entries, generations, keys

START = 1_795_000_000.0
"""A moment in November 2026."""

UNLIMITED = Budget()


class Clock:
    """Seconds since the epoch, as a test sets them."""

    def __init__(self, seconds: float = START) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


async def add_key(
    database: Database, name: str = "ann", budget: Budget = UNLIMITED, *, account: str | None = None,
    concurrent_requests: int | None = None, expires_ms: int | None = None,
) -> VirtualKey:  # fmt: skip
    """A key `name` of the account of the same name, or of one that is there."""
    row = {
        "id": name, "name": name, "account_id": account or name, "scopes": json.dumps(["generate"]),
        "concurrent_requests": concurrent_requests, "expires_ms": expires_ms, "created_ms": 0,
    }  # fmt: skip

    def add(connection: Connection) -> None:
        if account is None:
            columns = {"budget_nano": budget.limit_nano, "budget_period": budget.period}
            connection.execute(insert(accounts), {"id": name, "name": name, "created_ms": 0} | columns)
        connection.execute(insert(keys), row)

    await database.write(add)
    return VirtualKey(
        name, frozenset({"generate"}), id=name, account_id=account or name, concurrent_requests=concurrent_requests,
        expires_ms=expires_ms,
    )  # fmt: skip


async def change_key(database: Database, name: str, **columns: object) -> None:
    statement = update(keys).where(keys.c.id == name).values(version=keys.c.version + 1, **columns)
    await database.write(lambda connection: connection.execute(statement))


async def set_budget(database: Database, account: str, budget: Budget) -> None:
    columns = {"budget_nano": budget.limit_nano, "budget_period": budget.period}
    await database.write(
        lambda connection: connection.execute(update(accounts).where(accounts.c.id == account).values(columns))
    )


def opening(
    generation_id: str, key: VirtualKey, *holds: int | None, body: bytes | None = None, name: bytes | None = None,
    retry: RetryReach | None = None, tags: Mapping[str, str] | None = None, sent: bool = True,
) -> Opening:  # fmt: skip
    """A request; `body` and `name` stand for the hashes of its text and of its Idempotency-Key."""
    return Opening(
        generation_id, key, "google/painter", holds or (100,), "{}", sent, body and body.ljust(32),
        name and name.ljust(32), retry, tags or {},
    )  # fmt: skip


def settled(generation_id: str, *costs: int | None, state: State = State.DONE) -> Closing:
    return closing(generation_id, *((Outcome.SETTLED, cost) for cost in costs or (70,)), state=state)


def void(generation_id: str, state: State = State.REFUSED) -> Closing:
    return closing(generation_id, (Outcome.VOID, None), state=state)


def unknown(generation_id: str) -> Closing:
    return closing(generation_id, (Outcome.UNKNOWN, None), state=State.UNKNOWN)


def closing(generation_id: str, *outcomes: tuple[Outcome, int | None], state: State) -> Closing:
    resolutions = (Resolution(call, outcome, cost, "google/painter") for call, (outcome, cost) in enumerate(outcomes))
    return Closing(generation_id, tuple(resolutions), Ending(state, '{"answer": 1}'))


@dataclass(frozen=True, slots=True)
class Till:
    """A ledger, its database and its clock."""

    ledger: SqlLedger
    database: Database
    clock: Clock

    async def begin(self, asked: Opening) -> Beginning:
        return await self.ledger.begin(asked)

    async def balance(self, account: str = "ann", budget: Budget = UNLIMITED) -> Balance:
        """What the account's balance is, which is what its entries add up to."""
        period = period_at(budget.period, self.clock())
        kept = select(balances.c.held, balances.c.unknown, balances.c.spent).where(
            balances.c.account_id == account, balances.c.period == period
        )
        added = select(entries.c.held, entries.c.unknown, entries.c.spent).where(
            entries.c.account_id == account, entries.c.period == period
        )

        def read(connection: Connection) -> tuple[Balance, Balance]:
            total = Balance()
            for entry in connection.execute(added):
                total += Balance(*entry)
            row = connection.execute(kept).first()
            return Balance(*row) if row else Balance(), total

        balance, total = await self.database.read(read)
        assert balance == total
        return balance

    async def kinds(self, generation_id: str) -> list[str]:
        """The entries of a generation, in their order."""
        statement = select(entries.c.kind).where(entries.c.generation_id == generation_id)
        ordered = statement.order_by(entries.c.call, entries.c.step)
        return await self.database.read(lambda connection: list(connection.scalars(ordered)))

    async def states(self) -> dict[str, str]:
        statement = select(generations.c.id, generations.c.state)
        return await self.database.read(lambda connection: dict(connection.execute(statement).all()))
