"""The gateway is killed again and again under load, and no money and no picture is lost or doubled.

Each database sees 40 deaths: at every step of a request, and at random. `TEST_KILLS` asks for another number
(`make soak`: 1,000).
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
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
from tests.end_to_end.crashes.lives import Lives, deaths, environment_of, free_port, workers, workers_of
from tests.end_to_end.crashes.provider import Provider, surroundings
from tests.end_to_end.crashes.wishes import Wishes

KILLS = int(os.environ.get("TEST_KILLS", "40"))
WORKER_KILLS = max(2, KILLS // 20)
CALLERS = 12
RESOLVED_SECONDS = 60.0
SECRET = "a secret of more than thirty-two characters"
BUDGET = Budget(10**15)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


@dataclass(frozen=True, slots=True)
class House:
    """A provider, a crowd that asks, and what a gateway between them is started with. `noted` are names of notes that
    were there at a death."""

    provider: Provider
    crowd: Crowd
    chance: random.Random
    environment: Mapping[str, str]
    folder: Path
    noted: set[str] = field(default_factory=set)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def look_at_notes(self) -> None:
        notes = self.data / "store" / "notes"
        if notes.exists():
            self.noted.update(path.name for path in notes.iterdir())

    async def check(self, database: Database, survivors: Sequence[str]) -> None:
        """All is over, and all accounts agree."""
        audit = Audit(self.data, self.crowd.told, self.provider.counted, self.noted, survivors)
        findings = [*self.crowd.findings, *await database.read(audit.findings)]
        print(f"{database.dialect}: {dict(self.crowd.counted + audit.sums)}")  # noqa: T201 - what a soak is for
        assert findings == []


@pytest.fixture
async def house(empty_database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    chance = random.Random(random.random())
    secrets = await make_keys(empty_database_url)
    port = free_port()
    async with surroundings() as provider:
        environment = environment_of(
            IMPASTO_DATA=str(tmp_path / "data"),
            IMPASTO_DATABASE_URL=empty_database_url,
            IMPASTO_PORT=str(port),
            IMPASTO_SECRET=SECRET,
            IMPASTO_LOG_LEVEL="error",
            IMPASTO_FETCH_ALLOW=provider.pictures,
            GEMINI_API_KEY="a key",
            GOOGLE_GEMINI_BASE_URL=provider.base_url,
        )
        crowd = Crowd(f"http://127.0.0.1:{port}", Wishes(chance, secrets, provider.picture_url), provider)
        yield House(provider, crowd, chance, environment, tmp_path)


@pytest.fixture
async def reading(empty_database_url: str) -> AsyncIterator[Database]:
    """The database, for who looks at it. Nothing is opened before that: a file that somebody has open recovers
    otherwise."""
    database = database_at(empty_database_url)
    yield database
    await database.close()


async def test_a_gateway_killed_again_and_again_loses_and_doubles_nothing(house: House, reading: Database) -> None:
    url, log = house.crowd.url, house.folder / "log"
    async with Lives(house.environment, log, url) as lives, AsyncExitStack() as last:
        async with house.crowd.asking(CALLERS):
            for death in deaths(KILLS, house.chance):
                await lives.die(death)
                house.look_at_notes()
            await last.enter_async_context(lives.live())
            survivors = await reading.read(processes_in)
        await nothing_open(reading)
    await house.check(reading, survivors)
    assert len(survivors) == 1
    assert len(house.noted) >= KILLS // 20, "hardly a death met an answer that was kept and not yet posted"


async def test_what_a_killed_worker_leaves_is_resolved_by_the_others(house: House, reading: Database) -> None:
    """While one worker is dead, another one serves; what was lost with it is asked for again from that one."""
    async with workers(house.environment, house.folder / "log", house.crowd.url) as gateway:
        async with house.crowd.asking(CALLERS):
            await until_counted(2, reading)
            for _ in range(WORKER_KILLS):
                await asyncio.sleep(house.chance.uniform(0.2, 1.0))
                gateway.send_signal(signal.SIGSTOP)  # so that no new worker does what the old one has to
                os.kill(house.chance.choice(await workers_of(gateway)), signal.SIGKILL)
                await until_counted(1, reading)
                gateway.send_signal(signal.SIGCONT)
                await until_counted(2, reading)
            survivors = await reading.read(processes_in)
        await nothing_open(reading)
    await house.check(reading, survivors)


async def until_counted(count: int, database: Database) -> None:
    """So many processes are counted among the living: a dead one is when all that it left is resolved."""
    async with asyncio.timeout(RESOLVED_SECONDS):
        while len(await database.read(processes_in)) != count:  # noqa: ASYNC110 - other processes do that
            await asyncio.sleep(0.05)


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
