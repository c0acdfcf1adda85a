"""Receipts: units times price, and what was held and charged."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from impasto.api.receipt import receipt_body
from impasto.domain.ledger import Outcome, Posted
from impasto.domain.receipt import facts_of
from impasto.domain.usage import Usage
from tests.fakes.models import a_price

USAGE = Usage(input_text_tokens=5, output_text_tokens=453, output_image_tokens=1120)
FACTS = facts_of(USAGE, a_price(), "exact")


def receipt(**changes: Any) -> Any:
    fields = {"call": 0, "reserved_nano": 100_000_000, "reserved_ms": 1_795_000_000_123} | changes
    body = msgspec.json.encode(receipt_body(Posted(**fields), ended_ms=(changes and 1_795_000_001_000) or None))
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


def test_a_settled_call_shows_how_its_cost_came_about() -> None:
    shown = receipt(outcome=Outcome.SETTLED, cost_nano=68_561_500, model="google/painting-model", facts=FACTS)
    assert shown["lines"] == [
        {"kind": "input_text", "tokens": 5, "price_per_million": Decimal("0.5"), "cost": Decimal("0.0000025")},
        {"kind": "output_text", "tokens": 453, "price_per_million": 3, "cost": Decimal("0.001359")},
        {"kind": "output_image", "tokens": 1120, "price_per_million": 60, "cost": Decimal("0.0672")},
    ]
    assert sum(line["cost"] for line in shown["lines"]) == shown["cost"] == shown["settled"] == Decimal("0.0685615")
    assert (shown["outcome"], shown["cost_status"], shown["overrun"]) == ("settled", "exact", False)
    assert (shown["model"], shown["currency"], shown["reserved"]) == ("google/painting-model", "USD", Decimal("0.1"))
    assert (shown["price"]["checked"], shown["price"]["source"]) == ("2026-11-22", "https://example.com/prices")
    assert shown["price"]["unit"] == "US dollars per million tokens"
    assert (shown["reserved_at"], shown["ended_at"]) == ("2026-11-18T11:06:40.123Z", "2026-11-18T11:06:41.000Z")


def test_while_it_runs_nothing_is_known_but_what_is_held() -> None:
    shown = receipt()
    assert [shown[name] for name in ("outcome", "cost", "cost_status", "settled", "ended_at", "price")] == [None] * 6
    assert (shown["lines"], shown["reserved"]) == ([], Decimal("0.1"))


@pytest.mark.parametrize(("outcome", "settled"), [(Outcome.VOID, 0), (Outcome.UNKNOWN, None)])
def test_void_is_nothing_and_unknown_is_not_zero(outcome: Outcome, settled: int | None) -> None:
    shown = receipt(outcome=outcome)
    assert (shown["outcome"], shown["settled"], shown["cost"]) == (outcome, settled, None)


def test_a_call_without_a_price_shows_its_tokens() -> None:
    facts = facts_of(USAGE, None, "unknown")
    shown = receipt(outcome=Outcome.SETTLED, reserved_nano=None, facts=facts)
    assert (shown["cost"], shown["settled"], shown["reserved"], shown["price"]) == (None, None, None, None)
    assert [(line["tokens"], line["cost"]) for line in shown["lines"]] == [(5, None), (453, None), (1120, None)]


def test_less_than_a_nano_dollar_is_shown_and_not_charged() -> None:
    price = a_price("0.0001")
    shown = receipt(outcome=Outcome.SETTLED, cost_nano=0, facts=facts_of(Usage(input_text_tokens=1), price, "exact"))
    assert (shown["cost"], shown["settled"]) == (Decimal("0.0000000001"), 0)


def test_an_overrun_says_so() -> None:
    assert receipt(outcome=Outcome.SETTLED, cost_nano=200_000_000, facts=FACTS, overrun=True)["overrun"] is True
