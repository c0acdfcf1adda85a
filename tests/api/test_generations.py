"""A generation by its id: how far it is, what it came to, its answer as it was, and who may ask."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from impasto.api.shapes import SHAPES
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Parent
from impasto.domain.lineage import Ancestor
from tests.api.surface import (
    IMAGES_KEY,
    KEY,
    MANAGERS_KEY,
    READERS_KEY,
    WHOLE_ANSWER,
    Answer,
    Surface,
    picture_events,
    png,
    surface,
)
from tests.fakes.folding import chunks_of, folded
from tests.fakes.ledger import MemoryLedger
from tests.fakes.lineage import MemoryLineage, a_picture, some_facts


async def asked(at: Surface, generation_id: str, key: str | None = KEY) -> Answer:
    return await at.ask("GET", f"/v3/generations/{generation_id}", key=key)


async def made(at: Surface, **fields: Any) -> tuple[Answer, Answer]:
    """An answer, and its generation."""
    answer = await at.complete(**fields)
    generation = await asked(at, answer.headers["x-impasto-generation-id"])
    assert generation.status == 200
    assert generation.headers["content-length"] == str(len(generation.body))
    assert generation.complete
    assert at.store.open_blobs == []
    return answer, generation


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 2])
async def test_its_response_is_the_answer_to_the_byte(shape: str, count: int) -> None:
    answer, generation = await made(surface(), image_output=shape, n=count)
    assert b'"response":' + answer.body + b"}" in generation.body
    assert generation.json["response"] == answer.json


async def test_of_a_stream_it_is_what_the_whole_answer_would_have_been() -> None:
    answer, generation = await made(surface(), stream=True)
    response = generation.json["response"]
    assert response == {**folded(chunks_of(answer.body), "content"), "id": response["id"]}


async def test_what_it_says_beside_its_answer() -> None:
    _, generation = await made(surface(), tags={"project": "fruit"})
    body = generation.json
    assert (body["object"], body["status"], body["model"]) == ("generation", "completed", "maker/brush")
    assert body["tags"] == {"project": "fruit"}
    assert (body["created_at"], body["ended_at"]) == ("2026-01-21T12:53:20.500Z", "2026-01-21T12:53:21.500Z")
    assert body["error"] is None
    (receipt,) = body["receipt"]
    assert receipt["outcome"] == "settled"
    assert Decimal(str(receipt["cost"])) == Decimal("0.0672295")


async def test_it_says_what_its_pictures_were_made_of_and_which_they_are() -> None:
    ledger, parent = MemoryLedger(), Ancestor(Parent("file", "file-1", "1" * 64))
    answer = await surface(ledger=ledger).complete()
    generation = await ledger.find(answer.headers["x-impasto-generation-id"])
    assert generation is not None
    known = some_facts(a_picture(generation_id=generation.id), generation, characters=9, parents=(parent,))
    body = (await asked(surface(ledger=ledger, lineage=MemoryLineage([known])), generation.id)).json
    assert (body["images"], body["prompt"], body["prompt_is_cut"]) == (["img_1"], "a cat", True)
    assert body["parents"] == [{"kind": "file", "id": "file-1", "sha256": "1" * 64, "url": None}]
    assert (body["session_id"], body["user"], body["retention"]) == (None, None, "all")


@pytest.mark.parametrize(
    ("code", "status"),
    [(Code.PROVIDER_OVERLOADED, "failed"), (Code.PROVIDER_BROKE_OFF, "unknown"), (Code.PROVIDER_REJECTED, "failed")],
)
async def test_a_failure_is_told_as_it_was(code: Code, status: str) -> None:
    answer, generation = await made(surface([Failure(code, "It did not work.", param="model")]))
    body = generation.json
    assert (body["status"], body["response"]) == (status, None)
    assert body["error"] == answer.json["error"]


async def test_one_that_ended_without_an_answer_and_cost_something_has_failed() -> None:
    _, generation = await made(surface([*picture_events(b"none"), *WHOLE_ANSWER[-2:]]))
    assert generation.json["status"] == "failed"
    assert generation.json["receipt"][0]["outcome"] == "settled"


async def test_one_that_runs_says_so() -> None:
    at = surface()
    at.answerers.hangs = True
    asking = asyncio.create_task(at.complete())
    await asyncio.sleep(0.01)
    generation = await asked(at, next(iter(at.ledger.generations)))
    assert (generation.json["status"], generation.json["ended_at"]) == ("running", None)
    assert (generation.json["response"], generation.json["error"]) == (None, None)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    at.completions.cut()  # type: ignore[union-attr]
    await at.completions.drain()  # type: ignore[union-attr]


async def test_one_whose_picture_is_gone_says_so_and_keeps_its_receipt() -> None:
    at = surface()
    answer = await at.complete()
    at.store.kept.clear()
    generation = await asked(at, answer.headers["x-impasto-generation-id"])
    assert (generation.status, generation.json["error"]["code"]) == (200, "answer_gone")
    assert generation.json["receipt"][0]["outcome"] == "settled"
    assert at.store.open_blobs == []


async def test_it_is_there_for_its_own_key_and_for_who_manages() -> None:
    at = surface()
    generation_id = (await at.complete()).headers["x-impasto-generation-id"]
    statuses = {key: (await asked(at, generation_id, key)).status for key in (KEY, MANAGERS_KEY, IMAGES_KEY)}
    assert statuses == {KEY: 200, MANAGERS_KEY: 200, IMAGES_KEY: 404}
    assert (await asked(at, generation_id, READERS_KEY)).status == 403
    assert (await asked(at, generation_id, None)).status == 401
    stranger, unknown = await asked(at, generation_id, IMAGES_KEY), await asked(at, "chatcmpl-none", IMAGES_KEY)
    assert stranger.json == unknown.json


@pytest.mark.parametrize("generation_id", ["x" * 81, "a b", "'; --", "ü", "a\x00b"])
async def test_what_is_no_id_is_not_looked_up(generation_id: str) -> None:
    at = surface()
    at.ledger.down = Failure(Code.LEDGER_UNAVAILABLE, "down")
    assert (await asked(at, generation_id)).status == 404


async def test_with_the_books_away_it_is_503() -> None:
    at = surface()
    at.ledger.down = Failure(Code.LEDGER_UNAVAILABLE, "down")
    assert (await asked(at, "chatcmpl-1")).status == 503


async def test_no_words_pass_for_the_gap_that_the_response_goes_into() -> None:
    at = surface()
    answer = await at.complete()
    generation_id = answer.headers["x-impasto-generation-id"]
    kept = at.ledger.generations[generation_id]
    at.ledger.generations[generation_id] = replace(kept, tags={"gap": '"\x00response\x00"', "c": "\x00response\x00"})
    body = json.loads((await asked(at, generation_id)).body, parse_float=Decimal)
    assert body["tags"] == {"gap": '"\x00response\x00"', "c": "\x00response\x00"}
    assert body["response"] == answer.json


async def test_a_large_picture_is_sent_in_pieces() -> None:
    picture = png(700_000)
    answer, generation = await made(surface([*picture_events(picture), *WHOLE_ANSWER[-2:]]))
    assert generation.json["response"] == answer.json
