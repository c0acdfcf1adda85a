"""Virtual keys as JSON: what may be asked for one, and how one is shown.

Rule: every field is read strictly and under the name that it came by, ours or Eden's; a refusal
names it, what it was, and what it takes.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import Meta, Raw

from impasto.api.bill_wire import time_text
from impasto.api.json_errors import not_json, wrong_shape
from impasto.api.money import decimal_text, json_number
from impasto.api.shapes import DELIVERIES, SHAPES
from impasto.catalogue.catalogue import Catalogue
from impasto.domain.budget import PERIODS, Budget
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.key_records import AccountRecord, CurrentPeriod, KeyRecord, KeyTerms
from impasto.domain.keys import PREFIX, SCOPES
from impasto.domain.money import MAX_NANO, NANO, dollars_of, nano_of
from impasto.domain.retention import Keeps
from impasto.domain.tags import check_tags

MAX_NAME_CHARACTERS = 200
MAX_MODELS = 200

_Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_MAX_DOLLARS = MAX_NANO // int(NANO)
_TOKEN_TYPES = ("api_token", "sandbox_api_token")
_fields = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class _Reading:
    """What fields are read against: the catalogue, and the time in seconds since the epoch."""

    catalogue: Catalogue
    now: float


def _refuse(name: str, sentence: str) -> NoReturn:
    raise Failure(Code.INVALID_VALUE, f"{name}: {sentence}", param=name)


def _as_it_is(value: Any, _: str, __: _Reading) -> object:
    return value


def _name(value: str, name: str, _: _Reading) -> str:
    if not value.strip() or len(value) > MAX_NAME_CHARACTERS or not value.isprintable():
        _refuse(name, f"it takes 1 to {MAX_NAME_CHARACTERS} printable characters.")
    return value.strip()


def _dollars(value: Decimal | None, name: str, _: _Reading) -> int | None:
    if value is None:
        return None
    if not value.is_finite() or not 0 <= value <= _MAX_DOLLARS:
        _refuse(name, f'"{str(value)[:40]}" is no sum of US dollars from 0 to {_MAX_DOLLARS}.')
    return nano_of(value)


def _one_of(choices: tuple[str, ...]) -> "Reader":
    def read(value: str | None, name: str, _: _Reading) -> object:
        if value is not None and value not in choices:
            _refuse(name, f'"{value[:40]}" is not possible. It takes {listed(choices)}.')
        return value

    return read


def _keeps(value: str | None, name: str, reading: _Reading) -> Keeps:
    """`null` is everything, as it is without the field."""
    _one_of(tuple(Keeps))(value, name, reading)
    return Keeps(value or Keeps.ALL)


def _scopes(value: list[str], name: str, _: _Reading) -> frozenset[str]:
    for place, scope in enumerate(value):
        if scope not in SCOPES:
            _refuse(f"{name}[{place}]", f'"{scope[:40]}" is no scope. It takes {listed(SCOPES)}.')
    return frozenset(value)


def _models(value: list[str] | None, name: str, reading: _Reading) -> frozenset[str] | None:
    if value is None:
        return None
    if len(value) > MAX_MODELS:
        _refuse(name, f"it holds {len(value)} models. It takes at most {MAX_MODELS}; null is all of them.")
    return frozenset(_model_id(model, f"{name}[{place}]", reading.catalogue) for place, model in enumerate(value))


def _model_id(asked: str, name: str, catalogue: Catalogue) -> str:
    model = catalogue.find(asked)
    if model is None:
        nearest = catalogue.nearest(asked[:200])
        advice = f" Did you mean {listed(nearest)}?" if nearest else ""
        _refuse(name, f'there is no model "{asked[:100]}".{advice}')
    return model.id


def _expiry(value: str | None, name: str, reading: _Reading) -> int | None:
    """Milliseconds since the epoch. A time without a zone is UTC, and a day is its beginning."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        _refuse(name, f'"{value[:40]}" is no time. It takes ISO 8601, as 2027-01-31 or 2027-01-31T18:00:00Z.')
    if seconds <= reading.now:
        _refuse(name, f'"{value[:40]}" has passed. Give a time to come, or null for a key that does not expire.')
    return int(seconds * 1000)


