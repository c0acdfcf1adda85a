"""Who looks after what is kept goes on whatever goes wrong."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.retention import Retention
from impasto.storage.blobs import FileStore
from impasto.storage.caretaker import Caretaker
from impasto.storage.database import Database
from impasto.storage.ledger import SqlLedger
from impasto.storage.processes import Processes
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
