"""How long answers are kept, how much of them, and how much of one.

Rule: what is kept is kept for an hour at least, so that a caller whose line was lost finds it. What is kept of one
request is the less of what its key allows and what it asks for.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

LEAST_SECONDS = 3600

_TERM = re.compile(r"([0-9]{1,6})(d|h|MB|GB|TB)")
_SECONDS = {"h": 3600, "d": 24 * 3600}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class Keeps(StrEnum):
    """What is kept of a request: everything; everything but its words; or nothing that outlives it."""

    ALL = "all"
    PICTURES = "pictures"
    NONE = "none"

    def within(self, most: "Keeps") -> "Keeps":
        """The less of both."""
        order = tuple(Keeps)
        return max(self, most, key=order.index)


@dataclass(frozen=True, slots=True)
class Retention:
    """An answer goes once it is older than `max_age_seconds`; the oldest go once all of them come to more than
    `max_bytes`. `None`: no such bound."""

    max_age_seconds: int | None = 7 * 24 * 3600
    max_bytes: int | None = 10 * 10**9

    @classmethod
    def parse(cls, text: str) -> Self:
        """`7d,10GB`: an age, a size, or both in any order. Raises `ValueError`."""
        ages: list[int] = []
        sizes: list[int] = []
        for term in text.split(","):
            found = _TERM.fullmatch(term.strip())
            if found is None:
                raise ValueError(f"{term.strip()!r} is no age and no size; 7d, 24h, 500MB and 10GB are.")
            number, unit = int(found[1]), found[2]
            if unit in _SECONDS:
                ages.append(number * _SECONDS[unit])
            else:
                sizes.append(number * _BYTES[unit])
        if len(ages) > 1 or len(sizes) > 1:
            raise ValueError(f"{text!r} says the same thing twice; one age and one size are enough: 7d,10GB.")
        if ages and ages[0] < LEAST_SECONDS:
            raise ValueError(f"{text!r} keeps answers too briefly; it takes 1h at least.")
        if 0 in sizes:
            raise ValueError(f"{text!r} keeps nothing; it takes 1MB at least.")
        return cls(ages[0] if ages else None, sizes[0] if sizes else None)
