"""Budgets: a ceiling over a period, and whether one more reservation fits beneath it.

Rule: everything that a reservation comes to belongs to the period in which it was made, so that
what was spent, is held and has an unknown outcome never adds up to more than the ceiling. Periods
are those of the calendar in UTC; weeks begin on Monday.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from impasto.domain.errors import Code, Failure
from impasto.domain.money import dollars_of

Period = Literal["none", "daily", "weekly", "monthly"]
PERIODS: tuple[Period, ...] = ("none", "daily", "weekly", "monthly")

HELD_RETRY_AFTER_SECONDS = 5
"""When to come back for money that requests in flight hold: a picture takes some ten seconds."""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit_nano` nano-dollars in each `period`; `None` is no ceiling."""

    limit_nano: int | None = None
    period: Period = "none"


@dataclass(frozen=True, slots=True)
class Balance:
    """Nano-dollars of one account in one period: held by requests in flight, held because nobody knows their
    outcome, and spent."""

    held: int = 0
    unknown: int = 0
    spent: int = 0

    def __add__(self, other: "Balance") -> "Balance":
        return Balance(self.held + other.held, self.unknown + other.unknown, self.spent + other.spent)


def period_at(period: Period, seconds: float) -> str:
    """The name of the period that `seconds` since the epoch lie in: `2026-11-22`, `2026-W47`, `2026-11`, or `all`."""
    day = datetime.fromtimestamp(seconds, UTC)
    match period:
        case "daily":
            return f"{day:%Y-%m-%d}"
        case "weekly":
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case "monthly":
            return f"{day:%Y-%m}"
        case "none":
            return "all"


def period_end(period: Period, seconds: float) -> float | None:
    """When the period that `seconds` lie in ends, in seconds since the epoch; `None`: never."""
    midnight = datetime.fromtimestamp(seconds, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "daily":
            return (midnight + timedelta(days=1)).timestamp()
        case "weekly":
            return (midnight + timedelta(days=7 - midnight.weekday())).timestamp()
        case "monthly":
            return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
        case "none":
            return None


def check_fits(budget: Budget, balance: Balance, amount: int) -> None:
    """May `amount` be reserved? Raises `budget_spent`, or `budget_held` where waiting can help."""
    limit = budget.limit_nano
    if limit is None or balance.spent + balance.unknown + balance.held + amount <= limit:
        return
    per = {"none": "", "daily": " for today", "weekly": " for this week", "monthly": " for this month"}[budget.period]
    most = f"This request can cost up to ${dollars_of(amount):f}"
    gone = balance.spent + balance.unknown
    if gone + amount <= limit:
        raise Failure(
            Code.BUDGET_HELD,
            f"{most}, and requests in flight hold ${dollars_of(balance.held):f} of the ${dollars_of(limit):f} in this "
            f"key's budget{per}, ${dollars_of(gone):f} of which is spent. What they do not use comes free when they "
            "end. Nothing was sent; try again.",
            retry_helps=True,
            retry_after_seconds=HELD_RETRY_AFTER_SECONDS,
        )
    raise Failure(
        Code.BUDGET_SPENT,
        f"{most}, and of the ${dollars_of(limit):f} in this key's budget{per} ${dollars_of(max(0, limit - gone)):f} "
        "is left. Nothing was sent. Ask for a smaller picture, or the gateway's operator for a larger budget.",
    )
