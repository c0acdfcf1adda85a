"""Editing again and again: five turns by the official client, which only ever appends what it received, with a
restart in between, against a provider that refuses a picture or words of its own without their signature."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from impasto.api.shapes import DELIVERIES, SHAPES
from impasto.simulator.server import Call, GeminiSimulator
from tests.end_to_end.gateway import KEY, gateway

MODEL = "google/gemini-3.1-flash-image-preview"
WISHES = (
    "A lighthouse by the sea [[fault:interleave 1]]", "now at night", "add a boat [[fault:interleave 2]]",
    "make it snow", "as a watercolor",
)  # fmt: skip
RESTART_AFTER = 3
SIGNED_WORDS, WORDS, SIGNED_PICTURE = ["text", "thoughtSignature"], ["text"], ["inlineData", "thoughtSignature"]


async def whole(client: AsyncOpenAI, messages: list[Any], asked: dict[str, object]) -> object:
    """The assistant's message as the client gives it."""
    completion = await client.chat.completions.create(model=MODEL, messages=messages, extra_body=asked)
    return completion.choices[0].message.to_dict(warnings=False)  # which knows no content but words


async def streamed(client: AsyncOpenAI, messages: list[Any], asked: dict[str, object]) -> object:
    """The assistant's message as its pieces fold."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    chunks = await client.chat.completions.create(model=MODEL, messages=messages, extra_body=asked, stream=True)
    async for chunk in chunks:
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_none=True)
            message["content"] += delta.get("content", "")
            if "text" in delta:
                message["text"] = message.get("text", "") + delta["text"]
            message.setdefault("images", []).extend(delta.get("images", []))
    if not message["images"]:
        del message["images"]
    return message


def model_turns(call: Call) -> list[list[dict[str, Any]]]:
    return [turn["parts"] for turn in call.body["contents"] if turn.get("role") == "model"]


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("shape", SHAPES)
async def test_five_turns_with_a_restart_in_between(shape: str, delivery: str, ask: Any, tmp_path: Path) -> None:
    asked: dict[str, object] = {"image_output": shape, "image_delivery": delivery}
    messages: list[Any] = []
    async with GeminiSimulator(signature_characters=4000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        for wishes in (WISHES[:RESTART_AFTER], WISHES[RESTART_AFTER:]):
            async with (
                gateway(tmp_path, environment) as running,
                AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
            ):
                for wish in wishes:
                    messages.append({"role": "user", "content": wish})
                    messages.append(await ask(client, messages, asked))
        last = google.calls[-1]
    assert len(google.calls) == len(WISHES)
    assert [len(model_turns(call)) for call in google.calls] == [0, 1, 2, 3, 4]
    first, second, third, fourth = [[[*part] for part in parts] for parts in model_turns(last)]
    assert first == [SIGNED_WORDS, SIGNED_PICTURE]
    assert second == fourth == [SIGNED_PICTURE]
    assert third in (
        [SIGNED_WORDS, SIGNED_PICTURE, WORDS, SIGNED_PICTURE],
        [SIGNED_WORDS, WORDS, SIGNED_PICTURE],  # where a lone picture is shown, it is the last
    )
    assert "thoughtSignature" not in str(messages)


async def test_a_signature_that_is_no_longer_taken_costs_a_memory_and_no_picture(tmp_path: Path) -> None:
    async with GeminiSimulator(signature_characters=4000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with (
            gateway(tmp_path, environment) as running,
            AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
        ):
            messages: list[Any] = [{"role": "user", "content": WISHES[0]}]
            messages += [await whole(client, messages, {}), {"role": "user", "content": WISHES[1]}]
            for blob in (tmp_path / "store" / "blobs").rglob("*"):
                if blob.is_file() and blob.stat().st_size == 4000:
                    blob.write_bytes(b"A" * 4000)
            second = await client.chat.completions.create(model=MODEL, messages=messages)
        assert second.to_dict(warnings=False)["signatures_refused"] is True
        refused, answered = google.calls[1:]
    assert [len(model_turns(call)) for call in (refused, answered)] == [1, 0]
    assert str(answered.body).count("inlineData") == 1


async def test_ten_turns_by_handles_stay_as_small_as_the_first(tmp_path: Path) -> None:
    async with GeminiSimulator(signature_characters=4000, picture_bytes=200_000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with (
            gateway(tmp_path, environment) as running,
            AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
        ):
            messages: list[Any] = []
            for turn in range(10):
                messages.append({"role": "user", "content": f"wish number {turn}"})
                completion = await client.chat.completions.create(model=MODEL, messages=messages)
                answer: dict[str, Any] = completion.to_dict(warnings=False)
                messages.append({"role": "assistant", "content": f"impasto:image/{answer['applied'][0]['id']}"})
    assert len(json.dumps(messages)) < 2000
    assert [len(model_turns(call)) for call in google.calls] == [*range(10)]
    assert str(google.calls[-1].body).count("thoughtSignature") == 9


async def test_another_process_remembers_as_well(tmp_path: Path) -> None:
    async with GeminiSimulator(signature_characters=4000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as one, gateway(tmp_path, environment) as other:
            messages: list[Any] = []
            for running, wish in zip((one, other, one), WISHES, strict=False):
                async with AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client:
                    messages.append({"role": "user", "content": wish})
                    messages.append(await whole(client, messages, {}))
    assert [len(model_turns(call)) for call in google.calls] == [0, 1, 2]


async def test_what_another_provider_made_is_told_and_its_own_stays_its_own(tmp_path: Path) -> None:
    models = (MODEL, "local/painter", MODEL)
    async with GeminiSimulator(signature_characters=4000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with (
            gateway(tmp_path, environment) as running,
            AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
        ):
            messages: list[Any] = []
            for model, wish in zip(models, ("A lighthouse by the sea", "as a watercolor", "now at night"), strict=True):
                messages.append({"role": "user", "content": wish})
                completion = await client.chat.completions.create(model=model, messages=messages)
                messages.append(completion.choices[0].message.to_dict(warnings=False))
    last = google.calls[-1]
    assert [turn["role"] for turn in last.body["contents"]] == ["user", "model", "user", "user"]
    assert str(last.body).count("inlineData") == 2
    assert str(last.body).count("thoughtSignature") == 1
