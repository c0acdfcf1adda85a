"""The endpoint over fakes: what is called, what is sent back, and that nothing is left open."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from starlette.types import Message

from impasto.api.chat_answer import PIECE_BYTES
from impasto.api.failures import AnswerBrokeOffError
from impasto.domain.chat import ImagePart, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, Text, UsageSeen
from impasto.domain.ledger import State
from impasto.domain.model import Lifecycle
from tests.api.surface import (
    BRUSH,
    CATALOGUE,
    KEY,
    PICTURE,
    SANDBOX_KEY,
    STOP,
    USAGE,
    WHOLE_ANSWER,
    Answer,
    Surface,
    data_url,
    picture_events,
    png,
    request_body,
    surface,
)
from tests.fakes.answerers import Script

CHAT = "/v3/chat/completions"


async def test_a_whole_answer() -> None:
    at = surface()
    answer = await at.complete(image_config={"aspect_ratio": "16:9"})
    assert answer.status == 200
    assert answer.complete
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-impasto-cost"] == "0.0672295"
    assert answer.json["cost"] == Decimal("0.0672295")
    assert answer.json["id"] == answer.headers["x-impasto-generation-id"]
    assert answer.message == {"role": "assistant", "content": data_url(PICTURE), "text": "Here: ", "refusal": None}
    (call,) = at.answerers.calls
    assert (call.model.wire_name, call.image_config.aspect_ratio) == ("brush", "16:9")
    assert call.turns[0].parts == (TextPart("a cat"),)


async def test_an_unknown_cost_has_no_header() -> None:
    answer = await surface([*picture_events(PICTURE), STOP]).complete(model="maker/gift")
    assert answer.json["cost"] is None
    assert "x-impasto-cost" not in answer.headers


async def test_an_alias_is_answered_under_the_name_that_was_asked_for() -> None:
    answer = await surface().complete(model="brush")
    assert answer.json["model"] == "brush"
    assert "served_by" not in answer.json


async def test_a_model_that_goes_says_when() -> None:
    going = replace(BRUSH, lifecycle=Lifecycle(retired=date(2026, 6, 25)))
    at = surface(catalogue=replace(CATALOGUE, models={**CATALOGUE.models, BRUSH.id: going}))
    answer = await at.complete(model="brush")
    assert (answer.status, answer.headers["sunset"]) == (200, "Thu, 25 Jun 2026 00:00:00 GMT")
    assert "sunset" not in (await surface().complete()).headers


async def test_a_refusal_is_200_with_its_cost() -> None:
    script: list[Event] = [UsageSeen(USAGE), Finished(FinishReason.CONTENT_FILTER, "SAFETY")]
    answer = await surface(script).complete()
    assert answer.status == 200
    assert answer.headers["x-impasto-cost"]
    assert answer.message["content"] is None


async def test_a_link_is_fetched_once_and_sent_as_bytes() -> None:
    at = surface()
    at.images.pictures["https://x.test/a.png"] = PICTURE
    part = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    answer = await at.complete(messages=[{"role": "user", "content": [part, part]}])
    assert answer.status == 200
    assert at.images.fetched == ["https://x.test/a.png"]
    sent = at.answerers.calls[0].turns[0].parts
    assert [type(one) for one in sent] == [ImagePart, ImagePart]


async def test_a_link_that_leads_nowhere_is_named_before_anything_is_spent() -> None:
    for streamed in (False, True):
        at = surface()
        part = {"type": "image_url", "image_url": {"url": "https://x.test/gone.png"}}
        answer = await at.complete(messages=[{"role": "user", "content": [part]}], stream=streamed)
        assert answer.status == 400
        assert answer.json["error"]["param"] == "messages[0].content[0].image_url.url"
        assert at.answerers.calls == []
        (generation,) = at.ledger.generations.values()
        assert generation.state is State.REFUSED


async def test_an_answer_pasted_back_is_the_same_picture() -> None:
    at = surface()
    first = (await at.complete()).message
    await at.complete(messages=[{"role": "user", "content": "a cat"}, first, {"role": "user", "content": "at night"}])
    turns = at.answerers.calls[1].turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    words, picture = turns[1].parts
    assert words == TextPart("Here: ")
    assert isinstance(picture, ImagePart)
    assert data_url(PICTURE).endswith(bytes(picture.base64).decode())


@pytest.mark.parametrize("shape", ["content", "images"])
async def test_every_shape_pasted_back_means_the_same(shape: str) -> None:
    at = surface([Text("One: "), *picture_events(PICTURE), UsageSeen(USAGE), STOP])
    message = (await at.complete(image_output=shape)).message
    await at.complete(messages=[message, {"role": "user", "content": "again"}])
    words, picture = at.answerers.calls[1].turns[0].parts
    assert words == TextPart("One: ")
    assert isinstance(picture, ImagePart)


async def test_max_cost_below_the_estimate_spends_nothing() -> None:
    at = surface()
    answer = await at.complete(max_cost=0.001)
    assert (answer.status, answer.json["error"]["code"]) == (402, "max_cost_exceeded")
    assert (at.answerers.calls, at.ledger.openings) == ([], [])


@pytest.mark.parametrize(("code", "status"), [(Code.BUDGET_SPENT, 402), (Code.LEDGER_UNAVAILABLE, 503)])
async def test_what_the_ledger_refuses_is_answered_before_anything_is_sent(code: Code, status: int) -> None:
    for streamed in (False, True):
        at = surface()
        at.ledger.answers.append(Failure(code, "No."))
        answer = await at.complete(stream=streamed)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert answer.headers["x-impasto-generation-id"].startswith("chatcmpl-")
        assert at.answerers.calls == []


async def test_a_sandbox_answers_and_says_so() -> None:
    at = surface()
    answer = await at.complete(key=SANDBOX_KEY)
    assert (answer.json["sandbox"], answer.json["cost"], answer.headers["x-impasto-cost"]) == (True, 0, "0")
    assert "sandbox" not in (await at.complete()).json


async def test_tags_are_held_with_the_request() -> None:
    at = surface()
    await at.complete(tags={"project": "fruit"})
    assert at.ledger.openings[0].tags == {"project": "fruit"}


async def test_a_body_in_pieces_is_the_same_body() -> None:
    body = json.dumps(request_body()).encode()
    whole = await surface().ask("POST", CHAT, body)
    pieces = await surface().ask("POST", CHAT, [body[:7], b"", body[7:20], body[20:]])
    assert pieces.json == whole.json


# --- nothing is left open ---


def assert_nothing_is_open(at: Surface) -> None:
    assert at.store.open_blobs == []
    assert {generation.state for generation in at.ledger.generations.values()} & {State.RUNNING} == set()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("script", "status"),
    [
        (WHOLE_ANSWER, 200),
        ([Failure(Code.PROVIDER_WRONG, "No.")], 502),
        ([*picture_events(PICTURE), Failure(Code.PROVIDER_BROKE_OFF, "No.")], 502),
        ([ValueError("x")], 500),
        ([], 502),
    ],
)
async def test_no_blob_is_left_open(script: Script, status: int, streamed: bool) -> None:
    at = surface(script)
    answer = await at.complete(stream=streamed)
    assert answer.status == status if not streamed else answer.status in (status, 200)
    assert answer.complete
    assert_nothing_is_open(at)


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_blob_is_left_open_when_sending_fails(streamed: bool) -> None:
    at = surface()
    scope, receive = asked_by_hand(stream=streamed)

    async def send(_: object) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionError):
        await at.app(scope, receive, send)
    assert at.completions is not None
    await at.completions.drain()  # what was begun goes on without its caller
    assert_nothing_is_open(at)


def asked_by_hand(**fields: object) -> tuple[dict[str, Any], Callable[[], Awaitable[Message]]]:
    """A request of a caller who stays on the line, and what he says."""
    messages = [{"type": "http.request", "body": json.dumps(request_body(**fields)).encode(), "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    headers = [(b"x-api-key", KEY.encode())]
    return {"type": "http", "method": "POST", "path": CHAT, "headers": headers}, receive


@pytest.mark.parametrize(("streamed", "reads_all_but_the_end"), [(True, False), (True, True), (False, True)])
async def test_who_stops_reading_is_cut_off(streamed: bool, reads_all_but_the_end: bool) -> None:
    at = surface(deadline_seconds=0.05)
    scope, receive = asked_by_hand(stream=streamed)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not (reads_all_but_the_end and message["more_body"]):
            await asyncio.Event().wait()

    with pytest.raises(AnswerBrokeOffError):
        async with asyncio.timeout(2):
            await at.app(scope, receive, send)
    assert_nothing_is_open(at)


async def test_an_answer_whose_picture_cannot_be_read_any_more_is_cut() -> None:
    at = surface([*picture_events(png(2 * PIECE_BYTES)), UsageSeen(USAGE), STOP])
    scope, receive = asked_by_hand()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        at.store.breaks = True

    with pytest.raises(AnswerBrokeOffError):
        await at.app(scope, receive, send)
    assert [message["type"] for message in sent].count("http.response.start") == 1
    assert all(message.get("more_body", True) for message in sent)
    assert_nothing_is_open(at)


async def test_answers_at_once_do_not_mix() -> None:
    at = surface()
    at.answerers.by_model |= {
        "maker/brush": [*picture_events(png(90)), UsageSeen(USAGE), STOP],
        "maker/gift": [*picture_events(png(91)), UsageSeen(USAGE), STOP],
    }
    models = ["maker/brush", "maker/gift"] * 20
    answers: list[Answer] = await asyncio.gather(*(at.complete(model=model) for model in models))
    pictures = {"maker/brush": data_url(png(90)), "maker/gift": data_url(png(91))}
    assert [answer.message["content"] for answer in answers] == [pictures[model] for model in models]
    assert len({answer.json["id"] for answer in answers}) == len(answers)
