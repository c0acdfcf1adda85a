"""The ids on every answer, and the one line of every request: what it holds, and what never."""

import json
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.events import Text
from impasto.logs import JsonLines
from tests.api.surface import KEY, PICTURE, WHOLE_ANSWER, data_url, picture_events, request_body, surface

CHAT = "/v3/chat/completions"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(JsonLines().format(record)) for record in caplog.records]


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def test_a_completion_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    answer = await surface().complete()
    (line,) = lines(caplog)
    assert line.pop("seconds") >= 0
    assert line.pop("time")
    assert line == {
        "level": "info",
        "logger": "impasto.access",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "method": "POST",
        "path": CHAT,
        "key": "generator",
        "generation": answer.headers["x-impasto-generation-id"],
        "model": "maker/brush",
        "served_by": "maker/brush",
        "finish": "STOP",
        "answers": 1,
        "pictures": 1,
        "prompt_tokens": 5,
        "completion_tokens": 1129,
        "cost": "0.0672295",
        "cost_status": "exact",
        "status": 200,
        "bytes": len(answer.body),
    }
    assert answer.json["cost"] == Decimal(line["cost"])


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b'{"model":"none","messages":[{"role":"user"}]}', 404, "model_not_found", "model"),
        (b'{"model":"none","messages":[{"role":"canary"}]}', 400, "invalid_value", "messages[0].role"),
    ],
)
async def test_a_refusal_is_one_line_without_its_sentence(
    body: bytes, status: int, code: str, param: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    await surface().ask("POST", CHAT, body)
    (line,) = lines(caplog)
    assert (line["status"], line["code"], line["param"]) == (status, code, param)
    assert "why" not in line


async def test_what_went_wrong_behind_us_is_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    await surface([Failure(Code.PROVIDER_WRONG, "shown", logged="the provider said 500")]).complete()
    (line,) = lines(caplog)
    assert line["why"] == "the provider said 500"


async def test_what_broke_is_told_by_type_and_place(caplog: pytest.LogCaptureFixture) -> None:
    await surface([ZeroDivisionError("canary")]).complete()
    broken, line = lines(caplog)
    assert broken["error"] == "ZeroDivisionError"
    assert any("answerers.py" in place for place in broken["places"])
    assert broken["request_id"] == line["request_id"]
    assert (line["status"], line["code"]) == (500, "internal_error")


async def test_health_is_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    await surface().ask("GET", "/health/ready")
    assert caplog.records == []


async def test_a_long_address_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    await surface().ask("GET", "/" + "x" * 60_000)
    (line,) = lines(caplog)
    assert len(line["path"]) == 200


CANARIES = ["canary-in-the-prompt", KEY, "Q2FuYXJ5", "canary-of-the-model", "query=canary"]
HOSTILE: list[tuple[Sequence[object], dict[str, object]]] = [
    (WHOLE_ANSWER, {}),
    ([Text("canary-of-the-model"), *picture_events(PICTURE), *WHOLE_ANSWER], {}),
    (WHOLE_ANSWER, {"messages": [{"role": "canary-in-the-prompt", "content": "x"}]}),
    (WHOLE_ANSWER, {"messages": [{"role": "user", "content": [{"type": "canary-in-the-prompt"}]}]}),
    (WHOLE_ANSWER, {"image_config": {"canary-in-the-prompt": "x"}}),
    (WHOLE_ANSWER, {"image_config": {"aspect_ratio": "canary-in-the-prompt"}}),
    (WHOLE_ANSWER, {"image_output": "canary-in-the-prompt"}),
    (WHOLE_ANSWER, {"modalities": ["canary-in-the-prompt"]}),
    (WHOLE_ANSWER, {"canary-in-the-prompt": 1}),
    (WHOLE_ANSWER, {"messages": [{"role": "user", "content": "data:image/png;base64,Q2FuYXJ5"}]}),
    (WHOLE_ANSWER, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "Q2FuYXJ5"}]}]}),
    ([ValueError("canary-in-the-prompt", KEY, "Q2FuYXJ5")], {}),
    ([KeyError(KEY)], {}),
]


@pytest.mark.parametrize(("script", "fields"), HOSTILE)
async def test_no_prompt_no_key_and_no_picture_reach_the_log(
    script: Sequence[Any], fields: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    prompt = [{"role": "user", "content": "canary-in-the-prompt"}, {"role": "assistant", "content": data_url(PICTURE)}]
    body = json.dumps(request_body(**{"messages": prompt, **fields}))
    await surface(script).ask("POST", CHAT, body.encode())
    text = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert text
    assert [canary for canary in CANARIES if canary in text] == []
    assert data_url(PICTURE)[22:60] not in text


@pytest.mark.parametrize("sent", ["abc", "A.b_c-1", "x" * 128])
async def test_the_callers_request_id_is_kept(sent: str) -> None:
    answer = await surface().ask("GET", "/v3/models", headers=[("X-Request-Id", sent)])
    assert answer.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\nb", "é", "<script>", '"'])
async def test_a_request_id_that_is_none_is_replaced(sent: str) -> None:
    answer = await surface().ask("GET", "/v3/models", headers=[("X-Request-Id", sent)])
    assert answer.headers["x-request-id"].startswith("req-")


async def test_ids_are_new_for_every_request() -> None:
    at = surface()
    answers = [await at.complete() for _ in range(3)]
    for name in ("x-request-id", "x-impasto-generation-id"):
        assert len({answer.headers[name] for answer in answers}) == 3
    assert [answer.json["id"] for answer in answers] == [
        answer.headers["x-impasto-generation-id"] for answer in answers
    ]
