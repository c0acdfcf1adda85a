"""Callers who hang up: what they asked for is finished and kept, or given up where the operator chose so."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.end_to_end.gateway import serving
from tests.end_to_end.lines import torn_call
from tests.end_to_end.till import Google, Till, settings_for, till_at
from tests.fakes.folding import chunks_of, folded

FIRST = {"x-stainless-retry-count": "0"}
DEPARTURES = 100


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_at(tmp_path) as standing:
        yield standing


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_caller_left_is_finished_and_kept(stream: bool, till: Till) -> None:
    till.google.hold()
    leaving = await torn_call(till.url, headers=FIRST, stream=stream)
    await till.google.until_arrived(1)
    leaving.tear()
    till.google.let_go()
    total = await till.until_usage(pictures=1, held=0)
    assert total["cost"] > 0.067
    again = await till.ask(retry=1, stream=stream)
    assert again.status == 200
    kept = await till.get(f"/v3/generations/{again.generation}")
    assert kept["status"] == "completed"
    assert kept["receipt"][0]["settled"] == total["cost"]
    url = kept["response"]["choices"][0]["message"]["content"]
    assert url.startswith("data:image/")
    assert (
        folded(chunks_of(again.raw), "content")["choices"][0]["message"]["content"] if stream else again.picture
    ) == url
    assert (till.google.arrived, till.google.left) == (1, 0)


async def test_who_leaves_in_the_middle_of_a_stream_finds_it_whole(till: Till) -> None:
    till.google.picture_bytes = 8_000_000
    leaving = await torn_call(till.url, headers=FIRST, stream=True)
    head = await leaving.head()
    generation = next(line for line in head.split("\r\n") if line.startswith("x-impasto-generation-id")).split(": ")[1]
    await leaving.read(100_000)
    leaving.tear()
    total = await till.until_usage(pictures=1, held=0)
    kept = await till.get(f"/v3/generations/{generation}")
    assert len(kept["response"]["choices"][0]["message"]["content"]) > 8_000_000
    assert kept["response"]["cost"] == pytest.approx(total["cost"], abs=1e-9)


@pytest.mark.parametrize("stream", [False, True])
async def test_where_the_operator_chose_so_the_call_is_given_up(stream: bool, tmp_path: Path) -> None:
    async with till_at(tmp_path, IMPASTO_WHEN_CALLER_LEAVES="cancel") as till:
        till.google.hold()
        leaving = await torn_call(till.url, headers=FIRST, stream=stream)
        await till.google.until_arrived(1)
        leaving.tear()
        async with asyncio.timeout(1):
            await till.google.until_left(1)
        total = await till.until_usage(unknown_calls=1, held=0)
        assert (total["pictures"], total["cost"]) == (0, 0)
        assert total["unknown"] > 0.06
        again = await till.ask(retry=1, stream=stream)
        assert (again.status, again.code) == (502, "provider_broke_off")
        assert again.headers["x-should-retry"] == "false"
        kept = await till.get(f"/v3/generations/{again.generation}")
        assert (kept["status"], kept["response"]) == ("unknown", None)
        assert kept["error"]["code"] == "provider_broke_off"
        assert (kept["receipt"][0]["outcome"], kept["receipt"][0]["settled"]) == ("unknown", None)
        assert till.google.arrived == 1


async def test_a_call_that_somebody_else_waits_for_is_not_given_up(tmp_path: Path) -> None:
    named = {"Idempotency-Key": "shared"}
    async with till_at(tmp_path, IMPASTO_WHEN_CALLER_LEAVES="cancel") as till:
        till.google.hold()
        leaving = await torn_call(till.url, headers=named)
        await till.google.until_arrived(1)
        staying = [asyncio.create_task(till.ask(headers=named)) for _ in range(3)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(staying[0]), 0.3)
        leaving.tear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(staying[0]), 0.3)
        till.google.let_go()
        assert len({answer.picture for answer in await asyncio.gather(*staying)}) == 1
        assert (till.google.arrived, till.google.left) == (1, 0)


async def test_a_hundred_departures_leave_nothing_open(tmp_path: Path) -> None:
    chance = random.Random(4)
    async with Google() as google, till_at(tmp_path / "other", google) as till:
        google.picture_bytes = 600_000
        async with serving(tmp_path, settings_for(google)) as running:
            for _ in range(3):
                await till.ask(url=running.url, headers={"Connection": "close"})
            files = running.open_files
            await asyncio.gather(
                *(_depart(running.url, chance.uniform(0, 0.5), number) for number in range(DEPARTURES))
            )
            wanted = {"requests": google.arrived, "pictures": google.arrived, "held": 0, "unknown": 0}
            async with asyncio.timeout(30):
                while True:
                    total = (await till.get("/v3/usage", url=running.url))["total"]
                    if all(total[name] == value for name, value in wanted.items()) and running.open_files <= files:
                        break
                    await asyncio.sleep(0.05)
                    wanted |= {"requests": google.arrived, "pictures": google.arrived}
            while running.lines > 1:  # noqa: ASYNC110 - that of the last question; the system has no event for it
                await asyncio.sleep(0.05)
            assert google.left == 0
            assert google.arrived > DEPARTURES / 2
        incoming = tmp_path / "impasto-data" / "store" / "incoming"
        assert not [path for path in incoming.rglob("*") if path.is_file()]


async def _depart(url: str, seconds: float, number: int) -> None:
    leaving = await torn_call(url, f"banana {number}", headers=FIRST, stream=number % 2 == 0)
    with suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(leaving.reader.read(), seconds)
    leaving.tear()
