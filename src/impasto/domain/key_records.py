"""Virtual keys as they are administered: what is asked for one, and what is kept of it.

Rule: nobody grants what he does not hold himself. A secret stands in `NewKey` alone, which is
shown once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from impasto.domain.budget import Balance, Budget
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.keys import OPERATOR_ID, SCOPES, Scope, VirtualKey
from impasto.domain.retention import Keeps

DEFAULT_SCOPES: frozenset[Scope] = frozenset({"generate", "read"})
UNBOUNDED = Budget()


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key may do, and what it may spend. The fields are those of `VirtualKey`; `budget` is its account's."""

    name: str
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    budget: Budget = UNBOUNDED
    models: frozenset[str] | None = None
    image_output: str | None = None
    image_delivery: str | None = None
    retention: Keeps = Keeps.ALL
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    expires_ms: int | None = None
    default_tags: Mapping[str, str] = field(default_factory=dict)
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class CurrentPeriod:
    """The running period of a budget: its name, its end in seconds since the epoch, and what it came to so far."""

    name: str
    end: float | None
    balance: Balance


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept. `hint` is the end of its secret, empty for the operator's, which is a setting."""

    id: str
    account_id: str
    hint: str
    terms: KeyTerms
    period: CurrentPeriod
    created_ms: int
    revoked_ms: int | None
    version: int


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, or got another secret."""

    record: KeyRecord
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as it is kept. `key_ids` are those of its keys that are not revoked."""

    id: str
    name: str
    budget: Budget
    period: CurrentPeriod
    key_ids: tuple[str, ...]
    created_ms: int


def check_may_grant(holder: VirtualKey, terms: KeyTerms) -> None:
    """Refuse with `not_allowed` what `holder` would gain by a key with `terms`."""
    lacking = [scope for scope in SCOPES if scope in terms.scopes and not holder.may(scope)]
    if lacking:
        raise _not_yours(holder, "scopes", f"the scope {listed(lacking)}, which it lacks itself")
    if holder.models is not None and (terms.models is None or not terms.models <= holder.models):
        raise _not_yours(holder, "models", f"more models than its own: {listed(sorted(holder.models))}")
    if holder.sandbox and not terms.sandbox:
        raise _not_yours(holder, "sandbox", "a key that spends money, because it is a sandbox key itself")


def check_is_not_the_operators(key_id: str) -> None:
    """Refuse with `invalid_value` to change the operator's own key."""
    if key_id == OPERATOR_ID:
        raise Failure(
            Code.INVALID_VALUE,
            "The operator's key is a setting: change IMPASTO_API_KEY, or the file first-key, and start again.",
        )


def _not_yours(holder: VirtualKey, field_name: str, what: str) -> Failure:
    return Failure(Code.NOT_ALLOWED, f'{field_name}: the key "{holder.name}" cannot grant {what}.', param=field_name)
