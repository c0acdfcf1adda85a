"""What is kept of a request: everything, everything but its words, or nothing that outlives it."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Running, gateway

MODEL = "google/gemini-3.1-flash-image"
PROMPT = "a heliotrope velocipede"
BODY = {
    "model": MODEL,
    "messages": [{"role": "user", "content": f"{PROMPT} [[fault:interleave 1]]"}],
    "session_id": "a-conversation-of-ours",
    "user": "somebody-whom-we-know",
}


async def ask(running: Running, **fields: Any) -> tuple[int, str, dict[str, str]]:
    async with (
        aiohttp.ClientSession(headers=running.headers) as client,
        client.post(f"{running.url}/v3/chat/completions", json=BODY | fields) as response,
    ):
        return response.status, await response.text(), {**response.headers}


async def get(running: Running, path: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession(headers=running.headers) as client, client.get(running.url + path) as response:
        return response.status, await response.json()


def picture_in(text: str) -> bytes:
    return base64.b64decode(text.partition("base64,")[2].partition('"')[0])


def on_disk(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
async def google() -> Any:
    async with GeminiSimulator(signature_characters=4000) as simulator:
        yield simulator


def environment_of(google: GeminiSimulator) -> dict[str, str]:
    return {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}


@pytest.mark.parametrize("streamed", [False, True])
async def test_of_none_nothing_outlives_the_request(streamed: bool, google: GeminiSimulator, tmp_path: Path) -> None:
    async with gateway(tmp_path, environment_of(google)) as running:
        status, text, headers = await ask(running, retention="none", stream=streamed, image_output="images")
        assert status == 200
        generation_id = headers["x-impasto-generation-id"]
        assert (await get(running, f"/v3/generations/{generation_id}"))[1]["error"]["code"] == "answer_gone"
        content = [*on_disk(tmp_path)]
    picture = picture_in(text)
    assert len(picture) > 1000
    marks = [PROMPT.encode(), b"Step 1", picture, b"a-conversation-of-ours", b"somebody-whom-we-know"]
    found = {mark[:40] for each in (*content, *on_disk(tmp_path)) for mark in marks if mark in each}
    assert found == set()
    body = json.loads(text if not streamed else text.split("data: ")[-2])
    assert body["retention"]["kept"] == "none"
    assert "no handle" in body["retention"]["message"]
    assert body["applied"][0]["id"] is None
    assert "x-impasto-image-ids" not in headers


async def test_of_none_a_repeat_is_not_paid_for_again(google: GeminiSimulator, tmp_path: Path) -> None:
    async with gateway(tmp_path, environment_of(google)) as running, aiohttp.ClientSession() as client:
        url, headers = f"{running.url}/v3/chat/completions", running.headers | {"Idempotency-Key": "once"}
        async with client.post(url, json=BODY | {"retention": "none"}, headers=headers) as first:
            assert first.status == 200
        async with client.post(url, json=BODY | {"retention": "none"}, headers=headers) as second:
            assert (await second.json())["error"]["code"] == "answer_gone"
    assert len(google.calls) == 1


async def test_of_pictures_no_words_of_the_request_are_kept(google: GeminiSimulator, tmp_path: Path) -> None:
    async with gateway(tmp_path, environment_of(google)) as running:
        _, text, _ = await ask(running, retention="pictures")
        answer = json.loads(text)
        status, image = await get(running, f"/v3/images/{answer['applied'][0]['id']}")
    assert (status, image["prompt"]) == (200, None)
    assert answer["retention"]["kept"] == "pictures"
    assert [each for each in on_disk(tmp_path) if PROMPT.encode() in each] == []


async def test_by_default_everything_is_kept_and_found_again(google: GeminiSimulator, tmp_path: Path) -> None:
    async with gateway(tmp_path, environment_of(google)) as running:
        _, text, headers = await ask(running)
        answer = json.loads(text)
        (image_id,) = [each["id"] for each in answer["applied"]]
        _, image = await get(running, f"/v3/images/{image_id}")
        _, found = await get(running, "/v3/images?query=velocipede")
    assert "retention" not in answer
    assert headers["x-impasto-image-ids"] == image_id
    assert image["prompt"].startswith(PROMPT)
    assert [each["id"] for each in found["items"]] == [image_id]


async def test_a_picture_of_the_session_is_edited_by_a_word(google: GeminiSimulator, tmp_path: Path) -> None:
    cites = [
        {"type": "image_url", "image_url": {"url": "impasto:image/previous"}},
        {"type": "text", "text": "now at night"},
    ]
    async with gateway(tmp_path, environment_of(google)) as running:
        _, first, _ = await ask(running)
        status, second, _ = await ask(running, messages=[{"role": "user", "content": cites}])
        assert status == 200, second
        (made,) = json.loads(second)["applied"]
        _, image = await get(running, f"/v3/images/{made['id']}")
    (before,) = json.loads(first)["applied"]
    assert [(parent["kind"], parent["id"]) for parent in image["parents"]] == [("image", before["id"])]
    sent = [part for turn in google.calls[1].body["contents"] for part in turn["parts"] if "inlineData" in part]
    assert base64.b64decode(sent[0]["inlineData"]["data"]) == picture_in(first)
