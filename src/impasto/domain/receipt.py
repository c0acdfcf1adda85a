"""What the ledger keeps of a bill, so that it can be read when prices have long changed.

Rule: it is text of at most a kilobyte, it holds the price that was applied and not a reference to
it, and it reads back as what was written.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from impasto.domain.pricing import Price
from impasto.domain.usage import Usage

MAX_FACTS_BYTES = 1024

_COUNTS = tuple(field.name for field in fields(Usage) if field.name != "estimated")
_RATES = ("input", "output_text", "output_image", "input_image", "cached_input")


def facts_of(usage: Usage, price: Price | None, status: str) -> str:
    """The facts of a receipt as JSON text. `status` says how far the cost can be trusted.

    A source that would make it too long is left out.
    """
    facts = {"status": status, "usage": _usage_facts(usage), "price": price and _price_facts(price)}
    text = _json(facts)
    if len(text.encode()) > MAX_FACTS_BYTES and price:
        text = _json(facts | {"price": _price_facts(price) | {"source": ""}})
    return text


def parse_facts(text: str) -> tuple[Usage, Price | None, str]:
    """What `facts_of` was given; no usage, no price and no status where nothing was kept."""
    facts = json.loads(text)
    usage: Mapping[str, Any] = facts.get("usage", {})
    price: Mapping[str, Any] | None = facts.get("price")
    return Usage(**usage), _price(price) if price else None, str(facts.get("status", ""))


def _usage_facts(usage: Usage) -> dict[str, int | bool]:
    counts: dict[str, int | bool] = {name: count for name in _COUNTS if (count := getattr(usage, name))}
    return counts | {"estimated": True} if usage.estimated else counts


def _price_facts(price: Price) -> dict[str, str]:
    rates = {name: str(rate) for name in _RATES if (rate := getattr(price, name)) is not None}
    return rates | {"checked": price.checked.isoformat(), "source": price.source}


def _price(facts: Mapping[str, Any]) -> Price:
    rates: dict[str, Any] = {name: Decimal(facts[name]) if name in facts else None for name in _RATES}
    return Price(**rates, checked=date.fromisoformat(facts["checked"]), source=facts["source"])


def _json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
