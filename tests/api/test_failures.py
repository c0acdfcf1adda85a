"""Whatever breaks: one shape, the ids, and nothing of the inside."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from impasto.api.access import Access
from impasto.api.failures import AnswerBrokeOffError, FailuresAnswered
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Text
from tests.api.surface import KEY, PICTURE, Answer, picture_events, surface

CHAT = "/v3/chat/completions"


def assert_one_shape(answer: Answer) -> None:
    body = answer.json
    assert set(body) == {"error", "detail"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["detail"] == body["error"]["message"]
    assert body["error"]["message"].endswith((".", "?"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-request-id"]
    assert answer.complete


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status", "code"),
    [
        ("GET", "/nowhere", b"", KEY, 404, "not_found"),
        ("POST", "/v3/chat", b"", KEY, 404, "not_found"),
        ("GET", CHAT, b"", KEY, 405, "method_not_allowed"),
        ("OPTIONS", CHAT, b"", KEY, 405, "method_not_allowed"),
        ("BREW", "/v3/models", b"", KEY, 405, "method_not_allowed"),
        ("GET", "/v3/models/nobody/nothing", b"", None, 404, "model_not_found"),
        ("POST", CHAT, b"{}", None, 401, "invalid_api_key"),
        ("POST", CHAT, b"{", KEY, 400, "invalid_json"),
        ("POST", CHAT, b"{}", KEY, 422, "invalid_body"),
        ("POST", CHAT, b"0" * ((1 << 20) + 1), KEY, 413, "body_too_large"),
        ("POST", CHAT, b'{"model":"none","messages":[{"role":"user"}]}', KEY, 404, "model_not_found"),
        (
            "POST", CHAT, b'{"model":"brush","messages":[{"role":"user","content":"data:image/png;base64,QUJD"}]}',
            KEY, 415, "unsupported_media_type",
        ),
    ],
)  # fmt: skip
async def test_every_error_has_the_one_shape(
    method: str, path: str, body: bytes, key: str | None, status: int, code: str
) -> None:
    answer = await surface().ask(method, path, body, key=key)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert_one_shape(answer)
    assert answer.headers["x-should-retry"] == "false"
    past_the_guard = path == CHAT and method == "POST" and key is not None
    assert ("x-impasto-generation-id" in answer.headers) == past_the_guard
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("retry_helps", [True, False])
@pytest.mark.parametrize("code", [code for code in Code if code is not Code.MODEL_RETIRED])  # the route's own words
async def test_every_failure_of_a_call_is_answered(code: Code, retry_helps: bool) -> None:
    script = [Failure(code, "It broke.", param="model", retry_helps=retry_helps, retry_after_seconds=3)]
    answer = await surface(script).complete()
    assert_one_shape(answer)
    assert answer.json["error"]["code"] == code
    assert answer.headers["x-impasto-generation-id"].startswith("chatcmpl-")
    assert answer.headers["retry-after"] == "3"
    assert answer.headers.get("x-should-retry") == (None if retry_helps else "false")


async def test_an_error_of_ours_tells_its_request_id_and_nothing_else() -> None:
    script = [Text("words"), *picture_events(PICTURE), ZeroDivisionError("the secret of canary-7")]
    answer = await surface(script).ask(
        "POST",
        CHAT,
        b'{"model":"brush","messages":[{"role":"user","content":"a cat"}]}',
        [("X-Request-Id", "my-id.1")],
    )
    assert answer.status == 500
    assert_one_shape(answer)
    assert answer.headers["x-request-id"] == "my-id.1"
    assert "my-id.1" in answer.json["detail"]
    assert b"canary" not in answer.body
    assert b"ZeroDivision" not in answer.body
    assert answer.headers["x-should-retry"] == "false"


async def test_the_caller_who_left_is_not_answered() -> None:
    answer = await surface().ask("POST", CHAT, [], leaves=True)
    assert answer.status == 0


async def run(app: Any) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await Access(FailuresAnswered(app), lambda: "1")(scope, receive, send)
    return sent


@pytest.mark.parametrize("error", [Failure(Code.STORE_UNAVAILABLE, "No."), OSError("canary"), ValueError("canary")])
async def test_an_answer_that_began_is_cut(error: Exception) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    with pytest.raises(AnswerBrokeOffError) as cut:
        await run(app)
    assert cut.value.__suppress_context__
    assert "canary" not in str(cut.value)


async def test_what_is_no_request_passes_through() -> None:
    kinds: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        kinds.append(scope["type"])

    async def nothing(*_: object) -> Any:
        raise AssertionError

    await Access(FailuresAnswered(app), lambda: "1")({"type": "lifespan"}, nothing, nothing)
    assert kinds == ["lifespan"]
