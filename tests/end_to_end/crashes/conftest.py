"""Houses on an empty database each, one with its store on the disk, one with its store in a bucket."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from impasto.storage.blobs import FileStore
from impasto.storage.database import Database, database_at
from impasto.storage.object_store import ObjectStore
from tests.buckets import TestBucket
from tests.end_to_end.crashes.house import House, built_house


@pytest.fixture
async def house(empty_database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with built_house(empty_database_url, tmp_path, FileStore(tmp_path / "data" / "store", "audit"), {}) as built:
        yield built


@pytest.fixture
async def house_with_bucket(empty_database_url: str, tmp_path: Path, bucket: TestBucket) -> AsyncIterator[House]:
    store = ObjectStore(bucket.bucket, tmp_path / "spool", time.time, "audit")
    environment = {"IMPASTO_STORE_URL": f"s3://{bucket.name}/{bucket.bucket.prefix}", **bucket.environment}
    async with built_house(empty_database_url, tmp_path, store, environment) as built:
        yield built


@pytest.fixture
async def reading(empty_database_url: str) -> AsyncIterator[Database]:
    """The database, for who looks at it. Nothing is opened before that: a file that somebody has open recovers
    otherwise."""
    database = database_at(empty_database_url)
    yield database
    await database.close()
