"""Reading a body: whole, bounded, and however it comes; and the line after it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from impasto.api.body import UNCONFIRMED, CallerLeftError, Line, read_body
from impasto.domain.errors import Code, Failure

MOST = 1000


async def read(pieces: list[bytes], declared: str | None = None, *, ends: bool = True) -> tuple[bytearray, int]:
    """The body, and how many pieces were taken."""
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        if taken == len(pieces):
            return {"type": "http.disconnect"}
        taken += 1
        return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces) or not ends}

    headers = [] if declared is None else [(b"content-length", declared.encode("latin-1"))]
    try:
        return await read_body({"type": "http", "headers": headers}, receive, MOST), taken
    except Failure as failure:
        failure.add_note(str(taken))
        raise


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
async def test_pieces_join(pieces: list[bytes]) -> None:
    body, taken = await read(pieces)
    assert (bytes(body), taken) == (b"".join(pieces), len(pieces))


@pytest.mark.parametrize("declared", [None, "1000", "0", "7", "-1", "x", "", "\xb2", "0" * 5000])
async def test_what_fits_is_read_whatever_it_said(declared: str | None) -> None:
    body, _ = await read([b"x" * 600, b"y" * 400], declared)
    assert len(body) == MOST


@pytest.mark.parametrize("declared", ["1001", "9" * 18, "9" * 5000])
async def test_what_says_it_is_too_large_is_not_read(declared: str) -> None:
    with pytest.raises(Failure, match="IMPASTO_MAX_BODY_MB") as refused:
        await read([b"x"], declared)
    assert refused.value.code is Code.BODY_TOO_LARGE
    assert refused.value.__notes__ == ["0"]


@pytest.mark.parametrize("declared", [None, "5"])
async def test_what_hides_it_is_refused_as_soon_as_it_shows(declared: str | None) -> None:
    with pytest.raises(Failure) as refused:
        await read([b"x" * 600] * 50, declared)
    assert refused.value.code is Code.BODY_TOO_LARGE
    assert refused.value.__notes__ == ["2"]


@pytest.mark.parametrize("pieces", [[], [b"half"]])
async def test_a_caller_who_leaves_is_noticed(pieces: list[bytes]) -> None:
    with pytest.raises(CallerLeftError):
        await read(pieces, "1000", ends=False)


# --- the line ---


@asynccontextmanager
async def line_of(
    unconfirmed: Callable[[], tuple[int, bool]] | None = None,
) -> AsyncIterator[tuple[Line, asyncio.Event]]:
    """A caller's line, and what makes him hang up."""
    hangs_up = asyncio.Event()

    async def receive() -> Message:
        await hangs_up.wait()
        return {"type": "http.disconnect"}

    line = Line({"type": "http"} | ({} if unconfirmed is None else {UNCONFIRMED: unconfirmed}), receive)
    try:
        yield line, hangs_up
    finally:
        line.close()


async def test_work_comes_to_its_end_while_the_caller_stays() -> None:
    async with line_of() as (line, _):
        assert await line.unless_lost(asyncio.sleep(0.01, "done")) == "done"
        assert not line.is_lost


async def test_what_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise Failure(Code.PROVIDER_WRONG, "No.")

    async with line_of() as (line, _):
        with pytest.raises(Failure, match=r"No\."):
            await line.unless_lost(fails())


async def test_when_the_caller_hangs_up_the_work_is_given_up_and_has_ended() -> None:
    ended = []

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async with line_of() as (line, hangs_up):
        working = asyncio.create_task(line.unless_lost(works()))
        await asyncio.sleep(0.01)
        hangs_up.set()
        with pytest.raises(CallerLeftError):
            await working
        assert (line.is_lost, ended) == (True, ["ended"])


async def test_who_gives_up_waiting_gives_up_the_work() -> None:
    async with line_of() as (line, _):
        begun = asyncio.Event()

        async def works() -> None:
            begun.set()
            await asyncio.Event().wait()

        working = asyncio.create_task(line.unless_lost(works()))
        await begun.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working


async def test_work_that_is_done_counts_though_the_caller_hangs_up_in_the_same_moment() -> None:
    async with line_of() as (line, hangs_up):

        async def works() -> str:
            hangs_up.set()
            return "done"

        assert await line.unless_lost(works()) == "done"


@pytest.mark.parametrize(
    ("told", "has_it"),
    [
        (None, True),
        ([(0, True)], True),
        ([(0, False), (0, True)], True),
        ([(7, False), (7, False), (0, False), (0, True)], True),
        ([(0, False), (1, True)], False),
        ([(7, False), (7, True)], False),
    ],
)
async def test_what_was_sent_has_arrived_when_the_other_side_has_confirmed_it(
    told: list[tuple[int, bool]] | None, has_it: bool
) -> None:
    left = list(told or [])
    async with line_of(None if told is None else lambda: left.pop(0)) as (line, _):
        assert await line.confirmed() is has_it
    assert left == []
