from decimal import Decimal

import pytest

from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage
from tests.fakes.models import a_price


@pytest.mark.parametrize(
    ("usage", "prices", "cost"),
    [
        pytest.param(Usage(10, 0, 5, 1290), ("0.30", "2.50", "30.00"), "0.0387155", id="2.5 Flash Image, as recorded"),
        pytest.param(Usage(10, 0, 69, 1120, 115), ("2.00", "12.00", "120.00"), "0.136628", id="3 Pro, as recorded"),
        pytest.param(Usage(22, 0, 96, 1120, 179), ("2.00", "12.00", "120.00"), "0.137744", id="thoughts cost as words"),
        pytest.param(Usage(5, 258, 0, 1120), ("0.50", "3.00", "60.00"), "0.0673315", id="pictures in the input"),
        pytest.param(Usage(), ("0.50", "3.00", "60.00"), "0", id="nothing"),
        pytest.param(Usage(3, 0, 4, 0), ("0.50", "3.00", None), "0.0000135", id="an unknown price that is not needed"),
        pytest.param(Usage(3, 0, 0, 7), ("0.50", None, "60.00"), "0.0004215", id="another"),
    ],
)
def test_the_cost_is_exact(usage: Usage, prices: tuple[str, str | None, str | None], cost: str) -> None:
    assert cost_of(usage, a_price(*prices)) == Decimal(cost)


@pytest.mark.parametrize(
    ("usage", "prices"),
    [
        (Usage(3, 0, 4), ("0.50", None, "60.00")),
        (Usage(3, thought_tokens=1), ("0.50", None, "60.00")),
        (Usage(3, output_image_tokens=1), ("0.50", "3.00", None)),
    ],
)
def test_what_is_unknown_is_not_zero(usage: Usage, prices: tuple[str, str | None, str | None]) -> None:
    assert cost_of(usage, a_price(*prices)) is None
    assert cost_of(usage, None) is None


def test_pictures_in_the_input_may_have_their_own_price() -> None:
    price = a_price("5", "12", "40", input_image=Decimal(10))
    assert cost_of(Usage(100, 200), price) == Decimal("0.0025")


def test_what_was_cached_costs_less_where_that_is_known() -> None:
    usage = Usage(1000, cached_tokens=600)
    assert cost_of(usage, a_price("1")) == Decimal("0.001")
    assert cost_of(usage, a_price("1", cached_input=Decimal("0.1"))) == Decimal("0.00046")


def test_no_more_can_be_cached_than_was_read() -> None:
    assert cost_of(Usage(10, cached_tokens=600), a_price("1", cached_input=Decimal(0))) == 0
