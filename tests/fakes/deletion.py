"""A deletion that remembers what was asked for."""

from dataclasses import dataclass, field

from impasto.domain.deletion import Deleted
from impasto.domain.errors import Code, Failure

TAKEN = Deleted(images=3, generations=2, uploads=1, blobs=5, byte_count=70_000_000, still_running=1)


@dataclass(slots=True)
class FakeDeletion:
    """Deletes whatever it is asked to, unless it is to fail with `fails`. `asked` is what it was asked for."""

    fails: Code | None = None
    asked: list[tuple[str | None, ...]] = field(default_factory=list)

    async def image(self, image_id: str, key_id: str | None) -> Deleted:
        return self._delete("image", image_id, key_id)

    async def generation(self, generation_id: str, key_id: str | None) -> Deleted:
        return self._delete("generation", generation_id, key_id)

    async def content(self, key_id: str | None, end_user: str | None) -> Deleted:
        return self._delete("content", key_id, end_user)

    def _delete(self, *asked: str | None) -> Deleted:
        self.asked.append(asked)
        if self.fails:
            raise Failure(self.fails, "There is no such thing.")
        return TAKEN
