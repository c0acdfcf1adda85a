"""Dollars in text and in JSON: exact, plain, whatever their size."""

import json
import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.api.money import decimal_text, json_number

AMOUNTS = st.decimals(min_value=0, max_value=10**9, allow_nan=False, places=15) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(0, 10**12), st.integers(-20, 8)
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"), ("0E+3", "0"), ("0.000", "0"), ("0E-9", "0"), ("6.9E-7", "0.00000069"), ("1E+3", "1000"),
        ("100", "100"), ("0.50", "0.5"), ("0.0685615", "0.0685615"), ("12.3400", "12.34"),
    ],
)  # fmt: skip
def test_it_is_written_plainly(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


@given(AMOUNTS)
def test_it_reads_back_exactly(value: Decimal) -> None:
    body = msgspec.json.encode({"cost": json_number(value)}).decode()
    assert json.loads(body, parse_float=Decimal, parse_int=Decimal)["cost"] == value
    assert re.fullmatch(r'\{"cost":(0|[1-9]\d*)(\.\d*[1-9])?\}', body)


def test_unknown_is_null() -> None:
    assert msgspec.json.encode({"cost": json_number(None)}) == b'{"cost":null}'
