"""Asked again: one provider call ever, and the same bytes, whoever left meanwhile and whoever answers now."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from impasto.api.shapes import SHAPES
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Text, UsageSeen
from impasto.domain.ledger import Delivery, Outcome, State
from tests.api.surface import (
    IMAGES_KEY,
    KEY,
    PICTURE,
    STOP,
    USAGE,
    WHOLE_ANSWER,
    Answer,
    Surface,
    data_url,
    picture_events,
    png,
    surface,
)

NAMED = {"idempotency-key": "7f1c3c0e"}
FIRST, RETRY = {"x-stainless-retry-count": "0"}, {"x-stainless-retry-count": "1"}
LINK = "https://gateway.test/v3/images/"


def restarted(at: Surface) -> Surface:
    """Another process on the same books."""
    return surface(ledger=at.ledger, store=at.store)


def events_of(answer: Answer) -> list[bytes]:
    """The data events of a stream."""
    return [event for event in answer.body.split(b"\n\n") if event.startswith(b"data: ")]


async def ended(at: Surface) -> None:
    assert at.completions is not None
    await at.completions.drain()
    assert at.store.open_blobs == []


# --- with an Idempotency-Key ---


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("count", [1, 2])
async def test_the_same_bytes_again_from_this_process_and_the_next(shape: str, streamed: bool, count: int) -> None:
    script = [Text("One: "), *picture_events(PICTURE), Text("two: "), *picture_events(png(90)), UsageSeen(USAGE), STOP]
    at = surface(script)
    asked: dict[str, Any] = {"image_output": shape, "stream": streamed, "n": count}
    first = await at.complete(headers=NAMED, **asked)
    assert (first.status, first.complete) == (200, True)
    assert "idempotent-replayed" not in first.headers
    for where in (at, restarted(at)):
        again = await where.complete(headers=NAMED, **asked)
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["idempotent-replayed"] == "true"
        for name in ("x-impasto-generation-id", "content-type", "content-length", "x-impasto-cost"):
            assert again.headers.get(name) == first.headers.get(name)
    assert len(at.answerers.calls) == count
    assert at.store.open_blobs == []


async def test_another_body_under_the_same_key_is_422() -> None:
    at = surface()
    await at.complete(headers=NAMED)
    for changed in ({"seed": 1}, {"stream": True}):
        answer = await at.complete(headers=NAMED, **changed)
        assert (answer.status, answer.json["error"]["code"]) == (422, "idempotency_key_reused")
        assert answer.headers["x-should-retry"] == "false"
    other_shape = await at.complete(headers=NAMED, path="/v1/chat/completions")
    assert other_shape.status == 422
    assert len(at.answerers.calls) == 1


async def test_no_other_tenants_key_collides() -> None:
    at = surface()
    mine, theirs = [await at.complete(key=key, headers=NAMED) for key in (KEY, IMAGES_KEY)]
    assert mine.json["id"] != theirs.json["id"]
    assert "idempotent-replayed" not in theirs.headers
    assert len(at.answerers.calls) == 2


async def test_what_is_no_key_is_400_and_spends_nothing() -> None:
    at = surface()
    answer = await at.complete(headers={"idempotency-key": ""})
    assert (answer.status, answer.json["error"]["param"]) == (400, "Idempotency-Key")
    assert at.answerers.calls == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_repeat_waits_for_the_one_that_runs_and_gets_the_same(streamed: bool) -> None:
    at = surface()
    at.answerers.pause_seconds = 0.005
    answers = await asyncio.gather(*(at.complete(headers=NAMED, stream=streamed) for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    assert len({b"".join(events_of(answer)) if streamed else answer.body for answer in answers}) == 1
    assert len(at.answerers.calls) == 1
    assert at.store.open_blobs == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_who_would_not_wait_hears_409_and_the_other_goes_on(streamed: bool) -> None:
    at = surface()
    at.answerers.pause_seconds = 0.01
    first = asyncio.create_task(at.complete(headers=NAMED, stream=streamed))
    await asyncio.sleep(0.005)
    refused = await at.complete(headers=NAMED | {"prefer": "wait=0"}, stream=streamed)
    assert (refused.status, refused.json["error"]["code"]) == (409, "still_running")
    assert (await first).status == 200
    given = await at.complete(headers=NAMED | {"prefer": "wait=0"}, stream=streamed)
    assert (given.status, given.body) == (200, (await first).body)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_after_money_may_have_been_spent_is_given_again(streamed: bool) -> None:
    at = surface([Failure(Code.PROVIDER_BROKE_OFF, "It broke off.")])
    first = await at.complete(headers=NAMED, stream=streamed)
    again = await at.complete(headers=NAMED, stream=streamed)
    assert first.status == again.status == 502
    assert first.body == again.body
    assert again.headers["x-should-retry"] == "false"
    assert len(at.answerers.calls) == 1


async def test_a_refusal_that_cost_nothing_leaves_the_key_free() -> None:
    at = surface([Failure(Code.PROVIDER_OVERLOADED, "No.", retry_helps=True)])
    assert (await at.complete(headers=NAMED)).status == 503
    at.answerers.script = WHOLE_ANSWER
    assert (await at.complete(headers=NAMED)).status == 200


async def test_an_answer_that_is_no_longer_kept_is_410_and_not_made_again() -> None:
    at = surface()
    await at.complete(headers=NAMED)
    at.store.kept.clear()
    answer = await at.complete(headers=NAMED)
    assert (answer.status, answer.json["error"]["code"]) == (410, "answer_gone")
    assert len(at.answerers.calls) == 1


# --- callers who leave ---


async def left(at: Surface, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    """The answer to a caller who hangs up when the call has begun."""
    leaving = asyncio.Event()
    asking = asyncio.create_task(at.complete(headers=headers, leaves=leaving, **fields))
    while not at.answerers.calls:  # noqa: ASYNC110 - as soon as it is made
        await asyncio.sleep(0)
    leaving.set()
    return await asking


@pytest.mark.parametrize("streamed", [False, True])
async def test_when_a_caller_leaves_his_answer_is_finished_and_kept(streamed: bool) -> None:
    at = surface()
    at.answerers.pause_seconds = 0.005
    answer = await left(at, headers=NAMED, stream=streamed)
    assert not answer.complete
    await ended(at)
    (generation,) = at.ledger.generations.values()
    assert (generation.state, generation.calls[0].outcome) == (State.DONE, Outcome.SETTLED)
    again = await at.complete(headers=NAMED, stream=streamed)
    assert (again.status, again.headers["x-impasto-generation-id"]) == (200, generation.id)
    assert len(at.answerers.calls) == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_where_the_operator_says_so_it_is_cancelled_and_of_unknown_outcome(streamed: bool) -> None:
    at = surface(WHOLE_ANSWER[:3], finishes=False)
    at.answerers.hangs = True
    await left(at, stream=streamed)
    await ended(at)
    (generation,) = at.ledger.generations.values()
    assert (generation.state, generation.calls[0].outcome) == (State.UNKNOWN, Outcome.UNKNOWN)


async def test_it_is_not_cancelled_while_somebody_else_waits() -> None:
    at = surface(finishes=False)
    at.answerers.pause_seconds = 0.01
    other = asyncio.create_task(at.complete(headers=NAMED))
    await asyncio.sleep(0.005)
    leaving = asyncio.Event()
    leaver = asyncio.create_task(at.complete(headers=NAMED, leaves=leaving))
    await asyncio.sleep(0.005)
    leaving.set()
    assert not (await leaver).complete
    assert (await other).message["content"] == data_url(PICTURE)
    await ended(at)


# --- repeats without a key ---


async def test_who_got_his_answer_is_noted_and_who_left_too() -> None:
    at = surface()
    await at.complete(headers=FIRST)
    at.answerers.pause_seconds, at.answerers.calls = 0.005, []
    await left(at, headers=FIRST)
    await ended(at)
    assert [delivery for _, _, delivery in at.ledger.deliveries] == [Delivery.DELIVERED, Delivery.LOST]


async def test_without_any_sign_of_repeats_nothing_is_noted() -> None:
    at = surface()
    for headers in ({}, NAMED):
        await at.complete(headers=headers)
    assert at.ledger.deliveries == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_clients_own_repeat_gets_what_it_lost(streamed: bool) -> None:
    at = surface()
    at.answerers.pause_seconds = 0.005
    await left(at, headers=FIRST, stream=streamed)
    again = await at.complete(headers=RETRY, stream=streamed)
    assert (again.status, again.complete) == (200, True)
    assert again.headers["x-impasto-generation-id"] == next(iter(at.ledger.generations))
    assert "idempotent-replayed" not in again.headers
    assert len(at.answerers.calls) == 1
    assert at.ledger.deliveries[-1][1:] == (1, Delivery.DELIVERED)
    await ended(at)
    third = await at.complete(headers=RETRY, stream=streamed)
    assert third.headers["x-impasto-generation-id"] != again.headers["x-impasto-generation-id"]


async def test_a_repeat_attaches_while_it_runs_and_reads_along() -> None:
    at = surface()
    at.answerers.hangs = True
    lost = asyncio.create_task(left(at, headers=FIRST, stream=True))
    while not at.ledger.deliveries:  # noqa: ASYNC110 - as soon as it is noted
        await asyncio.sleep(0)
    repeat = asyncio.create_task(at.complete(headers=RETRY, stream=True))
    await asyncio.sleep(0.02)
    assert not repeat.done()
    assert len(at.ledger.openings) == 2
    (running,) = at.completions._tasks  # type: ignore[union-attr]
    running.cancel()
    answer = await repeat
    assert data_url(PICTURE).encode()[:20] in answer.body
    assert json.loads(events_of(answer)[-2][6:])["error"]["code"] == "overloaded"
    await lost
    assert len(at.answerers.calls) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("code", [Code.PROVIDER_WRONG, Code.DEADLINE_EXCEEDED, Code.PROVIDER_BROKE_OFF])
async def test_a_repeat_of_what_broke_off_is_502_and_no_call(code: Code, streamed: bool) -> None:
    at = surface([*picture_events(PICTURE), Failure(code, "No.")])
    at.answerers.pause_seconds = 0.002
    await left(at, headers=FIRST, stream=streamed)
    await ended(at)
    for where in (at, restarted(at)):
        at.ledger.deliveries.clear()
        generation_id, generation = next(iter(at.ledger.generations.items()))
        await at.ledger.note_delivery(generation_id, at.ledger.claims[generation_id], Delivery.LOST)
        answer = await where.complete(headers=RETRY, stream=streamed)
        assert (answer.status, answer.json["error"]["code"]) == (502, "provider_broke_off")
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-impasto-generation-id"] == generation.id
    assert len(at.answerers.calls) == 1


async def test_a_refusal_that_was_heard_makes_the_repeat_a_first_attempt() -> None:
    at = surface([Failure(Code.PROVIDER_OVERLOADED, "No.", retry_helps=True)])
    refused = await at.complete(headers=FIRST)
    assert "x-should-retry" not in refused.headers
    at.answerers.script = WHOLE_ANSWER
    again = await at.complete(headers=RETRY)
    assert (again.status, len(at.answerers.calls)) == (200, 2)
    assert at.ledger.openings[-1].retry == "lost"


async def test_who_heard_that_it_still_runs_may_come_again() -> None:
    at = surface()
    at.answerers.hangs = True
    lost = asyncio.create_task(left(at, headers=FIRST))
    while not at.ledger.deliveries:  # noqa: ASYNC110 - as soon as it is noted
        await asyncio.sleep(0)
    refused = await at.complete(headers=RETRY | {"prefer": "wait=0"})
    assert refused.status == 409
    repeat = asyncio.create_task(at.complete(headers=RETRY))
    await asyncio.sleep(0.02)
    assert len(at.answerers.calls) == 1
    for task in list(at.completions._tasks):  # type: ignore[union-attr]
        task.cancel()
    assert (await repeat).headers["x-impasto-generation-id"] == next(iter(at.ledger.generations))
    await lost


@pytest.mark.parametrize("finds", [0, 1])
async def test_who_was_kept_from_his_answer_by_the_books_gets_it_when_he_asks_again(finds: int) -> None:
    at = surface()
    await at.complete(headers=FIRST)
    (made,) = at.ledger.generations.values()
    at.ledger.generations[made.id] = replace(made, delivery=Delivery.LOST)
    away = Failure(Code.LEDGER_UNAVAILABLE, "the books are away", retry_helps=True)
    at.ledger.unread, at.ledger.finds_before = away, finds
    refused = await at.complete(headers=RETRY)
    assert (refused.status, refused.json["error"]["code"]) == (503, "ledger_unavailable")
    at.ledger.unread = None
    again = await at.complete(headers=RETRY)
    assert (again.status, again.headers["x-impasto-generation-id"]) == (200, made.id)
    assert len(at.answerers.calls) == 1


# --- links instead of bytes ---


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True])
async def test_links_in_every_shape(shape: str, streamed: bool) -> None:
    script = [Text("One: "), *picture_events(PICTURE), Text("two: "), *picture_events(png(90)), UsageSeen(USAGE), STOP]
    at = surface(script)
    answer = await at.complete(image_output=shape, image_delivery="url", stream=streamed)
    assert answer.status == 200
    assert b"base64" not in answer.body
    text = answer.body.decode()
    last_only = shape == "content"
    for number, is_shown in ((1, not last_only), (2, True)):
        assert (f"{LINK}img_{number:032x}/content?" in text) == is_shown
    assert at.store.open_blobs == []


async def test_a_key_may_want_links() -> None:
    at = surface()
    answer = await at.complete(image_delivery="url")
    assert answer.message["content"].startswith(LINK)
    assert answer.json["applied"][0]["id"] in answer.message["content"]


async def test_without_an_address_of_its_own_a_gateway_gives_no_links_and_spends_nothing() -> None:
    at = surface(makes_links=False)
    answer = await at.complete(image_delivery="url")
    assert (answer.status, answer.json["error"]["param"]) == (400, "image_delivery")
    assert "IMPASTO_PUBLIC_URL" in answer.json["detail"]
    assert at.answerers.calls == []
