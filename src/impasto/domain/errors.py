"""What can go wrong, said once: whose fault it is, what we show, what we log.

Rule: whether trying again can help is decided here, where the failure is born. The
texts shown name the field, the value and the choices; they never hold a key, an
address that was resolved, or bytes of a picture.
"""

from collections.abc import Sequence
from enum import StrEnum


class Code(StrEnum):
    """The `error.code` that callers decide by; `api/errors.py` gives each its status."""

    # The caller's.
    INVALID_JSON = "invalid_json"
    INVALID_VALUE = "invalid_value"
    UNSUPPORTED = "unsupported"
    INVALID_BODY = "invalid_body"
    INVALID_API_KEY = "invalid_api_key"
    NOT_ALLOWED = "not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_RETIRED = "model_retired"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MAX_COST_EXCEEDED = "max_cost_exceeded"
    BUDGET_SPENT = "budget_spent"
    BUDGET_HELD = "budget_held"
    RATE_LIMITED = "rate_limit_exceeded"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    STILL_RUNNING = "still_running"
    ANSWER_GONE = "answer_gone"
    NO_PRICE = "no_price"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_IMAGE = "invalid_image"
    IMAGE_TOO_LARGE = "image_too_large"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    IMAGE_FETCH_FAILED = "image_fetch_failed"
    CANNOT_PAINT = "cannot_paint"
    # The provider's.
    PROVIDER_REJECTED = "provider_rejected"
    SIGNATURE_REFUSED = "signature_refused"
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    PROVIDER_NO_QUOTA = "provider_no_quota"
    PROVIDER_OVERLOADED = "provider_overloaded"
    PROVIDER_AUTH = "provider_auth"
    PROVIDER_WRONG = "provider_wrong"
    PROVIDER_BROKE_OFF = "provider_broke_off"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_TIMEOUT = "provider_timeout"
    # Ours.
    PROVIDER_NOT_CONFIGURED = "provider_not_configured"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    OVERLOADED = "overloaded"
    STORE_UNAVAILABLE = "store_unavailable"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    INTERNAL = "internal_error"


MAY_HAVE_SPENT = frozenset({
    Code.PROVIDER_WRONG, Code.PROVIDER_BROKE_OFF, Code.PROVIDER_TIMEOUT, Code.DEADLINE_EXCEEDED,
    Code.STORE_UNAVAILABLE, Code.LEDGER_UNAVAILABLE, Code.INTERNAL,
})  # fmt: skip
"""Codes of failures after which a provider that was called may bill for the call. Every other one says that it
refused, or was never reached."""


class Failure(Exception):
    """A request that cannot be answered with a completion.

    `message` is shown to the caller; `logged` (the message where empty) goes to the log.
    `param` names the field at fault. `retry_helps` says whether the same request may
    work later *and* nothing was spent on it; only then do clients hear that they may repeat.
    `retry_after_seconds` is how long to wait.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        param: str | None = None,
        logged: str = "",
        retry_helps: bool = False,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.logged = logged or message
        self.retry_helps = retry_helps
        self.retry_after_seconds = retry_after_seconds


def listed(choices: Sequence[str]) -> str:
    """The choices as a sentence shows them: `1:1, 16:9 and 9:16`."""
    if len(choices) < 2:
        return "".join(choices) or "none"
    return f"{', '.join(choices[:-1])} and {choices[-1]}"
