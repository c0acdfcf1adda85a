"""Pictures that callers name by URL.

Rule: whatever a caller names is a stranger's.
"""

from dataclasses import dataclass

from impasto.net.image_fetcher import ImageFetcher, Trust


@dataclass(frozen=True, slots=True)
class StrangersImages:
    """The fetcher as a source of callers' pictures."""

    fetcher: ImageFetcher

    async def fetch(self, url: str, *, where: str) -> bytes:
        return await self.fetcher.fetch(url, where=where, trust=Trust.STRANGER)
