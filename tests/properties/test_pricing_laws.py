"""Laws of costs."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.pricing import Price, cost_of, lines_of
from impasto.domain.receipt import MAX_FACTS_BYTES, facts_of, parse_facts
from impasto.domain.usage import Usage
from tests.fakes.models import a_price

RATES = st.decimals(0, 1000, places=4)
PRICES = st.builds(
    lambda input, text, image, input_image, cached: a_price(  # noqa: A006
        str(input), str(text), str(image), input_image=input_image, cached_input=cached
    ),
    RATES,
    RATES,
    RATES,
    st.none() | RATES,
    st.none() | RATES,
)
COUNTS = st.integers(0, 10_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    text, *others = draw(st.lists(COUNTS, min_size=5, max_size=5))
    cached = draw(st.integers(0, text))
    return Usage(text, others[0], others[1], others[2], others[3], cached)


def known(cost: Decimal | None) -> Decimal:
    assert cost is not None
    return cost


@given(usages(), usages(), PRICES)
def test_two_completions_cost_what_both_cost(one: Usage, other: Usage, price: Price) -> None:
    counted = [name for name in Usage.__slots__ if name != "estimated"]
    both = Usage(**{name: getattr(one, name) + getattr(other, name) for name in counted})
    assert known(cost_of(both, price)) == known(cost_of(one, price)) + known(cost_of(other, price))


@given(usages(), PRICES)
def test_no_cost_is_negative(usage: Usage, price: Price) -> None:
    assert known(cost_of(usage, price)) >= 0


@given(usages(), st.integers(0, 10_000), PRICES)
def test_knowing_what_the_pictures_took_counts_no_token_twice(usage: Usage, tokens: int, price: Price) -> None:
    seen = usage.with_image_tokens(tokens)
    assert seen.output_image_tokens == tokens
    words = usage.output_text_tokens
    assert seen.output_text_tokens + min(tokens, words) == words
    assert known(cost_of(seen, price)) >= 0


@given(usages(), PRICES)
def test_the_lines_of_a_receipt_add_up_to_its_cost(usage: Usage, price: Price) -> None:
    lines = lines_of(usage, price)
    assert sum((known(line.cost) for line in lines), Decimal(0)) == known(cost_of(usage, price))
    assert sum(line.tokens for line in lines) == usage.total_tokens


@given(usages(), PRICES)
def test_a_receipt_reads_back_as_it_was_written(usage: Usage, price: Price) -> None:
    text = facts_of(usage, price, "exact")
    assert parse_facts(text) == (usage, price, "exact")
    assert len(text.encode()) <= MAX_FACTS_BYTES
