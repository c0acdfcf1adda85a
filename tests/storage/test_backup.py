"""A backup that is taken while money is written restores to books that balance: `docs/operating.md` says how."""

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from impasto.domain.ledger import Begun
from impasto.storage import schema
from impasto.storage.books import check_books, count_entries
from impasto.storage.database import Database, database_at
from impasto.storage.ledger import SqlLedger
from tests.storage.till import Clock, add_key, opening, settled


def back_up_and_restore(source: str, target: str, folder: Path) -> None:
    """As an operator does it."""
    if source.startswith("sqlite"):
        copied, restored = (make_url(url).database or "" for url in (source, target))
        with closing(sqlite3.connect(copied)) as connection:
            connection.execute("VACUUM INTO ?", (str(folder / "backup.sqlite3"),))
        shutil.copy(folder / "backup.sqlite3", restored)
        return
    file = str(folder / "backup.dump")
    subprocess.run(["pg_dump", "--format=custom", f"--file={file}", source], check=True)
    subprocess.run(["pg_restore", "--exit-on-error", "--no-owner", f"--dbname={target}", file], check=True)


@pytest.mark.slow
async def test_a_backup_under_load_restores_to_books_that_balance(
    database: Database, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    if database.dialect == "postgresql" and not shutil.which("pg_dump"):
        pytest.skip("PostgreSQL's own tools, pg_dump and pg_restore, are not installed")
    key, ledger = await add_key(database), SqlLedger(database, "process", Clock())
    acknowledged: list[str] = []
    under_load, stopping = asyncio.Event(), asyncio.Event()

    async def ask(task: int) -> None:
        number = 0
        while not stopping.is_set():
            generation_id = f"{task}.{number}"
            await ledger.begin(opening(generation_id, key))
            await ledger.close(settled(generation_id))
            acknowledged.append(generation_id)
            number += 1
            if len(acknowledged) > 100:
                under_load.set()

    asking = [asyncio.create_task(ask(task)) for task in range(8)]
    await under_load.wait()
    before = list(acknowledged)
    await asyncio.to_thread(back_up_and_restore, database_url, empty_database_url, tmp_path)
    stopping.set()
    await asyncio.gather(*asking)
    assert await database.read(check_books) == []

    restored = database_at(empty_database_url)
    await schema.prepare(restored)
    assert await restored.read(schema.revision_of) == schema.HEAD
    assert await restored.read(check_books) == []
    assert 200 <= await restored.read(count_entries) <= await database.read(count_entries)
    again = SqlLedger(restored, "another", Clock())
    for generation_id in before:
        found = await again.find(generation_id)
        assert found is not None
        assert found.calls[0].cost_nano == 70
    assert await again.begin(opening("next", key)) == Begun()
    await restored.close()
