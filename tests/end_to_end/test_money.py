"""Budgets, limits, keys and what was spent, through the whole gateway."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.end_to_end.gateway import serving
from tests.end_to_end.lines import torn_call
from tests.end_to_end.till import MODEL, Google, Till, body_of, settings_for, till_at

UNPRICED = """
[models."google/gemini-nameless"]
description = "A model that nobody has given a price yet."
known_by = "documentation"
input = ["text", "image"]
output = ["text", "image"]
aspect_ratios = ["1:1"]
image_sizes = ["1K"]
default_image_size = "1K"
tokens_per_image = { "1K" = 1120 }
reserve_other_tokens = 2048
max_input_tokens = 65536
max_output_tokens = 32768
sent_as = "gemini-3.1-flash-image"
"""


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_at(tmp_path) as standing:
        yield standing


async def most_of(till: Till) -> float:
    estimate = (await till.call("POST", "/v3/estimate", body_of())).body
    assert estimate["most"]["cost"] <= estimate["reserve"]
    most: float = estimate["reserve"]
    return most


async def test_an_estimate_bounds_what_is_charged(till: Till) -> None:
    estimate = (await till.call("POST", "/v3/estimate", body_of())).body
    answer = await till.ask()
    assert estimate["least"]["cost"] <= answer.body["cost"] <= estimate["most"]["cost"]
    receipt = (await till.get(f"/v3/generations/{answer.generation}"))["receipt"][0]
    assert (receipt["reserved"], receipt["outcome"]) == (estimate["reserve"], "settled")
    assert receipt["settled"] == pytest.approx(answer.body["cost"], abs=1e-9)


async def test_below_the_estimate_nothing_is_sent(till: Till) -> None:
    most = await most_of(till)
    refused = await till.ask(max_cost=most - 0.001)
    assert (refused.status, refused.code) == (402, "max_cost_exceeded")
    assert refused.headers["x-should-retry"] == "false"
    assert till.google.arrived == 0
    assert (await till.ask(max_cost=most)).picture


async def test_a_model_without_a_price_is_closed_to_budgets(tmp_path: Path) -> None:
    operators = tmp_path / "impasto.toml"
    operators.write_text(UNPRICED)
    async with till_at(tmp_path, IMPASTO_CONFIG=str(operators)) as till:
        key = (await till.make_key(budget=10))["key"]
        refused = await till.ask(key=key, model="google/gemini-nameless")
        assert (refused.status, refused.code) == (402, "no_price")
        assert refused.headers["x-should-retry"] == "false"
        assert till.google.arrived == 0
        open_to_others = await till.ask(model="google/gemini-nameless")
        assert (open_to_others.status, open_to_others.body["cost"]) == (200, None)


@pytest.mark.parametrize("period", ["none", "daily", "weekly", "monthly"])
async def test_a_budget_is_for_its_period(period: str, till: Till) -> None:
    most = await most_of(till)
    made = await till.make_key(budget=round(most + 0.0001, 6), period=period)
    key = made["key"]
    assert (await till.ask(key=key)).picture
    refused = await till.ask(key=key)
    assert (refused.status, refused.code) == (402, "budget_spent")
    assert refused.headers["x-should-retry"] == "false"
    budget = (await till.call("POST", "/v3/estimate", body_of(), key=key)).body["budget"]
    assert (budget["period"], budget["resets_at"] is None) == (period, period == "none")
    assert budget["spent"] > 0.067
    more = await till.call("PATCH", f"/v3/manage/keys/{made['id']}", {"budget": 3 * most})
    assert more.status == 200
    assert (await till.ask(key=key)).picture


async def test_a_key_may_ask_so_often_in_a_minute(till: Till) -> None:
    key = (await till.make_key(rpm=2))["key"]
    first, second, third = [await till.ask(key=key) for _ in range(3)]
    for answer, left in ((first, "1"), (second, "0"), (third, "0")):
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.headers["x-ratelimit-remaining-requests"] == left
        assert re.fullmatch(r"(\d+m)?\d+s", answer.headers["x-ratelimit-reset-requests"])
    assert (third.status, third.code) == (429, "rate_limit_exceeded")
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert till.google.arrived == 2


async def test_a_key_may_have_so_many_requests_at_once(till: Till) -> None:
    key = (await till.make_key(concurrent=2))["key"]
    till.google.hold()
    asking = [asyncio.create_task(till.ask(key=key)) for _ in range(2)]
    await till.google.until_arrived(2)
    refused = await till.ask(key=key)
    assert (refused.status, refused.code) == (429, "too_many_at_once")
    assert int(refused.headers["retry-after"]) > 0
    till.google.let_go()
    await asyncio.gather(*asking)
    assert (await till.ask(key=key)).picture
    assert till.google.arrived == 3


async def test_who_leaves_makes_no_room_before_his_picture_is_made(till: Till) -> None:
    key = (await till.make_key(concurrent=1))["key"]
    till.google.hold()
    leaving = await torn_call(till.url, key=key)
    await till.google.until_arrived(1)
    leaving.tear()
    assert (await till.ask(key=key)).code == "too_many_at_once"
    till.google.let_go()
    await till.until_usage(pictures=1)
    assert (await till.ask(key=key)).picture


@pytest.mark.parametrize("stream", [False, True])
async def test_a_sandbox_costs_nothing_and_asks_nobody(stream: bool, till: Till) -> None:
    key = (await till.make_key(sandbox=True))["key"]
    answer = await till.ask(key=key, stream=stream)
    assert answer.status == 200
    assert b"data:image/" in answer.raw
    assert till.google.arrived == 0
    total = await till.spent()
    assert (total["requests"], total["cost"], total["held"], total["unknown"]) == (1, 0, 0, 0)


async def test_a_change_of_a_key_holds_at_once_in_every_process(tmp_path: Path, database_url: str) -> None:
    async with Google() as google, AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(till_at(tmp_path, google, IMPASTO_DATABASE_URL=database_url))
            for _ in range(2)
        ]
        made = await here.make_key()
        old = made["key"]
        assert (await there.ask(key=old)).picture  # and remembered there
        new = (await here.call("POST", f"/v3/manage/keys/{made['id']}/rotate")).body["key"]
        assert ((await there.ask(key=old)).status, (await there.ask(key=new)).status) == (401, 200)
        narrower = {"models": ["google/gemini-2.5-flash-image"]}
        assert (await here.call("PATCH", f"/v3/manage/keys/{made['id']}", narrower)).status == 200
        assert (await there.ask(key=new)).code == "not_allowed"
        assert (await here.call("POST", f"/v3/manage/keys/{made['id']}/revoke")).status == 200
        gone = await there.ask(key=new, model="google/gemini-2.5-flash-image")
        assert (gone.status, gone.code) == (401, "invalid_api_key")
        assert google.arrived == 2


async def test_a_budget_holds_across_workers(tmp_path: Path) -> None:
    async with Google() as google, till_at(tmp_path / "other", google) as till:
        most = await most_of(till)
        async with serving(tmp_path, settings_for(google), workers=2) as running:
            made = await till.call("POST", "/v3/manage/keys", {"name": "k", "budget": 4 * most}, url=running.url)
            google.hold()
            asking = [
                asyncio.create_task(
                    till.ask(key=made.body["key"], url=running.url, headers={"Connection": "close"}, retry=0)
                )
                for _ in range(24)
            ]
            await google.until_arrived(4)
            async with asyncio.timeout(30):
                while sum(task.done() for task in asking) < 20:
                    await asyncio.wait(
                        [task for task in asking if not task.done()], return_when=asyncio.FIRST_COMPLETED
                    )
            assert {task.result().code for task in asking if task.done()} == {"budget_held"}
            google.let_go()
            answers = await asyncio.gather(*asking)
        assert sum(answer.status == 200 for answer in answers) == google.arrived == 4


async def test_tags_tell_what_was_spent_on_what(till: Till) -> None:
    key = (await till.make_key(default_tags={"team": "print"}))["key"]
    await till.ask(key=key, tags={"job": "cover"})
    await till.ask(key=key, tags={"job": "back"})
    await till.ask(key=key)
    await till.ask()
    by_job = (await till.get("/v3/usage?group_by=tag:job"))["data"]
    assert {row["tag:job"]: row["requests"] for row in by_job} == {"cover": 1, "back": 1, None: 2}
    cover = (await till.get("/v3/usage?tag=job:cover"))["total"]
    assert (cover["requests"], cover["pictures"]) == (1, 1)
    assert (await till.get("/v3/usage?tag=team:print"))["total"]["requests"] == 1  # which brought none of its own
    own = (await till.get("/v3/usage?group_by=model", key=key))["data"]
    assert [(row["model"], row["requests"]) for row in own] == [(MODEL, 3)]
