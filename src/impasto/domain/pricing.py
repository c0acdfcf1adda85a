"""What a completion costs.

Rule: money is `Decimal`, rounded nowhere here; unknown is `None` and never zero.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from impasto.domain.usage import Usage

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, by kind, with the day it was checked and where.

    A kind that is `None` has no known price: a completion that used it has none either.
    Cached input is billed as ordinary input where `cached_input` is unknown (an upper bound).
    """

    input: Decimal
    output_text: Decimal | None
    output_image: Decimal | None
    checked: date
    source: str
    input_image: Decimal | None = None
    cached_input: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _NoPrice:
    """The rates of a model without a price."""

    input: Decimal | None = None
    output_text: Decimal | None = None
    output_image: Decimal | None = None
    input_image: Decimal | None = None
    cached_input: Decimal | None = None


_UNKNOWN = _NoPrice()


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of token on a receipt: how many, US dollars per million of them, and what they come to."""

    kind: str
    tokens: int
    price: Decimal | None
    cost: Decimal | None


def lines_of(usage: Usage, price: Price | None) -> tuple[Line, ...]:
    """`usage` by kind, without those of which there are none; they add up to what `cost_of` says.

    Gemini's arithmetic: thoughts are billed at the price of text output.
    https://ai.google.dev/gemini-api/docs/pricing
    """
    cached_tokens = min(usage.cached_tokens, usage.input_text_tokens)
    rates = price or _UNKNOWN
    cached_input, image_input = (
        rates.input if rate is None else rate for rate in (rates.cached_input, rates.input_image)
    )
    counts_and_rates = (
        ("input_text", usage.input_text_tokens - cached_tokens, rates.input),
        ("cached_input", cached_tokens, cached_input),
        ("input_image", usage.input_image_tokens, image_input),
        ("output_text", usage.output_text_tokens, rates.output_text),
        ("thoughts", usage.thought_tokens, rates.output_text),
        ("output_image", usage.output_image_tokens, rates.output_image),
    )
    return tuple(
        Line(kind, tokens, rate, None if rate is None else tokens * rate / _MILLION)
        for kind, tokens, rate in counts_and_rates
        if tokens
    )


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """US dollars for `usage`, or `None` where a price that it needs is unknown."""
    if price is None:
        return None
    total = Decimal(0)
    for line in lines_of(usage, price):
        if line.cost is None:
            return None
        total += line.cost
    return total
