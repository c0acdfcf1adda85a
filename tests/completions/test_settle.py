from dataclasses import replace
from decimal import Decimal

import pytest

from impasto.completions.answer import Bill, CostStatus
from impasto.completions.journal import Journal
from impasto.completions.settle import bill_for, tokens_per_picture
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.usage import Usage
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import LIMITS, a_model, a_price, a_text_model


def bill(usage: Usage | None, pictures: int = 1, model: Model | None = None, size: str | None = None) -> Bill:
    journal = Journal(MemoryStore(), usage=usage, pictures_made=pictures)
    return bill_for(model or a_model(), ImageConfig(None, size), journal)


@pytest.mark.parametrize(
    ("prices", "usage", "cost"),
    [
        (("0.30", "2.50", "30.00"), Usage(10, 0, 5, 1290), "0.0387155"),
        (("2.00", "12.00", "120.00"), Usage(10, 0, 69, 1120, 115), "0.136628"),
    ],
)
def test_what_the_provider_counted_is_the_bill(prices: tuple[str, str, str], usage: Usage, cost: str) -> None:
    assert bill(usage, model=a_model(price=a_price(*prices))) == Bill(usage, Decimal(cost), CostStatus.EXACT)


def test_pictures_without_details_are_never_priced_as_words() -> None:
    found = bill(Usage(5, 0, 1200))
    assert found.usage == Usage(5, 0, 80, 1120, estimated=True)
    assert found.status is CostStatus.ESTIMATED
    assert found.cost == Decimal("0.0674425")


def test_every_picture_that_was_made_is_counted() -> None:
    assert bill(Usage(5, 0, 1200), pictures=3, size="2K").usage == Usage(5, 0, 0, 5040, estimated=True)


def test_without_counts_the_catalogues_stand_in() -> None:
    found = bill(None)
    assert found == Bill(Usage(0, 0, 0, 1120, estimated=True), Decimal("0.0672"), CostStatus.ESTIMATED)


def test_counts_that_disagree_are_an_estimate() -> None:
    assert bill(Usage(5, 0, 7, estimated=True), pictures=0).status is CostStatus.ESTIMATED


def test_without_counts_and_pictures_the_cost_is_unknown() -> None:
    assert bill(None, pictures=0) == Bill(Usage(), None, CostStatus.UNKNOWN)


def test_a_refusal_costs_what_was_counted() -> None:
    assert bill(Usage(30, thought_tokens=212), pictures=0).cost == Decimal("0.000651")


@pytest.mark.parametrize("usage", [None, Usage(5, 0, 1200)])
@pytest.mark.parametrize("model", [a_model(images=replace(LIMITS, tokens_per_image={})), a_text_model()])
def test_a_picture_that_nobody_counted_has_no_known_cost(model: Model, usage: Usage | None) -> None:
    found = bill(usage, model=model)
    assert (found.cost, found.status) == (None, CostStatus.UNKNOWN)


def test_without_a_price_the_cost_is_unknown_and_the_counts_are_kept() -> None:
    assert bill(Usage(5, 0, 7, 1120), model=a_model(price=None)) == Bill(Usage(5, 0, 7, 1120), None, CostStatus.UNKNOWN)


def test_a_model_that_counts_nothing_costs_nothing() -> None:
    free = a_model(images=replace(LIMITS, tokens_per_image={"1K": 0, "2K": 0}), price=a_price("0", "0", "0"))
    assert bill(Usage(), model=free) == Bill(Usage(), Decimal(0), CostStatus.EXACT)


def test_a_cost_is_rounded_to_what_the_ledger_holds_once() -> None:
    found = bill(Usage(1), pictures=0, model=a_model(price=a_price("0.0004999")))
    assert found.cost == Decimal(0)
    assert bill(Usage(3), pictures=0, model=a_model(price=a_price("0.0005"))).cost == Decimal("0.000000002")


def test_tokens_go_by_the_size_that_is_made() -> None:
    assert tokens_per_picture(a_model(), ImageConfig()) == 1120
    assert tokens_per_picture(a_model(), ImageConfig(image_size="2K")) == 1680
    assert tokens_per_picture(a_text_model(), ImageConfig()) is None
