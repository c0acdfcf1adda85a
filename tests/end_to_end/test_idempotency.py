"""An Idempotency-Key stands for one provider call and its bytes: at once, later, after a restart, in every process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from impasto.simulator.faults import Reset, Status
from tests.end_to_end.gateway import serving
from tests.end_to_end.till import Answer, Google, Till, settings_for, till_at
from tests.fakes.folding import chunks_of, folded

NAMED = {"Idempotency-Key": "one banana"}


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_at(tmp_path) as standing:
        yield standing


@pytest.mark.parametrize("n", [1, 2])
async def test_a_repeat_gets_the_same_bytes(n: int, till: Till) -> None:
    first = await till.ask(headers=NAMED, n=n)
    again = await till.ask(headers=NAMED, n=n)
    assert again.raw == first.raw
    assert again.generation == first.generation
    assert again.headers["x-impasto-cost"] == first.headers["x-impasto-cost"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert till.google.arrived == n


@pytest.mark.parametrize("shape", ["content", "images", "both", "parts", "markdown"])
async def test_a_repeat_of_a_stream_gets_the_same_events(shape: str, till: Till) -> None:
    till.google.picture_bytes = 500_000
    first = await till.ask(headers=NAMED, stream=True, image_output=shape)
    again = await till.ask(headers=NAMED, stream=True, image_output=shape)
    assert len(first.raw) > 500_000
    assert joined(again) == joined(first)
    assert till.google.arrived == 1


def joined(answer: Answer) -> Any:
    """A stream, however its pieces were cut."""
    return folded(chunks_of(answer.raw), "")


@pytest.mark.parametrize("stream", [False, True])
async def test_twenty_at_once_make_one_call(stream: bool, till: Till) -> None:
    till.google.hold()
    asking = [asyncio.create_task(till.ask(headers=NAMED, stream=stream)) for _ in range(20)]
    await till.google.until_arrived(1)
    till.google.let_go()
    answers = await asyncio.gather(*asking)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.generation for answer in answers}) == 1
    assert len({tuple(answer.events) if stream else answer.raw for answer in answers}) == 1
    assert till.google.arrived == 1
    await till.until_usage(requests=1, pictures=1, held=0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_restart_changes_nothing(stream: bool, tmp_path: Path, database_url: str) -> None:
    answers = []
    async with Google() as google:
        for _ in range(2):
            async with till_at(tmp_path, google, IMPASTO_DATABASE_URL=database_url) as till:
                answers.append(await till.ask(headers=NAMED, stream=stream))
        assert google.arrived == 1
    first, again = answers
    assert (again.events if stream else again.raw) == (first.events if stream else first.raw)


async def test_two_servers_on_one_database_make_one_call(tmp_path: Path, database_url: str) -> None:
    async with (
        Google() as google,
        till_at(tmp_path, google, IMPASTO_DATABASE_URL=database_url) as one,
        till_at(tmp_path, google, IMPASTO_DATABASE_URL=database_url) as two,
    ):
        google.hold()
        asking = [asyncio.create_task(till.ask(headers=NAMED)) for till in (one, two) * 4]
        await google.until_arrived(1)
        google.let_go()
        answers = await asyncio.gather(*asking)
        assert len({answer.raw for answer in answers}) == 1
        assert google.arrived == 1


async def test_two_workers_make_one_call(tmp_path: Path) -> None:
    async with Google() as google, till_at(tmp_path / "other", google) as till:
        async with serving(tmp_path, settings_for(google), workers=2) as running:
            google.hold()
            headers = NAMED | {"Connection": "close"}  # so that each request may meet another worker
            asking = [asyncio.create_task(till.ask(headers=headers, url=running.url)) for _ in range(12)]
            await google.until_arrived(1)
            google.let_go()
            answers = await asyncio.gather(*asking)
            answers += [await till.ask(headers=headers, url=running.url) for _ in range(4)]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.raw for answer in answers}) == 1
        assert google.arrived == 1


async def test_another_body_is_refused(till: Till) -> None:
    await till.ask(headers=NAMED)
    other = await till.ask("two bananas", headers=NAMED)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert other.headers["x-should-retry"] == "false"
    assert till.google.arrived == 1


async def test_who_would_not_wait_is_told_that_it_runs(till: Till) -> None:
    till.google.hold()
    first = asyncio.create_task(till.ask(headers=NAMED))
    await till.google.until_arrived(1)
    impatient = await till.ask(headers=NAMED | {"Prefer": "wait=0"})
    assert (impatient.status, impatient.code) == (409, "still_running")
    till.google.let_go()
    assert (await first).generation == impatient.generation
    assert (await till.ask(headers=NAMED | {"Prefer": "wait=0"})).raw == (await first).raw
    assert till.google.arrived == 1


async def test_the_same_name_of_another_key_is_another(till: Till) -> None:
    one, two = [(await till.make_key(name))["key"] for name in ("one", "two")]
    first = await till.ask(key=one, headers=NAMED)
    second = await till.ask(key=two, headers=NAMED)
    assert first.picture != second.picture
    hidden = await till.call("GET", f"/v3/generations/{first.generation}", key=two)
    assert (hidden.status, hidden.code) == (404, "not_found")


async def test_a_name_under_which_nothing_was_spent_is_free(till: Till) -> None:
    till.google.next(Status(429))
    assert (await till.ask(headers=NAMED)).code == "provider_rate_limited"
    assert (await till.ask("something else", headers=NAMED)).picture
    assert till.google.arrived == 2


async def test_what_may_have_cost_money_is_told_again_and_not_called_again(till: Till) -> None:
    till.google.next(Reset("before_end"))
    first, again = [await till.ask(headers=NAMED) for _ in range(2)]
    assert (first.status, first.code) == (again.status, again.code) == (502, "provider_broke_off")
    assert again.headers["x-should-retry"] == "false"
    assert till.google.arrived == 1


@pytest.mark.parametrize("name", ["", '""', "x" * 256])
async def test_what_is_no_name_is_refused(name: str, till: Till) -> None:
    answer = await till.ask(headers={"Idempotency-Key": name})
    assert (answer.status, answer.code) == (400, "invalid_value")
    assert till.google.arrived == 0
