"""Attempts that were refused and told to come back.

Rule: a client that repeats by itself was cut off or refused. Each refusal accounts for one repeat,
which is then made like a first attempt; a repeat that no refusal accounts for was cut off.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

MOST_REMEMBERED = 4096


@dataclass(slots=True)
class RefusedAttempts:
    """How many refusals stand open, by virtual key and hash of the request; the oldest are forgotten first."""

    _open: OrderedDict[tuple[str, bytes], int] = field(default_factory=OrderedDict)

    def add(self, key_id: str, request_hash: bytes) -> None:
        place = (key_id, request_hash)
        self._open[place] = self._open.pop(place, 0) + 1
        if len(self._open) > MOST_REMEMBERED:
            self._open.popitem(last=False)

    def has(self, key_id: str, request_hash: bytes) -> bool:
        return (key_id, request_hash) in self._open

    def take(self, key_id: str, request_hash: bytes) -> None:
        """One of them has come back."""
        place = (key_id, request_hash)
        left = self._open.pop(place, 0) - 1
        if left > 0:
            self._open[place] = left
