"""US dollars as callers read them.

Rule: exact to the last digit, and never with an exponent: strict readers of money take none.
"""

from decimal import Decimal

from msgspec import Raw


def decimal_text(value: Decimal) -> str:
    """`0.0685615`, never `6.85615E-2` and never `0.500`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def json_number(value: Decimal | None) -> Raw | None:
    """`value` as a number in JSON; `None`, which is unknown, stays `null`."""
    return None if value is None else Raw(decimal_text(value).encode())
