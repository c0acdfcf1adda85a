"""`python -m bench.conversation`: ten turns of editing, by handles and by data URLs, and what recognising costs.

Rule: what is counted is what the caller's line carries; the provider is sent the same pictures either way.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from impasto.completions.recall import sha256_of
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Program, serving

MODEL = "google/gemini-3.1-flash-image"
TURNS = 10
SIGNATURE_CHARACTERS = 1_000_000
"""As Google's are."""
RECOGNISED_CHARACTERS = 27 << 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.conversation", description=__doc__.partition(":")[0])
    parser.add_argument("--picture-mb", type=float, default=2.5, help="what each picture weighs (2.5)")
    asked = parser.parse_args()
    sent = asyncio.run(_measured(int(asked.picture_mb * 1e6)))
    print("| turn | the last one, by session | all, by handles | all, as data URLs | to the provider |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for turn, (by_session, by_handle, by_data_url, upstream) in enumerate(zip(*sent, strict=True), 1):
        print(f"| {turn} | {by_session} B | {by_handle} B | {by_data_url:,} B | {upstream:,} B |")
    print(f"Recognising a picture of {RECOGNISED_CHARACTERS >> 20} MB of base64: {_recognising():.0f} ms of CPU.")


async def _measured(picture_bytes: int) -> tuple[list[int], ...]:
    """Bytes of each turn's request: by session, by handles, as data URLs, and what the provider got of the second."""
    async with GeminiSimulator(picture_bytes=picture_bytes, signature_characters=SIGNATURE_CHARACTERS) as google:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
            async with serving(Path(folder), environment) as gateway:
                by_handle = await _converse(gateway, cites=True)
                upstream = [len(json.dumps(call.body)) for call in google.calls]
                by_data_url = await _converse(gateway, cites=False)
                by_session = await _edit_the_last(gateway)
    return by_session, by_handle, by_data_url, upstream


async def _edit_the_last(gateway: Program) -> list[int]:
    sizes: list[int] = []
    async with aiohttp.ClientSession(headers=gateway.headers) as client:
        for turn in range(TURNS):
            content: list[dict[str, Any]] = [{"type": "text", "text": f"wish number {turn}"}]
            if turn:
                content.append({"type": "image_url", "image_url": {"url": "impasto:image/previous"}})
            fields = {"model": MODEL, "messages": [{"role": "user", "content": content}], "session_id": "one"}
            body = json.dumps(fields).encode()
            sizes.append(len(body))
            async with client.post(f"{gateway.url}/v3/chat/completions", data=body) as response:
                await response.read()
                response.raise_for_status()
    return sizes


async def _converse(gateway: Program, *, cites: bool) -> list[int]:
    messages: list[dict[str, Any]] = []
    sizes: list[int] = []
    async with aiohttp.ClientSession(headers=gateway.headers) as client:
        for turn in range(TURNS):
            messages.append({"role": "user", "content": f"wish number {turn}"})
            body = json.dumps({"model": MODEL, "messages": messages}).encode()
            sizes.append(len(body))
            async with client.post(f"{gateway.url}/v3/chat/completions", data=body) as response:
                answer = await response.json()
                response.raise_for_status()
            handle = f"impasto:image/{answer['applied'][0]['id']}"
            content = handle if cites else answer["choices"][0]["message"]["content"]
            messages.append({"role": "assistant", "content": content})
    return sizes


def _recognising() -> float:
    """Milliseconds of CPU, the median of several."""
    text = base64.b64encode(hashlib.shake_256(b"a picture").digest(RECOGNISED_CHARACTERS // 4 * 3))
    spent = []
    for _ in range(9):
        before = time.thread_time()
        sha256_of(text)
        spent.append((time.thread_time() - before) * 1e3)
    return statistics.median(spent)


if __name__ == "__main__":
    main()