def _tags(value: dict[str, str] | None, name: str, _: _Reading) -> dict[str, str]:
    check_tags(value or {}, name)
    return value or {}


def _is_sandbox(value: str, name: str, reading: _Reading) -> bool:
    return _one_of(_TOKEN_TYPES)(value, name, reading) == _TOKEN_TYPES[1]


Reader = Callable[[Any, str, _Reading], object]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: what it says of a key, its type in JSON, how it is read, and whether it may be said later too."""

    term: str
    type: Any
    read: Reader
    changes: bool = True


_FIELDS: dict[str, _Field] = {
    "name": _Field("name", str, _name),
    "budget": _Field("limit_nano", Decimal | None, _dollars),
    "period": _Field("period", str, _one_of(PERIODS)),
    "rpm": _Field("requests_per_minute", _Count | None, _as_it_is),
    "concurrent": _Field("concurrent_requests", _Count | None, _as_it_is),
    "models": _Field("models", list[str] | None, _models),
    "scopes": _Field("scopes", list[str], _scopes),
    "image_output": _Field("image_output", str | None, _one_of(SHAPES)),
    "image_delivery": _Field("image_delivery", str | None, _one_of(DELIVERIES)),
    "retention": _Field("retention", str | None, _keeps),
    "expires_at": _Field("expires_ms", str | None, _expiry),
    "default_tags": _Field("default_tags", dict[str, str] | None, _tags),
    "sandbox": _Field("sandbox", bool, _as_it_is, changes=False),
    "account_id": _Field("account_id", str | None, _as_it_is, changes=False),
}
_OTHER_NAMES: dict[str, _Field] = {
    "balance": _FIELDS["budget"],
    "balance_reset_period": _FIELDS["period"],
    "balance_reset_amount": _Field("reset_nano", Decimal | None, _dollars),
    "expire_time": _FIELDS["expires_at"],
    "token_type": _Field("sandbox", str, _is_sandbox, changes=False),
    "requests_per_minute": _FIELDS["rpm"],
    "concurrent_requests": _FIELDS["concurrent"],
    "tags": _FIELDS["default_tags"],
}
_READERS = _FIELDS | _OTHER_NAMES


@dataclass(frozen=True, slots=True)
class GivenTerms:
    """What a body says of a key, by term; `account_id` is the account that it is to belong to."""

    terms: Mapping[str, Any]
    account_id: str | None = None

    def over(self, before: KeyTerms) -> KeyTerms:
        """`before` with what was said in its place."""
        others = {name: value for name, value in self.terms.items() if name not in ("limit_nano", "period")}
        budget = Budget(
            self.terms.get("limit_nano", before.budget.limit_nano), self.terms.get("period", before.budget.period)
        )
        return replace(before, budget=budget, **others)


def parse_new_key(body: bytes | bytearray, catalogue: Catalogue, now: float) -> tuple[KeyTerms, str | None]:
    """The terms of a key to make, and the account it is to belong to. Raises 400 or 422."""
    given = _parse(body, _Reading(catalogue, now), new=True)
    if "name" not in given.terms:
        raise Failure(Code.INVALID_BODY, "name is missing: say what the key is for.", param="name")
    if given.account_id is not None and given.terms.keys() & {"limit_nano", "period"}:
        _refuse("account_id", "an account that is there has its budget already. Leave out budget and period.")
    return given.over(KeyTerms("")), given.account_id


def parse_key_change(body: bytes | bytearray, catalogue: Catalogue, now: float) -> GivenTerms:
    """What is to change of a key. Raises 400 or 422."""
    given = _parse(body, _Reading(catalogue, now), new=False)
    if not given.terms:
        changing = [name for name, field in _FIELDS.items() if field.changes]
        raise Failure(Code.INVALID_BODY, f"The body names nothing to change. It takes {listed(changing)}.")
    return given


def _parse(body: bytes | bytearray, reading: _Reading, *, new: bool) -> GivenTerms:
    terms: dict[str, Any] = {}
    said_as: dict[str, str] = {}
    try:
        for name, raw in _fields.decode(body).items():
            field = _field_of(name, new=new)
            if field.term in terms:
                _refuse(name, f"{said_as[field.term]} says the same. Send one of the two.")
            said_as[field.term] = name
            terms[field.term] = field.read(_decoded(raw, field, name), name, reading)
    except msgspec.ValidationError as error:
        raise wrong_shape(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    # Eden's resets refill what was there at first: any other amount would be another budget.
    if "reset_nano" in terms and terms.pop("reset_nano") != terms.get("limit_nano"):
        _refuse("balance_reset_amount", "each period begins with the whole budget. Send the same sum as balance.")
    return GivenTerms(terms, terms.pop("account_id", None))


def _field_of(name: str, *, new: bool) -> _Field:
    field = _READERS.get(name)
    if field is None:
        close = difflib.get_close_matches(name[:60], _READERS, n=1)
        advice = f"Did you mean {close[0]}?" if close else f"A key takes {listed(list(_FIELDS))}."
        raise Failure(Code.INVALID_BODY, f'There is no field "{name[:60]}". {advice}', param=name[:60])
    if not new and not field.changes:
        _refuse(name, "it stays as it was when the key was made. Make another key.")
    return field


def _decoded(raw: Raw, field: _Field, name: str) -> object:
    try:
        return msgspec.json.decode(raw, type=field.type)
    except msgspec.ValidationError as error:
        raise wrong_shape(error, within=name) from None


def key_body(record: KeyRecord) -> dict[str, object]:
    """A key as it is shown: our names first, then Eden's for the same."""
    terms, left = record.terms, _left(record.terms.budget, record.period)
    expires_at, revoked_at = _time(terms.expires_ms), _time(record.revoked_ms)
    return {
        "object": "key",
        "id": record.id,
        "name": terms.name,
        "account_id": record.account_id,
        "masked": f"{PREFIX}…{record.hint}" if record.hint else None,
        "scopes": [scope for scope in SCOPES if scope in terms.scopes],
        "sandbox": terms.sandbox,
        **_budget_body(terms.budget, record.period),
        "rpm": terms.requests_per_minute,
        "concurrent": terms.concurrent_requests,
        "models": None if terms.models is None else sorted(terms.models),
        "image_output": terms.image_output,
        "image_delivery": terms.image_delivery,
        "retention": terms.retention,
        "default_tags": terms.default_tags,
        "created_at": _time(record.created_ms),
        "expires_at": expires_at,
        "revoked": record.revoked_ms is not None,
        "revoked_at": revoked_at,
        "version": record.version,
        "token_type": _TOKEN_TYPES[terms.sandbox],
        "active_balance": left is not None,
        "balance": None if left is None else decimal_text(left),
        "balance_reset_period": terms.budget.period,
        "expire_time": expires_at,
    }


def account_body(record: AccountRecord) -> dict[str, object]:
    """An account as it is shown, with the keys that spend from it."""
    return {
        "object": "account",
        "id": record.id,
        "name": record.name,
        **_budget_body(record.budget, record.period),
        "keys": record.key_ids,
        "created_at": _time(record.created_ms),
    }


def _budget_body(budget: Budget, period: CurrentPeriod) -> dict[str, object]:
    balance = period.balance
    return {
        "budget": None if budget.limit_nano is None else json_number(dollars_of(budget.limit_nano)),
        "period": budget.period,
        "current_period": {
            "name": period.name,
            "ends_at": None if period.end is None else time_text(period.end * 1000),
            "spent": json_number(dollars_of(balance.spent)),
            "held": json_number(dollars_of(balance.held)),
            "unknown": json_number(dollars_of(balance.unknown)),
            "left": json_number(_left(budget, period)),
        },
    }


def _left(budget: Budget, period: CurrentPeriod) -> Decimal | None:
    """What may still be reserved; never less than nothing, although an overrun may have spent more."""
    if budget.limit_nano is None:
        return None
    balance = period.balance
    return dollars_of(max(0, budget.limit_nano - balance.spent - balance.held - balance.unknown))


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else time_text(milliseconds)
