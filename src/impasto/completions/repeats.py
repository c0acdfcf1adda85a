"""Attempts that were refused and told to come back.

Rule: a client that repeats by itself was cut off or refused. Each refusal accounts for one repeat,
which is then made like a first attempt; a repeat that no refusal accounts for was cut off. A client
that does not come back within two minutes has given up.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

MOST_REMEMBERED = 4096
REMEMBERED_SECONDS = 120.0
"""OpenAI's clients wait a minute at most before they repeat, whatever they are told."""


@dataclass(slots=True)
class RefusedAttempts:
    """The refusals that stand open, by virtual key and hash of the request; the oldest are forgotten first. `at` is a
    moment on a clock that does not jump, in seconds."""

    _open: OrderedDict[tuple[str, bytes], list[float]] = field(default_factory=OrderedDict)

    def add(self, key_id: str, request_hash: bytes, at: float) -> None:
        place = (key_id, request_hash)
        self._open[place] = [*self._standing(place, at), at]
        self._open.move_to_end(place)
        if len(self._open) > MOST_REMEMBERED:
            self._open.popitem(last=False)

    def has(self, key_id: str, request_hash: bytes, at: float) -> bool:
        return bool(self._standing((key_id, request_hash), at))

    def take(self, key_id: str, request_hash: bytes, at: float) -> None:
        """One of them has come back."""
        place = (key_id, request_hash)
        left = self._standing(place, at)[1:]
        self._open.pop(place, None)
        if left:
            self._open[place] = left

    def _standing(self, place: tuple[str, bytes], at: float) -> list[float]:
        return [since for since in self._open.get(place, ()) if at - since < REMEMBERED_SECONDS]
