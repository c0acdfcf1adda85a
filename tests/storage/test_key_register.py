"""The register: changes at once lose nothing, and what is refused has changed nothing."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection

from impasto.completions.ports import KeyRegister
from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure
from impasto.domain.key_records import KeyTerms
from impasto.domain.keys import secret_from
from impasto.domain.retention import Keeps
from impasto.storage.database import Database
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.tables import accounts, keys

NOW = 1_790_000_000.0


def register_of(database: Database) -> KeyRegister:
    secrets = (secret_from(number.to_bytes(32)) for number in range(1, 1000))
    ids = map(str, range(1, 1000))
    return SqlKeyRegister(database, b"hashing", lambda: NOW, lambda: next(secrets), lambda: next(ids))


async def test_changes_at_once_are_all_made(database: Database) -> None:
    register = register_of(database)
    made = await register.create(KeyTerms("one", budget=Budget(0), requests_per_minute=1))

    def raised(terms: KeyTerms) -> KeyTerms:
        budget = Budget((terms.budget.limit_nano or 0) + 1)
        return replace(terms, budget=budget, requests_per_minute=(terms.requests_per_minute or 0) + 1)

    changing = [register.change(made.record.id, raised) for _ in range(20)]
    rotating = [register.rotate(made.record.id, lambda _: None) for _ in range(5)]
    await asyncio.gather(*changing, *rotating)
    record = await register.record(made.record.id)
    assert record.terms == replace(made.record.terms, budget=Budget(20), requests_per_minute=21)
    assert record.version == 25


async def test_what_is_refused_has_changed_nothing(database: Database) -> None:
    register = register_of(database)
    made = await register.create(KeyTerms("one"))

    def refuse(_: KeyTerms) -> KeyTerms:
        raise Failure(Code.NOT_ALLOWED, "no")

    def check(terms: KeyTerms) -> None:
        refuse(terms)

    with pytest.raises(Failure, match=r"^no$"):
        await register.change(made.record.id, refuse)
    with pytest.raises(Failure, match=r"^no$"):
        await register.rotate(made.record.id, check)
    assert await register.record(made.record.id) == made.record


async def test_a_key_for_an_account_that_is_not_there_makes_nothing(database: Database) -> None:
    register = register_of(database)
    for account_id in ("acct_9", "' OR '1'='1", "\x00"):
        with pytest.raises(Failure, match="There is no account") as refused:
            await register.create(KeyTerms("one"), account_id)
        assert refused.value.code is Code.NOT_FOUND

    def count(connection: Connection) -> int:
        return len(connection.execute(keys.select()).all()) + len(connection.execute(accounts.select()).all())

    assert await database.read(count) == 0


async def test_a_new_key_has_spent_nothing(database: Database) -> None:
    made = await register_of(database).create(KeyTerms("one", budget=Budget(5, "daily")))
    assert made.record.period.name == "2026-09-21"
    assert made.record.period.end == NOW - NOW % 86400 + 86400
    assert made.record.period.balance == Balance()


async def test_what_may_be_kept_is_changed_and_found_again(database: Database) -> None:
    register = register_of(database)
    made = await register.create(KeyTerms("one", retention=Keeps.NONE))
    for keeps in (Keeps.NONE, Keeps.PICTURES, Keeps.ALL):
        changed = await register.change(made.record.id, partial(replace, retention=keeps))
        assert changed.terms.retention is (await register.record(made.record.id)).terms.retention is keeps
    kept = await database.read(lambda connection: connection.execute(keys.select()).mappings().one()["retention"])
    assert kept is None
