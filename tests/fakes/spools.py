"""Spools in memory that remember whether they were closed."""

from dataclasses import dataclass, field

from impasto.domain.errors import Code, Failure


@dataclass(slots=True)
class MemorySpool:
    """Holds `data`; takes `room` bytes."""

    room: int = 1 << 30
    data: bytearray = field(default_factory=bytearray)
    times_closed: int = 0

    def write(self, data: bytes) -> None:
        if len(self.data) + len(data) > self.room:
            raise Failure(Code.STORE_UNAVAILABLE, "full")
        self.data += data

    def read(self, offset: int, count: int) -> bytes:
        return bytes(self.data[offset : offset + count])

    def close(self) -> None:
        self.times_closed += 1


@dataclass(slots=True)
class MemorySpools:
    """Opens spools with `room`, and keeps those that it `opened`."""

    room: int = 1 << 30
    opened: list[MemorySpool] = field(default_factory=list)

    def open(self) -> MemorySpool:
        self.opened.append(MemorySpool(self.room))
        return self.opened[-1]
