"""Processes that hammer one account at once never get above its budget, and nothing of what they did is lost."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from impasto.domain.budget import Balance, Budget
from impasto.storage.books import check_books
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.tables import balances, entries
from tests.storage.hammer import HOLD
from tests.storage.till import Clock, Till, add_key

ROOT = Path(__file__).parents[2]
LIMIT = 20_000
PROCESSES = 3
REQUESTS = 300
USED = select(balances.c.held + balances.c.unknown + balances.c.spent)


@pytest.mark.slow
async def test_a_budget_holds_against_processes_at_once(database: Database, database_url: str) -> None:
    await add_key(database, budget=Budget(LIMIT))
    commands = [
        [sys.executable, "-m", "tests.storage.hammer", database_url, f"p{number}", str(REQUESTS)]
        for number in range(PROCESSES)
    ]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        for command in commands
    ]
    highest, till = 0, Till(SqlLedger(database, "watch", Clock()), database, Clock())
    while any(process.poll() is None for process in started):
        highest = max(highest, await database.read(lambda connection: connection.scalar(USED)) or 0)
        await asyncio.sleep(0.01)
    printed = [[int(word) for word in process.communicate()[0].split()] for process in started]
    begun, spent = sum(count for count, _ in printed), sum(cost for _, cost in printed)
    assert [process.returncode for process in started] == [0] * PROCESSES
    assert await till.balance() == Balance(spent=spent)
    assert LIMIT - HOLD < spent <= LIMIT
    assert highest <= LIMIT
    reserved = select(func.count()).select_from(entries).where(entries.c.step == 0)
    assert await database.read(lambda connection: connection.scalar(reserved)) == begun
    assert await database.read(check_books) == []
