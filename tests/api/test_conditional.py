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
