import pytest

from impasto.domain.retention import Keeps, Retention

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("text", "max_age_seconds", "max_bytes"),
    [
        ("7d,10GB", 7 * DAY, 10 * 10**9),
        ("10GB,7d", 7 * DAY, 10 * 10**9),
        (" 24h , 500MB ", DAY, 500 * 10**6),
        ("1h", 3600, None),
        ("30d", 30 * DAY, None),
        ("2TB", None, 2 * 10**12),
        ("1MB", None, 10**6),
        ("007d", 7 * DAY, None),
    ],
)
def test_an_age_a_size_or_both(text: str, max_age_seconds: int | None, max_bytes: int | None) -> None:
    assert Retention.parse(text) == Retention(max_age_seconds, max_bytes)


def test_without_a_word_it_is_seven_days_and_ten_gigabytes() -> None:
    assert Retention() == Retention.parse("7d,10GB")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is no age and no size; 7d, 24h, 500MB and 10GB are."),
        ("7d,", "'' is no age"),
        ("7", "'7' is no age"),
        ("7 d", "'7 d' is no age"),
        ("7w", "'7w' is no age"),
        ("10gb", "'10gb' is no age"),
        ("-1d", "'-1d' is no age"),
        ("1.5d", "'1.5d' is no age"),
        ("\u0667d", "is no age"),
        ("1000000d", "is no age"),
        ("7d 10GB", "is no age"),
        ("7d,24h", "'7d,24h' says the same thing twice"),
        ("1GB,7d,1GB", "says the same thing twice"),
        ("0h", "it takes 1h at least"),
        ("0d,1GB", "it takes 1h at least"),
        ("7d,0GB", "it takes 1MB at least"),
    ],
)
def test_anything_else_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        Retention.parse(text)
    assert says in str(raised.value)


def test_of_two_bounds_the_less_is_kept() -> None:
    order = tuple(Keeps)
    for one in Keeps:
        for other in Keeps:
            assert one.within(other) is order[max(order.index(one), order.index(other))]
