"""What was spent, as it is asked for and as it is told.

Rule: every number is a sum over generations, so that groups add up to the total; what is held and
what has an unknown outcome are shown beside what was spent and never as part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure, listed

GROUPS: Mapping[str, tuple[str, ...]] = {
    "day": ("day",),
    "key": ("key", "key_name"),
    "model": ("model",),
    "account": ("account", "account_name"),
    "generation": ("generation",),
}
"""What can be grouped by, beside `tag:NAME`, and the columns that tell its groups apart."""
TAG_GROUP = "tag:"
_CHOICES = listed([*GROUPS, "tag:NAME"])

TOKEN_KINDS = (
    "input_text_tokens", "input_image_tokens", "output_text_tokens", "output_image_tokens", "thought_tokens",
    "cached_tokens",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """Which generations are asked for, and by what they are told apart.

    `since` and `until` are days in UTC, both counted in. `account_id` bounds what the asker may see; `key` is the
    id or the name of a virtual key; `tag` is (name, value). `only_unknown`: those of unknown outcome alone.
    """

    by: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    account_id: str | None = None
    key: str | None = None
    model: str | None = None
    tag: tuple[str, str] | None = None
    only_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums over generations: counts, nano-dollars and tokens.

    `spent_nano` is settled, `held_nano` is held by what runs, `unknown_nano` is the most that calls of unknown
    outcome (`unknown_calls`) can have cost. `unpriced` calls are settled without a known price.
    """

    requests: int = 0
    pictures: int = 0
    calls: int = 0
    spent_nano: int = 0
    held_nano: int = 0
    unknown_nano: int = 0
    unknown_calls: int = 0
    overruns: int = 0
    unpriced: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Spending") -> "Spending":
        sums = {name: getattr(self, name) + getattr(other, name) for name in SUMS}
        kinds = {kind: self.tokens.get(kind, 0) + other.tokens.get(kind, 0) for kind in TOKEN_KINDS}
        return Spending(**sums, tokens=kinds)


SUMS = tuple(name for name in Spending.__slots__ if name != "tokens")
"""The names of the numbers of a `Spending`."""


@dataclass(frozen=True, slots=True)
class Group:
    """The spending of one group: `place` says which, by column; a tag that a request does not have is empty."""

    place: Mapping[str, str]
    spending: Spending


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget, what is used of it in the running period, and when the next one begins (seconds since the epoch)."""

    budget: Budget
    balance: Balance
    resets_at: float | None


def columns_of(by: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns that tell groups apart."""
    return tuple(column for name in by for column in GROUPS.get(name, (name,)))


def check_groups(by: tuple[str, ...], param: str) -> None:
    """Refuse with `invalid_value` what nothing can be grouped by, and what is said twice."""
    for name in by:
        if name not in GROUPS and not (name.startswith(TAG_GROUP) and len(name) > len(TAG_GROUP)):
            raise Failure(
                Code.INVALID_VALUE,
                f'{param} "{name[:80]}" is not possible. It takes {_CHOICES}, with commas between.',
                param=param,
            )
    if len(set(by)) < len(by):
        raise Failure(Code.INVALID_VALUE, f"{param} names something twice. Name each once.", param=param)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all accounts and periods together: nano-dollars spent, held by what runs and of unknown outcome; how many
    calls settled above what was held for them, and by how much."""

    spent_nano: int = 0
    held_nano: int = 0
    unknown_nano: int = 0
    overruns: int = 0
    overrun_nano: int = 0
