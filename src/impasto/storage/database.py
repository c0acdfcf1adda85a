"""The database: SQLite by default, PostgreSQL by URL.

Rule: a write is one transaction, durable when it returns. SQLite has one writer, in a thread of
its own, in WAL mode and with `synchronous=FULL`, so that a commit survives a loss of power.
What is deleted is overwritten.
What the database cannot do is `ledger_unavailable`, whatever its driver calls it; the next
attempt connects anew.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from impasto.domain.errors import Code, Failure

Result = TypeVar("Result")

BUSY_SECONDS = 10.0
"""How long a write waits for another process's write before it gives up."""
CONNECT_SECONDS = 5.0
CLEAR_SECONDS = 0.2
"""How long the log waits for readers before it is left as it is; nothing is written meanwhile."""
CLEAR_ATTEMPTS = 5
RETRY_AFTER_SECONDS = 5
POSTGRES_CONNECTIONS = 8
POSTGRES_LIBRARIES = ("asyncpg", "greenlet")


class DatabaseUrlError(ValueError):
    """A URL that names no database which can be used here. The message says what to do."""


class Database(Protocol):
    """Runs functions of a connection, each in a transaction of its own. Raises `ledger_unavailable`."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """What `change` returns, once its changes are durable."""

    async def read(self, query: Callable[[Connection], Result]) -> Result: ...

    async def close(self) -> None: ...


def database_at(url: str, find_library: Callable[[str], object] = find_spec) -> Database:
    """The database at `sqlite:///path` or `postgresql://…`; nothing is opened yet. Raises `DatabaseUrlError`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError("it takes sqlite:///path or postgresql://user:password@host/name") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database:
            return SqliteDatabase(Path(parsed.database))
        case "postgresql" | "postgres":
            if not all(map(find_library, POSTGRES_LIBRARIES)):
                raise DatabaseUrlError("PostgreSQL needs libraries that are not here: pip install 'impasto[postgres]'")
            return PostgresDatabase(parsed)
    raise DatabaseUrlError("it takes sqlite:///path or postgresql://user:password@host/name")


async def clear_log(database: Database) -> None:
    """Empty the write-ahead log, in which what was deleted still stands. As far as it goes: whoever reads an earlier
    state keeps it, and PostgreSQL's is its own."""
    if isinstance(database, SqliteDatabase):
        for _ in range(CLEAR_ATTEMPTS):
            if await database.clear_log():
                return
            await asyncio.sleep(CLEAR_SECONDS)


class SqliteDatabase:
    """SQLite in the file at `path`."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = ThreadPoolExecutor(1, "impasto-writes")
        self._reader = ThreadPoolExecutor(1, "impasto-reads")
        self._writing = _sqlite_engine(path, "BEGIN IMMEDIATE")
        self._reading = _sqlite_engine(path, "BEGIN")

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._run, self._writing, change)

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._run, self._reading, query)

    async def clear_log(self) -> bool:
        """Whether the log is empty now."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._clear_log)

    async def close(self) -> None:
        for executor, engine in ((self._writer, self._writing), (self._reader, self._reading)):
            await asyncio.get_running_loop().run_in_executor(executor, engine.dispose)
            executor.shutdown()

    def _run(self, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        with database_failures():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                self.path.touch(mode=0o600)  # SQLite's other files take over its mode
            with engine.begin() as connection:
                return work(connection)

    def _clear_log(self) -> bool:
        with database_failures(), closing(self._writing.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={int(CLEAR_SECONDS * 1000)}")
            try:
                is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
            return not is_busy


class PostgresDatabase:
    """PostgreSQL, over asyncpg, on the event loop that asks first."""

    dialect = "postgresql"

    def __init__(self, url: URL) -> None:
        self._url = _as_driver_reads(url)
        self._engine: Any = None

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        with database_failures():
            async with self._connected().begin() as connection:
                result: Result = await connection.run_sync(change)
            return result

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        return await self.write(query)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    def _connected(self) -> Any:
        if self._engine is None:
            from sqlalchemy.ext.asyncio import create_async_engine

            self._engine = create_async_engine(
                self._url,
                pool_size=POSTGRES_CONNECTIONS,
                max_overflow=0,
                pool_timeout=BUSY_SECONDS,
                pool_pre_ping=False,  # the pool lets go of a connection that broke, and its others with it
                connect_args={
                    "timeout": CONNECT_SECONDS,
                    "command_timeout": BUSY_SECONDS,
                    "server_settings": {"application_name": "impasto", "lock_timeout": "8000"},
                },
            )
        return self._engine


def _as_driver_reads(url: URL) -> URL:
    """Hosted databases give URLs with libpq's `sslmode`; the driver calls the same `ssl`."""
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


@contextmanager
def database_failures() -> Iterator[None]:
    """What a driver raises is `ledger_unavailable` to everybody else."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise Failure(
            Code.LEDGER_UNAVAILABLE,
            "This gateway cannot reach its books, and makes no picture that it could not write down. Nothing was "
            "sent and nothing was spent; try again.",
            logged=f"database: {type(error).__name__}: {_first_line(error)}",
            retry_helps=True,
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from error


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [""])[0][:200]


def _sqlite_engine(path: Path, begin: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=os.fspath(path)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions by itself, and later
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
