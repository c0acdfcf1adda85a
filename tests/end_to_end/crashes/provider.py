"""What stands around the gateway: the provider whose calls are counted, and a server with a picture to be fetched."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from impasto.simulator.gemini_wire import Request
from impasto.simulator.pictures import png
from impasto.simulator.server import Call, GeminiSimulator
from tests.end_to_end.crashes.wishes import token_of


@dataclass(slots=True)
class Provider:
    """A provider that remembers how often it was called for each token. `edits` counts the calls in which it got
    signatures of its own back, `refused` are the numbers of those that it would not take.

    `pictures` is the host and port that links lead to.
    """

    google: GeminiSimulator
    pictures: str
    counted: Counter[str] = field(default_factory=Counter)
    edits: int = 0
    refused: set[int] = field(default_factory=set)
    _waiting: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    @property
    def base_url(self) -> str:
        return self.google.base_url

    @property
    def picture_url(self) -> str:
        return f"http://{self.pictures}/picture.png"

    async def until_called(self, token: str) -> None:
        """Returns when it is working on this token for the first time."""
        if token not in self.counted:
            await self._waiting[token].wait()
            del self._waiting[token]

    def _count(self, call: Call) -> None:
        token = _token_in(call.body)
        assert token, f"the provider was asked for nothing that was wished for: {call.body}"
        self.counted[token] += 1
        self.edits += "thoughtSignature" in str(call.body)
        if token in self._waiting:
            self._waiting[token].set()


@asynccontextmanager
async def surroundings(*, signature_characters: int = 200, picture_bytes: int = 0) -> AsyncIterator[Provider]:
    google = GeminiSimulator(
        signature_characters=signature_characters, picture_bytes=picture_bytes, calls_kept=200
    )  # fmt: skip
    async with google, _picture_server() as pictures:
        provider = Provider(google, pictures)
        counting = asyncio.create_task(_count_calls(google, provider))
        yield provider
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


async def _count_calls(google: GeminiSimulator, provider: Provider) -> None:
    """Count each call once, when its request is read. The simulator keeps more calls than can be open at once."""
    waiting: set[int] = set()
    newest = 0

    def has_news(calls: Sequence[Call]) -> bool:
        return any(call.number > newest or (call.number in waiting and call.body) for call in reversed(calls))

    while True:
        await google.until(has_news)
        for call in google.calls:
            if call.status == HTTPStatus.BAD_REQUEST:
                provider.refused.add(call.number)
            is_new = call.number > newest
            newest = max(newest, call.number)
            if call.body and (is_new or call.number in waiting):
                waiting.discard(call.number)
                provider._count(call)
            elif is_new:
                waiting.add(call.number)


def _token_in(body: Request) -> str | None:
    words = (part.get("text", "") for content in body.get("contents", ()) for part in content.get("parts", ()))
    return next(filter(None, map(token_of, words)), None)


@asynccontextmanager
async def _picture_server() -> AsyncIterator[str]:
    picture = png("a picture behind a link", 24, 16)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=picture, content_type="image/png")

    app = web.Application()
    app.router.add_get("/picture.png", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
