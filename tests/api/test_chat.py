"""The endpoint over fakes: what is called, what is sent back, and that nothing is left open."""

import asyncio
import json
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from impasto.api.failures import AnswerBrokeOffError
from impasto.api.routes import asgi_app
from impasto.completions.ports import Spool
from impasto.domain.chat import ImagePart, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, Text, UsageSeen
from impasto.domain.model import Lifecycle
from impasto.storage.spool import FileSpools
from tests.api.surface import (
    BRUSH,
    CATALOGUE,
    PICTURE,
    STOP,
    USAGE,
    WHOLE_ANSWER,
    Answer,
    Surface,
    data_url,
    gateway_of,
    picture_events,
    png,
    request_body,
    surface,
)
from tests.fakes.answerers import FakeAnswerers, Script
from tests.fakes.images import FakeImages

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
    at = surface()
    going = replace(BRUSH, lifecycle=Lifecycle(retired=date(2026, 6, 25)))
    gateway = gateway_of(at.answerers, at.images)
    catalogue = replace(CATALOGUE, models={**CATALOGUE.models, BRUSH.id: going})
    gateway = replace(gateway, completions=replace(gateway.completions, catalogue=catalogue))
    answer = await Surface(asgi_app(gateway), at.answerers, at.images).complete(model="brush")
    assert (answer.status, answer.headers["sunset"]) == (200, "Thu, 25 Jun 2026 00:00:00 GMT")
    assert "sunset" not in (await at.complete()).headers


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
    at = surface()
    part = {"type": "image_url", "image_url": {"url": "https://x.test/gone.png"}}
    answer = await at.complete(messages=[{"role": "user", "content": [part]}])
    assert answer.status == 400
    assert answer.json["error"]["param"] == "messages[0].content[0].image_url.url"
    assert at.answerers.calls == []


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
    assert at.answerers.calls == []


async def test_a_body_in_pieces_is_the_same_body() -> None:
    body = json.dumps(request_body()).encode()
    whole = await surface().ask("POST", CHAT, body)
    pieces = await surface().ask("POST", CHAT, [body[:7], b"", body[7:20], body[20:]])
    assert pieces.json == whole.json


class _Spools:
    """Counts what is open."""

    def __init__(self) -> None:
        self.open_count = 0
        self.opened_count = 0

    def open(self) -> Spool:
        self.open_count += 1
        self.opened_count += 1
        return _Counted(FileSpools().open(), self._closed)

    def _closed(self) -> None:
        self.open_count -= 1


class _Counted:
    def __init__(self, spool: Spool, closed: Callable[[], None]) -> None:
        self._spool = spool
        self._closed = closed
        self.write = spool.write
        self.read = spool.read

    def close(self) -> None:
        self._spool.close()
        self._closed()


def counted(script: Script) -> tuple[Surface, _Spools]:
    answerers, images, spools = FakeAnswerers(script), FakeImages(), _Spools()
    gateway = gateway_of(answerers, images)
    gateway = replace(gateway, completions=replace(gateway.completions, spools=spools))
    return Surface(asgi_app(gateway), answerers, images), spools


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
async def test_no_spool_is_left_open(script: Script, status: int) -> None:
    at, spools = counted(script)
    assert (await at.complete()).status == status
    assert (spools.opened_count, spools.open_count) == (1, 0)


async def test_no_spool_is_left_open_when_sending_fails() -> None:
    at, spools = counted(tuple(WHOLE_ANSWER))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": json.dumps(request_body()).encode(), "more_body": False}

    async def send(_: object) -> None:
        raise ConnectionResetError

    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": [(b"x-api-key", b"key-that-may-generate")]}
    with pytest.raises(ConnectionError):
        await at.app(scope, receive, send)
    assert (spools.opened_count, spools.open_count) == (1, 0)


async def test_who_stops_reading_a_stream_is_cut_off() -> None:
    answerers, images = FakeAnswerers(tuple(WHOLE_ANSWER)), FakeImages()
    gateway = gateway_of(answerers, images)
    gateway = replace(gateway, completions=replace(gateway.completions, deadline_seconds=0.05))
    body = json.dumps(request_body(stream=True)).encode()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, object]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": [(b"x-api-key", b"key-that-may-generate")]}
    with pytest.raises(AnswerBrokeOffError):
        async with asyncio.timeout(2):
            await asgi_app(gateway)(scope, receive, send)


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
