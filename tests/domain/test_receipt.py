"""What is kept of a bill: short, and read back as it was written."""

from dataclasses import replace
from decimal import Decimal

import pytest

from impasto.domain.pricing import Price, cost_of, lines_of
from impasto.domain.receipt import MAX_FACTS_BYTES, facts_of, parse_facts
from impasto.domain.usage import Usage
from tests.fakes.models import a_price

USAGE = Usage(5, 1120, 2, 1120, 7, 3, estimated=True)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (USAGE, a_price(cached_input=Decimal("0.05"), input_image=Decimal("0.500000001"))),
        (Usage(), a_price("0", None, None)),
        (Usage(input_text_tokens=1), None),
    ],
)
def test_it_reads_back_as_it_was_written(usage: Usage, price: Price | None) -> None:
    text = facts_of(usage, price, "estimated")
    assert parse_facts(text) == (usage, price, "estimated")
    assert len(text.encode()) <= MAX_FACTS_BYTES


def test_what_comes_later_is_priced_as_it_was_then() -> None:
    usage, price, _ = parse_facts(facts_of(USAGE, a_price(), "exact"))
    assert cost_of(usage, price) == cost_of(USAGE, a_price())


def test_nothing_kept_is_nothing_known() -> None:
    assert parse_facts("{}") == (Usage(), None, "")


@pytest.mark.parametrize("source", ["https://example.com/" + "x" * 2000, "\x00" * 300, "ü" * 600])
def test_a_source_that_is_too_long_is_left_out(source: str) -> None:
    price = replace(a_price(), source=source)
    text = facts_of(USAGE, price, "exact")
    assert len(text.encode()) <= MAX_FACTS_BYTES
    assert parse_facts(text) == (USAGE, replace(price, source=""), "exact")


def test_a_source_in_any_script_is_kept() -> None:
    price = replace(a_price(), source="Préis 価格 \x00 \U0001f5bc")
    assert parse_facts(facts_of(USAGE, price, "exact"))[1] == price


def test_a_bill_has_a_line_for_each_kind() -> None:
    price = a_price("1", "10", "100", cached_input=Decimal("0.1"), input_image=Decimal(2))
    assert [(line.kind, line.tokens, str(line.price)) for line in lines_of(USAGE, price)] == [
        ("input_text", 2, "1"), ("cached_input", 3, "0.1"), ("input_image", 1120, "2"),
        ("output_text", 2, "10"), ("thoughts", 7, "10"), ("output_image", 1120, "100"),
    ]  # fmt: skip


def test_without_a_price_the_lines_have_tokens_alone() -> None:
    [line] = lines_of(Usage(output_image_tokens=1120), None)
    assert (line.tokens, line.price, line.cost) == (1120, None, None)
