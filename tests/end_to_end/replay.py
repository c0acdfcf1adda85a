"""Plays recorded answers of real providers back over HTTP.

The recordings (VCR cassettes of other projects) are not part of this repository: they are read
from `../shared/recorded` where that folder exists.
"""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from aiohttp import web

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded call: the path that was called, and what came back."""

    path: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Replay:
    """A provider that answers from a recording; `bodies` are what it was sent."""

    base_url: str
    bodies: list[bytes] = field(default_factory=list)


def exchanges_of(name: str) -> list[Exchange]:
    """The exchanges of a recording, whichever tool recorded them."""
    path = RECORDED / name
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    if "when" in loaded:
        return [_from_mock(loaded)]
    return [_from_cassette(one) for one in loaded.get("http_interactions") or loaded["interactions"]]


def _from_mock(recorded: dict[str, Any]) -> Exchange:
    headers = {header["name"]: header["value"] for header in recorded["then"]["header"]}
    return Exchange(recorded["when"]["path"], recorded["then"]["status"], headers, recorded["then"]["body"].encode())


def _from_cassette(recorded: dict[str, Any]) -> Exchange:
    response = recorded["response"]
    body = response.get("body", {}).get("string", b"") or json.dumps(response.get("parsed_body", {}), indent=2)
    status = response["status"]
    headers = {name: values[0] if isinstance(values, list) else values for name, values in response["headers"].items()}
    return Exchange(
        urlsplit(recorded["request"]["uri"]).path,
        status["code"] if isinstance(status, dict) else status,
        headers,
        body if isinstance(body, bytes) else body.encode(),
    )


@asynccontextmanager
async def replaying(exchange: Exchange) -> AsyncIterator[Replay]:
    """A server on loopback that answers every POST with `exchange`, in chunks as Google does."""
    replay = Replay("")

    async def answer(request: web.Request) -> web.StreamResponse:
        replay.bodies.append(await request.read())
        response = web.StreamResponse(status=exchange.status)
        response.headers["Content-Type"] = "application/json; charset=UTF-8"
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(exchange.body), 16 << 10):
            await response.write(exchange.body[start : start + (16 << 10)])
        await response.write_eof()
        return response

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    replay.base_url = f"http://127.0.0.1:{port}"
    try:
        yield replay
    finally:
        await runner.cleanup()
