"""What was spent, summed up from the ledger.

Rule: the database does the sums, in one statement and so from one moment; what comes back is one
row for each group, however many generations there are. A generation counts whole on the day that
it began.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, RowMapping, bindparam, select

from impasto.domain.budget import Balance, Budget, Period, period_at, period_end
from impasto.domain.errors import Code, Failure
from impasto.domain.spending import SUMS, TOKEN_KINDS, BudgetState, Group, Question, Spending, columns_of
from impasto.storage.tables import accounts, balances
from impasto.storage.usage_statement import statement_of

MAX_GROUPS = 10_000
"""More than a person reads, and little enough to hold."""

_EPOCH = date(1970, 1, 1)
_BUDGET = select(accounts.c.budget_nano, accounts.c.budget_period).where(accounts.c.id == bindparam("account"))
_BALANCE = select(balances.c.held, balances.c.unknown, balances.c.spent).where(
    balances.c.account_id == bindparam("account"), balances.c.period == bindparam("period")
)


def spending_of(connection: Connection, question: Question, most: int = MAX_GROUPS) -> list[Group]:
    """The answer to `question`, one row for each group, in the order of their names.

    Raises `invalid_value` where that would be more than `most`.
    """
    names = columns_of(question.by)
    since, until = question.since, question.until
    times = {
        "since_ms": 0 if since is None else _ms(since),
        "until_ms": _ms(date.max) if until is None or until >= date.max else _ms(until + timedelta(days=1)),
    }
    groups: dict[tuple[str, ...], Spending] = {}
    for row in connection.execute(statement_of(question, most + 1), times).mappings():
        place = tuple(_text(row[f"place_{index}"]) for index in range(len(names)))
        groups[place] = groups.get(place, Spending()) + _spending(row)
    if len(groups) > most:
        raise Failure(
            Code.INVALID_VALUE,
            f"That is more than {most} rows. Ask for fewer days with from and to, or group by less.",
            param="group_by",
        )
    return [Group(dict(zip(names, place, strict=True)), groups[place]) for place in sorted(groups)]


def budget_state_of(connection: Connection, account_id: str, now: float) -> BudgetState | None:
    """What is used of the account's budget at `now` (seconds since the epoch); `None` where it has none."""
    account = connection.execute(_BUDGET, {"account": account_id}).first()
    if account is None or account.budget_nano is None:
        return None
    period: Period = account.budget_period
    at = {"account": account_id, "period": period_at(period, now)}
    balance = connection.execute(_BALANCE, at).first()
    return BudgetState(
        Budget(account.budget_nano, period), Balance(*balance) if balance else Balance(), period_end(period, now)
    )


def _spending(row: RowMapping | Mapping[str, int | None]) -> Spending:
    sums = {name: int(row[name] or 0) for name in SUMS}
    return Spending(**sums, tokens={kind: int(row[kind] or 0) for kind in TOKEN_KINDS})


def _text(value: str | int | None) -> str:
    """A name; a number is a day since the epoch, and nothing a tag that a request does not have."""
    if isinstance(value, int):
        return (_EPOCH + timedelta(days=value)).isoformat()
    return value or ""


def _ms(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1000
