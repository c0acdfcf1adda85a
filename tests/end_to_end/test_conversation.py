"""Two turns: a picture is made, sent back as it came, and edited; against a provider that demands signatures."""

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from impasto.api.shapes import SHAPES
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Running, gateway

MODELS = ("google/gemini-3.1-flash-image-preview", "google/gemini-2.5-flash-image", "local/painter")


async def ask(running: Running, shape: str, model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    body = json.dumps({"model": model, "messages": messages, "image_output": shape}).encode()
    async with (
        aiohttp.ClientSession(headers=running.headers) as client,
        client.post(f"{running.url}/v3/chat/completions", data=io.BytesIO(body)) as response,
    ):
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        message: dict[str, Any] = answer["choices"][0]["message"]
        return message


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_that_comes_back_is_understood_as_a_picture(shape: str, model: str, tmp_path: Path) -> None:
    async with GeminiSimulator() as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            messages: list[dict[str, Any]] = [{"role": "user", "content": "A lighthouse by the sea"}]
            messages.append(await ask(running, shape, model, messages))
            messages.append({"role": "user", "content": "Turn it into a watercolor painting"})
            second = await ask(running, shape, model, messages)
    assert "data:image/" in str(second)
    if model.startswith("google/"):
        first_body, second_body = (str(call.body) for call in google.calls)
        assert "inlineData" not in first_body
        assert second_body.count("inlineData") == 1
