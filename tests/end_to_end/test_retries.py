"""Clients that repeat by themselves: no repeat is paid for, no picture swapped, no budget passed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from impasto.simulator.faults import Reset, Status
from tests.end_to_end.lines import Tear, line_to, torn_call
from tests.end_to_end.till import Client, Google, Till, till_at


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_at(tmp_path) as standing:
        yield standing


async def test_identical_siblings_do_not_swap(till: Till) -> None:
    till.google.hold()
    everybody = asyncio.create_task(till.google.until_arrived(8))
    cut = Tear(when=lambda: asyncio.shield(everybody))
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(line_to(till.url, *[cut, None] * 4))
        clients = [await stack.enter_async_context(Client.at(line.url)) for _ in range(8)]
        painting = [asyncio.create_task(client.paint("the same")) for client in clients]
        await everybody
        await line.until_torn(4)
        till.google.let_go()
        pictures = await asyncio.gather(*painting)
    assert len(set(pictures)) == 8
    assert till.google.arrived == 8
    assert sum(client.hurry.attempts for client in clients) == 4
    assert (await till.until_usage(requests=8, held=0))["pictures"] == 8


@pytest.mark.parametrize("stream", [False, True])
async def test_what_may_have_cost_money_is_not_called_again(till: Till, stream: bool) -> None:
    till.google.next(Reset("before_end"))
    till.google.hold()
    first = await torn_call(till.url, headers={"x-stainless-retry-count": "0"}, stream=stream)
    await till.google.until_arrived(1)
    first.tear()
    till.google.let_go()
    again = await till.ask(retry=1, stream=stream)
    assert (again.status, again.code) == (502, "provider_broke_off")
    assert again.headers["x-should-retry"] == "false"
    assert till.google.arrived == 1
    total = await till.until_usage(unknown_calls=1)
    assert (total["cost"], total["held"]) == (0, 0)
    assert total["unknown"] > 0.06
    receipt = await till.get(f"/v3/generations/{again.generation}")
    assert (receipt["status"], receipt["receipt"][0]["outcome"]) == ("unknown", "unknown")


async def test_what_was_refused_is_called_again(till: Till) -> None:
    till.google.next(Status(429), Status(429), None)
    async with Client.at(till.url) as client:
        assert (await client.paint()).startswith("data:image/")
    assert till.google.arrived == 3
    total = await till.until_usage(pictures=1)
    assert (total["unknown"], total["held"]) == (0, 0)
    assert total["cost"] == pytest.approx(0.0685, abs=0.002)


async def test_a_refusal_that_nobody_heard_is_called_again(till: Till) -> None:
    till.google.next(Status(429), None)
    till.google.hold()
    first = await torn_call(till.url, headers={"x-stainless-retry-count": "0"})
    await till.google.until_arrived(1)
    first.tear()
    till.google.let_go()
    assert (await till.ask(retry=1)).picture
    assert till.google.arrived == 2


async def until_attached(data: Path) -> None:
    """Until the books say that somebody has attached to what was asked before."""
    with closing(sqlite3.connect(data / "impasto.db")) as books:
        while books.execute("SELECT max(claims) FROM generations").fetchone() == (0,):  # noqa: ASYNC110 - told nowhere else
            await asyncio.sleep(0.02)


async def test_a_repeat_may_come_before_the_loss_is_noticed(till: Till, tmp_path: Path) -> None:
    till.google.hold()
    silent = await torn_call(till.url, headers={"x-stainless-retry-count": "0"})  # its line is lost, and nobody knows
    await till.google.until_arrived(1)
    again = asyncio.create_task(till.ask(retry=1))
    await until_attached(tmp_path)
    till.google.let_go()
    assert (await again).picture
    assert till.google.arrived == 1
    await silent.end()


async def test_a_repeat_of_what_was_delivered_is_a_request_of_its_own(till: Till) -> None:
    first = await till.ask(retry=0)
    second = await till.ask(retry=1)
    assert first.picture != second.picture
    assert till.google.arrived == 2


async def test_each_loss_accounts_for_one_repeat(till: Till) -> None:
    till.google.hold()
    lost = await torn_call(till.url, headers={"x-stainless-retry-count": "0"})
    await till.google.until_arrived(1)
    lost.tear()
    till.google.let_go()
    await till.until_usage(pictures=1)
    one, other = await till.ask(retry=1), await till.ask(retry=1)
    assert one.picture != other.picture
    assert till.google.arrived == 2


async def test_a_budget_for_ten_pictures_makes_ten_of_64_callers(tmp_path: Path, database_url: str) -> None:
    async with Google() as google, till_at(tmp_path, google, IMPASTO_DATABASE_URL=database_url) as till:
        body = {"model": "google/gemini-3.1-flash-image", "messages": [{"role": "user", "content": "a banana"}]}
        estimate = (await till.call("POST", "/v3/estimate", body)).body
        budget = round(10 * estimate["reserve"], 9)
        key = (await till.make_key(budget=budget))["key"]
        google.hold()
        asking = [asyncio.create_task(till.ask(key=key, retry=0)) for _ in range(64)]
        done: set[asyncio.Task[object]] = set()
        async with asyncio.timeout(60):
            await google.until_arrived(10)
            while len(done) < 54:
                done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                done = {task for task in asking if task.done()}
                await asyncio.sleep(0.005)
        refused = [task.result() for task in asking if task.done()]
        assert {(answer.status, answer.code) for answer in refused} == {(429, "budget_held")}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert google.arrived == 10
        google.let_go()
        made = [answer for answer in await asyncio.gather(*asking) if answer.status == 200]
        assert len({answer.picture for answer in made}) == 10
        later = [await till.ask(key=key, retry=1) for _ in range(4)]
        assert {(answer.status, answer.code) for answer in later[1:]} == {(402, "budget_spent")}
        assert later[-1].headers["x-should-retry"] == "false"
        total = (await till.get("/v3/usage", key=key))["total"]
        assert total["cost"] + total["held"] + total["unknown"] <= budget
        assert total["pictures"] == google.arrived
