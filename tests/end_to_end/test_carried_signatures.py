"""Signatures that the caller carries: five turns by the official client, which only ever appends what it received,
through a gateway that keeps nothing, against a provider that refuses a picture or words of its own without theirs."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from impasto.api.shapes import SHAPES
from impasto.simulator.server import Call, GeminiSimulator
from tests.end_to_end.gateway import KEY, gateway

MODEL = "google/gemini-3.1-flash-image-preview"
WISHES = (
    "A lighthouse by the sea [[fault:interleave 1]]", "now at night", "add a boat [[fault:interleave 3]]",
    "make it snow", "as a watercolor",
)  # fmt: skip
SIGNED_WORDS, WORDS, SIGNED_PICTURE = ["text", "thoughtSignature"], ["text"], ["inlineData", "thoughtSignature"]
ASKED: dict[str, object] = {"retention": "none", "include_signatures": True}


async def whole(client: AsyncOpenAI, messages: list[Any], asked: dict[str, object]) -> Any:
    """The assistant's message as the client gives it."""
    completion = await client.chat.completions.create(model=MODEL, messages=messages, extra_body=asked)
    return completion.choices[0].message.to_dict(warnings=False)  # which knows no content but words


async def streamed(client: AsyncOpenAI, messages: list[Any], asked: dict[str, object]) -> Any:
    """The assistant's message as its pieces fold."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "images": [], "reasoning_details": []}
    chunks = await client.chat.completions.create(model=MODEL, messages=messages, extra_body=asked, stream=True)
    async for chunk in chunks:
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_none=True)
            message["content"] += delta.get("content", "")
            if "text" in delta:
                message["text"] = message.get("text", "") + delta["text"]
            message["images"] += delta.get("images", [])
            message["reasoning_details"] += delta.get("reasoning_details", [])
    return {name: value for name, value in message.items() if value or name == "content"}


async def converse(at: str, ask: Any, asked: dict[str, object], wishes: tuple[str, ...] = WISHES) -> list[Any]:
    """All messages of a conversation with the gateway `at`."""
    messages: list[Any] = []
    async with AsyncOpenAI(base_url=f"{at}/v3", api_key=KEY, max_retries=0) as client:
        for wish in wishes:
            messages.append({"role": "user", "content": wish})
            messages.append(await ask(client, messages, asked))
    return messages


def model_turns(call: Call) -> list[list[dict[str, Any]]]:
    return [turn["parts"] for turn in call.body["contents"] if turn.get("role") == "model"]


def kept_in(data: Path) -> list[Path]:
    return [*data.glob("store/blobs/*/*")]


def environment_of(google: GeminiSimulator) -> dict[str, str]:
    return {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("shape", SHAPES)
async def test_five_turns_through_a_gateway_that_keeps_nothing(shape: str, ask: Any, tmp_path: Path) -> None:
    async with GeminiSimulator(signature_characters=400_000) as google:
        async with gateway(tmp_path, environment_of(google)) as running:
            messages = await converse(running.url, ask, ASKED | {"image_output": shape})
        calls = google.calls
    assert len(calls) == len(WISHES)  # none was refused and made again
    assert [len(model_turns(call)) for call in calls] == [0, 1, 2, 3, 4]
    first, second, third, fourth = [[[*part] for part in parts] for parts in model_turns(calls[-1])]
    assert first == [SIGNED_WORDS, SIGNED_PICTURE]
    assert second == fourth == [SIGNED_PICTURE]
    pictures = [part for part in third if part == SIGNED_PICTURE]
    assert third[0] == SIGNED_WORDS
    # The shape of one picture shows the last; live, it has sent the first before, and the others follow it.
    assert len(pictures) == (1 if shape == "content" and ask is whole else 3)
    assert len(messages[1]["reasoning_details"]) == 2
    assert kept_in(tmp_path) == []


async def test_the_order_and_the_words_are_the_models_own(tmp_path: Path) -> None:
    made: dict[str, list[Any]] = {}
    async with (
        GeminiSimulator(signature_characters=4000) as google,
        gateway(tmp_path, environment_of(google)) as running,
    ):
        for shape in ("parts", "markdown", "images"):
            await converse(running.url, whole, ASKED | {"image_output": shape}, WISHES[2:4])
            (turn,) = model_turns(google.calls[-1])
            made[shape] = [part.get("text", "picture") for part in turn]
    mixed = ["Step 1: ", "picture", "Step 2: ", "picture", "Step 3: ", "picture"]
    assert made["parts"] == made["markdown"] == mixed
    # Which of the words that are not signed stood where, this shape does not tell.
    assert made["images"] == ["Step 1: ", "picture", "Step 2: Step 3: ", "picture", "picture"]


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("spoil", ["words", "missing"])
async def test_what_cannot_be_told_exactly_is_not_claimed(spoil: str, ask: Any, tmp_path: Path) -> None:
    async with GeminiSimulator(signature_characters=4000) as google:
        async with (
            gateway(tmp_path, environment_of(google)) as running,
            AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
        ):
            answer = await ask(client, [{"role": "user", "content": WISHES[0]}], ASKED)
            if spoil == "words":
                answer["text"] = "Step 1:"  # trimmed
            else:
                del answer["reasoning_details"][0]
            user: list[Any] = [{"role": "user", "content": wish} for wish in WISHES[:2]]
            await ask(client, [user[0], answer, user[1]], ASKED)
        assert len(google.calls) == 2
        assert model_turns(google.calls[-1]) == []


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_without_being_asked_for_no_signature_shows(ask: Any, tmp_path: Path) -> None:
    async with (
        GeminiSimulator(signature_characters=4000) as google,
        gateway(tmp_path, environment_of(google)) as running,
    ):
        messages = await converse(running.url, ask, {}, WISHES[:2])
        (parts,) = model_turns(google.calls[-1])
    signatures = [part["thoughtSignature"] for part in parts]
    assert len(signatures) == 2
    assert not any(signature[:60] in str(messages) for signature in signatures)
    assert "reasoning_details" not in str(messages)


async def test_what_is_kept_is_given_again_with_its_signatures(tmp_path: Path) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": WISHES[2]}], "include_signatures": True}
    async with GeminiSimulator(signature_characters=300_000) as google:
        async with (
            gateway(tmp_path, environment_of(google)) as running,
            aiohttp.ClientSession(headers=running.headers) as caller,
        ):
            headers = {"Idempotency-Key": "once"}
            answers: list[Any] = []
            for _ in range(2):
                async with caller.post(f"{running.url}/v3/chat/completions", json=body, headers=headers) as response:
                    raw = await response.read()
                    assert int(response.headers["content-length"]) == len(raw)
                    answers.append(await response.json())
            async with caller.get(f"{running.url}/v3/generations/{answers[0]['id']}") as response:
                answers.append((await response.json())["response"])
        assert len(google.calls) == 1
    assert len(kept_in(tmp_path)) >= 7
    assert answers[0] == answers[1] == answers[2]
    details = answers[0]["choices"][0]["message"]["reasoning_details"]
    assert [(detail["type"], detail["index"], detail["format"]) for detail in details] == [
        ("reasoning.encrypted", index, "google-gemini-v1") for index in (0, 1, 3, 5)
    ]
    assert {detail["id"] for detail in details[1:]} == {one["id"] for one in answers[0]["applied"]}
    assert all(len(detail["data"]) == 300_000 for detail in details)
