"""Every failure as HTTP says it: its status, its one shape, and whether to repeat."""

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from impasto.api.errors import error_response, no_route_response, status_of
from impasto.domain.errors import Code, Failure

TYPES = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    402: {"insufficient_quota"},
    403: {"permission_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error"},
    409: {"conflict_error"},
    410: {"not_found_error"},
    413: {"invalid_request_error"},
    415: {"invalid_request_error"},
    416: {"invalid_request_error"},
    422: {"invalid_request_error"},
    429: {"rate_limit_error"},
    500: {"server_error"},
    502: {"server_error"},
    503: {"server_error"},
    504: {"server_error"},
}


def body_of(response: Response) -> Any:
    return json.loads(bytes(response.body))


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("retry_helps", [True, False])
def test_every_code_has_a_status_and_the_one_shape(code: Code, retry_helps: bool) -> None:
    response = error_response(Failure(code, "It is “so”.", param="messages[0]", retry_helps=retry_helps))
    assert response.status_code == status_of(code)
    body = body_of(response)
    assert body["error"].pop("type") in TYPES[response.status_code]
    assert body == {
        "error": {"message": "It is “so”.", "param": "messages[0]", "code": str(code)},
        "detail": "It is “so”.",
    }
    assert response.headers["content-type"] == "application/json"
    assert ("x-should-retry" in response.headers) == (not retry_helps)
    assert "connection" not in response.headers


def test_what_interface_promises_by_code() -> None:
    promised = {
        Code.INVALID_VALUE: 400, Code.UNSUPPORTED: 400, Code.INVALID_JSON: 400, Code.INVALID_API_KEY: 401,
        Code.MAX_COST_EXCEEDED: 402, Code.NO_PRICE: 402, Code.NOT_ALLOWED: 403, Code.MODEL_NOT_FOUND: 404,
        Code.MODEL_RETIRED: 410, Code.BODY_TOO_LARGE: 413, Code.UNSUPPORTED_MEDIA_TYPE: 415, Code.INVALID_BODY: 422,
        Code.PROVIDER_RATE_LIMITED: 429, Code.INTERNAL: 500, Code.PROVIDER_WRONG: 502, Code.PROVIDER_BROKE_OFF: 502,
        Code.PROVIDER_AUTH: 502, Code.PROVIDER_NOT_CONFIGURED: 503, Code.STORE_UNAVAILABLE: 503, Code.OVERLOADED: 503,
        Code.PROVIDER_OVERLOADED: 503, Code.PROVIDER_NO_QUOTA: 503, Code.DEADLINE_EXCEEDED: 504,
        Code.PROVIDER_TIMEOUT: 504, Code.BUDGET_SPENT: 402, Code.BUDGET_HELD: 429, Code.RATE_LIMITED: 429,
        Code.TOO_MANY_AT_ONCE: 429, Code.STILL_RUNNING: 409, Code.ANSWER_GONE: 410, Code.IDEMPOTENCY_KEY_REUSED: 422,
        Code.LEDGER_UNAVAILABLE: 503, Code.RANGE_NOT_SATISFIABLE: 416,
    }  # fmt: skip
    assert {code: status_of(code) for code in promised} == promised


def test_how_long_to_wait_is_a_header() -> None:
    waits = error_response(Failure(Code.PROVIDER_RATE_LIMITED, "Wait.", retry_helps=True, retry_after_seconds=48))
    assert waits.headers["retry-after"] == "48"
    assert "retry-after" not in error_response(Failure(Code.PROVIDER_WRONG, "No.")).headers


def test_a_401_names_its_scheme() -> None:
    assert error_response(Failure(Code.INVALID_API_KEY, "No.")).headers["www-authenticate"] == "Bearer"


def test_no_param_is_null() -> None:
    assert body_of(error_response(Failure(Code.INTERNAL, "No.")))["error"]["param"] is None


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (405, "method_not_allowed")])
def test_no_route_is_the_same_shape(status: int, code: str) -> None:
    error = HTTPException(status, headers={"Allow": "POST"} if status == 405 else None)
    response = no_route_response(error, "PATCH", "/v3/" + "x" * 10_000)
    assert response.status_code == status
    assert body_of(response)["error"]["code"] == code
    assert len(response.body) < 1000
    assert response.headers.get("allow") == ("POST" if status == 405 else None)
