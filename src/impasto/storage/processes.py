"""Which processes of this gateway live, and what the dead ones left.

Rule: a process shows that it lives by a lock on a file, which the system lets go when it dies, and
by a beat in the database for those who cannot see the file. Beats are watched by the watcher's own
clock: no clock of anybody's is compared with another's.
"""

import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, literal_column, select, update

from impasto.domain.ledger import Delivery, State
from impasto.storage.database import Database
from impasto.storage.tables import generations, processes

if sys.platform != "win32":
    import fcntl

BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 30.0
"""Without a beat for so long, a process is taken for dead. Should it come back, what it then knows is posted late."""
MOST_WATCHED_SECONDS = 2 * BEAT_SECONDS
"""What the time between two looks counts for at most: while the database is away nobody can beat, nor look."""

_INSERT = insert(processes)
_ALL = select(processes.c.id, processes.c.beat)
_BEAT = update(processes).where(processes.c.id == bindparam("b_id")).values(beat=processes.c.beat + 1)
_REMOVE = delete(processes).where(processes.c.id == bindparam("b_id"))
_OWNERS = select(generations.c.owner).where(generations.c.state == literal_column(f"'{State.RUNNING}'")).distinct()
_LEFT_OPEN = (
    update(generations)
    .where(generations.c.deliverer == bindparam("b_id"), generations.c.delivery == Delivery.OPEN)
    .where(generations.c.request_hash.is_not(None))
    .values(delivery=Delivery.LOST)
)
_LEFT_RUNNING = select(generations.c.id).where(
    generations.c.owner == bindparam("id"), generations.c.state == literal_column(f"'{State.RUNNING}'")
)


@dataclass(slots=True)
class Processes:
    """This process, `id`, among those that share `database`. `folder` holds the files of those on this machine;
    `monotonic` gives seconds that never jump."""

    database: Database
    folder: Path
    id: str
    now: Callable[[], float]
    monotonic: Callable[[], float]
    _lock: int | None = None
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    _looked: float | None = None
    _watched_seconds: float = 0.0

    async def join(self) -> None:
        """Be one of them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform != "win32":  # there, the beats have to do
            self._lock = _locked(self.folder / self.id)
        started_ms = int(self.now() * 1000)
        row = {"id": self.id, "beat": 0, "started_ms": started_ms}
        await self.database.write(lambda connection: connection.execute(_INSERT, row))

    async def beat(self) -> None:
        """Show that this one lives; be counted again, should the others have taken it for dead."""
        await self.database.write(self._beat)

    async def leave(self) -> None:
        """End. What is still running, if anything, is left to the others, who see that this process is dead."""
        ended = await self.database.write(self._leave)
        if self._lock is not None:
            if ended:
                (self.folder / self.id).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    async def dead(self) -> list[str]:
        """The others that live no more."""
        beats = await self.database.read(_beats)
        self._watch_on()
        self._seen = {id_: seen for id_, seen in self._seen.items() if id_ in beats}
        self._tidy_up(beats.keys() | {self.id})
        return [id_ for id_, beat in beats.items() if id_ != self.id and self._is_dead(id_, beat)]

    async def left_running(self, dead: str) -> list[str]:
        """The generations that a dead process was at."""
        return await self.database.read(lambda connection: list(connection.scalars(_LEFT_RUNNING, {"id": dead})))

    async def bury(self, dead: str) -> None:
        """Forget a dead process whose generations are resolved; the answers that its callers waited for are lost."""
        await self.database.write(lambda connection: self._bury(connection, dead))
        self._seen.pop(dead, None)
        (self.folder / dead).unlink(missing_ok=True)

    def _beat(self, connection: Connection) -> None:
        if connection.execute(_BEAT, {"b_id": self.id}).rowcount == 0:
            connection.execute(_INSERT, {"id": self.id, "beat": 0, "started_ms": int(self.now() * 1000)})

    def _leave(self, connection: Connection) -> bool:
        if connection.execute(_LEFT_RUNNING, {"id": self.id}).first() is not None:
            return False
        self._bury(connection, self.id)
        return True

    @staticmethod
    def _bury(connection: Connection, id_: str) -> None:
        connection.execute(_LEFT_OPEN, {"b_id": id_})
        connection.execute(_REMOVE, {"b_id": id_})

    def _tidy_up(self, known: Collection[str]) -> None:
        """Remove what is left of those who died before they were counted, or while they were forgotten."""
        for path in list(self.folder.glob("*")):
            if path.name not in known:
                _remove_unlocked(path)

    def _watch_on(self) -> None:
        looked, self._looked = self._looked, self.monotonic()
        if looked is not None:
            self._watched_seconds += min(self._looked - looked, MOST_WATCHED_SECONDS)

    def _is_dead(self, id_: str, beat: int) -> bool:
        locked = _is_locked(self.folder / id_)
        if locked is not None:
            return not locked
        seen_beat, since = self._seen.get(id_, (None, 0.0))
        if seen_beat != beat:
            self._seen[id_] = (beat, self._watched_seconds)
            return False
        return self._watched_seconds - since >= DEAD_AFTER_SECONDS


def _beats(connection: Connection) -> dict[str, int]:
    """The beats of all. Who was buried alive, and died before the next beat, has none and is watched all the same."""
    return dict.fromkeys(connection.scalars(_OWNERS), -1) | dict(connection.execute(_ALL).all())


def _locked(path: Path) -> int:
    """The file at `path`, made and locked. Until it is locked, somebody may remove it."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(path, file):
            return file
        os.close(file)


def _remove_unlocked(path: Path) -> None:
    """Remove a file that nobody has locked. Who removes it holds its lock, so that nobody removes another's."""
    if sys.platform == "win32":
        return
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, file):
            path.unlink()
    except OSError:  # locked, or not ours to remove
        pass
    finally:
        os.close(file)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _is_locked(path: Path) -> bool | None:
    """Whether a living process holds the lock of this file; `None` where there is no such file here."""
    if sys.platform == "win32":
        return None
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # not on this machine, or not ours to open
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
