"""US dollars as the ledger counts them: whole nano-dollars.

Rule: money is a bounded integer and is rounded once, on its way in: what is reserved is rounded
up, what is settled to the nearest (half to even).
"""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

NANO = Decimal(1_000_000_000)
MAX_NANO = 10**18
"""A thousand million dollars: whatever claims to be more is no cost of a picture. Ten of it fit in 64 bits."""


def nano_of(dollars: Decimal) -> int:
    """`dollars` as nano-dollars. Raises `ValueError` for what is negative, no number, or beyond `MAX_NANO`."""
    return _whole(dollars, ROUND_HALF_EVEN)


def nano_to_reserve(dollars: Decimal) -> int:
    """`dollars` as nano-dollars, never less than they are. Raises `ValueError` as `nano_of` does."""
    return _whole(dollars, ROUND_CEILING)


def dollars_of(nano: int) -> Decimal:
    """Nano-dollars as US dollars, exact."""
    return Decimal(nano) / NANO


def _whole(dollars: Decimal, rounding: str) -> int:
    if not dollars.is_finite() or not 0 <= dollars <= MAX_NANO // 10**9:
        raise ValueError(f"{dollars} is no sum of money from 0 to {MAX_NANO // 10**9}")
    sign, digits, exponent = dollars.as_tuple()
    nano = Decimal((sign, digits, int(exponent) + 9))  # exact; a product would be rounded to 28 digits, and not up
    return int(nano.to_integral_value(rounding))
