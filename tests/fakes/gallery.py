"""A gallery in memory."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from impasto.domain.stored_image import StoredImage, Upload


@dataclass(slots=True)
class MemoryGallery:
    """`kept` are the pictures, in the order that they were made; `session_of` the conversations of generations."""

    kept: list[StoredImage] = field(default_factory=list)
    uploaded: list[Upload] = field(default_factory=list)
    session_of: dict[str, str] = field(default_factory=dict)
    now: Callable[[], float] = lambda: 0.0

    async def images(self, ids: Collection[str]) -> dict[str, StoredImage]:
        return {image.id: image for image in self.kept if image.id in ids}

    async def recognised(self, key_id: str, hashes: Collection[str]) -> dict[str, StoredImage]:
        return {image.sha256: image for image in self._in_order(key_id) if image.sha256 in hashes}

    async def latest(self, key_id: str, session_id: str) -> StoredImage | None:
        made = [image for image in self._in_order(key_id) if self.session_of.get(image.generation_id) == session_id]
        return made[-1] if made else None

    async def uploads(self, key_id: str, ids: Collection[str]) -> dict[str, Upload]:
        return {
            upload.id: upload
            for upload in self.uploaded
            if upload.id in ids and upload.key_id == key_id and upload.expires_ms > self.now() * 1000
        }

    def _in_order(self, key_id: str) -> list[StoredImage]:
        mine = [image for image in self.kept if image.key_id == key_id and image.gone_ms is None]
        return sorted(mine, key=lambda image: (image.created_ms, image.choice))
