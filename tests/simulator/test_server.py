"""The simulator as its callers see it: routes, keys, the record of calls."""

import asyncio
import json
import re
import signal
import sys

import aiohttp
import msgspec
import pytest

from impasto.simulator.faults import Refuse, Stall, Status
from impasto.simulator.server import GeminiSimulator
from tests.simulator.conftest import Client, asking

FLASH_31 = "gemini-3.1-flash-image"


async def test_a_whole_answer_looks_like_google(client: Client) -> None:
    response, body = await client.ask(FLASH_31, asking())
    assert response.status == 200
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert body.startswith(b'{\n  "candidates": [\n    {\n      "content": {\n        "parts": [\n')
    assert body.endswith(b"}\n")


async def test_a_stream_looks_like_google(client: Client) -> None:
    response, body = await client.ask("gemini-2.5-flash-image", asking(), method="streamGenerateContent?alt=sse")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert body.count(b"\r\n\r\n") == body.count(b"data: ") == body.count(b"\n") // 2
    events = [json.loads(line[6:]) for line in body.decode().split("\r\n\r\n") if line]
    assert [list(event["candidates"][0]["content"]["parts"][0]) for event in events] == [
        ["text"],
        ["text"],
        ["inlineData"],
        ["text"],
    ]


async def test_a_stream_without_sse_is_a_list(client: Client) -> None:
    _, body = await client.ask(FLASH_31, asking(), method="streamGenerateContent")
    assert isinstance(msgspec.json.decode(body), list)


async def test_an_answer_can_be_sent_back(client: Client) -> None:
    answer = await client.paint()
    request = asking()
    request["contents"] += [answer["candidates"][0]["content"], {"role": "user", "parts": [{"text": "at night"}]}]
    response, _ = await client.ask(FLASH_31, request)
    assert response.status == 200


@pytest.mark.parametrize(
    ("key", "status", "name"), [("bad", 400, "INVALID_ARGUMENT"), ("", 403, "PERMISSION_DENIED"), ("any", 200, "")]
)
async def test_keys(client: Client, key: str, status: int, name: str) -> None:
    response, _ = await client.ask(FLASH_31, asking(), key=key)
    assert response.status == status
    assert (await response.json()).get("error", {}).get("status", "") == name


async def test_one_key_may_be_demanded() -> None:
    async with GeminiSimulator(key="mine") as simulator, aiohttp.ClientSession() as session:
        asked = {"mine": 200, "other": 400}
        for key, status in asked.items():
            response, _ = await Client(session, simulator).ask(FLASH_31, asking(), key=key)
            assert response.status == status


@pytest.mark.parametrize("model", ["gemini-9-image", "gemini-3.1-flash-image-preview"])
async def test_unknown_and_retired_models(client: Client, model: str) -> None:
    response, _ = await client.ask(model, asking())
    assert response.status == 404
    assert (await response.json())["error"]["status"] == "NOT_FOUND"


async def test_nothing_need_be_retired() -> None:
    async with GeminiSimulator(retired=()) as simulator, aiohttp.ClientSession() as session:
        answer = await Client(session, simulator).paint(model="gemini-3.1-flash-image-preview")
        assert answer["modelVersion"] == "gemini-3.1-flash-image-preview"


async def test_other_methods_are_unknown(client: Client) -> None:
    response, _ = await client.ask(FLASH_31, asking(), method="countTokens")
    assert response.status == 404


async def test_models_are_listed(client: Client) -> None:
    url = f"{client.simulator.base_url}/v1beta/models"
    headers = {"x-goog-api-key": "any"}
    async with client.session.get(url, headers=headers) as response:
        names = [model["name"] for model in (await response.json())["models"]]
    assert f"models/{FLASH_31}" in names
    assert "models/gemini-3.1-flash-image-preview" not in names
    for path, sent, status in ((f"/{FLASH_31}", headers, 200), ("/nope", headers, 404), ("", {}, 403)):
        async with client.session.get(url + path, headers=sent) as response:
            assert response.status == status


# --- the record ---


async def test_calls_are_kept(client: Client, simulator: GeminiSimulator) -> None:
    await client.paint("a cat")
    await client.ask(FLASH_31, {"nonsense": 1}, method="streamGenerateContent")
    first, second = simulator.calls
    assert (first.number, first.model, first.method, first.status) == (1, FLASH_31, "generateContent", 200)
    assert first.body == asking("a cat")
    assert first.headers["x-goog-api-key"] == "key"
    assert (first.ended, first.aborted) == (True, False)
    assert (second.method, second.status, second.body) == ("streamGenerateContent", 400, {})


