"""Bills as callers read them: tokens times price, line by line.

Rule: the lines add up to the cost, to the last digit; what is unknown is null.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from impasto.api.money import json_number
from impasto.domain.pricing import Line, Price

UNIT = "US dollars per million tokens"


def line_bodies(lines: Iterable[Line]) -> list[dict[str, object]]:
    """Each kind of token with its price and its cost."""
    return [
        {
            "kind": line.kind,
            "tokens": line.tokens,
            "price_per_million": json_number(line.price),
            "cost": json_number(line.cost),
        }
        for line in lines
    ]


def price_body(price: Price | None) -> dict[str, object] | None:
    """The price that was or would be applied, with the day it was checked and where."""
    if price is None:
        return None
    return {
        "unit": UNIT,
        "input": json_number(price.input),
        "input_image": json_number(price.input if price.input_image is None else price.input_image),
        "cached_input": json_number(price.input if price.cached_input is None else price.cached_input),
        "output_text": json_number(price.output_text),
        "output_image": json_number(price.output_image),
        "checked": price.checked,
        "source": price.source or None,
    }


def time_text(milliseconds: float) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC: `2026-11-22T19:27:58.123Z`."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
