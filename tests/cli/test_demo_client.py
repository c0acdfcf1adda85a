"""The demo's own client does what OpenAI's does."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from impasto.cli.demo_client import Got, ask_openai, ask_plainly

BODY: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a cat"}]}
PICTURE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": f"data:image/png;base64,{base64.b64encode(b'a cat').decode()}"},
    }],
}  # fmt: skip
BROKE_OFF = {"error": {"message": "It broke off.", "type": "api_error", "param": None, "code": "provider_broke_off"}}
Answer = tuple[int, Mapping[str, Any], Mapping[str, str]] | None
"""Status, body and headers; `None` hangs up."""


@dataclass
class Server:
    """Gives the answers in their order, and counts who asks how often."""

    answers: Sequence[Answer]
    retry_counts: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.retry_counts.append(request.headers["x-stainless-retry-count"])
        answer = self.answers[len(self.retry_counts) - 1]
        if answer is None:
            assert request.transport
            request.transport.abort()
            return web.Response()
        status, body, headers = answer
        return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def serving(answers: Sequence[Answer]) -> AsyncIterator[tuple[str, Server]]:
    server = Server(answers)
    app = web.Application()
    app.router.add_post("/v3/chat/completions", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v3", server
    finally:
        await runner.cleanup()


CASES: dict[str, tuple[Sequence[Answer], Got, int]] = {
    "the picture": ([(200, PICTURE, {})], Got(b"a cat", generation="chatcmpl-1"), 1),
    "a line that breaks": ([None, (200, PICTURE, {})], Got(b"a cat", generation="chatcmpl-1"), 2),
    "an error of the server": ([(503, BROKE_OFF, {}), (200, PICTURE, {})], Got(b"a cat", generation="chatcmpl-1"), 2),
    "an error that says no": (
        [(502, BROKE_OFF, {"x-should-retry": "false", "x-impasto-generation-id": "chatcmpl-2"})],
        Got(None, 502, "provider_broke_off", "false", "chatcmpl-2"),
        1,
    ),
    "an error of the caller": ([(400, BROKE_OFF, {})], Got(None, 400, "provider_broke_off"), 1),
    "nothing, three times": ([None, None, None], Got(None, 0), 3),
}


@pytest.mark.parametrize("case", CASES)
async def test_both_clients_end_alike(case: str) -> None:
    answers, expected, attempts = CASES[case]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with serving(answers) as (url, server):
        assert await ask_plainly(url, "key", BODY, sleep=sleep, chance=lambda: 0.0) == expected
    assert server.retry_counts == ["0", "1", "2"][:attempts]
    assert slept == [0.5, 1.0][: attempts - 1]
    async with serving(answers) as (url, theirs):
        assert await ask_openai(url, "key", BODY) == expected
    assert theirs.retry_counts == server.retry_counts
