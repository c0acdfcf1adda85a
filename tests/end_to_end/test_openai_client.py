"""The official OpenAI client against the real program, with a provider that answers as Gemini does."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from tests.api.surface import data_url, png
from tests.end_to_end.gateway import KEY, gateway
from tests.end_to_end.replay import Exchange, Replay, replaying

MODEL = "google/gemini-2.5-flash-image"
PICTURE = png(5000, 1344, 768)
SAID = [{"text": "Here it is."}, {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PICTURE).decode()}}]
USAGE = {
    "promptTokenCount": 5,
    "candidatesTokenCount": 1300,
    "totalTokenCount": 1305,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
}


def gemini(parts: list[Any], finish_reason: str = "STOP") -> Exchange:
    answer = {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish_reason, "index": 0}],
        "usageMetadata": USAGE,
    }
    return Exchange("", 200, {}, json.dumps(answer).encode())


def error(status: int, reason: str, message: str, details: Sequence[object] = ()) -> Exchange:
    said = {"code": status, "message": message, "status": reason, "details": list(details)}
    return Exchange("", status, {}, json.dumps({"error": said}).encode())


@asynccontextmanager
async def speaking(
    exchange: Exchange, data: Path, version: str = "v3", key: str = KEY, environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[AsyncOpenAI, Replay]]:
    """A client whose provider answers with `exchange`; it repeats as often as clients do by themselves."""
    async with replaying(exchange) as google:
        settings = {"GEMINI_API_KEY": "google's", "GOOGLE_GEMINI_BASE_URL": google.base_url} | dict(environment or {})
        async with (
            gateway(data, settings) as running,
            AsyncOpenAI(base_url=f"{running.url}/{version}", api_key=key) as client,
        ):
            yield client, google


async def paint(client: AsyncOpenAI, **fields: Any) -> ChatCompletion:
    completion: ChatCompletion = await client.chat.completions.create(
        model=fields.pop("model", MODEL), messages=[{"role": "user", "content": "a cat"}], **fields
    )
    return completion


async def test_a_picture_by_the_seeds_words(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path) as (client, google):
        completion = await paint(client, extra_body={"image_config": {"aspect_ratio": "16:9"}})
    (sent,) = [json.loads(body) for body in google.bodies]
    assert sent["generationConfig"]["imageConfig"] == {"aspectRatio": "16:9"}
    (choice,) = completion.choices
    assert choice.message.content == data_url(PICTURE)
    assert (choice.finish_reason, choice.message.refusal, choice.logprobs) == ("stop", None, None)
    assert choice.message.model_extra == {"text": "Here it is."}
    assert completion.model == MODEL
    assert completion.usage
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.model_extra
    assert (completion.model_extra["provider"], completion.model_extra["cost"]) == ("google", 0.0387265)


async def test_a_picture_among_images(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path, "v1") as (client, _):
        completion = await paint(client, modalities=["text", "image"])
    message = completion.choices[0].message
    assert message.content == "Here it is."
    assert message.model_extra == {"images": [{"type": "image_url", "image_url": {"url": data_url(PICTURE)}}]}


async def test_headers_come_with_the_raw_response(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path) as (client, _):
        raw = await client.chat.completions.with_raw_response.create(
            model=MODEL, messages=[{"role": "user", "content": "a cat"}]
        )
        completion = raw.parse()
    assert raw.headers["x-impasto-cost"] == "0.0387265"
    assert raw.headers["x-impasto-generation-id"] == completion.id
    assert raw.headers["x-request-id"]


async def test_a_conversation_goes_on(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path) as (client, google):
        first = await paint(client)
        await client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "user", "content": "a cat"},
                {"role": "assistant", "content": first.choices[0].message.content},
                {"role": "user", "content": "at night"},
            ],
        )
    assert google.bodies[1].count(base64.b64encode(PICTURE)) == 1


async def test_a_refusal_is_a_completion(tmp_path: Path) -> None:
    async with speaking(gemini([], "IMAGE_SAFETY"), tmp_path) as (client, _):
        completion = await paint(client)
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("content_filter", None)
    assert choice.message.refusal
    assert choice.model_extra == {"native_finish_reason": "IMAGE_SAFETY"}


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_models_are_listed_and_found(version: str, tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path, version) as (client, google):
        listed = {model.id: model async for model in client.models.list()}
        found = await client.models.retrieve(MODEL)
    assert listed[MODEL] == found
    assert (found.object, found.owned_by) == ("model", "google")
    assert found.model_extra
    assert found.model_extra["available"] is True
    assert google.bodies == []


@pytest.mark.parametrize(
    ("fields", "error_class", "code", "param"),
    [
        ({"model": "google/none"}, openai.NotFoundError, "model_not_found", "model"),
        ({"extra_body": {"image_config": {"aspect_ratio": "7:5"}}}, openai.BadRequestError, "invalid_value",
         "image_config.aspect_ratio"),
        ({"extra_body": {"image_config": {"quality": "hd"}}}, openai.UnprocessableEntityError, "invalid_body",
         "image_config"),
        ({"temperature": 3}, openai.UnprocessableEntityError, "invalid_body", "temperature"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, "unsupported", "tools"),
        ({"extra_body": {"max_cost": 0.001}}, openai.APIStatusError, "max_cost_exceeded", "max_cost"),
    ],
)  # fmt: skip
async def test_what_a_caller_did_wrong_is_told_by_class_code_and_field(
    fields: dict[str, Any], error_class: type[openai.APIStatusError], code: str, param: str, tmp_path: Path
) -> None:
    async with speaking(gemini(SAID), tmp_path) as (client, google):
        with pytest.raises(error_class) as raised:
            await paint(client, **fields)
    assert (raised.value.code, raised.value.param) == (code, param)
    assert isinstance(raised.value.body, dict)
    assert str(raised.value.body["message"]) in str(raised.value)
    assert raised.value.request_id
    assert google.bodies == []


async def test_a_bad_key_is_an_authentication_error(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path, key="nobody's") as (client, google):
        with pytest.raises(openai.AuthenticationError):
            await paint(client)
    assert google.bodies == []


@pytest.mark.parametrize(
    ("exchange", "error_class", "code"),
    [
        (error(500, "INTERNAL", "An internal error."), openai.InternalServerError, "provider_wrong"),
        (error(400, "INVALID_ARGUMENT", "Not so."), openai.BadRequestError, "provider_rejected"),
        (error(403, "PERMISSION_DENIED", "No."), openai.InternalServerError, "provider_auth"),
        (error(504, "DEADLINE_EXCEEDED", "Too slow."), openai.InternalServerError, "provider_timeout"),
        (gemini([]), openai.InternalServerError, "provider_wrong"),
        (Exchange("", 200, {}, b'{"candidates":[{"content":{"parts":[{"te'), openai.InternalServerError,
         "provider_broke_off"),
        (Exchange("", 200, {}, b"<html>"), openai.InternalServerError, "provider_wrong"),
    ],
)  # fmt: skip
async def test_nobody_pays_twice(
    exchange: Exchange, error_class: type[openai.APIStatusError], code: str, tmp_path: Path
) -> None:
    async with speaking(exchange, tmp_path) as (client, google):
        with pytest.raises(error_class) as raised:
            await paint(client)
    assert raised.value.code == code
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert len(google.bodies) == 1


async def test_what_a_repeat_can_mend_is_repeated(tmp_path: Path) -> None:
    retry = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
    async with speaking(error(429, "RESOURCE_EXHAUSTED", "Slower.", retry), tmp_path) as (client, google):
        with pytest.raises(openai.RateLimitError) as raised:
            await paint(client.with_options(max_retries=1))
    assert raised.value.response.headers["retry-after"] == "1"
    assert len(google.bodies) == 2


async def test_without_a_providers_key_the_variable_is_named(tmp_path: Path) -> None:
    async with speaking(gemini(SAID), tmp_path, environment={"GEMINI_API_KEY": ""}) as (client, google):
        with pytest.raises(openai.InternalServerError, match="GEMINI_API_KEY") as raised:
            await paint(client)
    assert (raised.value.status_code, raised.value.code) == (503, "provider_not_configured")
    assert google.bodies == []
