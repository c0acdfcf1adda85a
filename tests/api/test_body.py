"""Reading a body: whole, bounded, and however it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from impasto.api.body import CallerLeftError, read_body
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
