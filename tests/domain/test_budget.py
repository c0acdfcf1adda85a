"""Budgets: the periods of the calendar, and what fits beneath a ceiling."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.budget import PERIODS, Balance, Budget, Period, check_fits, period_at, period_end
from impasto.domain.errors import Code, Failure

MOMENTS = st.integers(0, 4 * 10**9)


def seconds_at(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "moment", "name", "end"),
    [
        ("daily", "2026-12-31T23:59:59", "2026-12-31", "2027-01-01"),
        ("daily", "2028-02-28T00:00:00", "2028-02-28", "2028-02-29"),
        ("weekly", "2026-11-22T12:00:00", "2026-W47", "2026-11-23"),  # a Sunday
        ("weekly", "2026-11-23T00:00:00", "2026-W48", "2026-11-30"),
        ("weekly", "2027-01-01T00:00:00", "2026-W53", "2027-01-04"),
        ("monthly", "2026-12-31T12:00:00", "2026-12", "2027-01-01"),
        ("monthly", "2026-01-31T12:00:00", "2026-01", "2026-02-01"),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, moment: str, name: str, end: str) -> None:
    assert period_at(period, seconds_at(moment)) == name
    assert period_end(period, seconds_at(moment)) == seconds_at(end)


def test_a_budget_for_ever_has_one_period_without_end() -> None:
    assert {period_at("none", seconds) for seconds in (0, 10**9, 4 * 10**9)} == {"all"}
    assert period_end("none", 0) is None


@given(st.sampled_from(PERIODS[1:]), MOMENTS)
def test_the_end_of_a_period_is_where_the_next_begins(period: Period, seconds: int) -> None:
    end = period_end(period, seconds)
    assert end is not None
    assert end > seconds
    assert period_at(period, end - 1) == period_at(period, seconds) != period_at(period, end)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 100))
def test_what_fits_is_reserved_and_what_waiting_can_help_is_told(
    held: int, unknown: int, spent: int, amount: int, limit: int
) -> None:
    budget, balance = Budget(limit, "daily"), Balance(held, unknown, spent)
    if held + unknown + spent + amount <= limit:
        check_fits(budget, balance, amount)
        return
    with pytest.raises(Failure) as caught:
        check_fits(budget, balance, amount)
    can_wait = unknown + spent + amount <= limit
    assert caught.value.code is (Code.BUDGET_HELD if can_wait else Code.BUDGET_SPENT)
    assert caught.value.retry_helps is can_wait
    assert (caught.value.retry_after_seconds is not None) is can_wait


def test_without_a_ceiling_everything_fits() -> None:
    check_fits(Budget(), Balance(10**18, 10**18, 10**18), 10**18)


def test_the_sentences_name_the_sums() -> None:
    budget = Budget(1_000_000_000, "monthly")
    with pytest.raises(Failure) as held:
        check_fits(budget, Balance(held=900_000_000), 134_000_000)
    assert "can cost up to $0.134, and requests in flight hold $0.9 of the $1 in this key's budget for this month" in (
        held.value.message
    )
    with pytest.raises(Failure) as spent:
        check_fits(budget, Balance(spent=1_200_000_000), 134_000_000)
    assert "of the $1 in this key's budget for this month $0 is left" in spent.value.message
