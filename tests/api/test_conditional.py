"""Tags that a caller has already."""

import pytest

from impasto.api.conditional import has_already


@pytest.mark.parametrize(
    ("if_none_match", "has"),
    [
        ("", False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ("*", True),
        ("a", False),
        ('"A"', False),
        ('"b"', False),
    ],
)
def test_a_tag_is_compared_weakly_among_many(if_none_match: str, has: bool) -> None:
    assert has_already(if_none_match, '"a"') is has


@pytest.mark.parametrize(("if_none_match", "has"), [('W/"a"', True), ('"a"', True), ('W/"b"', False)])
def test_a_weak_tag_of_ours_is_compared_weakly_too(if_none_match: str, has: bool) -> None:
    assert has_already(if_none_match, 'W/"a"') is has
