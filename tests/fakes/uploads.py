"""Uploads in memory."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from impasto.domain.errors import Code, Failure
from impasto.domain.stored_image import Upload


@dataclass(slots=True)
class MemoryUploads:
    """Uploads in the order in which they came. `now` gives seconds since the epoch; nothing is known while it is
    `down`. `on_add` hears of each upload once it is written."""

    now: Callable[[], float]
    down: bool = False
    all: list[Upload] = field(default_factory=list)
    on_add: Callable[[Upload], None] = lambda _: None

    async def add(self, upload: Upload) -> None:
        self._look()
        self.all.append(upload)
        self.on_add(upload)

    async def page(self, key_id: str, purpose: str | None, *, limit: int, offset: int) -> tuple[int, list[Upload]]:
        self._look()
        shown = [
            upload
            for upload in reversed(self.all)
            if upload.key_id == key_id and self._is_valid(upload) and purpose in (None, upload.purpose)
        ]
        return len(shown), shown[offset : offset + limit]

    async def delete(self, key_id: str | None, ids: Collection[str] | None) -> int:
        self._look()
        gone = [
            upload
            for upload in self.all
            if key_id in (None, upload.key_id) and (ids is None or upload.id in ids)
        ]  # fmt: skip
        self.all = [upload for upload in self.all if upload not in gone]
        return sum(map(self._is_valid, gone))

    def _is_valid(self, upload: Upload) -> bool:
        return upload.expires_ms > self.now() * 1000

    def _look(self) -> None:
        if self.down:
            raise Failure(Code.LEDGER_UNAVAILABLE, "away")
