from dataclasses import replace
from decimal import Decimal

import pytest

from impasto.completions.answer import Bill, CostStatus, Part, Picture, Words, results_of, total_of
from impasto.domain.image import Dimensions
from impasto.domain.usage import Usage
from tests.fakes.blobs import MemoryStore

STORE = MemoryStore()
ONE, TWO, THREE = (Picture(STORE.open(), 10, "image/png", Dimensions(1, 1)) for _ in range(3))
TALK = Words(("and", " then"))


@pytest.mark.parametrize(
    ("parts", "all_of_them", "of_drafts"),
    [
        ([], [], []),
        ([TALK], [], []),
        ([ONE], [ONE], [ONE]),
        ([TALK, ONE, TALK], [ONE], [ONE]),
        ([ONE, TWO, THREE], [ONE, TWO, THREE], [THREE]),
        ([ONE, TALK, TWO], [ONE, TWO], [ONE, TWO]),
        ([ONE, TWO, TALK, THREE], [ONE, TWO, THREE], [TWO, THREE]),
        ([ONE, Words((" ", "\n")), TWO], [ONE, TWO], [TWO]),
    ],
)
def test_of_drafts_the_last_is_the_result(
    parts: list[Part], all_of_them: list[Picture], of_drafts: list[Picture]
) -> None:
    assert list(results_of(parts, drafts=False)) == all_of_them
    assert list(results_of(parts, drafts=True)) == of_drafts


def test_equal_pictures_are_told_apart_by_their_bytes() -> None:
    again = replace(ONE, blob=STORE.open())
    assert results_of([ONE, TALK, again], drafts=True) == (ONE, again)


def test_a_picture_is_read_no_further_than_it_goes() -> None:
    blob = STORE.open()
    blob.write(b"0123456789more")
    assert replace(ONE, blob=blob).read(7, 100) == b"789"
    assert replace(ONE, blob=blob).read(10, 100) == b""


A_COST = Bill(Usage(1, 0, 2, 3, 4), Decimal("0.10"), CostStatus.EXACT)


@pytest.mark.parametrize(
    ("bills", "total"),
    [
        ([A_COST], A_COST),
        ([A_COST, A_COST], Bill(Usage(2, 0, 4, 6, 8), Decimal("0.20"), CostStatus.EXACT)),
        (
            [A_COST, Bill(Usage(1), Decimal("0.05"), CostStatus.ESTIMATED)],
            Bill(Usage(2, 0, 2, 3, 4), Decimal("0.15"), CostStatus.ESTIMATED),
        ),
        ([A_COST, Bill(Usage(), None, CostStatus.UNKNOWN)], Bill(Usage(1, 0, 2, 3, 4), None, CostStatus.UNKNOWN)),
    ],
)
def test_what_several_came_to_is_as_good_as_the_worst_of_them(bills: list[Bill], total: Bill) -> None:
    assert total_of(bills) == total
