"""Moments in a query string."""

import pytest
from starlette.datastructures import QueryParams

from impasto.api.moments import end_ms_of, first_ms_of
from impasto.domain.errors import Code, Failure

DAY_MS = 86_400_000
NOON = 1_795_003_200_000 + DAY_MS // 2 - 1_795_003_200_000 % DAY_MS
MIDNIGHT = NOON - DAY_MS // 2
"""2026-11-18."""


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2026-11-18", MIDNIGHT, MIDNIGHT + DAY_MS),
        ("2026-11-18T12:00:00Z", NOON, NOON),
        ("2026-11-18T12:00:00", NOON, NOON),
        ("2026-11-18T14:00:00+02:00", NOON, NOON),
        ("2026-11-18T14:00:00 02:00", NOON, NOON),
        ("2026-11-18 12:00", NOON, NOON),
        ("2026-11-18T12:00:00.250Z", NOON + 250, NOON + 250),
        (str(NOON // 1000), NOON, NOON),
        (str(NOON), NOON, NOON),
        ("0", 0, 0),
    ],
)
def test_days_count_whole_and_moments_as_they_are(text: str, first: int, end: int) -> None:
    said = QueryParams({"at": text})
    assert (first_ms_of(said, "at"), end_ms_of(said, "at")) == (first, end)


def test_what_is_not_said_is_no_bound() -> None:
    assert first_ms_of(QueryParams(), "at") is None
    assert end_ms_of(QueryParams(), "at") is None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-11-31", "-1", "1e9", "٢٠٢٦", "9" * 15, "9" * 400, "2026-11",
     "0001-01-01T00:00:00+23:00x"],
)  # fmt: skip
def test_what_is_no_moment_is_refused_by_name(text: str) -> None:
    for read in (first_ms_of, end_ms_of):
        with pytest.raises(Failure) as caught:
            read(QueryParams({"since": text}), "since")
        assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, "since")
        assert caught.value.message.startswith(f'since "{text[:40]}" is no moment.')


def test_the_last_day_of_the_calendar_has_no_day_after() -> None:
    with pytest.raises(Failure):
        end_ms_of(QueryParams({"until": "9999-12-31"}), "until")
