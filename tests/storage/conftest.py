"""Both stores that can be cleaned up, each with a hand that reaches behind it."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from impasto.completions.ports import BlobStore
from impasto.storage.blobs import FileStore
from impasto.storage.object_store import ObjectStore
from impasto.storage.store import Store
from tests.buckets import TestBucket

SMALL, LARGE = b"a few words", b"picture" * 100_000


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def kept(store: BlobStore, data: bytes) -> str:
    blob = store.open()
    blob.write(data)
    sha256 = await store.keep(blob)
    blob.close()
    return sha256


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store, as the process p1 uses it. `place` is where it is: its folder, or its bucket."""

    place: Path | TestBucket
    spool: Path
    closing: ExitStack = field(default_factory=ExitStack)
    opened: dict[str, Store] = field(default_factory=dict)

    def used_by(self, process: str) -> Store:
        """The same store, as another process uses it."""
        store: Store
        if isinstance(self.place, Path):
            store = FileStore(self.place, process)
        else:
            store = ObjectStore(self.place.bucket, self.spool, time.time, process)
        self.closing.callback(store.close)
        self.opened[process] = store
        return store

    @property
    def store(self) -> Store:
        """As the process p1 uses it."""
        return self.opened.get("p1") or self.used_by("p1")

    def age(self, sha256: str, at_ms: int) -> None:
        """All that is there of a blob was kept at `at_ms`."""
        if isinstance(self.place, Path):
            os.utime(self.place / "blobs" / sha256[:2] / sha256, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
        else:
            self.place.age(sha256, at_ms)

    def spoil(self, sha256: str) -> None:
        """Something else takes a part of it away."""
        if isinstance(self.place, Path):
            os.truncate(self.place / "blobs" / sha256[:2] / sha256, 4)
            return
        for key in self.place.names():
            if sha256 in key:
                self.place.put(key, b"half")


@pytest.fixture(params=["disk", "bucket"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """One of them, empty."""
    on_disk = request.param == "disk"
    shelf = Shelf(tmp_path / "data" / "store" if on_disk else request.getfixturevalue("bucket"), tmp_path / "spool")
    with shelf.closing:
        yield shelf


@pytest.fixture
def store(shelf: Shelf) -> Store:
    """As the process p1 uses it."""
    return shelf.store
