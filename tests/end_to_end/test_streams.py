"""Live answers: the streams that Google really sent, and what callers meet when a stream goes wrong."""

import base64
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from impasto.api.shapes import SHAPES
from impasto.simulator.faults import Cut, Drip, Stall, StreamError
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Running, gateway
from tests.end_to_end.replay import RECORDED, exchanges_of, replaying
from tests.fakes.folding import chunks_of, folded

STREAMS = "gemini/gemini-2.5-flash-image_STREAM_sse_two-streams.yaml.gz"
MODEL = "google/gemini-2.5-flash-image"


async def stream(running: Running, **fields: object) -> tuple[int, bytes]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "an axolotl"}], "stream": True} | fields
    async with (
        aiohttp.ClientSession(headers=running.headers) as client,
        client.post(f"{running.url}/v3/chat/completions", json=body) as response,
    ):
        return response.status, await response.read()


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("index", "sha256", "cost"),
    [
        (0, "d1c4a13cb9dfa6513aa71a44ae09d295992c50bdf0aa220309151e8321b4c6fb", "0.0387377"),
        (1, "4647c645df32e33dceb6fce55c6b6d9bf7ec9ee1315913dcf0f6372d8c1d9a99", "0.038743"),
    ],
)
async def test_a_recorded_stream_comes_out_to_the_byte_with_the_last_events_bill(
    shape: str, index: int, sha256: str, cost: str, tmp_path: Path
) -> None:
    async with replaying(exchanges_of(STREAMS)[index]) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            status, body = await stream(running, image_output=shape)
    assert status == 200
    answer = folded(chunks_of(body), shape)
    message = answer["choices"][0]["message"]
    url = str(message.get("images") or message["content"]).partition("data:image/png;base64,")[2]
    picture = base64.b64decode(url.partition("'")[0].partition(")")[0], validate=True)
    assert hashlib.sha256(picture).hexdigest() == sha256
    assert answer["cost"] == Decimal(cost)
    assert answer["applied"][0]["dimensions"] == {"width": 1024, "height": 1024}


@pytest.fixture
async def simulated(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with GeminiSimulator() as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            yield google, running


async def test_no_piece_of_a_data_url_is_longer_than_64_kib(simulated: tuple[GeminiSimulator, Running]) -> None:
    _, running = simulated
    _, body = await stream(running, messages=[{"role": "user", "content": "[[fault:pad 1000000]]"}])
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks_of(body)]
    assert sum(map(len, pieces)) > 1_000_000
    assert max(map(len, pieces)) <= 64 << 10


async def test_a_failure_before_the_first_content_is_an_ordinary_error(
    simulated: tuple[GeminiSimulator, Running],
) -> None:
    google, running = simulated
    google.next(Cut(after_bytes=0))
    status, body = await stream(running)
    assert status == 502
    assert b'"code":"provider_broke_off"' in body


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_failure_after_it_is_an_event_of_its_own(
    shape: str, simulated: tuple[GeminiSimulator, Running]
) -> None:
    google, running = simulated
    google.next((StreamError(), Drip(512, 0.002)))
    status, body = await stream(running, image_output=shape)
    if shape == "both":  # it waits for the end, so nothing was sent yet
        assert status == 502
        return
    assert status == 200
    *_, error, done = body.strip().split(b"\n\n")
    assert done == b"data: [DONE]"
    assert b'"code":"provider_wrong"' in error


async def test_answers_under_n_are_choices_with_one_bill(simulated: tuple[GeminiSimulator, Running]) -> None:
    google, running = simulated
    google.next(None, Cut(), None)
    status, body = await stream(running, n=3)
    answer = folded(chunks_of(body), "content")
    assert status == 200
    assert len(google.calls) == 3
    assert len(answer["choices"]) == 2
    (error,) = answer["errors"]
    assert error["code"] == "provider_broke_off"
    assert {choice["index"] for choice in answer["choices"]} | {error["index"]} == {0, 1, 2}
    assert answer["cost"] == 2 * answer["cost"] / 2
    assert answer["usage"]["completion_tokens_details"]["image_tokens"] == 2 * 1290


async def test_if_all_under_n_fail_the_first_failure_answers(simulated: tuple[GeminiSimulator, Running]) -> None:
    google, running = simulated
    google.next(*[Cut()] * 2)
    status, body = await stream(running, n=2)
    assert status == 502
    assert b"provider_broke_off" in body


async def test_who_leaves_after_the_call_began_still_gets_the_bill_settled(
    simulated: tuple[GeminiSimulator, Running],
) -> None:
    google, running = simulated
    google.next(Stall(0.3, phase="before_end"))
    body = {"model": MODEL, "messages": [{"role": "user", "content": "a cat"}], "stream": True}
    async with aiohttp.ClientSession(headers=running.headers) as client:
        async with client.post(f"{running.url}/v3/chat/completions", json=body) as response:
            generation = response.headers["x-impasto-generation-id"]
            await response.content.read(100)
            response.close()
        kept: dict[str, Any] = {"status": "running"}
        while kept["status"] == "running":
            async with client.get(f"{running.url}/v3/generations/{generation}") as response:
                kept = await response.json()
    assert (kept["status"], kept["receipt"][0]["cost"]) == ("completed", 0.0387156)
    assert not google.calls[-1].aborted
