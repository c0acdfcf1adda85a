"""Money: whole nano-dollars, bounded, rounded once."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.money import MAX_NANO, dollars_of, nano_of, nano_to_reserve

SUMS = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False) | st.builds(
    lambda digits, places: Decimal((0, tuple(map(int, str(digits))), -places)),
    st.integers(0, 10**40),
    st.integers(31, 60),
)


@pytest.mark.parametrize(
    ("dollars", "settled", "reserved"),
    [
        ("0", 0, 0),
        ("-0", 0, 0),
        ("0.067", 67_000_000, 67_000_000),
        ("0.0000000004", 0, 1),
        ("0.0000000005", 0, 1),
        ("0.0000000015", 2, 2),
        ("0.1340000000000000000000000000000000001", 134_000_000, 134_000_001),
        ("1000000000", MAX_NANO, MAX_NANO),
        ("1E-999999", 0, 1),
    ],
)
def test_dollars_become_nano_dollars(dollars: str, settled: int, reserved: int) -> None:
    assert nano_of(Decimal(dollars)) == settled
    assert nano_to_reserve(Decimal(dollars)) == reserved


@pytest.mark.parametrize("dollars", ["-0.000000001", "1000000000.000000001", "1E999999", "NaN", "sNaN", "Infinity"])
def test_what_is_no_sum_is_refused(dollars: str) -> None:
    for convert in (nano_of, nano_to_reserve):
        with pytest.raises(ValueError, match="is no sum of money"):
            convert(Decimal(dollars))


@given(SUMS)
def test_what_is_reserved_is_never_less(dollars: Decimal) -> None:
    assert nano_to_reserve(dollars) == ceil(Fraction(dollars) * 10**9)
    assert nano_of(dollars) == round(Fraction(dollars) * 10**9)


@given(st.integers(0, MAX_NANO))
def test_nano_dollars_come_back(nano: int) -> None:
    assert nano_of(dollars_of(nano)) == nano
