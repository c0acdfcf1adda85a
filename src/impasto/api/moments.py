"""Moments in a query string.

Rule: a moment without a zone is in UTC; a day counts whole.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from starlette.datastructures import QueryParams

from impasto.domain.errors import Code, Failure

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH = re.compile(r"\d{1,15}", re.ASCII)
_FIRST_MS = 10**11
"""From here on a number is of milliseconds: as seconds it would be the year 5138."""
_LAST_MS = 253_402_300_800_000
"""The end of the year 9999."""


def first_ms_of(said: QueryParams, name: str) -> int | None:
    """The first millisecond since the epoch that `name` lets in. Raises 400 naming what it takes."""
    return _ms(said, name, timedelta())


def end_ms_of(said: QueryParams, name: str) -> int | None:
    """The first millisecond since the epoch that `name` keeps out: that after the whole day where it is a day."""
    return _ms(said, name, timedelta(days=1))


def _ms(said: QueryParams, name: str, added_to_day: timedelta) -> int | None:
    text = said.get(name)
    if text is None:
        return None
    # An overflow: 9999-12-31, or a zone that leads out of the calendar.
    with suppress(ValueError, OverflowError):
        if _EPOCH.fullmatch(text):
            number = int(text)
            return _checked(number if number >= _FIRST_MS else number * 1000)
        if _DAY.fullmatch(text):
            return int((datetime.combine(date.fromisoformat(text), time(), UTC) + added_to_day).timestamp() * 1000)
        # A plus that was not written as %2B is a space by now.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    raise Failure(
        Code.INVALID_VALUE,
        f'{name} "{text[:40]}" is no moment. It takes a day in UTC such as 2026-11-01, ISO 8601 such as '
        "2026-11-01T18:00:00Z, or seconds since the epoch.",
        param=name,
    )


def _checked(milliseconds: int) -> int:
    if milliseconds >= _LAST_MS:
        raise ValueError(milliseconds)
    return milliseconds
