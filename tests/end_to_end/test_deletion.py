"""Deletion on request, by the real program: afterwards nothing of the content is on the disk, and the money is."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Running, gateway

BODY = {
    "model": "google/gemini-3.1-flash-image",
    "messages": [{"role": "user", "content": "a heliotrope velocipede [[fault:interleave 1]]"}],
    "session_id": "a-conversation-of-ours",
    "user": "somebody-whom-we-know",
    "image_output": "images",
}
MARKS = [b"heliotrope", b"velocipede", b"Step 1", b"a-conversation-of-ours", b"somebody-whom-we-know"]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with GeminiSimulator(signature_characters=4000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            yield running


async def call(running: Running, method: str, path: str, **body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers=running.headers) as client,
        client.request(method, running.url + path, json=body or None) as response,
    ):
        return response.status, await response.json()


async def made(running: Running, **fields: Any) -> tuple[str, str, bytes]:
    """The ids of a generation and of its picture, and the picture."""
    status, answer = await call(running, "POST", "/v3/chat/completions", **BODY | fields)
    assert status == 200, answer
    picture = base64.b64decode(json.dumps(answer).partition("base64,")[2].partition('"')[0])
    assert len(picture) > 1000
    return answer["id"], answer["applied"][0]["id"], picture


def on_disk(folder: Path, *marks: bytes) -> set[bytes]:
    """Which of these lie in any file."""
    content = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {mark[:40] for mark in marks if any(mark in each for each in content)}


@pytest.mark.parametrize(
    "by", ["/v3/images/{image}", "/v3/generations/{generation}", "/v3/images?all=true",
           "/v3/images?user=somebody-whom-we-know", "/v3/manage/content?key_id=operator"],
)  # fmt: skip
async def test_what_is_deleted_is_nowhere_and_what_it_cost_stays(by: str, running: Running, tmp_path: Path) -> None:
    generation_id, image_id, picture = await made(running)
    assert len(on_disk(tmp_path, picture, *MARKS)) == 1 + len(MARKS)
    status, taken = await call(running, "DELETE", by.format(generation=generation_id, image=image_id))
    assert (status, taken["deleted"]["images"], taken["still_running"]) == (200, 1, 0)
    assert taken["deleted"]["bytes"] > len(picture)
    assert on_disk(tmp_path, picture, *MARKS) == set()
    assert (await call(running, "GET", f"/v3/images/{image_id}/content"))[0] == 404
    assert (await call(running, "GET", f"/v3/images/{image_id}"))[0] == 404
    _, left = await call(running, "GET", f"/v3/generations/{generation_id}")
    assert (left["status"], left["response"], left["error"]["code"]) == ("completed", None, "answer_gone")
    assert left["receipt"][0]["cost"] > 0
    _, usage = await call(running, "GET", "/v3/usage?group_by=generation")
    assert generation_id in json.dumps(usage)


async def test_after_it_the_same_request_is_a_new_one(running: Running) -> None:
    generation_id, image_id, _ = await made(running)
    await call(running, "DELETE", f"/v3/images/{image_id}")
    again, _, _ = await made(running)
    assert again != generation_id


async def test_a_picture_that_was_made_from_it_stays(running: Running, tmp_path: Path) -> None:
    _, first, picture = await made(running)
    handle = {"type": "image_url", "image_url": {"url": f"impasto:image/{first}"}}
    words = {"type": "text", "text": "now at night"}
    _, second, other = await made(running, messages=[{"role": "user", "content": [handle, words]}])
    assert (await call(running, "DELETE", f"/v3/images/{first}"))[0] == 200
    assert on_disk(tmp_path, picture) == set()
    assert on_disk(tmp_path, other) != set()
    status, image = await call(running, "GET", f"/v3/images/{second}")
    assert status == 200
    assert first in json.dumps(image["parents"])
    status, refused = await call(
        running, "POST", "/v3/chat/completions", **BODY | {"messages": [{"role": "user", "content": [handle, words]}]}
    )
    assert (status, refused["error"]["code"]) == (400, "invalid_image")
