"""Brings a database to the schema of this version, and back.

Rule: a database of a newer version is used as it is: its steps only added. Alembic is imported
where there is something to do.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from impasto.storage.database import Database

HEAD = "0003"
"""The newest step under `migrations/versions/`."""

_LOCK = 0x696D706173746F
"""Of all processes that start at once, one migrates: PostgreSQL holds the others here; SQLite has one writer."""


async def prepare(database: Database) -> None:
    """Make sure that the tables are there, as this version wants them. Raises `ledger_unavailable`."""
    if await database.read(revision_of) != HEAD:
        await database.write(_upgrade)


def revision_of(connection: Connection) -> str | None:
    """The newest step that was taken, or `None` in an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def migrate(connection: Connection, revision: str) -> None:
    """Take steps up or down to `revision` (`head`, `base`, or the name of a step)."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    current = revision_of(connection)
    is_down = revision == "base" or (revision != "head" and current is not None and revision < current)
    (command.downgrade if is_down else command.upgrade)(config, revision)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    current = revision_of(connection)
    if current is None or current < HEAD:
        migrate(connection, "head")
