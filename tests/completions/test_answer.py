from dataclasses import replace

import pytest

from impasto.completions.answer import Part, Picture, Words, results_of
from impasto.domain.image import Dimensions

ONE, TWO, THREE = (Picture(offset, 10, "image/png", Dimensions(1, 1)) for offset in (0, 10, 20))
TALK = Words("and then")


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
        ([ONE, Words(" \n"), TWO], [ONE, TWO], [TWO]),
    ],
)
def test_of_drafts_the_last_is_the_result(
    parts: list[Part], all_of_them: list[Picture], of_drafts: list[Picture]
) -> None:
    assert list(results_of(parts, drafts=False)) == all_of_them
    assert list(results_of(parts, drafts=True)) == of_drafts


def test_equal_pictures_are_told_apart_by_their_place() -> None:
    assert results_of([ONE, TALK, replace(ONE, offset=99)], drafts=True) == (ONE, replace(ONE, offset=99))
