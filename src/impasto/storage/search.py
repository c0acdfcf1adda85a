"""Looks for the words of prompts, by the database's own full-text search.

Rule: a prompt is found where every word occurs, each as the beginning of a word, without regard to case and accents,
on both databases alike. Whatever is looked for is data: no character of it is an operator.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)

from impasto.storage.database import Database
from impasto.storage.tables import prompts

PAGES_AT_ONCE = 200
"""How much of the index is rewritten in one transaction: money is written between them."""

_INDEX = table("prompts_search", column("rowid"))
_WORDS: ColumnElement[Any] = literal_column("prompts.words")


def generations_with(dialect: str, words: Sequence[str]) -> Select[Any]:
    """The ids of the generations whose prompt holds all of `words`, which hold letters, digits and marks alone."""
    generation_id = prompts.c.generation_id
    if dialect == "sqlite":
        match = literal_column("prompts_search").op("MATCH")(" ".join(f'"{word}"*' for word in words))
        return select(generation_id).select_from(prompts.join(_INDEX, _INDEX.c.rowid == prompts.c.number)).where(match)
    asked = literal(" & ".join(f"'{word}':*" for word in words), String)
    wanted = func.to_tsquery(literal_column("'simple'"), func.impasto_unaccented(asked))
    return select(generation_id).where(_WORDS.op("@@")(wanted))


async def forget_deleted_words(database: Database) -> None:
    """Take the words of prompts that were deleted out of the index, for good, in short steps.

    SQLite only marks them as deleted until it merges the pieces of its index. PostgreSQL's own vacuum does the same
    for its index as for its tables. Raises `ledger_unavailable`.
    """
    if database.dialect != "sqlite":
        return
    # A negative number of pages begins to make one piece of all; the positive ones go on with it.
    pages = -PAGES_AT_ONCE
    while await database.write(lambda connection, pages=pages: _merged(connection, pages)):  # type: ignore[misc]
        pages = PAGES_AT_ONCE


def _merged(connection: Connection, pages: int) -> bool:
    """Whether there was anything to do."""
    before = connection.scalar(text("SELECT total_changes()"))
    merge = text("INSERT INTO prompts_search (prompts_search, rank) VALUES ('merge', :pages)")
    connection.execute(merge, {"pages": pages})
    return (connection.scalar(text("SELECT total_changes()")) or 0) - (before or 0) > 1
