"""Google's way to say no: a google.rpc.Status in JSON.

Rule: every refusal carries the HTTP status, the name that belongs to it and a sentence.
https://cloud.google.com/apis/design/errors
"""

from collections.abc import Iterable, Sequence
from typing import Any

NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

Detail = dict[str, Any]


class Rejected(Exception):
    """A request that Google would not take, with the HTTP status of its answer."""

    def __init__(self, status: int, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        error: dict[str, Any] = {
            "code": self.status,
            "message": self.message,
            "status": NAMES.get(self.status, "UNKNOWN"),
        }
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def detail(kind: str, **fields: Any) -> Detail:
    """One entry of `details`: a message of google.rpc."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def bad_fields(problems: Iterable[tuple[str, str]]) -> Rejected:
    """Fields that are no part of the message, or not of their type: pairs of place and sentence."""
    known = tuple(problems)
    violations = [{"field": place, "description": text} if place else {"description": text} for place, text in known]
    return Rejected(400, "\n".join(text for _, text in known), (detail("BadRequest", fieldViolations=violations),))


def bad_key() -> Rejected:
    message = "API key not valid. Please pass a valid API key."
    reason = detail(
        "ErrorInfo",
        reason="API_KEY_INVALID",
        domain="googleapis.com",
        metadata={"service": "generativelanguage.googleapis.com"},
    )
    return Rejected(400, message, (reason, detail("LocalizedMessage", locale="en-US", message=message)))


def no_key() -> Rejected:
    return Rejected(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def unknown_model(name: str) -> Rejected:
    return Rejected(
        404,
        f"models/{name} is not found for API version v1beta, or is not supported for generateContent. "
        "Call ModelService.ListModels to see the list of available models and their supported methods.",
    )


def no_quota(model: str, limit: int, retry_delay: str) -> Rejected:
    """429; `limit` 0 is what a key without billing gets for an image model. `retry_delay` like `34.4s`."""
    tier = "paid_tier" if limit else "free_tier"
    metric = f"generativelanguage.googleapis.com/generate_content_{tier}_requests"
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n"
        f"* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}\nPlease retry in {retry_delay}."
    )
    dimensions = {"location": "global", "model": model}
    violation = {"quotaMetric": metric, "quotaId": "GenerateRequestsPerMinute", "quotaDimensions": dimensions}
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return Rejected(
        429,
        message,
        (
            detail("Help", links=[link]),
            detail("QuotaFailure", violations=[violation | ({"quotaValue": str(limit)} if limit else {})]),
            detail("RetryInfo", retryDelay=retry_delay),
        ),
    )
