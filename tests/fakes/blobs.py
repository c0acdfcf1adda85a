"""A store in memory that is full when told to be, and remembers what was not closed."""

import hashlib
from dataclasses import dataclass, field

from impasto.completions.ports import Blob
from impasto.domain.errors import Code, Failure


@dataclass(slots=True, eq=False)
class MemoryBlob:
    """Bytes of `store`, or a kept blob, which is sealed from the start."""

    store: "MemoryStore"
    data: bytearray = field(default_factory=bytearray)
    is_sealed: bool = False
    is_full: bool = False
    is_spool: bool = False
    times_closed: int = 0

    @property
    def byte_count(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        if self.times_closed or self.is_sealed:
            raise ValueError("kept or closed")
        if self.is_full or len(data) > self.store.room:
            self.is_full = True
            raise self.store.full()
        self.store.room -= len(data)
        self.data += data

    def read(self, offset: int, count: int) -> bytes:
        if self.times_closed:
            raise ValueError("closed")
        if self.store.breaks:
            raise self.store.full()
        return bytes(self.data[offset : offset + count])

    def close(self) -> None:
        self.times_closed += 1
        if self.times_closed == 1:
            self.store.open_blobs.remove(self)
            if not self.is_sealed:
                self.store.room += len(self.data)


@dataclass(slots=True)
class MemoryStore:
    """A store that takes `room` more bytes. `kept` and `notes` are its content; `open_blobs` should end empty.

    Nothing can be read while it `breaks`.
    """

    room: int = 1 << 30
    breaks: bool = False
    kept: dict[str, bytes] = field(default_factory=dict)
    notes: dict[str, bytes] = field(default_factory=dict)
    open_blobs: list[MemoryBlob] = field(default_factory=list)

    def open(self) -> MemoryBlob:
        self.open_blobs.append(MemoryBlob(self))
        return self.open_blobs[-1]

    def spool(self) -> MemoryBlob:
        self.open_blobs.append(MemoryBlob(self, is_spool=True))
        return self.open_blobs[-1]

    async def keep(self, blob: Blob) -> str:
        if not isinstance(blob, MemoryBlob):
            raise TypeError("only what `open` gave can be kept")
        if blob.times_closed or blob.is_spool:
            raise ValueError("closed, or never to be kept")
        if blob.is_full:
            raise self.full()
        blob.is_sealed = True
        sha256 = hashlib.sha256(blob.data).hexdigest()
        self.kept[sha256] = bytes(blob.data)
        return sha256

    async def reader(self, sha256: str) -> MemoryBlob:
        if sha256 not in self.kept:
            raise Failure(Code.ANSWER_GONE, "The answer was made and charged, and is no longer kept.")
        self.open_blobs.append(MemoryBlob(self, bytearray(self.kept[sha256]), is_sealed=True))
        return self.open_blobs[-1]

    async def note(self, name: str, text: bytes | None) -> None:
        if text is None:
            self.notes.pop(name, None)
        elif len(text) > self.room:
            raise self.full()
        else:
            self.notes[name] = text

    async def noted(self, name: str) -> bytes | None:
        return self.notes.get(name)

    @staticmethod
    def full() -> Failure:
        return Failure(Code.STORE_UNAVAILABLE, "full")
