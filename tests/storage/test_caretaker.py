"""Who looks after what is kept goes on whatever goes wrong."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.retention import Retention
from impasto.storage.blobs import FileStore
from impasto.storage.caretaker import Caretaker
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.processes import Processes
from impasto.storage.store import ListedBlob
from tests.storage.till import Clock


@dataclass(slots=True)
class Hindered(Processes):
    """A process that cannot tell who is dead while `hindrance` is there; it counts its beats."""

    hindrance: Exception | None = None
    beats: int = 0

    async def beat(self) -> None:
        self.beats += 1
        await Processes.beat(self)

    async def dead(self) -> list[str]:
        if self.hindrance is not None:
            raise self.hindrance
        return await Processes.dead(self)


@pytest.mark.parametrize(
    "hindrance",
    [Failure(Code.LEDGER_UNAVAILABLE, "away"), OSError(30, "Read-only file system"), ValueError("no note")],
    ids=lambda hindrance: type(hindrance).__name__,
)
async def test_it_goes_on_whatever_goes_wrong(database: Database, tmp_path: Path, hindrance: Exception) -> None:
    processes = Hindered(database, tmp_path / "processes", "mine", Clock(), time.monotonic)
    store, ledger = FileStore(tmp_path / "store", "mine"), SqlLedger(database, "mine", Clock())
    caretaker = Caretaker(database, store, ledger, processes, b"s" * 32, Retention.parse("7d"), Clock(), time.monotonic)
    await caretaker.prepare()
    assert caretaker.is_well
    processes.hindrance = hindrance
    for _ in range(2):
        await caretaker.look_after()
        assert not caretaker.is_well
    processes.hindrance = None
    await caretaker.look_after()
    assert (caretaker.is_well, processes.beats) == (True, 3)
    await processes.leave()
    store.close()


class Stuck(FileStore):
    """One whose list does not end until it is told to."""

    def __init__(self, folder: Path, process: str) -> None:
        super().__init__(folder, process)
        self.is_listing, self.may_go_on = Event(), Event()

    def list_blobs(self) -> Iterator[ListedBlob]:
        self.is_listing.set()
        assert self.may_go_on.wait(60)
        return iter(())


async def test_a_store_that_takes_its_time_keeps_nobody_from_showing_that_it_lives(
    database: Database, tmp_path: Path
) -> None:
    processes = Hindered(database, tmp_path / "processes", "mine", Clock(), time.monotonic)
    store, ledger = Stuck(tmp_path / "store", "mine"), SqlLedger(database, "mine", Clock())
    caretaker = Caretaker(database, store, ledger, processes, b"s" * 32, Retention.parse("7d"), Clock(), time.monotonic)
    await caretaker.prepare()
    slow = asyncio.create_task(caretaker.look_after())
    assert await asyncio.to_thread(store.is_listing.wait, 60)
    while not processes.beats:  # noqa: ASYNC110 - it counts, and has no event
        await asyncio.sleep(0)
    assert not slow.done()
    store.may_go_on.set()
    await slow
    assert caretaker.is_well
    await processes.leave()
    store.close()