async def test_a_caller_who_hangs_up_is_noticed(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Stall(60))
    asked = asyncio.create_task(client.paint())
    await simulator.until(lambda calls: [(call.status, call.ended) for call in calls] == [(200, False)])
    asked.cancel()
    await simulator.until(lambda calls: calls[0].ended)
    assert simulator.calls[0].aborted


async def test_only_the_last_calls_are_kept() -> None:
    async with GeminiSimulator(calls_kept=2) as simulator, aiohttp.ClientSession() as session:
        for _ in range(4):
            await Client(session, simulator).paint()
        assert [call.number for call in simulator.calls] == [3, 4]


async def test_reset_forgets(client: Client, simulator: GeminiSimulator) -> None:
    await client.paint()
    simulator.next(Refuse())
    simulator.always(Refuse())
    simulator.reset()
    assert simulator.calls == ()
    assert "content" in (await client.paint())["candidates"][0]


# --- faults, three ways ---


async def test_queued_faults_come_one_by_one(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Status(503), None, (Refuse("NO_IMAGE"), Stall(0)))
    assert (await client.paint())["error"]["code"] == 503
    assert (await client.paint())["candidates"][0]["finishReason"] == "STOP"
    assert (await client.paint())["candidates"][0]["finishReason"] == "NO_IMAGE"
    assert (await client.paint())["candidates"][0]["finishReason"] == "STOP"


async def test_a_fault_can_last(client: Client, simulator: GeminiSimulator) -> None:
    simulator.always(Refuse("NO_IMAGE"))
    assert [(await client.paint())["candidates"][0]["finishReason"] for _ in range(2)] == ["NO_IMAGE"] * 2
    simulator.always()
    assert (await client.paint())["candidates"][0]["finishReason"] == "STOP"


async def test_no_fault_hides_a_wrong_request(client: Client, simulator: GeminiSimulator) -> None:
    simulator.next(Status(503))
    response, _ = await client.ask(FLASH_31, {"nonsense": 1})
    assert response.status == 400


async def test_faults_over_http(client: Client, simulator: GeminiSimulator) -> None:
    address = f"{simulator.base_url}/simulator"
    plan = {"faults": [None, {"kind": "refuse", "reason": "NO_IMAGE"}], "always": [{"kind": "rename"}]}
    async with client.session.post(f"{address}/faults", json=plan) as response:
        assert await response.json() == {"coming": 2, "always": 1}
    answers = [await client.paint() for _ in range(2)]
    assert [answer["candidates"][0]["finishReason"] for answer in answers] == ["STOP", "NO_IMAGE"]
    assert {answer["modelVersion"] for answer in answers} == {"gemini-9-image"}
    async with client.session.post(f"{address}/reset") as response:
        assert response.status == 200
    assert simulator.calls == ()
    async with client.session.post(f"{address}/faults", json={"faults": [{"kind": "nope"}]}) as response:
        assert response.status == 400
        assert "stall" in (await response.json())["kinds"]


async def test_calls_over_http_hold_neither_pictures_nor_keys(client: Client, simulator: GeminiSimulator) -> None:
    await client.paint("a cat " * 1000)
    async with client.session.get(f"{simulator.base_url}/simulator/calls") as response:
        told = await response.json()
    assert told["count"] == 1
    (call,) = told["calls"]
    assert "6000 characters" in call["body"]["contents"][0]["parts"][0]["text"]
    assert "x-goog-api-key" not in call["headers"]


async def test_magic_words(client: Client) -> None:
    answer = await client.paint("a cat [[fault:refuse IMAGE_SAFETY empty]]")
    assert answer["candidates"][0]["content"] == {}
    answer = await client.paint("a cat [[fault:nope]]")
    assert "There is no fault 'nope'" in answer["error"]["message"]
    plain, magic = await client.paint("a cat"), await client.paint("a cat [[fault:stall 0]]")
    assert plain["candidates"] == magic["candidates"]


async def test_it_runs_from_a_terminal() -> None:
    program = "from impasto.simulator.server import run_simulator; run_simulator('127.0.0.1', 0)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    told = await process.stdout.readuntil(b"GEMINI_API_KEY=")
    (address,) = re.findall(rb"export GOOGLE_GEMINI_BASE_URL=(http://127.0.0.1:\d+)\n", told)
    async with aiohttp.ClientSession() as session, session.get(f"{address.decode()}/simulator/calls") as response:
        assert await response.json() == {"count": 0, "calls": []}
    process.send_signal(signal.SIGINT)
    rest, _ = await process.communicate()
    assert rest.endswith(b"Stopped.\n")
    assert process.returncode == 0


async def test_what_a_call_is_answered_can_be_made_again(client: Client, simulator: GeminiSimulator) -> None:
    answers = [await client.paint("a cat"), await client.paint("a dog [[fault:stall 0]]")]
    assert [simulator.answer_to(call) for call in simulator.calls] == answers
