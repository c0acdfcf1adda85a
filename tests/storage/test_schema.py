"""The schema: up, down and up again; one of a newer version is used as it is; entries stay as they are."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from impasto.domain.errors import Code, Failure
from impasto.storage import schema
from impasto.storage.database import Database, database_at
from impasto.storage.ledger import SqlLedger
from impasto.storage.tables import metadata
from tests.storage.till import Clock, add_key, opening, settled

PREPARE = """
import asyncio, sys
from impasto.storage.database import database_at
from impasto.storage.schema import prepare
asyncio.run(prepare(database_at(sys.argv[1])))
"""


SEARCH_INDEX, SEARCH_COLUMN = "prompts_by_words", "words"
SEARCH_TABLES = {"prompts_search", *(f"prompts_search_{name}" for name in ("config", "data", "docsize", "idx"))}
"""What the full-text search of each database brings along: SQLAlchemy has no words for it."""


def names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def is_ours(_: object, name: str | None, kind: str, is_found: bool, __: object) -> bool:
    """Whether a thing in the database is one that the tables of this package speak of."""
    brought = {"table": SEARCH_TABLES, "index": {SEARCH_INDEX}, "column": {SEARCH_COLUMN}}
    return not is_found or name not in brought.get(kind, set())


def wanted(database: Database) -> set[str]:
    return set(metadata.tables) | (SEARCH_TABLES if database.dialect == "sqlite" else set())


async def test_up_and_down_and_up_again(empty_database_url: str) -> None:
    database = database_at(empty_database_url)
    assert await database.read(schema.revision_of) is None
    for _ in range(2):
        await schema.prepare(database)
        assert await database.read(names) == wanted(database)
        assert await database.read(schema.revision_of) == schema.HEAD
        await SqlLedger(database, "process", Clock()).begin(opening("one", await add_key(database)))
        await database.write(lambda connection: schema.migrate(connection, "base"))
        assert await database.read(names) == set()
    await database.close()


async def test_what_the_tables_say_is_what_the_steps_make(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        return list(
            compare_metadata(MigrationContext.configure(connection, opts={"include_object": is_ours}), metadata)
        )

    assert await database.write(differences) == []


async def test_the_words_of_prompts_have_an_index(database: Database) -> None:
    statement = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE name = 'prompts_search'",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE indexname = 'prompts_by_words'",
    }[database.dialect]
    made = {"sqlite": "USING fts5", "postgresql": "USING gin"}[database.dialect]
    found = await database.read(lambda connection: connection.scalar(text(statement)))
    assert made in str(found)


async def test_a_newer_schema_is_used_as_it_is(database: Database) -> None:
    await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await schema.prepare(database)
    assert await database.read(schema.revision_of) == "9999"
    await SqlLedger(database, "process", Clock()).begin(opening("one", await add_key(database)))


async def test_of_many_processes_that_start_one_makes_the_tables(empty_database_url: str) -> None:
    command = [sys.executable, "-c", PREPARE, empty_database_url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]  # noqa: ASYNC220
    for process in started:
        _, errors = await asyncio.to_thread(process.communicate)
        assert (process.returncode, errors) == (0, "")
    database = database_at(empty_database_url)
    assert await database.read(names) == wanted(database)
    assert await database.read(lambda c: c.scalar(text("SELECT count(*) FROM alembic_version"))) == 1
    await database.close()


@pytest.mark.parametrize("statement", ["UPDATE entries SET spent = 0", "DELETE FROM entries"])
async def test_no_entry_is_changed_or_taken_away(database: Database, statement: str) -> None:
    ledger = SqlLedger(database, "process", Clock())
    await ledger.begin(opening("one", await add_key(database)))
    await ledger.close(settled("one"))
    with pytest.raises(Failure) as caught:
        await database.write(lambda connection: connection.execute(text(statement)))
    assert caught.value.code is Code.LEDGER_UNAVAILABLE
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert "only ever added" in str(caught.value.__cause__)
    found = await ledger.find("one")
    assert found is not None
    assert found.calls[0].cost_nano == 70


async def test_a_file_that_is_no_database_is_said_to_be_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "no.sqlite3"
    path.write_bytes(b"this is no database at all, whatever its name says" * 100)
    database = database_at(f"sqlite:///{path}")
    with pytest.raises(Failure) as caught:
        await schema.prepare(database)
    assert caught.value.code is Code.LEDGER_UNAVAILABLE
    path.unlink()
    await schema.prepare(database)
    await database.close()
