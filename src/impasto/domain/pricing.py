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


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """US dollars for `usage`, or `None` where a price that it needs is unknown.

    Gemini's arithmetic: thoughts are billed at the price of text output.
    https://ai.google.dev/gemini-api/docs/pricing
    """
    if price is None:
        return None
    cached_tokens = min(usage.cached_tokens, usage.input_text_tokens)
    image_input = price.input if price.input_image is None else price.input_image
    cached_input = price.input if price.cached_input is None else price.cached_input
    total = (
        (usage.input_text_tokens - cached_tokens) * price.input
        + cached_tokens * cached_input
        + usage.input_image_tokens * image_input
    )
    for tokens, rate in (
        (usage.output_text_tokens + usage.thought_tokens, price.output_text),
        (usage.output_image_tokens, price.output_image),
    ):
        if tokens == 0:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return total / _MILLION
