"""What a deletion took.

Rule: content goes, money stays: what was spent is no part of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deleted:
    """Counts: pictures, generations of which something was kept, uploads, and the blobs that nobody else needs, with
    their bytes. `still_running` generations were left as they are."""

    images: int = 0
    generations: int = 0
    uploads: int = 0
    blobs: int = 0
    byte_count: int = 0
    still_running: int = 0

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))
