"""A gateway, its provider and its callers, for tests about what is paid and how often.

Rule: the provider counts its calls and holds its answers for as long as a test wants, so that nothing
depends on how quick a machine is.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from openai import AsyncOpenAI

from impasto.simulator.faults import Fault, Pad
from impasto.simulator.replies import Reply
from impasto.simulator.server import Call, GeminiSimulator
from tests.end_to_end.gateway import KEY, Running, gateway

MODEL = "google/gemini-3.1-flash-image"
PICTURE_COST = 0.0672
"""What the simulator's picture takes at least, in US dollars."""


class Google(GeminiSimulator):
    """The simulator behind a gate. `arrived` counts every call that reached it, `left` those that did not stay."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"signature_characters": 4000} | options)
        self.picture_bytes = 20_000
        self.arrived = 0
        self.left = 0
        self._gate = asyncio.Event()
        self._gate.set()

    def hold(self) -> None:
        """Answer nobody until `let_go`."""
        self._gate.clear()

    def let_go(self) -> None:
        self._gate.set()

    async def until_arrived(self, count: int) -> None:
        while self.arrived < count:
            await self._changed.wait()

    async def until_left(self, count: int) -> None:
        while self.left < count:
            await self._changed.wait()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        self.arrived += 1
        self._tell()
        try:
            await self._gate.wait()
        except asyncio.CancelledError:
            self.left += 1
            self._tell()
            raise
        return await super()._call(request)

    def _reply(
        self, request: web.Request, call: Call, body: bytes, faults: tuple[Fault, ...]
    ) -> tuple[Reply, tuple[Fault, ...]]:
        """No two pictures are alike."""
        return super()._reply(request, call, body, (*faults, Pad(self.picture_bytes + call.number)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def code(self) -> str | None:
        return str(self.body["error"]["code"]) if self.status >= 400 else None

    @property
    def picture(self) -> str:
        assert self.status == 200, self.raw[:500]
        url: str = self.body["choices"][0]["message"]["content"]
        assert url.startswith("data:image/"), url[:100]
        return url

    @property
    def generation(self) -> str:
        return self.headers["x-impasto-generation-id"]

    @property
    def events(self) -> list[bytes]:
        """The data events of a stream, in order."""
        return [line for line in self.raw.split(b"\n") if line.startswith(b"data: ")]


def body_of(prompt: str = "a banana", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **fields}


@dataclass(frozen=True, slots=True)
class Till:
    """One gateway and one provider."""

    google: Google
    running: Running
    caller: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.running.url

    async def ask(
        self, prompt: str = "a banana", *, key: str = KEY, retry: int | None = None, url: str | None = None,
        headers: Mapping[str, str] | None = None, **fields: Any,
    ) -> Answer:  # fmt: skip
        """A chat completion. `retry` is the count that OpenAI's clients send along."""
        sent = dict(headers or {}) | ({} if retry is None else {"x-stainless-retry-count": str(retry)})
        return await self.call(
            "POST", "/v3/chat/completions", body_of(prompt, **fields), key=key, headers=sent, url=url
        )

    async def call(
        self, method: str, path: str, body: object = None, *, key: str = KEY,
        headers: Mapping[str, str] | None = None, url: str | None = None,
    ) -> Answer:  # fmt: skip
        sent = {"Authorization": f"Bearer {key}"} | dict(headers or {})
        async with self.caller.request(method, (url or self.url) + path, json=body, headers=sent) as response:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, named, await response.read())

    async def get(self, path: str, *, key: str = KEY, url: str | None = None) -> dict[str, Any]:
        answer = await self.call("GET", path, key=key, url=url)
        assert answer.status == 200, answer.raw[:500]
        return answer.body

    async def make_key(self, name: str = "studio", **terms: Any) -> dict[str, Any]:
        """A virtual key on these terms; its secret is `key`."""
        answer = await self.call("POST", "/v3/manage/keys", {"name": name, **terms})
        assert answer.status == 201, answer.raw[:500]
        return answer.body

    async def spent(self) -> dict[str, Any]:
        """The totals of what all keys spent."""
        total: dict[str, Any] = (await self.get("/v3/usage"))["total"]
        return total

    async def until_usage(self, **wanted: Any) -> dict[str, Any]:
        """The totals, once they hold what is wanted: closing a request whose caller has gone takes its time."""
        async with asyncio.timeout(30):
            while True:
                total = await self.spent()
                if all(total[name] == value for name, value in wanted.items()):
                    return total
                await asyncio.sleep(0.02)

    def settings(self, **environment: str) -> dict[str, str]:
        return settings_for(self.google, **environment)


def settings_for(google: GeminiSimulator, **environment: str) -> dict[str, str]:
    """The settings of a gateway whose provider is `google`."""
    return {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url} | environment


@asynccontextmanager
async def till_at(data: Path, google: Google | None = None, **environment: str) -> AsyncIterator[Till]:
    """A gateway on `data`; with the same `google`, one on the same data is the same gateway started again."""
    if google is None:
        async with Google() as own, till_at(data, own, **environment) as till:
            yield till
        return
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        gateway(data, settings_for(google, **environment)) as running,
        aiohttp.ClientSession(connector=connector) as caller,
    ):
        yield Till(google, running, caller)


@dataclass
class _Hurry:
    """What a client does before it tries again."""

    attempts: int = 0
    before_retry: list[Any] = field(default_factory=list)


class Client(AsyncOpenAI):
    """The official client, as it is, but for the length of its pauses. `before_retry` hears of each of them."""

    hurry: _Hurry

    @classmethod
    def at(cls, url: str, key: str = KEY, **options: Any) -> Self:
        client = cls(base_url=f"{url}/v3", api_key=key, **options)
        client.hurry = _Hurry()
        return client

    def _calculate_retry_timeout(self, *_: Any, **__: Any) -> float:
        self.hurry.attempts += 1
        for hears in self.hurry.before_retry:
            hears()
        return 0.02

    async def paint(self, prompt: str = "a banana") -> str:
        """The picture, whole."""
        completion = await self.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt}])
        content = completion.choices[0].message.content
        assert content
        return content

    async def paint_streamed(self, prompt: str = "a banana") -> str:
        """The picture, in pieces."""
        pieces = []
        stream = await self.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True
        )
        async for chunk in stream:
            pieces += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(pieces)
