"""The gateway is killed again and again under load, and no money and no picture is lost or doubled.

Each database sees 40 deaths: at every step of a request, and at random, and a store in a bucket a few of them.
`TEST_KILLS` asks for another number (`make soak`: 1,000).
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import pytest

from impasto.storage.database import Database
from tests.end_to_end.crashes.audit import count_running, processes_in
from tests.end_to_end.crashes.house import House
from tests.end_to_end.crashes.lives import Lives, deaths, workers, workers_of

KILLS = int(os.environ.get("TEST_KILLS", "40"))
WORKER_KILLS = max(2, KILLS // 20)
BUCKET_KILLS = max(9, KILLS // 10)
CALLERS = 12
RESOLVED_SECONDS = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


async def test_a_gateway_killed_again_and_again_loses_and_doubles_nothing(house: House, reading: Database) -> None:
    await live_and_die(house, reading, KILLS)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_nor_does_one_whose_store_is_a_bucket(house_with_bucket: House, reading: Database) -> None:
    await live_and_die(house_with_bucket, reading, BUCKET_KILLS)


async def live_and_die(house: House, reading: Database, kills: int) -> None:
    url, log = house.crowd.url, house.folder / "log"
    async with Lives(house.environment, log, url) as lives, AsyncExitStack() as last:
        async with house.crowd.asking(CALLERS):
            for death in deaths(kills, house.chance):
                await lives.die(death)
                house.look_at_notes()
            await last.enter_async_context(lives.live())
            survivors = await reading.read(processes_in)
        await nothing_open(reading)
    await house.check(reading, survivors)
    assert len(survivors) == 1
    assert len(house.noted) >= kills // 20, "hardly a death met an answer that was kept and not yet posted"


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


async def nothing_open(database: Database) -> None:
    """What died half-way is resolved, at once or, what arrived after a death, within a minute."""
    async with asyncio.timeout(RESOLVED_SECONDS):
        while await database.read(count_running):  # noqa: ASYNC110 - another process resolves them
            await asyncio.sleep(0.1)
