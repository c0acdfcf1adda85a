"""What was spent, on both databases: grouped, bounded, and the same however it is told apart."""

from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Outcome
from impasto.domain.receipt import facts_of
from impasto.domain.spending import Group, Question, Spending
from impasto.domain.usage import Usage
from impasto.storage.database import Database
from impasto.storage.tables import accounts, balances
from impasto.storage.usage import budget_state_of, spending_of
from tests.fakes.books import COST_NANO, RESERVED_NANO, Made, keep, open_books

EVERYTHING = Question()
ACCOUNTS = {"key-1": "acc-1", "key-2": "acc-1", "key-3": "acc-2"}
BOOKS = (
    Made("g1", tags={"env": "prod", "client": "acme"}),
    Made("g2", day="2026-11-21", model="google/other", tags={"env": "test"}, pictures=3),
    Made("g3", "key-2", calls=(Outcome.SETTLED, Outcome.VOID, Outcome.UNKNOWN), tags={"env": "prod"}),
    Made("g4", "key-3", calls=(None,), pictures=0),
    Made("g5", "key-3", cost_nano=None, facts=facts_of(Usage(input_text_tokens=2**31), None, "unknown"), pictures=0),
    Made("g6", "key-3", calls=((Outcome.UNKNOWN, Outcome.SETTLED),), overrun=True, day="2026-11-20"),
    Made("g7", "key-3", calls=((Outcome.UNKNOWN, Outcome.VOID),), pictures=0, day="2026-11-20"),
)


async def answer(database: Database, question: Question = EVERYTHING, *made: Made) -> list[Group]:
    def write(connection: Connection) -> None:
        open_books(connection, ACCOUNTS)
        keep(connection, ACCOUNTS, *(made or BOOKS))

    await database.write(write)
    return await database.read(partial(spending_of, question=question))


def spent(groups: list[Group]) -> dict[tuple[str, ...], int]:
    return {tuple(group.place.values()): group.spending.spent_nano for group in groups}


async def test_everything_is_summed_once(database: Database) -> None:
    [whole] = await answer(database)
    assert whole.place == {}
    assert whole.spending == Spending(
        requests=7, pictures=6, calls=9, spent_nano=4 * COST_NANO, held_nano=RESERVED_NANO,
        unknown_nano=RESERVED_NANO, unknown_calls=1, overruns=1, unpriced=1,
        tokens={
            "input_text_tokens": 4 * 5 + 2**31, "input_image_tokens": 0, "output_text_tokens": 4 * 453,
            "output_image_tokens": 4 * 1120, "thought_tokens": 0, "cached_tokens": 0,
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    "by", [("day",), ("key",), ("model",), ("account",), ("generation",), ("tag:env",), ("day", "key", "tag:client")]
)
async def test_groups_add_up_to_the_whole(database: Database, by: tuple[str, ...]) -> None:
    groups = await answer(database, Question(by))
    [whole] = await database.read(partial(spending_of, question=Question()))
    assert sum((group.spending for group in groups), Spending()) == whole.spending
    assert groups == sorted(groups, key=lambda group: tuple(group.place.values()))


async def test_a_group_says_what_it_is_of(database: Database) -> None:
    groups = await answer(database, Question(("day", "key", "tag:env")))
    assert [dict(group.place) for group in groups][-3:] == [
        {"day": "2026-11-22", "key": "key-1", "key_name": "name of key-1", "tag:env": "prod"},
        {"day": "2026-11-22", "key": "key-2", "key_name": "name of key-2", "tag:env": "prod"},
        {"day": "2026-11-22", "key": "key-3", "key_name": "name of key-3", "tag:env": ""},
    ]
    [first, *_] = await database.read(partial(spending_of, question=Question(("account", "model"))))
    assert dict(first.place) == {"account": "acc-1", "account_name": "name of acc-1", "model": "google/other"}


@pytest.mark.parametrize(
    ("question", "requests"),
    [
        (Question(since=date(2026, 11, 22)), 4),
        (Question(until=date(2026, 11, 21)), 3),
        (Question(since=date(2026, 11, 21), until=date(2026, 11, 21)), 1),
        (Question(since=date.min, until=date.max), 7),
        (Question(account_id="acc-1"), 3),
        (Question(key="key-2"), 1),
        (Question(key="name of key-3"), 4),
        (Question(model="google/other"), 1),
        (Question(tag=("env", "prod")), 2),
        (Question(tag=("env", "prod' OR '1'='1")), 0),
        (Question(only_unknown=True), 1),
        (Question(account_id="acc-1", key="key-3"), 0),
    ],
)
async def test_filters_bound_what_is_counted(database: Database, question: Question, requests: int) -> None:
    [whole] = await answer(database, question)
    assert whole.spending.requests == requests
    groups = await database.read(partial(spending_of, question=replace(question, by=("day", "tag:env"))))
    assert sum(group.spending.requests for group in groups) == requests


async def test_unknown_outcomes_are_listed_with_what_they_hold(database: Database) -> None:
    [group] = await answer(database, Question(("generation", "key"), only_unknown=True))
    assert (group.place["generation"], group.place["key_name"]) == ("g3", "name of key-2")
    assert (group.spending.unknown_nano, group.spending.unknown_calls) == (RESERVED_NANO, 1)


async def test_a_day_is_one_of_utc_and_a_generation_counts_when_it_began(database: Database) -> None:
    groups = await answer(database, Question(("day",)))
    assert spent(groups) == {("2026-11-20",): COST_NANO, ("2026-11-21",): COST_NANO, ("2026-11-22",): 2 * COST_NANO}


async def test_a_tag_called_like_a_column_is_only_a_tag(database: Database) -> None:
    made = Made("g1", tags={"day": "x", "tag:y": "z"})
    groups = await answer(database, Question(("tag:day", "tag:tag:y", "tag:none")), made)
    assert [dict(group.place) for group in groups] == [{"tag:day": "x", "tag:tag:y": "z", "tag:none": ""}]


async def test_too_many_rows_are_refused(database: Database) -> None:
    by_generation = Question(("generation",))
    await answer(database, by_generation)
    with pytest.raises(Failure) as caught:
        await database.read(partial(spending_of, question=by_generation, most=6))
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, "group_by")
    assert len(await database.read(partial(spending_of, question=by_generation, most=7))) == 7


async def test_empty_books_have_nothing(database: Database) -> None:
    assert await database.read(partial(spending_of, question=Question(("day",)))) == []


async def test_the_state_of_a_budget_is_that_of_the_running_period(database: Database) -> None:
    def write(connection: Connection) -> None:
        rows: list[dict[str, Any]] = [
            {"id": "acc-1", "name": "a", "budget_nano": 10**9, "budget_period": "daily", "created_ms": 0},
            {"id": "acc-2", "name": "b", "budget_nano": None, "budget_period": "none", "created_ms": 0},
        ]
        connection.execute(insert(accounts), rows)
        connection.execute(insert(balances).values(account_id="acc-1", period="2026-11-22", held=1, unknown=2, spent=3))

    await database.write(write)
    noon = 1_795_348_800.0
    state = await database.read(lambda connection: budget_state_of(connection, "acc-1", noon))
    assert state is not None
    assert (state.budget, state.balance) == (Budget(10**9, "daily"), Balance(1, 2, 3))
    assert state.resets_at == noon + 43_200
    tomorrow = await database.read(lambda connection: budget_state_of(connection, "acc-1", noon + 86_400))
    assert tomorrow is not None
    assert tomorrow.balance == Balance()
    for account in ("acc-2", "acc-3"):
        assert await database.read(partial(budget_state_of, account_id=account, now=noon)) is None
