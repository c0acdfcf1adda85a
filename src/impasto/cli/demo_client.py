"""The demo's client: OpenAI's official one, or where that is not installed, one of our own that does the same.

Rule: it knows nothing of impasto. It asks once; whatever it asks again, it asks by itself.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pybase64

RETRIES = 2
"""As many as OpenAI's client makes when nobody says otherwise."""

_FIRST_PAUSE_SECONDS = 0.5
_WORTH_REPEATING = frozenset({408, 409, 429})
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Got:
    """What the client ends with: the picture, or an error and why it gave up. Status 0: no answer arrived."""

    picture: bytes | None = None
    status: int = 200
    code: str = ""
    should_retry: str = ""
    generation: str = ""

    @property
    def sha256(self) -> str:
        return "" if self.picture is None else hashlib.sha256(self.picture).hexdigest()


@dataclass(frozen=True, slots=True)
class Client:
    """`name` for the screen; `ask(url, key, body)` posts a chat completion, with as many repeats as it sees fit."""

    name: str
    ask: Callable[[str, str, Mapping[str, Any]], Awaitable[Got]]


def find_client() -> Client:
    """OpenAI's where it is installed."""
    if find_spec("openai") is None:
        return Client("our own small client, which retries as OpenAI's does", ask_plainly)
    import openai

    return Client(f"OpenAI's own Python client {openai.__version__}, as it comes", ask_openai)


async def ask_openai(url: str, key: str, body: Mapping[str, Any]) -> Got:
    """With OpenAI's client, set up with its address and its key and nothing else."""
    import openai

    # A proxy of the environment is for the way out; the demo stays on this machine.
    transport = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=url, api_key=key, http_client=transport) as client:
        try:
            completion = await client.chat.completions.create(**body)
        except openai.APIStatusError as error:
            return _refused(error.status_code, error.code or "", error.response.headers)
        except openai.APIConnectionError:
            return Got(status=0)
    return Got(_picture_in(completion.choices[0].message.content or ""), generation=completion.id)


async def ask_plainly(
    url: str,
    key: str,
    body: Mapping[str, Any],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> Got:
    """Without it: the same header, the same repeats, the same pauses."""
    got = Got(status=0)
    for attempt in range(RETRIES + 1):
        got = await _ask_once(url, {"Authorization": f"Bearer {key}", "x-stainless-retry-count": str(attempt)}, body)
        if not _is_worth_repeating(got) or attempt == RETRIES:
            break
        await sleep(_FIRST_PAUSE_SECONDS * 2**attempt * (1 - 0.25 * chance()))
    return got


async def _ask_once(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Got:
    import aiohttp

    patience = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience) as session,
            session.post(f"{url}/chat/completions", json=body, headers=headers) as response,
        ):
            answer = await response.json()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Got(status=0)
    if response.status != 200:
        return _refused(response.status, answer["error"]["code"], response.headers)
    return Got(_picture_in(answer["choices"][0]["message"]["content"]), generation=answer["id"])


def _is_worth_repeating(got: Got) -> bool:
    if got.should_retry in ("true", "false"):
        return got.should_retry == "true"
    return got.status == 0 or got.status in _WORTH_REPEATING or got.status >= 500


def _refused(status: int, code: str, headers: Mapping[str, str]) -> Got:
    return Got(
        status=status,
        code=code,
        should_retry=headers.get("x-should-retry", ""),
        generation=headers.get("x-impasto-generation-id", ""),
    )


def _picture_in(content: str) -> bytes:
    return pybase64.b64decode(content.partition(",")[2], validate=True)
