"""Databases by their URLs."""

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from impasto.storage.database import DatabaseUrlError, SqliteDatabase, database_at


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_the_url_of_a_hosted_database_is_taken_as_it_is_given(database_url: str) -> None:
    database = database_at(f"{database_url}?sslmode=disable")
    try:
        assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
    finally:
        await database.close()


def test_without_its_libraries_postgresql_is_refused_with_what_to_install() -> None:
    with pytest.raises(DatabaseUrlError, match=r"pip install 'impasto\[postgres\]'"):
        database_at("postgresql://somewhere/books", find_library=lambda name: None if name == "greenlet" else name)


async def test_the_file_of_the_books_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    database = SqliteDatabase(path)
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE one (two)"))
    modes = [os.stat(os.fspath(path) + end).st_mode & 0o777 for end in ("", "-wal", "-shm")]  # noqa: PTH116
    await database.close()
    assert modes == [0o600] * 3
