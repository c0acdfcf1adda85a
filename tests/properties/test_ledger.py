"""The law of the ledger: whatever happens in whatever order, it says what a plain model of it says.

Two processes share one database. They reserve, settle, give up and learn late; they do things twice, die, and have
their clocks set; budgets change, and keys are revoked.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from impasto.domain.budget import PERIODS, Balance, Budget, period_at
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import (
    Beginning,
    Begun,
    Closing,
    Earlier,
    Ending,
    KeyChanged,
    Opening,
    Outcome,
    Resolution,
    State,
)
from impasto.storage.books import check_books
from impasto.storage.database import Database, database_at
from impasto.storage.ledger import SqlLedger
from impasto.storage.processes import Processes
from impasto.storage.tables import balances, entries, generations
from tests.storage.till import START, Clock, add_key, change_key, opening, set_budget

Result = TypeVar("Result")

DAY = 24 * 3600
JUMPS = (-3600, 1, 3600, DAY, 365 * DAY, -365 * DAY)
HOLDS = st.lists(st.none() | st.integers(0, 120), min_size=1, max_size=3).map(tuple)
BUDGETS = st.builds(Budget, st.none() | st.integers(0, 400), st.sampled_from(PERIODS))
OUTCOMES = st.tuples(st.sampled_from(Outcome), st.none() | st.integers(0, 150))
WHICH = st.integers(0, 10**6)
_examples = itertools.count(1)

Entry = tuple[str, int, int, str, str, str, int, int, int, int | None, bool]


@dataclass(slots=True)
class Account:
    """An account and its one key, as the model and as callers know them."""

    key: VirtualKey
    known: VirtualKey
    budget: Budget = field(default_factory=Budget)
    revoked: bool = False


@dataclass(slots=True)
class Made:
    """A generation in the model."""

    id: str
    account: str
    period: str
    holds: tuple[int | None, ...]
    owner: str
    sent: bool
    state: State = State.RUNNING


@dataclass(slots=True)
class Model:
    """The ledger in plain words. Money is added up from the entries each time, and kept nowhere."""

    accounts: dict[str, Account] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    entries: dict[tuple[str, int, int], Entry] = field(default_factory=dict)
    names: dict[tuple[str, bytes], tuple[bytes | None, str, int]] = field(default_factory=dict)

    def balance(self, account: str, period: str) -> Balance:
        rows = [row for row in self.entries.values() if row[4:6] == (account, period)]
        return Balance(sum(row[6] for row in rows), sum(row[7] for row in rows), sum(row[8] for row in rows))

    def begin(self, asked: Opening, process: str, now: float) -> Beginning | Code:
        account = self.accounts[asked.key.account_id]
        if account.revoked:
            return Code.INVALID_API_KEY
        if asked.key.version != account.key.version:
            return KeyChanged(account.key)
        return (
            self._earlier(asked, now) or self._refusal(account, asked, now) or self._add(account, asked, process, now)
        )

    def _earlier(self, asked: Opening, now: float) -> Beginning | Code | None:
        if asked.idempotency_hash is None:
            return None
        place = (asked.key.id, asked.idempotency_hash)
        body, made, until_ms = self.names.get(place, (None, "", 0))
        if until_ms <= now * 1000 or self.made[made].state is State.REFUSED:
            self.names.pop(place, None)
            return None
        return Earlier(made) if body == asked.request_hash else Code.IDEMPOTENCY_KEY_REUSED

    def _refusal(self, account: Account, asked: Opening, now: float) -> Code | None:
        limit = account.budget.limit_nano
        if limit is None:
            return None
        if None in asked.holds:
            return Code.NO_PRICE
        balance = self.balance(asked.key.account_id, period_at(account.budget.period, now))
        amount = sum(hold or 0 for hold in asked.holds)
        if balance.spent + balance.unknown + amount > limit:
            return Code.BUDGET_SPENT
        return Code.BUDGET_HELD if balance.spent + balance.unknown + balance.held + amount > limit else None

    def _add(self, account: Account, asked: Opening, process: str, now: float) -> Begun:
        period = period_at(account.budget.period, now)
        made = Made(asked.generation_id, asked.key.account_id, period, asked.holds, process, asked.sent)
        self.made[made.id] = made
        for call, hold in enumerate(made.holds):
            self._enter(made, call, 0, "reserved", (hold or 0, 0, 0), hold)
        if asked.idempotency_hash is not None:
            until_ms = int(now * 1000) + DAY * 1000
            self.names[asked.key.id, asked.idempotency_hash] = (asked.request_hash, made.id, until_ms)
        return Begun()

    def close(self, closing: Closing) -> None:
        made = self.made[closing.generation_id]
        for resolution in closing.resolutions:
            self._resolve(made, resolution)
        if closing.ending and made.state in (State.RUNNING, State.UNKNOWN):
            made.state = closing.ending.state

    def _resolve(self, made: Made, resolution: Resolution) -> None:
        call, outcome, cost = resolution.call, resolution.outcome, resolution.cost_nano
        hold = made.holds[call] or 0
        spent = (cost or 0) if outcome is Outcome.SETTLED else 0
        first = self.entries.get((made.id, call, 1))
        if first is None:
            amounts = (-hold, hold if outcome is Outcome.UNKNOWN else 0, spent)
            self._enter(made, call, 1, outcome, amounts, cost)
        elif first[3] == "unknown" and outcome is not Outcome.UNKNOWN and (made.id, call, 2) not in self.entries:
            self._enter(made, call, 2, outcome, (0, -hold, spent), cost)

    def _enter(
        self, made: Made, call: int, step: int, kind: str, amounts: tuple[int, int, int], cost: int | None
    ) -> None:
        held = made.holds[call]
        overrun = step > 0 and held is not None and amounts[2] > held
        self.entries[made.id, call, step] = (
            made.id, call, step, str(kind), made.account, made.period, *amounts, cost, overrun,
        )  # fmt: skip


class Histories(RuleBasedStateMachine):
    """Histories of two processes. All examples share the database, each with accounts of its own."""

    def __init__(self, runner: asyncio.Runner, databases: Sequence[Database]) -> None:
        super().__init__()
        self.runner, self.databases = runner, databases
        self.example, self.number = next(_examples), 0
        self.clock = Clock()
        self.model = Model()
        self.ledgers = [self._process(place) for place in range(len(databases))]
        self.last: Closing | None = None
        self.seen: set[Entry] = set()
        for name in ("ann", "bob"):
            key = self._run(add_key(databases[0], f"{name}{self.example}"))
            self.model.accounts[key.id] = Account(key, key)

    @rule(place=st.integers(0, 1), who=st.integers(0, 1), holds=HOLDS, sent=st.booleans())
    def reserve(self, place: int, who: int, holds: tuple[int | None, ...], sent: bool) -> None:
        self._begin_and_close(place, [self._opening(who, holds, sent=sent)], [])

    @rule(place=st.integers(0, 1), who=st.integers(0, 1), hold=st.integers(0, 120), name=st.sampled_from([b"x", b"y"]),
          body=st.sampled_from([b"cat", b"dog"]))  # fmt: skip
    def reserve_under_a_name(self, place: int, who: int, hold: int, name: bytes, body: bytes) -> None:
        self._begin_and_close(place, [self._opening(who, (hold,), name=name, body=body)], [])

    @precondition(lambda self: self.model.made)
    @rule(place=st.integers(0, 1), which=WHICH, outcomes=st.lists(OUTCOMES, min_size=3, max_size=3))
    def resolve(self, place: int, which: int, outcomes: Sequence[tuple[Outcome, int | None]]) -> None:
        self.last = self._closing(which, outcomes)
        self._begin_and_close(place, [], [self.last])

    @precondition(lambda self: self.last)
    @rule(place=st.integers(0, 1))
    def resolve_again(self, place: int) -> None:
        assert self.last
        self._begin_and_close(place, [], [self.last, self.last])

    @precondition(lambda self: self.model.made)
    @rule(
        place=st.integers(0, 1),
        closings=st.lists(st.tuples(WHICH, st.lists(OUTCOMES, min_size=3, max_size=3)), max_size=4),
        openings=st.lists(st.tuples(st.integers(0, 1), HOLDS, st.sampled_from([None, b"x"])), max_size=6),
    )
    def do_much_at_once(
        self,
        place: int,
        closings: Sequence[tuple[int, Sequence[tuple[Outcome, int | None]]]],
        openings: Sequence[tuple[int, tuple[int | None, ...], bytes | None]],
    ) -> None:
        asked = [self._opening(who, holds, name=name) for who, holds, name in openings]
        self._begin_and_close(place, asked, [self._closing(which, outcomes) for which, outcomes in closings])

    @rule(who=st.integers(0, 1), budget=BUDGETS)
    def change_budget(self, who: int, budget: Budget) -> None:
        account = self._account(who)
        account.budget = budget
        self._run(set_budget(self.databases[0], account.key.account_id, budget))

    @rule(who=st.integers(0, 1), revoked=st.booleans())
    def change_key(self, who: int, revoked: bool) -> None:
        account = self._account(who)
        account.revoked = revoked
        account.key = replace(account.key, version=account.key.version + 1)
        self._run(change_key(self.databases[1], account.key.id, revoked_ms=1 if revoked else None))

    @rule(seconds=st.sampled_from(JUMPS))
    def set_clock(self, seconds: int) -> None:
        self.clock.seconds = max(self.clock.seconds + seconds, START - 2 * 365 * DAY)

    @rule(place=st.integers(0, 1))
    def die(self, place: int) -> None:
        """A process dies; the other one resolves what it was at."""
        dead, other = f"{place}.{self.example}", 1 - place
        watch = Processes(self.databases[other], Path("nowhere"), "watch", self.clock, self.clock)
        left = self._run(watch.left_running(dead))
        running = [made for made in self.model.made.values() if made.owner == dead and made.state is State.RUNNING]
        assert sorted(left) == sorted(made.id for made in running)
        self._begin_and_close(other, [], [self._after_death(made) for made in running])
        self._run(watch.bury(dead))
        self.ledgers[place] = self._process(place)

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        ids = list(self.model.accounts)
        columns = [column for column in entries.c if column.name not in ("model", "facts", "at_ms")]
        rows, sums, states = self._run(
            self.databases[0].read(
                lambda c: (
                    c.execute(select(*columns).where(entries.c.account_id.in_(ids))).all(),
                    c.execute(select(balances).where(balances.c.account_id.in_(ids))).all(),
                    c.execute(
                        select(generations.c.id, generations.c.state).where(generations.c.account_id.in_(ids))
                    ).all(),
                )
            )
        )
        found = {tuple(row) for row in rows}
        assert found >= self.seen, "an entry was changed or is gone"
        self.seen = found
        assert found == set(self.model.entries.values())
        assert dict(tuple(row) for row in states) == {made.id: made.state for made in self.model.made.values()}
        for account, period, *amounts in sums:
            balance = Balance(*amounts)
            assert balance == self.model.balance(account, period)
            assert min(balance.held, balance.unknown, balance.spent) >= 0

    def _begin_and_close(self, place: int, asked: Sequence[Opening], closings: Sequence[Closing]) -> None:
        """All at once, in one process: one batch, in which closings come first."""
        ledger, owner = self.ledgers[place], f"{place}.{self.example}"

        async def do() -> list[object]:
            doing = [*(ledger.close(closing) for closing in closings), *(ledger.begin(opening) for opening in asked)]
            return list(await asyncio.gather(*doing, return_exceptions=True))

        results = self._run(do())
        assert results[: len(closings)] == [None] * len(closings)
        for closing in closings:
            self.model.close(closing)
        for opening_, result in zip(asked, results[len(closings) :], strict=True):
            assert (result.code if isinstance(result, Failure) else result) == self.model.begin(
                opening_, owner, self.clock()
            )
            if isinstance(result, KeyChanged):
                self.model.accounts[opening_.key.account_id].known = result.key
            if isinstance(result, Begun):
                self._check_budget(opening_)

    def _check_budget(self, asked: Opening) -> None:
        """Nothing is reserved above the limit."""
        budget = self.model.accounts[asked.key.account_id].budget
        balance = self.model.balance(asked.key.account_id, period_at(budget.period, self.clock()))
        if budget.limit_nano is not None:
            assert balance.held + balance.unknown + balance.spent <= budget.limit_nano

    def _opening(
        self, who: int, holds: tuple[int | None, ...], *, name: bytes | None = None, body: bytes = b"cat",
        sent: bool = True,
    ) -> Opening:  # fmt: skip
        self.number += 1
        key = self._account(who).known
        return opening(f"{self.example}.{self.number}", key, *holds, name=name, body=body, sent=sent)

    def _closing(self, which: int, outcomes: Sequence[tuple[Outcome, int | None]]) -> Closing:
        """Some or all calls of a generation; its end where these were all."""
        made = list(self.model.made.values())[which % len(self.model.made)]
        count = 1 + which % len(made.holds)
        known = {call for call in range(len(made.holds)) if (made.id, call, 1) in self.model.entries}
        resolutions = tuple(Resolution(call, *outcomes[call]) for call in range(count))
        is_last = len(known | set(range(count))) == len(made.holds)
        return Closing(made.id, resolutions, Ending(_state_after(resolutions)) if is_last else None)

    def _after_death(self, made: Made) -> Closing:
        outcome = Outcome.UNKNOWN if made.sent else Outcome.VOID
        resolutions = tuple(Resolution(call, outcome) for call in range(len(made.holds)))
        return Closing(made.id, resolutions, Ending(_state_after(resolutions)))

    def _account(self, who: int) -> Account:
        return list(self.model.accounts.values())[who]

    def _process(self, place: int) -> SqlLedger:
        return SqlLedger(self.databases[place], f"{place}.{self.example}", self.clock)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)


def _state_after(resolutions: Sequence[Resolution]) -> State:
    outcomes = {resolution.outcome for resolution in resolutions}
    for outcome, state in ((Outcome.SETTLED, State.DONE), (Outcome.UNKNOWN, State.UNKNOWN)):
        if outcome in outcomes:
            return state
    return State.REFUSED


def test_every_history_is_as_in_a_plain_model(database_url: str) -> None:
    usual = settings()
    with asyncio.Runner() as runner:
        databases = [database_at(database_url), database_at(database_url)]
        run_state_machine_as_test(
            lambda: Histories(runner, databases),  # type: ignore[arg-type]
            settings=settings(usual, max_examples=max(1, usual.max_examples * 2 // 5), stateful_step_count=30),
        )
        assert runner.run(databases[0].read(check_books)) == []
        for database in databases:
            runner.run(database.close())
