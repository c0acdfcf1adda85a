"""Databases to test with: each test that takes one runs on SQLite and on PostgreSQL, and has it to itself.

PostgreSQL is the server at `TEST_POSTGRES_URL`, else the one on loopback, which is started where it is
installed and down; without one, its half of the tests is skipped.
"""

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from impasto.storage.database import Database, database_at
from impasto.storage.schema import prepare

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """The database that this run of the test is about."""
    name = str(request.param)
    if name == "postgresql" and not _has_postgres():
        pytest.skip(f"no PostgreSQL answers at {POSTGRES_URL}, and none is installed that could be started")
    return name


@pytest.fixture
def empty_database_url(dialect: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite3"
        return
    name = _new_name()
    _command(f"CREATE DATABASE {name}")
    yield _url_of(name)
    _command(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with every table, and nothing in them."""
    template = str(request.getfixturevalue(f"_{dialect}_template"))
    if dialect == "sqlite":
        shutil.copy(template, tmp_path / "impasto.sqlite3")
        yield f"sqlite:///{tmp_path}/impasto.sqlite3"
        return
    name = _new_name()
    _command(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _url_of(name)
    _command(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table, open."""
    opened = database_at(database_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("template") / "impasto.sqlite3"
    asyncio.run(_prepare(f"sqlite:///{path}"))
    return str(path)


@pytest.fixture(scope="session")
def _postgresql_template() -> Iterator[str]:
    name = _new_name()
    _command(f"CREATE DATABASE {name}")
    asyncio.run(_prepare(_url_of(name)))
    yield name
    _command(f"DROP DATABASE {name} WITH (FORCE)")


async def _prepare(url: str) -> None:
    opened = database_at(url)
    await prepare(opened)
    await opened.close()


def _new_name() -> str:
    return f"impasto_test_{os.getpid()}_{next(_numbers)}"


def _url_of(name: str) -> str:
    return make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)


def _command(statement: str) -> None:
    """Run what stands outside of transactions."""

    async def run() -> None:
        engine = create_async_engine(
            make_url(POSTGRES_URL).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
        )
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run())


@cache
def _has_postgres() -> bool:
    if not _answers() and "TEST_POSTGRES_URL" not in os.environ and shutil.which("pg_ctlcluster"):
        listed = subprocess.run(["pg_lsclusters", "--no-header"], capture_output=True, text=True, check=False)
        for line in listed.stdout.splitlines():
            version, cluster = line.split()[:2]
            start = ["pg_ctlcluster", "--skip-systemctl-redirect", version, cluster, "start"]
            subprocess.run(start, capture_output=True, check=False)
    return _answers()


def _answers() -> bool:
    url = make_url(POSTGRES_URL)
    try:
        socket.create_connection((url.host or "127.0.0.1", url.port or 5432), timeout=5).close()
    except OSError:
        return False
    return True
