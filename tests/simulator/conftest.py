"""A running simulator, and a client that speaks to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from impasto.simulator.server import GeminiSimulator


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the simulator as a careful client would."""

    session: aiohttp.ClientSession
    simulator: GeminiSimulator

    async def ask(
        self, model: str, request: Any, *, method: str = "generateContent", key: str = "key"
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        url = f"{self.simulator.base_url}/v1beta/models/{model}:{method}"
        headers = {"x-goog-api-key": key} if key else {}
        async with self.session.post(url, json=request, headers=headers, allow_redirects=False) as response:
            return response, await response.read()

    async def paint(self, prompt: str = "a cat", model: str = "gemini-3.1-flash-image", **config: Any) -> Any:
        """The JSON that answers `prompt`."""
        response, _ = await self.ask(model, asking(prompt, **config))
        return await response.json()


def asking(prompt: str = "a cat", **config: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}


@pytest.fixture
async def simulator() -> AsyncIterator[GeminiSimulator]:
    async with GeminiSimulator(signature_characters=1000) as running:
        yield running


@pytest.fixture
async def client(simulator: GeminiSimulator) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session, simulator)
