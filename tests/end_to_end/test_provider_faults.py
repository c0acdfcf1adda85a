"""Everything that a provider can do wrong, through the whole gateway: one documented status and code each.

Nothing is ever tried twice, nothing half is a success, and a repeat is invited only where nothing can have been spent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from impasto.simulator import faults
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import Running, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "google/gemini-3.1-flash-image"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def code(self) -> str | None:
        error = self.body.get("error")
        return None if error is None else str(error["code"])

    @property
    def choice(self) -> dict[str, Any]:
        choice: dict[str, Any] = self.body["choices"][0]
        return choice


@dataclass(frozen=True, slots=True)
class House:
    """A gateway, the simulator as its provider, and a caller."""

    google: GeminiSimulator
    running: Running
    caller: aiohttp.ClientSession

    async def ask(self, *wrong: faults.Fault, model: str = MODEL, **fields: Any) -> Answer:
        self.google.next(wrong)
        body = {"model": model, "messages": [{"role": "user", "content": "a banana"}], **fields}
        url = f"{self.running.url}/v3/chat/completions"
        async with self.caller.post(url, json=body, headers=self.running.headers) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.json())


@asynccontextmanager
async def house_of(data: Path, **environment: str) -> AsyncIterator[House]:
    async with GeminiSimulator(signature_characters=4000) as google, aiohttp.ClientSession() as caller:
        settings = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url} | environment
        async with gateway(data, settings) as running:
            yield House(google, running, caller)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house_of(tmp_path_factory.mktemp("data")) as house:
        yield house


@pytest.fixture
def house(standing: House) -> House:
    """One house for all tests, as if nothing had been asked before."""
    standing.google.reset()
    return standing


BROKE_OFF = [
    faults.Reset("arrival"),
    faults.Reset("before_headers"),
    faults.Reset("after_headers"),
    faults.Reset("mid_body"),
    faults.Reset("before_end"),
    faults.Cut("chunked"),
    faults.Cut("length"),
    faults.Cut("none"),
    faults.Cut("none", after_bytes=0),
    faults.Truncate(),
    faults.Truncate(after_bytes=0),
    faults.Truncate(after_bytes=100),
]
WRONG = [
    faults.Garbage(),
    faults.LongHeader(),
    faults.Html(200),
    faults.Html(502),
    faults.Redirect(),
    faults.Gzip("broken"),
    faults.Gzip("bomb", 1),
    faults.WrongShape("list"),
    faults.WrongShape("string"),
    faults.WrongShape("no_candidates"),
    faults.WrongShape("candidates_object"),
    faults.WrongShape("parts_string"),
    faults.WrongShape("text_number"),
    faults.EmptyCandidates(),
    faults.EmptyPicture(),
    faults.BrokenBase64(at=0),
    faults.BrokenBase64(at=1000),
    faults.Status(500),
    faults.Status(502),
]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        *((fault, 502, "provider_broke_off") for fault in BROKE_OFF),
        *((fault, 502, "provider_wrong") for fault in WRONG),
        (faults.Status(400, "API key not valid. Please pass a valid API key."), 502, "provider_auth"),
        (faults.Status(401), 502, "provider_auth"),
        (faults.Status(403), 502, "provider_auth"),
        (faults.Status(400, "Image part is missing a thought_signature."), 400, "signature_refused"),
        (faults.Status(400, as_list=True), 400, "provider_rejected"),
        (faults.Status(404), 410, "model_retired"),
        (faults.Status(429, limit=0), 503, "provider_no_quota"),
        (faults.Status(504), 504, "provider_timeout"),
    ],
    ids=repr,
)
async def test_a_fault_has_one_status_and_code_and_is_not_to_be_repeated(
    house: House, fault: faults.Fault, status: int, code: str
) -> None:
    answer = await house.ask(fault)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert "choices" not in answer.body
    assert len(house.google.calls) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "wait"),
    [
        (faults.Status(429), 429, "provider_rate_limited", "35"),
        (faults.Status(429, as_list=True), 429, "provider_rate_limited", "35"),
        (faults.Status(429, "Slow down.", retry_after="7"), 429, "provider_rate_limited", "7"),
        (faults.Status(429, "Slow down.", retry_after="9" * 30), 429, "provider_rate_limited", "86400"),
        (faults.Status(429, "Slow down.", retry_after="-5"), 429, "provider_rate_limited", None),
        (
            faults.Status(429, "Slow down.", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
            429,
            "provider_rate_limited",
            None,
        ),
        (faults.Status(503), 503, "provider_overloaded", None),
        (faults.Status(503, retry_after="3"), 503, "provider_overloaded", "3"),
    ],
    ids=repr,
)
async def test_where_nothing_was_spent_the_caller_may_try_again(
    house: House, fault: faults.Fault, status: int, code: str, wait: str | None
) -> None:
    answer = await house.ask(fault)
    assert (answer.status, answer.code) == (status, code)
    assert "x-should-retry" not in answer.headers
    assert answer.headers.get("retry-after") == wait
    assert len(house.google.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.Drip(count=400, delay_seconds=0.0001),
        faults.UnknownFinish(),
        faults.WrongMime("image/png"),
        faults.WrongMime("application/zip"),
        faults.Rename(),
        faults.Escape(),
        faults.Drafts(3, thought=True),
        faults.Pad(picture_bytes=3_000_000, signature_characters=3_000_000),
        faults.KeepAlive(seconds=0.05, every_seconds=0.01),
    ],
    ids=repr,
)
async def test_what_is_only_odd_is_still_an_answer(house: House, fault: faults.Fault) -> None:
    answer = await house.ask(fault)
    assert (answer.status, answer.code) == (200, None)
    assert answer.choice["message"]["content"].startswith("data:image/jpeg;base64,/9j/")
    assert answer.body["cost_status"] == "exact"
    assert answer.body["cost"] > 0.06


@pytest.mark.parametrize("content", ["absent", "empty", "role", "null_parts", "no_parts"])
@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "PROHIBITED_CONTENT", "NO_IMAGE", "IMAGE_OTHER"])
async def test_a_refusal_is_an_answer_that_says_so(house: House, reason: str, content: Any) -> None:
    answer = await house.ask(faults.Refuse(reason, content, "Not that."))
    assert answer.status == 200
    assert (answer.choice["finish_reason"], answer.choice["native_finish_reason"]) == ("content_filter", reason)
    assert (answer.choice["message"]["content"], answer.choice["message"]["refusal"]) == (None, "Not that.")
    assert answer.body["usage"]["completion_tokens_details"]["image_tokens"] == 0


async def test_a_blocked_prompt_is_a_refusal(house: House) -> None:
    answer = await house.ask(faults.Block("OTHER"))
    assert (answer.status, answer.choice["native_finish_reason"]) == (200, "OTHER")
    assert answer.choice["message"]["content"] is None
    assert answer.choice["message"]["refusal"]


async def test_words_alone_are_an_answer(house: House) -> None:
    answer = await house.ask(faults.Words("Which style?"))
    assert (answer.status, answer.choice["message"]["content"]) == (200, "Which style?")
    assert answer.choice["finish_reason"] == "stop"


async def test_of_drafts_the_last_is_the_picture_and_all_are_paid(house: House) -> None:
    one = await house.ask(model="google/gemini-3-pro-image", image_output="images")
    three = await house.ask(faults.Drafts(3), model="google/gemini-3-pro-image", image_output="images")
    assert len(three.choice["message"]["images"]) == 1
    assert three.body["cost"] > one.body["cost"] + 0.2


async def test_pictures_with_words_between_are_all_results(house: House) -> None:
    answer = await house.ask(faults.Interleave(2), model="google/gemini-3-pro-image", image_output="images")
    assert len(answer.choice["message"]["images"]) == 2


@pytest.mark.parametrize("counts", ["missing", "negative", "huge", "string", "no_details"])
async def test_counts_that_cannot_be_relied_on_are_an_estimate_and_never_words(house: House, counts: Any) -> None:
    answer = await house.ask(faults.Usage(counts))
    assert answer.status == 200
    assert answer.body["cost_status"] == "estimated"
    assert answer.body["usage"]["completion_tokens_details"]["image_tokens"] == 1120
    assert answer.body["cost"] >= 0.0672


@pytest.mark.parametrize(
    "fault",
    [
        faults.Stall(phase="before_headers"),
        faults.Stall(phase="after_headers"),
        faults.Stall(phase="mid_body"),
        faults.Stall(phase="before_end"),
        faults.Drip(count=1, delay_seconds=0.05),
        faults.KeepAlive(every_seconds=0.05),
    ],
    ids=repr,
)
async def test_a_deadline_ends_what_never_ends(tmp_path: Path, fault: faults.Fault) -> None:
    async with house_of(tmp_path, IMPASTO_DEADLINE_SECONDS="1") as house:
        answer = await house.ask(fault)
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        assert answer.headers["x-should-retry"] == "false"
        await asyncio.sleep(0.3)
        assert house.google.calls[0].aborted


async def test_a_provider_that_is_not_there_may_be_tried_again(tmp_path: Path) -> None:
    async with house_of(tmp_path, GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9") as house:
        answer = await house.ask()
    assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert "x-should-retry" not in answer.headers


async def test_a_retired_model_is_answered_for_by_its_replacement(house: House) -> None:
    answer = await house.ask(faults.Status(404), model="google/gemini-3.1-flash-image-preview")
    assert (answer.status, answer.body["model"]) == (200, "google/gemini-3.1-flash-image-preview")
    assert answer.body["served_by"] == "google/gemini-nano-banana-2.1"
    assert [call.model for call in house.google.calls] == ["gemini-3.1-flash-image", "gemini-nano-banana-2.1"]


async def test_a_replacement_that_cannot_do_it_is_named(house: House) -> None:
    answer = await house.ask(
        faults.Status(404), model="google/gemini-3.1-flash-image-preview", image_config={"image_size": "512"}
    )
    assert (answer.status, answer.code) == (410, "model_retired")
    assert "google/gemini-nano-banana-2.1" in answer.body["error"]["message"]
    assert len(house.google.calls) == 1


async def test_after_a_fault_the_next_call_works(house: House) -> None:
    for fault in (faults.Reset(), faults.Truncate(), faults.Garbage(), faults.BrokenBase64()):
        assert (await house.ask(fault)).status == 502
        assert (await house.ask()).status == 200
