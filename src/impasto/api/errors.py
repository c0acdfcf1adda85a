"""Failures as HTTP says them: one status for each code, one shape everywhere.

Rule: the body pleases both dialects, OpenAI's `error` and Eden's `detail`. Clients that
repeat by themselves are told not to wherever money may have been spent or a repeat cannot help.
"""

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from impasto.domain.errors import Code, Failure

_STATUS_AND_TYPE: dict[Code, tuple[int, str]] = {
    Code.INVALID_JSON: (400, "invalid_request_error"),
    Code.INVALID_VALUE: (400, "invalid_request_error"),
    Code.UNSUPPORTED: (400, "invalid_request_error"),
    Code.INVALID_BODY: (422, "invalid_request_error"),
    Code.INVALID_API_KEY: (401, "authentication_error"),
    Code.NOT_ALLOWED: (403, "permission_error"),
    Code.MODEL_NOT_FOUND: (404, "not_found_error"),
    Code.MODEL_RETIRED: (410, "not_found_error"),
    Code.NOT_FOUND: (404, "not_found_error"),
    Code.METHOD_NOT_ALLOWED: (405, "invalid_request_error"),
    Code.MAX_COST_EXCEEDED: (402, "insufficient_quota"),
    Code.BUDGET_SPENT: (402, "insufficient_quota"),
    Code.BUDGET_HELD: (429, "rate_limit_error"),
    Code.RATE_LIMITED: (429, "rate_limit_error"),
    Code.TOO_MANY_AT_ONCE: (429, "rate_limit_error"),
    Code.IDEMPOTENCY_KEY_REUSED: (422, "invalid_request_error"),
    Code.STILL_RUNNING: (409, "conflict_error"),
    Code.ANSWER_GONE: (410, "not_found_error"),
    Code.NO_PRICE: (402, "insufficient_quota"),
    Code.BODY_TOO_LARGE: (413, "invalid_request_error"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "invalid_request_error"),
    Code.INVALID_IMAGE: (400, "invalid_request_error"),
    Code.IMAGE_TOO_LARGE: (413, "invalid_request_error"),
    Code.RANGE_NOT_SATISFIABLE: (416, "invalid_request_error"),
    Code.IMAGE_FETCH_FAILED: (400, "invalid_request_error"),
    Code.CANNOT_PAINT: (400, "invalid_request_error"),
    Code.PROVIDER_REJECTED: (400, "invalid_request_error"),
    Code.SIGNATURE_REFUSED: (400, "invalid_request_error"),
    Code.PROVIDER_RATE_LIMITED: (429, "rate_limit_error"),
    Code.PROVIDER_NO_QUOTA: (503, "server_error"),
    Code.PROVIDER_OVERLOADED: (503, "server_error"),
    Code.PROVIDER_AUTH: (502, "server_error"),
    Code.PROVIDER_WRONG: (502, "server_error"),
    Code.PROVIDER_BROKE_OFF: (502, "server_error"),
    Code.PROVIDER_UNREACHABLE: (502, "server_error"),
    Code.PROVIDER_TIMEOUT: (504, "server_error"),
    Code.PROVIDER_NOT_CONFIGURED: (503, "server_error"),
    Code.DEADLINE_EXCEEDED: (504, "server_error"),
    Code.OVERLOADED: (503, "server_error"),
    Code.STORE_UNAVAILABLE: (503, "server_error"),
    Code.LEDGER_UNAVAILABLE: (503, "server_error"),
    Code.INTERNAL: (500, "server_error"),
}


def status_of(code: Code) -> int:
    """The HTTP status for `code`."""
    return _STATUS_AND_TYPE[code][0]


def error_body(failure: Failure) -> dict[str, object]:
    """`failure` as the `error` of an answer or of an event in a stream."""
    _, error_type = _STATUS_AND_TYPE[failure.code]
    return {"message": failure.message, "type": error_type, "param": failure.param, "code": failure.code}


def error_response(failure: Failure) -> Response:
    """The answer that tells a caller of `failure`."""
    status = status_of(failure.code)
    headers = {}
    if not failure.retry_helps:
        headers["x-should-retry"] = "false"
    if failure.retry_after_seconds is not None:
        headers["Retry-After"] = str(failure.retry_after_seconds)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode({"error": error_body(failure), "detail": failure.message})
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def no_route_response(error: HTTPException, method: str, path: str) -> Response:
    """The answer to an address or a method that does not exist."""
    response = error_response(_no_route(error.status_code, method, path[:100]))
    response.headers.update(error.headers or {})  # Allow, which a 405 owes (RFC 9110, 15.5.6)
    return response


def _no_route(status: int, method: str, path: str) -> Failure:
    if status == 405:
        return Failure(Code.METHOD_NOT_ALLOWED, f"{method} is not possible at {path}.")
    message = f"There is nothing at {path}. Completions are at POST /v3/chat/completions."
    return Failure(Code.NOT_FOUND, message)
