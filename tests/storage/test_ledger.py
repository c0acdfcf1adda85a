"""The ledger: what is reserved is resolved once, budgets hold, and what is asked twice is made once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import (
    Begun,
    Closing,
    Delivery,
    Earlier,
    Ending,
    ImageRow,
    KeyChanged,
    Opening,
    Outcome,
    Resolution,
    State,
    Undecided,
)
from impasto.storage.books import check_books
from impasto.storage.database import Database, database_at
from impasto.storage.group_commit import MAX_BATCH
from impasto.storage.ledger import SqlLedger
from impasto.storage.tables import blobs, images, tags
from tests.storage.till import (
    START,
    Clock,
    Till,
    add_key,
    change_key,
    closing,
    opening,
    set_budget,
    settled,
    unknown,
    void,
)

Result = TypeVar("Result")
TEN_HOLDS = Budget(1000)
DAY = 24 * 3600


@pytest.fixture
def till(database: Database) -> Till:
    clock = Clock()
    return Till(SqlLedger(database, "process", clock), database, clock)


async def refused(till: Till, asked: Opening) -> Failure:
    with pytest.raises(Failure) as caught:
        await till.begin(asked)
    return caught.value


async def test_what_is_settled_is_spent_and_the_rest_comes_free(till: Till) -> None:
    key = await add_key(till.database)
    assert await till.begin(opening("one", key, 100, tags={"team": "blue"})) == Begun()
    assert await till.balance() == Balance(held=100)
    till.clock.seconds += 2
    await till.ledger.close(settled("one", 70))
    assert await till.balance() == Balance(spent=70)
    found = await till.ledger.find("one")
    assert found is not None
    assert (found.state, found.delivery, found.answer) == (State.DONE, Delivery.OPEN, '{"answer": 1}')
    assert (found.tags, found.key_id, found.account_id) == ({"team": "blue"}, "ann", "ann")
    assert (found.created_ms, found.ended_ms) == (int(START * 1000), int(START * 1000) + 2000)
    (call,) = found.calls
    assert (call.reserved_nano, call.outcome, call.cost_nano, call.overrun) == (100, Outcome.SETTLED, 70, False)
    assert await till.database.read(lambda c: c.execute(select(tags)).all()) == [("one", "team", "blue")]


async def test_what_nobody_began_is_not_there(till: Till) -> None:
    assert await till.ledger.find("none") is None
    await till.ledger.close(settled("none"))
    await till.ledger.note_delivery("none", 0, Delivery.LOST)
    assert await till.kinds("none") == []


@pytest.mark.parametrize(
    ("first", "then", "kinds", "state", "balance"),
    [
        (settled("one", 70), settled("one", 90), ["reserved", "settled"], State.DONE, Balance(spent=70)),
        (settled("one", 70), void("one"), ["reserved", "settled"], State.DONE, Balance(spent=70)),
        (settled("one", 70), unknown("one"), ["reserved", "settled"], State.DONE, Balance(spent=70)),
        (void("one"), settled("one", 70), ["reserved", "void"], State.REFUSED, Balance()),
        (unknown("one"), unknown("one"), ["reserved", "unknown"], State.UNKNOWN, Balance(unknown=100)),
        (unknown("one"), settled("one", 70), ["reserved", "unknown", "settled"], State.DONE, Balance(spent=70)),
        (unknown("one"), void("one"), ["reserved", "unknown", "void"], State.REFUSED, Balance()),
    ],
)
async def test_a_call_is_resolved_once_and_an_unknown_outcome_once_more(
    till: Till, first: Closing, then: Closing, kinds: list[str], state: State, balance: Balance
) -> None:
    await till.begin(opening("one", await add_key(till.database), 100))
    await till.ledger.close(first)
    for late in (then, then, settled("one", 99) if len(kinds) == 3 else first):
        await till.ledger.close(late)
    assert await till.kinds("one") == kinds
    assert await till.states() == {"one": state}
    assert await till.balance() == balance


async def test_everything_in_one_batch_is_as_one_after_the_other(till: Till) -> None:
    key = await add_key(till.database, budget=TEN_HOLDS)
    names = [f"g{number}" for number in range(MAX_BATCH + 10)]
    await asyncio.gather(*(till.begin(opening(name, key, 10)) for name in names))
    await asyncio.gather(*(till.ledger.close(done) for name in names for done in (unknown(name), settled(name, 7))))
    assert await till.balance(budget=TEN_HOLDS) == Balance(spent=7 * len(names))
    assert set((await till.states()).values()) == {State.DONE}


async def test_calls_of_one_request_end_one_by_one(till: Till) -> None:
    await till.begin(opening("many", await add_key(till.database), 100, 100, 100))
    for call, outcome in ((2, Outcome.VOID), (0, Outcome.SETTLED)):
        await till.ledger.close(Closing("many", (Resolution(call, outcome, 60),)))
    assert await till.balance() == Balance(held=100, spent=60)
    assert await till.states() == {"many": State.RUNNING}
    await till.ledger.close(Closing("many", (Resolution(1, Outcome.UNKNOWN),), Ending(State.DONE)))
    assert await till.balance() == Balance(unknown=100, spent=60)
    assert await till.database.read(check_books) == []


async def test_what_costs_more_than_was_held_is_posted_whole_and_flagged(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("over", key, 100))
    await till.begin(opening("unpriced", key, None))
    await till.ledger.close(settled("over", 130))
    await till.ledger.close(settled("unpriced", 130))
    assert await till.balance() == Balance(spent=260)
    flags = {}
    for name in ("over", "unpriced"):
        found = await till.ledger.find(name)
        assert found is not None
        flags[name] = found.calls[0].overrun
    assert flags == {"over": True, "unpriced": False}


async def test_money_in_flight_is_told_from_money_spent(till: Till) -> None:
    key = await add_key(till.database, budget=Budget(250))
    await till.begin(opening("one", key, 100))
    await till.begin(opening("two", key, 100))
    held = await refused(till, opening("three", key, 100))
    assert (held.code, held.retry_helps) == (Code.BUDGET_HELD, True)
    assert held.retry_after_seconds
    await till.ledger.close(unknown("one"))
    assert (await refused(till, opening("four", key, 100))).code is Code.BUDGET_HELD
    await till.ledger.close(settled("two", 100))
    spent = await refused(till, opening("five", key, 51))
    assert (spent.code, spent.retry_helps) == (Code.BUDGET_SPENT, False)
    assert await till.begin(opening("six", key, 50)) == Begun()


async def test_what_is_released_in_a_batch_is_reserved_again_in_it(till: Till) -> None:
    key = await add_key(till.database, budget=Budget(100))
    await till.begin(opening("one", key, 100))
    _, begun = await asyncio.gather(till.ledger.close(void("one")), till.begin(opening("two", key, 100)))
    assert begun == Begun()
    assert await till.balance() == Balance(held=100)


async def test_a_period_has_its_own_money_and_late_costs_stay_in_theirs(till: Till) -> None:
    daily = Budget(100, "daily")
    key = await add_key(till.database, budget=daily)
    await till.begin(opening("old", key, 100))
    assert (await refused(till, opening("more", key, 1))).code is Code.BUDGET_HELD
    till.clock.seconds += DAY
    assert await till.begin(opening("new", key, 100)) == Begun()
    await till.ledger.close(settled("old", 90))
    assert await till.balance(budget=daily) == Balance(held=100)
    till.clock.seconds -= DAY
    assert await till.balance(budget=daily) == Balance(spent=90)


async def test_keys_of_an_account_share_its_budget(till: Till) -> None:
    ann = await add_key(till.database, budget=Budget(100))
    bob = await add_key(till.database, "bob", account="ann")
    await till.begin(opening("one", ann, 60))
    assert (await refused(till, opening("two", bob, 60))).code is Code.BUDGET_HELD
    await set_budget(till.database, "ann", Budget(120))
    assert await till.begin(opening("three", bob, 60)) == Begun()


async def test_a_model_without_a_price_is_closed_to_budgets_alone(till: Till) -> None:
    assert (await refused(till, opening("one", await add_key(till.database, budget=TEN_HOLDS), None))).code is (
        Code.NO_PRICE
    )
    assert await till.begin(opening("two", await add_key(till.database, "bob"), None)) == Begun()


async def test_no_more_requests_run_at_once_than_the_key_may_have(till: Till) -> None:
    key = await add_key(till.database, concurrent_requests=2)
    asked = (till.begin(opening(f"g{number}", key)) for number in range(3))
    *_, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(last, Failure)
    assert last.code is Code.TOO_MANY_AT_ONCE
    await till.ledger.close(settled("g0"))
    assert await till.begin(opening("g4", key)) == Begun()


async def test_running_requests_are_counted_without_a_look_at_those_that_ended(till: Till) -> None:
    def plan(connection: Connection) -> str:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            prefix = "EXPLAIN"
        else:
            prefix = "EXPLAIN QUERY PLAN"
        counted = "SELECT count(*) FROM generations WHERE key_id = 'ann' AND state = 'running'"
        return str(connection.execute(text(f"{prefix} {counted}")).all())

    assert "generations_running" in await till.database.read(plan)


async def test_the_key_is_what_it_is_now(till: Till) -> None:
    key = await add_key(till.database, expires_ms=int(START * 1000) + 1)
    assert await till.begin(opening("one", key)) == Begun()
    await change_key(till.database, "ann", concurrent_requests=1)
    changed = await till.begin(opening("two", key))
    assert changed == KeyChanged(replace(key, concurrent_requests=1, version=1))
    till.clock.seconds += 1
    assert "expired on 2026-" in (await refused(till, opening("three", changed.key))).message
    await change_key(till.database, "ann", revoked_ms=1)
    assert (await refused(till, opening("four", key))).code is Code.INVALID_API_KEY
    assert (await refused(till, opening("five", replace(key, id="nobody")))).code is Code.INVALID_API_KEY
    assert await till.states() == {"one": State.RUNNING}


async def test_one_name_stands_for_one_request_for_a_day(till: Till) -> None:
    key, other = await add_key(till.database), await add_key(till.database, "bob")
    assert await till.begin(opening("one", key, body=b"cat", name=b"n")) == Begun()
    assert await till.begin(opening("two", key, body=b"cat", name=b"n")) == Earlier("one")
    reused = await refused(till, opening("three", key, body=b"dog", name=b"n"))
    assert (reused.code, reused.param) == (Code.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
    assert await till.begin(opening("four", other, body=b"dog", name=b"n")) == Begun()
    await till.ledger.close(settled("one"))
    till.clock.seconds += DAY - 1
    assert await till.begin(opening("five", key, body=b"cat", name=b"n")) == Earlier("one")
    till.clock.seconds += 1
    assert await till.begin(opening("six", key, body=b"dog", name=b"n")) == Begun()
    assert await till.begin(opening("seven", key, body=b"dog", name=b"n")) == Earlier("six")


async def test_what_may_only_repeat_is_refused_where_there_is_nothing_to_repeat(till: Till) -> None:
    key = await add_key(till.database)
    gone = Failure(Code.INVALID_IMAGE, "gone")
    late = replace(opening("two", key, body=b"cat", name=b"n"), refusal=gone, holds=())
    assert await refused(till, late) == gone
    assert await till.states() == {}
    assert await till.begin(opening("one", key, body=b"cat", name=b"n")) == Begun()
    assert await till.begin(late) == Earlier("one")
    assert await till.states() == {"one": State.RUNNING}


async def test_a_name_is_free_again_where_nothing_was_spent(till: Till) -> None:
    key = await add_key(till.database, budget=Budget(100))
    assert (await refused(till, opening("dear", key, 101, body=b"cat", name=b"n"))).code is Code.BUDGET_SPENT
    assert await till.begin(opening("one", key, body=b"cat", name=b"n")) == Begun()
    await till.ledger.close(void("one"))
    assert await till.begin(opening("two", key, body=b"dog", name=b"n")) == Begun()
    await till.ledger.close(unknown("two"))
    assert await till.begin(opening("three", key, body=b"dog", name=b"n")) == Earlier("two")


async def test_of_one_name_in_one_batch_one_is_begun(till: Till) -> None:
    key = await add_key(till.database)
    begun = await asyncio.gather(
        *(till.begin(opening(f"g{number}", key, body=b"cat", name=b"n")) for number in range(3)),
        till.begin(opening("dog", key, body=b"dog", name=b"n")),
        return_exceptions=True,
    )
    assert begun[:3] == [Begun(), Earlier("g0"), Earlier("g0")]
    assert isinstance(begun[3], Failure)
    assert begun[3].code is Code.IDEMPOTENCY_KEY_REUSED


async def test_what_was_asked_by_name_is_not_found_by_its_text(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key, body=b"cat", name=b"n"))
    await till.ledger.close(settled("one"))
    assert await till.begin(opening("two", key, body=b"cat", retry="open")) == Begun()
    assert await till.begin(opening("three", key, body=b"cat", name=b"n")) == Earlier("one")


async def test_a_lost_one_is_found_once(till: Till) -> None:
    key, other = await add_key(till.database), await add_key(till.database, "bob")
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.note_delivery("one", 0, Delivery.LOST)
    assert await till.begin(opening("bobs", other, body=b"cat", retry="open")) == Begun()
    assert await till.begin(opening("dog", key, body=b"dog", retry="open")) == Begun()
    assert await till.begin(opening("plain", key, body=b"cat")) == Begun()
    assert await till.begin(opening("again", key, body=b"cat", retry="lost")) == Earlier("one", 1)
    assert await till.begin(opening("more", key, body=b"cat", retry="lost")) == Begun()
    await till.ledger.note_delivery("one", 0, Delivery.DELIVERED)  # by who lost it: that was before
    await till.ledger.note_delivery("one", 1, Delivery.LOST)
    assert await till.begin(opening("third", key, body=b"cat", retry="wait")) == Earlier("one", 2)
    await till.ledger.note_delivery("one", 2, Delivery.DELIVERED)
    await till.ledger.note_delivery("one", 2, Delivery.LOST)
    found = await till.ledger.find("one")
    assert found is not None
    assert found.delivery is Delivery.DELIVERED


async def test_identical_siblings_are_told_apart_by_whose_line_was_lost(till: Till) -> None:
    key = await add_key(till.database)
    for name in ("one", "two", "three"):
        await till.begin(opening(name, key, body=b"cat"))
        till.clock.seconds += 1
    assert await till.begin(opening("a", key, body=b"cat", retry="wait")) == Undecided("one")
    await till.ledger.note_delivery("two", 0, Delivery.LOST)
    assert await till.begin(opening("b", key, body=b"cat", retry="wait")) == Earlier("two", 1)
    assert await till.begin(opening("c", key, body=b"cat", retry="wait")) == Undecided("one")
    again = [await till.begin(opening(name, key, body=b"cat", retry="open")) for name in "def"]
    assert again == [Earlier("one", 1), Earlier("three", 1), Earlier("one", 2)]
    assert await till.balance() == Balance(held=300)


async def test_one_that_was_open_when_its_repeat_came_is_not_made_again(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key, body=b"cat"))
    assert await till.begin(opening("a", key, body=b"cat", retry="wait")) == Undecided("one")
    await till.ledger.note_delivery("one", 0, Delivery.DELIVERED)
    again = replace(opening("a", key, body=b"cat", retry="wait"), was_open="one")
    assert await till.begin(again) == Earlier("one", 1)
    assert await till.begin(opening("b", key, body=b"cat", retry="wait")) == Undecided("one")


async def test_one_that_was_open_and_was_refused_is_made_again(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.close(void("one"))
    await till.ledger.note_delivery("one", 0, Delivery.DELIVERED)
    again = replace(opening("a", key, body=b"cat", retry="wait"), was_open="one")
    assert await till.begin(again) == Begun()


async def test_a_repeat_of_one_that_was_refused_is_made_once(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.close(void("one"))
    await till.ledger.note_delivery("one", 0, Delivery.LOST)
    assert await till.begin(opening("two", key, body=b"cat", retry="wait")) == Begun()
    assert await till.begin(opening("three", key, body=b"cat", retry="wait")) == Undecided("two")


async def test_a_repeat_reaches_back_for_a_day(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.note_delivery("one", 0, Delivery.LOST)
    till.clock.seconds += DAY
    assert await till.begin(opening("two", key, body=b"cat", retry="lost")) == Begun()


async def test_a_repeat_in_the_batch_of_what_it_repeats_is_not_made_again(till: Till) -> None:
    key = await add_key(till.database, budget=Budget(200))
    first, waits, attaches = await asyncio.gather(
        till.begin(opening("one", key, body=b"cat")),
        till.begin(opening("two", key, body=b"cat", retry="wait")),
        till.begin(opening("three", key, body=b"cat", retry="open")),
    )
    assert (first, waits, attaches) == (Begun(), Undecided("one"), Earlier("one", 1))
    assert await till.balance() == Balance(held=100)


async def test_pictures_and_blobs_get_their_rows_once(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key))
    await till.begin(opening("two", key))
    sha = "ab" * 32
    ends = {
        name: Closing(
            name,
            (Resolution(0, Outcome.SETTLED, 70),),
            Ending(State.DONE, None, sha, (ImageRow(f"img_{name}", 0, sha, "image/png", 9, 3, 2),), {sha: 9}),
        )
        for name in ("one", "two")
    }
    await till.ledger.close(ends["one"])
    till.clock.seconds += 60
    for _ in range(2):
        await asyncio.gather(till.ledger.close(ends["one"]), till.ledger.close(ends["two"]))
    rows = await till.database.read(lambda c: c.execute(select(images).order_by(images.c.id)).mappings().all())
    assert [(row["id"], row["generation_id"], row["key_id"], row["width"]) for row in rows] == [
        ("img_one", "one", "ann", 3),
        ("img_two", "two", "ann", 3),
    ]
    kept = await till.database.read(lambda c: c.execute(select(blobs)).all())
    assert kept == [(sha, 9, int(till.clock() * 1000))]


async def test_nothing_is_sent_for_what_has_ended_meanwhile(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database), sent=False))
    await till.ledger.mark_sent("one")
    found = await till.ledger.find("one")
    assert found is not None
    assert found.sent
    await till.ledger.close(void("one"))
    with pytest.raises(Failure) as caught:
        await till.ledger.mark_sent("one")
    assert caught.value.retry_helps


async def test_what_was_sent_meanwhile_is_not_closed_as_unsent(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database), sent=False))
    await till.ledger.mark_sent("one")
    await till.ledger.close(replace(void("one"), unless_sent=True))
    assert await till.states() == {"one": "running"}
    assert (await till.balance()).held == 100


async def test_what_was_not_sent_is_closed_as_unsent(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database), sent=False))
    await till.ledger.close(replace(void("one"), unless_sent=True))
    assert await till.states() == {"one": "refused"}
    assert await till.balance() == Balance()


class BreakingLine:
    """A database whose line breaks at some writes: before they arrive, or after, when nobody hears of it."""

    def __init__(self, database: Database, breaks: list[str]) -> None:
        self._database = database
        self._breaks = breaks
        self.dialect = database.dialect

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        broken = self._breaks.pop(0) if self._breaks else "no"
        if broken != "before":
            result = await self._database.write(change)
            if broken == "no":
                return result
        lost = DBAPIError("COMMIT", None, OSError("the line broke"), connection_invalidated=True)
        raise Failure(Code.LEDGER_UNAVAILABLE, "unavailable") from lost

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        return await self._database.read(query)

    async def close(self) -> None:
        await self._database.close()


def broken_till(database: Database, *breaks: str) -> Till:
    clock = Clock()
    return Till(SqlLedger(BreakingLine(database, list(breaks)), "process", clock), database, clock)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_line_that_breaks_once_is_not_noticed(database: Database, when: str) -> None:
    key = await add_key(database)
    till = broken_till(database, when)
    assert await till.begin(opening("one", key, body=b"cat", name=b"n")) == Begun()
    assert await till.balance() == Balance(held=100)
    till = broken_till(database, when)
    await till.ledger.close(settled("one"))
    assert await till.kinds("one") == ["reserved", "settled"]


@pytest.mark.parametrize("breaks", [("before", "before"), ("after", "after"), ("before", "after"), ("after", "before")])
async def test_what_nobody_knows_to_have_begun_is_taken_back(database: Database, breaks: tuple[str, str]) -> None:
    key = await add_key(database)
    till = broken_till(database, *breaks)
    failure = await refused(till, opening("one", key, body=b"cat", name=b"n"))
    assert failure.code is Code.LEDGER_UNAVAILABLE
    await till.ledger.taken_back()
    assert await till.balance() == Balance()
    assert await till.begin(opening("two", key, body=b"dog", name=b"n")) == Begun()


@pytest.mark.parametrize("breaks", ["before", "after"])
async def test_a_repeat_keeps_what_it_attached_to_when_the_line_breaks(database: Database, breaks: str) -> None:
    key = await add_key(database)
    till = broken_till(database, "no", "no", breaks)
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.note_delivery("one", 0, Delivery.LOST)
    assert await till.begin(opening("two", key, body=b"cat", retry="lost")) == Earlier("one", 1)


@pytest.mark.parametrize("breaks", [("before", "before"), ("after", "after"), ("after", "before")])
async def test_what_a_repeat_attached_to_is_lost_again_when_nobody_hears_of_it(
    database: Database, breaks: tuple[str, str]
) -> None:
    key = await add_key(database)
    till = broken_till(database, "no", "no", *breaks)
    await till.begin(opening("one", key, body=b"cat"))
    await till.ledger.note_delivery("one", 0, Delivery.LOST)
    assert (await refused(till, opening("two", key, body=b"cat", retry="lost"))).code is Code.LEDGER_UNAVAILABLE
    await till.ledger.taken_back()
    again = await till.begin(opening("three", key, body=b"cat", retry="lost"))
    assert isinstance(again, Earlier)
    assert again.generation_id == "one"


async def test_who_leaves_while_beginning_leaves_nothing_behind(till: Till) -> None:
    key = await add_key(till.database, budget=Budget(100))
    leaving = asyncio.create_task(till.begin(opening("one", key, body=b"cat", name=b"n")))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await till.ledger.taken_back()
    assert await till.states() == {"one": State.REFUSED}
    assert await till.begin(opening("two", key, 100, body=b"dog", name=b"n")) == Begun()


async def test_what_the_database_will_never_take_is_not_tried_for_ever(till: Till) -> None:
    await till.begin(opening("one", await add_key(till.database)))
    bad = Closing("one", (), Ending(State.DONE, images=(ImageRow("i", 0, None, "", 1, 1, 1),)))  # type: ignore[arg-type]
    good = settled("one")
    results = await asyncio.gather(till.ledger.close(bad), till.ledger.close(good), return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert not isinstance(results[0], Failure)
    assert results[1] is None
    assert await till.states() == {"one": State.DONE}


async def test_two_processes_wait_for_each_other_and_never_in_a_ring(database_url: str) -> None:
    """Openings and closings of the same accounts in the same batches, from two processes at once."""
    tills = []
    for process in ("one", "two"):
        database = database_at(database_url)
        tills.append(Till(SqlLedger(database, process, Clock()), database, Clock()))
    keys = [await add_key(tills[0].database, name) for name in ("ann", "bob", "cid")]

    async def ask(till: Till, name: str, number: int) -> None:
        for turn in range(5):
            generation_id = f"{name}{number}.{turn}"
            await till.begin(opening(generation_id, keys[(number + turn) % 3], body=b"cat"))
            await till.ledger.note_delivery(generation_id, 0, Delivery.DELIVERED)
            await till.ledger.close(settled(generation_id, 1))

    await asyncio.gather(*(ask(till, name, n) for till, name in zip(tills, "ab", strict=True) for n in range(12)))
    if tills[0].database.dialect == "postgresql":
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert await tills[0].database.read(lambda connection: connection.scalar(deadlocks)) == 0
    assert await tills[1].database.read(check_books) == []
    assert sum([(await tills[0].balance(key.account_id)).spent for key in keys]) == 120
    for till in tills:
        await till.database.close()


async def test_of_64_on_a_budget_of_ten_ten_begin(till: Till) -> None:
    key = await add_key(till.database, budget=TEN_HOLDS)
    asked = (till.begin(opening(f"g{number}", key, 100)) for number in range(64))
    begun = await asyncio.gather(*asked, return_exceptions=True)
    assert begun.count(Begun()) == 10
    refusals = [failure.code for failure in begun if isinstance(failure, Failure)]
    assert refusals == [Code.BUDGET_HELD] * 54


async def test_a_clock_that_jumps_changes_no_balance(till: Till) -> None:
    key = await add_key(till.database)
    await till.begin(opening("one", key))
    for jump in (-3600, 365 * DAY):
        till.clock.seconds = START + jump
        assert await till.balance() == Balance(held=100)
    await till.ledger.close(closing("one", (Outcome.SETTLED, 70), state=State.DONE))
    assert await till.balance() == Balance(spent=70)


async def test_of_64_in_four_processes_ten_begin(database: Database, database_url: str) -> None:
    key = await add_key(database, budget=TEN_HOLDS)
    others = [database_at(database_url) for _ in range(4)]
    ledgers = [SqlLedger(other, f"process{number}", Clock()) for number, other in enumerate(others)]
    asked = (ledgers[number % 4].begin(opening(f"g{number}", key, 100)) for number in range(64))
    begun = await asyncio.gather(*asked, return_exceptions=True)
    assert begun.count(Begun()) == 10
    assert [failure.code for failure in begun if isinstance(failure, Failure)] == [Code.BUDGET_HELD] * 54
    for other in others:
        await other.close()
