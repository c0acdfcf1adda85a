"""Who lives: by a lock that the system lets go, and by beats; no clock of anybody's is asked."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from impasto.domain.ledger import Delivery, State
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.processes import BEAT_SECONDS, DEAD_AFTER_SECONDS, Processes
from tests.storage.till import START, Clock, add_key, opening, settled

OTHER = textwrap.dedent("""
    import asyncio, sys, time
    from pathlib import Path
    from impasto.storage.database import database_at
    from impasto.storage.processes import Processes

    async def live():
        await Processes(database_at(sys.argv[1]), Path(sys.argv[2]), "other", time.time, time.monotonic).join()
        print("joined", flush=True)
        await asyncio.sleep(600)

    asyncio.run(live())
""")


@pytest.fixture
def other(database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process of this machine, which has joined."""
    command = [sys.executable, "-c", OTHER, database_url, str(tmp_path / "processes")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "joined\n"
        yield process
        process.kill()


class Watch:
    """A process that looks at the others, from this machine or another."""

    def __init__(self, database: Database, folder: Path, name: str = "watch") -> None:
        self.clock, self.monotonic = Clock(), Clock(0.0)
        self.processes = Processes(database, folder, name, self.clock, self.monotonic)

    async def dead_after(self, seconds: float) -> list[str]:
        """Who is dead when these seconds have been watched, look by look."""
        dead: list[str] = []
        while seconds > 0:
            step = min(seconds, BEAT_SECONDS)
            self.monotonic.seconds += step
            seconds -= step
            dead = await self.processes.dead()
        return dead


async def test_the_system_tells_who_was_killed(
    database: Database, tmp_path: Path, other: "subprocess.Popen[str]"
) -> None:
    watch = Watch(database, tmp_path / "processes")
    await watch.processes.join()
    os.kill(other.pid, signal.SIGSTOP)  # it beats no more, and lives
    for seconds in (0.0, DEAD_AFTER_SECONDS * 10):
        watch.monotonic.seconds = seconds
        assert await watch.processes.dead() == []
    other.kill()
    other.wait()
    assert await watch.processes.dead() == ["other"]
    await watch.processes.bury("other")
    assert await watch.processes.dead() == []
    assert sorted(path.name for path in (tmp_path / "processes").iterdir()) == ["watch"]
    await watch.processes.leave()


async def test_who_cannot_see_the_lock_watches_the_beat(database: Database, tmp_path: Path) -> None:
    far, watch = Watch(database, tmp_path / "far", "far"), Watch(database, tmp_path / "near")
    await far.processes.join()
    await watch.processes.join()
    assert await watch.processes.dead() == []
    assert await watch.dead_after(DEAD_AFTER_SECONDS - 1) == []
    await far.processes.beat()
    assert await watch.processes.dead() == []
    assert await watch.dead_after(DEAD_AFTER_SECONDS - 1) == []
    for jump in (-3600.0, 365 * 24 * 3600.0):  # the clocks of the day are not asked
        far.clock.seconds = watch.clock.seconds = START + jump
        assert await watch.processes.dead() == []
    assert await watch.dead_after(1) == ["far"]
    await watch.processes.leave()
    await far.processes.leave()


async def test_while_nobody_can_look_nobody_dies(database: Database, tmp_path: Path) -> None:
    """The database was away for an hour: he who is back first finds that nobody else has beaten meanwhile."""
    far, watch = Watch(database, tmp_path / "far", "far"), Watch(database, tmp_path / "near")
    await far.processes.join()
    assert await watch.processes.dead() == []
    watch.monotonic.seconds += 3600
    assert await watch.processes.dead() == []
    await far.processes.leave()


async def test_who_comes_back_is_counted_again(database: Database, tmp_path: Path) -> None:
    far, watch = Watch(database, tmp_path / "far", "far"), Watch(database, tmp_path / "near")
    await far.processes.join()
    await watch.processes.dead()
    assert await watch.dead_after(DEAD_AFTER_SECONDS) == ["far"]
    await watch.processes.bury("far")
    for _ in range(2):
        await far.processes.beat()
        assert await watch.processes.dead() == []
        assert await watch.dead_after(DEAD_AFTER_SECONDS - 1) == []
    assert await watch.dead_after(1) == ["far"]
    await far.processes.leave()


async def test_who_was_buried_alive_and_then_died_is_missed_all_the_same(database: Database, tmp_path: Path) -> None:
    watch = Watch(database, tmp_path)
    await SqlLedger(database, "ghost", Clock()).begin(opening("one", await add_key(database)))
    assert await watch.processes.dead() == []
    assert await watch.dead_after(DEAD_AFTER_SECONDS) == ["ghost"]
    assert await watch.processes.left_running("ghost") == ["one"]


async def test_a_burial_loses_the_answers_that_were_waited_for(database: Database, tmp_path: Path) -> None:
    key, ledger = await add_key(database), SqlLedger(database, "dead", Clock())
    await ledger.begin(opening("open", key, body=b"cat"))
    await ledger.begin(opening("delivered", key, body=b"cat"))
    await ledger.begin(opening("zero retention", key))
    await ledger.note_delivery("delivered", 0, Delivery.DELIVERED)
    watch = Watch(database, tmp_path)
    assert sorted(await watch.processes.left_running("dead")) == ["delivered", "open", "zero retention"]
    await watch.processes.bury("dead")
    found = [await ledger.find(name) for name in ("open", "delivered", "zero retention")]
    assert [each and each.delivery for each in found] == [Delivery.LOST, Delivery.DELIVERED, Delivery.OPEN]


async def test_who_leaves_with_work_undone_is_seen_as_dead(database: Database, tmp_path: Path) -> None:
    leaving, watch = Watch(database, tmp_path, "leaving"), Watch(database, tmp_path)
    await leaving.processes.join()
    ledger = SqlLedger(database, "leaving", Clock())
    await ledger.begin(opening("one", await add_key(database)))
    await leaving.processes.leave()
    assert await watch.processes.dead() == ["leaving"]
    await ledger.close(settled("one"))
    await watch.processes.bury("leaving")
    found = await ledger.find("one")
    assert found is not None
    assert found.state is State.DONE


async def test_who_leaves_well_is_forgotten(database: Database, tmp_path: Path) -> None:
    leaving, watch = Watch(database, tmp_path, "leaving"), Watch(database, tmp_path)
    await leaving.processes.join()
    await leaving.processes.leave()
    await leaving.processes.leave()
    assert await watch.processes.dead() == []
    assert "leaving" not in os.listdir(tmp_path)  # noqa: PTH208


async def test_the_file_of_who_died_before_he_was_counted_is_removed(database: Database, tmp_path: Path) -> None:
    watch = Watch(database, tmp_path / "processes")
    await watch.processes.join()
    for name in ("dead", "joining"):
        (watch.processes.folder / name).touch()
    with (watch.processes.folder / "joining").open("r+") as joining:
        fcntl.flock(joining, fcntl.LOCK_EX)
        assert await watch.processes.dead() == []
    assert sorted(path.name for path in watch.processes.folder.iterdir()) == ["joining", "watch"]
    await watch.processes.leave()
