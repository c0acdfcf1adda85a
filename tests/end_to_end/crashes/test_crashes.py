"""The gateway is killed again and again under load, and no money and no picture is lost or doubled.

Each database sees 40 deaths: at every step of a request, and at random. `IMPASTO_TEST_KILLS` asks for another number
(`make soak`: 1,000).
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from impasto.domain.budget import Budget
from impasto.domain.key_records import KeyTerms
from impasto.domain.keys import secret_from
from impasto.storage import schema
from impasto.storage.database import Database, database_at
from impasto.storage.key_register import SqlKeyRegister
from impasto.storage.secret import subkey
from tests.end_to_end.crashes.audit import Audit, count_running, processes_in
from tests.end_to_end.crashes.callers import Crowd
from tests.end_to_end.crashes.lives import STEPS, Lives, deaths, environment_of, free_port
from tests.end_to_end.crashes.provider import surroundings
from tests.end_to_end.crashes.wishes import Wishes

KILLS = int(os.environ.get("IMPASTO_TEST_KILLS", "40"))
CALLERS = 12
RESOLVED_SECONDS = 60.0
SECRET = "a secret of more than thirty-two characters"
BUDGET = Budget(10**15)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


async def test_a_gateway_killed_again_and_again_loses_and_doubles_nothing(
    empty_database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(random.random())
    secrets = await make_keys(empty_database_url)
    noted: set[str] = set()
    port = free_port()
    url, data = f"http://127.0.0.1:{port}", tmp_path / "data"
    async with surroundings() as provider:
        crowd = Crowd(url, Wishes(chance, secrets, provider.picture_url), provider)
        environment = environment_of(
            IMPASTO_DATA=str(data),
            IMPASTO_DATABASE_URL=empty_database_url,
            IMPASTO_PORT=str(port),
            IMPASTO_SECRET=SECRET,
            IMPASTO_LOG_LEVEL="error",
            IMPASTO_FETCH_ALLOW=provider.pictures,
            GEMINI_API_KEY="a key",
            GOOGLE_GEMINI_BASE_URL=provider.base_url,
        )
        async with Lives(environment, tmp_path / "log", url) as lives, AsyncExitStack() as last:
            async with crowd.asking(CALLERS):
                for death in deaths(KILLS, chance):
                    await lives.die(death)
                    noted |= names_in(data / "store" / "notes")
                await last.enter_async_context(lives.live())
                # Not opened earlier: a file that somebody has open recovers otherwise.
                database = database_at(empty_database_url)
                [survivor] = await database.read(processes_in)
            await nothing_open(database)
        audit = Audit(data, crowd.told, provider.counted, noted, survivor)
        findings = [*crowd.findings, *await database.read(audit.findings)]
    await database.close()
    print(f"{database.dialect}, {KILLS} kills: {dict(crowd.counted + audit.sums)}")  # noqa: T201 - what a soak is for
    assert findings == []
    assert len(noted) >= KILLS // 2 // len(STEPS), "hardly a death met an answer that was kept and not yet posted"


async def make_keys(database_url: str) -> list[str]:
    """Two keys with an account and a budget each, made before the first life."""
    database = database_at(database_url)
    await schema.prepare(database)
    chances = iter(bytes([number]) * 32 for number in range(1, 9))
    register = SqlKeyRegister(
        database, subkey(SECRET.encode(), "keys"), lambda: 1.0, lambda: secret_from(next(chances)),
        lambda: next(chances).hex()[:20],
    )  # fmt: skip
    made = [await register.create(KeyTerms(name, budget=BUDGET)) for name in ("one team", "another team")]
    await database.close()
    return [key.secret for key in made]


async def nothing_open(database: Database) -> None:
    """What died half-way is resolved, at once or, what arrived after a death, within a minute."""
    async with asyncio.timeout(RESOLVED_SECONDS):
        while await database.read(count_running):  # noqa: ASYNC110 - another process resolves them
            await asyncio.sleep(0.1)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
