"""The gateway's database, read from the command line while a server may be using it.

Rule: nothing is made here: where there is no database yet, there is nothing to read.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from impasto.domain.errors import Failure
from impasto.storage.database import DatabaseUrlError, database_at
from impasto.storage.schema import revision_of

Result = TypeVar("Result")


def read_books(url: str, query: Callable[[Connection], Result]) -> Result | None:
    """What `query` finds in the database at `url`; `None` where no tables are there yet.

    Raises `click.ClickException` where it cannot be read, and the `Failure` of the query itself.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return None
    return asyncio.run(_read(url, query))


async def _read(url: str, query: Callable[[Connection], Result]) -> Result | None:
    try:
        database = database_at(url)
    except DatabaseUrlError as error:
        raise click.ClickException(f"IMPASTO_DATABASE_URL: {error}.") from error
    try:
        if await database.read(revision_of) is None:
            return None
        return await database.read(query)
    except Failure as failure:
        raise click.ClickException(_sentence(failure)) from failure
    finally:
        await database.close()


def _sentence(failure: Failure) -> str:
    what = failure.logged.removeprefix("database: ")
    return failure.message if what == failure.message else f"The database cannot be read ({what})."
