"""Answers that Google really sent, through the whole gateway: the seed's page holds to the byte and to the cent."""

import base64
import hashlib
import json
import re
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.gateway import gateway
from tests.end_to_end.replay import RECORDED, exchanges_of, replaying

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")

CASES = [
    pytest.param(
        "gemini/gemini-3.1-flash-image-preview_1x1_1K.yml.gz",
        "google/gemini-3.1-flash-image-preview",
        "705b1c0238f095690c2e6988a043a420033a1651253b7b87cb316b1ad79688ab",
        "0.0685615",
        {"prompt_tokens": 5, "completion_tokens": 1573, "total_tokens": 1578},
        "image/jpeg",
        id="the seed's first model",
    ),
    pytest.param(
        "gemini/gemini-2.5-flash-image_text-then-image_1x1_1K.yml.gz",
        "google/gemini-2.5-flash-image",
        "b5871907b85002ccc29d8f19d831af224d784e328abd06205fd45082a64fac58",
        "0.0387265",
        {"prompt_tokens": 5, "completion_tokens": 1300, "total_tokens": 1305},
        "image/png",
        id="the seed's second model",
    ),
    pytest.param(
        "gemini/gemini-2.5-flash-image_C2PA-in-PNG.yaml.gz",
        "google/gemini-2.5-flash-image",
        "8734a7aa5f44aeb6d5acf36008e881ed7df220a09a4c3ac0cad1f4fa6ead8ba1",
        "0.0387045",
        {"prompt_tokens": 15, "completion_tokens": 1290, "total_tokens": 1305},
        "image/png",
        id="a signed manifest survives",
    ),
    pytest.param(
        "gemini/gemini-3-pro-image-preview_text+image_two-signatures.yaml.gz",
        "google/gemini-3-pro-image",
        "5bbb1a8184aea046854b8459f2f4b94d75754ae763b921a092a7f27d93878f99",
        "0.138472",
        {"prompt_tokens": 14, "completion_tokens": 1457, "total_tokens": 1471},
        "image/jpeg",
        id="two signatures of a megabyte",
    ),
]


@pytest.mark.parametrize(("recording", "model", "sha256", "cost", "usage", "media_type"), CASES)
async def test_the_recorded_picture_and_its_bill_come_out(
    recording: str, model: str, sha256: str, cost: str, usage: dict[str, int], media_type: str, tmp_path: Path
) -> None:
    exchange = exchanges_of(recording)[0]
    async with replaying(exchange) as google, aiohttp.ClientSession() as client:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            body = {"model": model, "messages": [{"role": "user", "content": "a siamese cat"}]}
            url = f"{running.url}/v3/chat/completions"
            async with client.post(url, json=body, headers=running.headers) as response:
                text = await response.text()
                assert response.status == 200, text
                assert response.headers["x-impasto-cost"] == cost
                assert int(response.headers["content-length"]) == len(text.encode())
    answer = json.loads(text, parse_float=str)
    content = answer["choices"][0]["message"]["content"]
    match = re.match(r"data:image/\w+;base64,(.*)", content)
    assert match
    picture = base64.b64decode(match.group(1))
    assert hashlib.sha256(picture).hexdigest() == sha256
    assert content.startswith(f"data:{media_type};base64,")
    assert answer["cost"] == cost
    assert answer["cost_status"] == "exact"
    assert {name: answer["usage"][name] for name in usage} == usage
    assert answer["applied"][0]["bytes"] == len(picture)
    assert "thoughtSignature" not in text


async def test_a_manifest_comes_out_bit_for_bit_and_is_reported(tmp_path: Path) -> None:
    recording, model, sha256, *_ = CASES[2].values
    assert isinstance(recording, str)
    exchange = exchanges_of(recording)[0]
    async with replaying(exchange) as google, aiohttp.ClientSession() as client:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            body = {"model": model, "messages": [{"role": "user", "content": "a cat"}], "image_delivery": "url"}
            url = f"{running.url}/v3/chat/completions"
            async with client.post(url, json=body, headers=running.headers) as response:
                (applied,) = (await response.json())["applied"]
            url = f"{running.url}/v3/images/{applied['id']}/content"
            async with client.get(url, headers=running.headers) as response:
                picture = await response.read()
    assert hashlib.sha256(picture).hexdigest() == sha256
    reported = applied["provenance"]["c2pa"]
    assert reported["bytes"] > 5_000
    assert reported["manifest"].startswith("urn:")
    assert "Google" in reported["claim_generator"]
    assert reported["validated"] is False


async def test_words_before_a_picture_are_beside_it(tmp_path: Path) -> None:
    exchange = exchanges_of("gemini/gemini-2.5-flash-image_text-then-image_1x1_1K.yml.gz")[0]
    async with replaying(exchange) as google, aiohttp.ClientSession() as client:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            body = {"model": "google/gemini-2.5-flash-image", "messages": [{"role": "user", "content": "a cat"}]}
            async with client.post(
                f"{running.url}/v3/chat/completions", json=body, headers=running.headers
            ) as response:
                seeds = (await response.json())["choices"][0]["message"]
            async with client.post(
                f"{running.url}/v1/chat/completions", json=body, headers=running.headers
            ) as response:
                openrouters = (await response.json())["choices"][0]["message"]
    assert seeds["text"]
    assert openrouters["content"] == seeds["text"]
    assert openrouters["images"] == [{"type": "image_url", "image_url": {"url": seeds["content"]}}]


@pytest.mark.parametrize(
    ("recording", "status", "code"),
    [
        ("gemini-errors/400_api-key-invalid.yml", 502, "provider_auth"),
        ("gemini-errors/400_unknown-field_BadRequest-fieldViolations.yaml", 502, "provider_wrong"),
        ("gemini-errors/404_nonexistent-model_unary.yaml", 410, "model_retired"),
        ("gemini-errors/429_quota_RetryInfo_48s_paid.yml", 429, "provider_rate_limited"),
    ],
)
async def test_a_recorded_error_becomes_ours(recording: str, status: int, code: str, tmp_path: Path) -> None:
    exchange = exchanges_of(recording)[0]
    async with replaying(exchange) as google, aiohttp.ClientSession() as client:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            body = {"model": "google/gemini-2.5-flash", "messages": [{"role": "user", "content": "hello"}]}
            async with client.post(
                f"{running.url}/v3/chat/completions", json=body, headers=running.headers
            ) as response:
                answer = await response.json()
    assert (response.status, answer["error"]["code"]) == (status, code)
    assert len(google.bodies) == 1
    if status == 429:
        assert response.headers["Retry-After"] == "48"
    else:
        assert response.headers["x-should-retry"] == "false"


async def test_a_recorded_refusal_is_no_empty_success(tmp_path: Path) -> None:
    exchange = exchanges_of("gemini-refusals/200_finishReason-SAFETY_content-empty-object.yaml")[0]
    async with replaying(exchange) as google, aiohttp.ClientSession() as client:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with gateway(tmp_path, environment) as running:
            body = {"model": "google/gemini-2.5-flash", "messages": [{"role": "user", "content": "hello"}]}
            async with client.post(
                f"{running.url}/v3/chat/completions", json=body, headers=running.headers
            ) as response:
                answer = await response.json()
    choice = answer["choices"][0]
    assert response.status == 200
    assert choice["finish_reason"] == "content_filter"
    assert choice["native_finish_reason"] == "SAFETY"
    assert choice["message"]["content"] is None
    assert "Google" in choice["message"]["refusal"]
