"""Opening: a request is found to have been made before, is refused, or has its money held.

Rule: all of it happens under the lock of the accounts that it touches: the key is what it is now,
the budget is checked where it is charged, and of two requests with one name one is made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, literal_column, select, update

from impasto.domain.budget import Balance, Budget, check_fits, period_at
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Beginning, Begun, Delivery, Earlier, KeyChanged, Opening, State, Undecided
from impasto.storage.keys import virtual_key_of
from impasto.storage.ledger_claims import Claims
from impasto.storage.tables import accounts, balances, entries, generations, idempotency_keys, keys, tags

IDEMPOTENCY_MS = 24 * 3600 * 1000
"""How long a key stands for its first request."""
RETRY_MS = 24 * 3600 * 1000
"""How far back a repeat without a key may reach."""
BUSY_RETRY_AFTER_SECONDS = 5

_KEYS = (
    select(keys, accounts.c.budget_nano, accounts.c.budget_period)
    .join(accounts, accounts.c.id == keys.c.account_id)
    .where(keys.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(accounts.c.id)
    .with_for_update(of=accounts)
)
_BEGUN = select(generations.c.id).where(generations.c.id.in_(bindparam("ids", expanding=True)))
_BALANCE = select(balances.c.held, balances.c.unknown, balances.c.spent).where(
    balances.c.account_id == bindparam("account"), balances.c.period == bindparam("period")
)
_RUNNING = (
    select(func.count())
    .select_from(generations)
    # Written out, because an index of running ones alone is no use to a statement that might ask for others.
    .where(generations.c.key_id == bindparam("key"), generations.c.state == literal_column(f"'{State.RUNNING}'"))
)
_IDEMPOTENT = (
    select(idempotency_keys, generations.c.state)
    .outerjoin(generations, generations.c.id == idempotency_keys.c.generation_id)
    .where(idempotency_keys.c.key_id == bindparam("key"), idempotency_keys.c.hash == bindparam("hash"))
)
_FREE_IDEMPOTENCY = delete(idempotency_keys).where(
    idempotency_keys.c.key_id == bindparam("b_key"), idempotency_keys.c.hash == bindparam("b_hash")
)
_UNDELIVERED = (
    select(generations.c.id, generations.c.state, generations.c.delivery, generations.c.claims)
    .where(generations.c.key_id == bindparam("key"), generations.c.request_hash == bindparam("hash"))
    .where(generations.c.delivery != Delivery.DELIVERED, generations.c.created_ms > bindparam("since_ms"))
    # "lost" comes before "open"
    .order_by(generations.c.delivery, generations.c.claims, generations.c.created_ms)
    .limit(1)
)
_ONE = select(generations.c.id, generations.c.state, generations.c.claims).where(generations.c.id == bindparam("id"))
_ATTACHED = select(generations.c.id).where(
    generations.c.id == bindparam("id"),
    generations.c.claims == bindparam("claim"),
    generations.c.deliverer == bindparam("deliverer"),
)
_ATTACH = (
    update(generations)
    .where(generations.c.id == bindparam("b_id"))
    .values(delivery=bindparam("b_delivery"), deliverer=bindparam("b_deliverer"), claims=bindparam("b_claims"))
)
_INSERT_GENERATIONS = insert(generations)
_INSERT_ENTRIES = insert(entries)
_INSERT_TAGS = insert(tags)
_INSERT_IDEMPOTENCY = insert(idempotency_keys)


@dataclass(slots=True)
class _New:
    """Rows to add, all at once, when every opening is decided."""

    generations: list[dict[str, object]] = field(default_factory=list)
    entries: list[dict[str, object]] = field(default_factory=list)
    tags: list[dict[str, object]] = field(default_factory=list)
    idempotency: list[dict[str, object]] = field(default_factory=list)

    def insert(self, connection: Connection) -> None:
        for statement, rows in (
            (_INSERT_GENERATIONS, self.generations),
            (_INSERT_ENTRIES, self.entries),
            (_INSERT_TAGS, self.tags),
            (_INSERT_IDEMPOTENCY, self.idempotency),
        ):
            if rows:
                connection.execute(statement, rows)


def lock(connection: Connection, openings: Sequence[Opening]) -> dict[str, RowMapping]:
    """The keys of `openings`, by id, with their accounts locked. What others do under these locks, also what nobody
    knows to have arrived, is over then: done or not."""
    if not openings:
        return {}
    ids = sorted({opening.key.id for opening in openings})
    return {row["id"]: row for row in connection.execute(_KEYS, {"ids": ids}).mappings()}


def begin(
    connection: Connection, openings: Sequence[Opening], now: float, process: str, found: Mapping[str, RowMapping],
    moved: Mapping[tuple[str, str], Balance], claims: Claims, *, redone: bool,
) -> tuple[list[Beginning | Failure], list[dict[str, object]]]:  # fmt: skip
    """Decide each of `openings`, in their order, and write those that begin.

    Their keys, `found`, are locked. `moved` is what was changed in balances that do not show it yet. `redone`: some
    may have begun already. The entries that were added come back: the caller adds them to the balances.
    """
    deciding = _Deciding(connection, now, process, found, moved, claims, redone)
    if redone:
        deciding.begun.update(connection.scalars(_BEGUN, {"ids": [opening.generation_id for opening in openings]}))
    results = [deciding.decided(opening) for opening in openings]
    deciding.insert()
    return results, deciding.entries


@dataclass(slots=True)
class _Deciding:
    """One batch of openings being decided. What one of them holds, the next one finds held."""

    connection: Connection
    now: float
    process: str
    keys: Mapping[str, RowMapping]
    moved: Mapping[tuple[str, str], Balance]
    claims: Claims
    redone: bool
    begun: set[str] = field(default_factory=set)
    new: _New = field(default_factory=_New)
    entries: list[dict[str, object]] = field(default_factory=list)
    balances: dict[tuple[str, str], Balance] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    named: dict[tuple[str, bytes], tuple[bytes | None, str]] = field(default_factory=dict)

    def insert(self) -> None:
        self.new.insert(self.connection)
        self.entries += self.new.entries
        self.new = _New()

    def decided(self, opening: Opening) -> Beginning | Failure:
        try:
            return self._begin(opening)
        except Failure as failure:
            return failure

    def _begin(self, opening: Opening) -> Beginning:
        if opening.generation_id in self.begun:
            return Begun()
        row = self._valid_key(opening.key.id)
        if row["version"] != opening.key.version:
            return KeyChanged(virtual_key_of(row))
        earlier = self._earlier(opening)
        if earlier is not None:
            return earlier
        if opening.refusal is not None:
            raise opening.refusal
        self._check_concurrency(opening)
        self._reserve(opening, Budget(row["budget_nano"], row["budget_period"]))
        return Begun()

    def _valid_key(self, key_id: str) -> RowMapping:
        row = self.keys.get(key_id)
        if row is None or row["revoked_ms"] is not None:
            raise Failure(Code.INVALID_API_KEY, "This key is not one of this gateway's keys.")
        if row["expires_ms"] is not None and row["expires_ms"] <= self.now * 1000:
            expired = datetime.fromtimestamp(row["expires_ms"] / 1000, UTC)
            raise Failure(Code.INVALID_API_KEY, f"This key expired on {expired:%Y-%m-%d %H:%M} UTC.")
        return row

    def _earlier(self, opening: Opening) -> Earlier | Undecided | None:
        if opening.idempotency_hash is not None:
            return self._earlier_by_name(opening, opening.idempotency_hash)
        if opening.retry is not None and opening.request_hash is not None:
            return self._earlier_by_text(opening)
        return None

    def _earlier_by_name(self, opening: Opening, name: bytes) -> Earlier | None:
        place = (opening.key.id, name)
        found = self.named.get(place)
        if found is None:
            row = self.connection.execute(_IDEMPOTENT, {"key": opening.key.id, "hash": name}).first()
            if row is None:
                return None
            if row.state in (None, State.REFUSED) or row.expires_ms <= self.now * 1000:
                # Nothing was spent under this name, or long ago: it may be used again, for whatever request.
                self.connection.execute(_FREE_IDEMPOTENCY, {"b_key": place[0], "b_hash": name})
                return None
            found = (row.request_hash, row.generation_id)
        request_hash, generation_id = found
        if request_hash != opening.request_hash:
            raise Failure(
                Code.IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was sent before with another request, and stands for that one for 24 hours. "
                "Send a new key with a new request. Nothing was sent.",
                param="Idempotency-Key",
            )
        return Earlier(generation_id)

    def _earlier_by_text(self, opening: Opening) -> Earlier | Undecided | None:
        told = self.claims.of(opening) if self.redone else None
        if told is not None and self._is_attached(told):
            return told
        if self.new.generations:  # one of them may be what this one repeats
            self.insert()
        since_ms = int(self.now * 1000) - RETRY_MS
        at = {"key": opening.key.id, "hash": opening.request_hash, "since_ms": since_ms}
        row = self.connection.execute(_UNDELIVERED, at).first()
        if row is not None:
            if row.delivery == Delivery.OPEN:
                if opening.retry == "lost":
                    return None
                if opening.retry == "wait":
                    return Undecided(row.id)
            return self._attached(opening, row.id, row.state, row.claims)
        # It was open when this repeat came, and has been answered since: to whoever is not there any more.
        if opening.was_open is None:
            return None
        answered = self.connection.execute(_ONE, {"id": opening.was_open}).first()
        return None if answered is None else self._attached(opening, *answered)

    def _attached(self, opening: Opening, generation_id: str, state: str, claims: int) -> Earlier | None:
        was_refused = state == State.REFUSED
        claim = claims + 1
        self.connection.execute(
            _ATTACH,
            {
                "b_id": generation_id,
                "b_delivery": Delivery.DELIVERED if was_refused else Delivery.OPEN,
                "b_deliverer": self.process,
                "b_claims": claim,
            },
        )
        if was_refused:  # it cost nothing: the repeat may be made, once
            return None
        earlier = Earlier(generation_id, claim)
        self.claims.tell(opening, earlier)
        return earlier

    def _is_attached(self, told: Earlier) -> bool:
        at = {"id": told.generation_id, "claim": told.claim, "deliverer": self.process}
        return self.connection.execute(_ATTACHED, at).first() is not None

    def _check_concurrency(self, opening: Opening) -> None:
        most = opening.key.concurrent_requests
        if most is None:
            return
        key_id = opening.key.id
        if key_id not in self.running:
            self.running[key_id] = self.connection.scalar(_RUNNING, {"key": key_id}) or 0
        if self.running[key_id] >= most:
            raise Failure(
                Code.TOO_MANY_AT_ONCE,
                f"This key may have {most} requests at once, and that many are running. Nothing was sent; try again.",
                retry_helps=True,
                retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
            )

    def _reserve(self, opening: Opening, budget: Budget) -> None:
        account, period = opening.key.account_id, period_at(budget.period, self.now)
        amount = sum(hold or 0 for hold in opening.holds)
        if budget.limit_nano is not None:
            if None in opening.holds:
                raise Failure(
                    Code.NO_PRICE,
                    f"This key has a budget, and what {opening.model} can cost is unknown: the catalogue has no price "
                    "for it. Ask for another model, or the gateway's operator to give it a price.",
                    param="model",
                )
            balance = self._balance(account, period)
            check_fits(budget, balance, amount)
            self.balances[account, period] = balance + Balance(held=amount)
        self._add(opening, account, period)

    def _balance(self, account: str, period: str) -> Balance:
        known = self.balances.get((account, period))
        if known is not None:
            return known
        row = self.connection.execute(_BALANCE, {"account": account, "period": period}).first()
        return (Balance(*row) if row else Balance()) + self.moved.get((account, period), Balance())

    def _add(self, opening: Opening, account: str, period: str) -> None:
        now_ms = int(self.now * 1000)
        self.new.generations.append({
            "id": opening.generation_id, "key_id": opening.key.id, "account_id": account, "model": opening.model,
            "state": State.RUNNING, "sent": opening.sent, "owner": self.process, "delivery": Delivery.OPEN,
            # What has a name is found by that alone: nobody notes whether its answer arrived.
            "deliverer": self.process, "request_hash": None if opening.idempotency_hash else opening.request_hash,
            "request": opening.request,
            "tags": json.dumps(dict(opening.tags)) if opening.tags else "{}", "created_ms": now_ms,
            "session_id": opening.session_id, "end_user": opening.end_user, "retention": opening.keeps,
        })  # fmt: skip
        self.new.entries += [
            {
                "generation_id": opening.generation_id, "call": call, "step": 0, "kind": "reserved",
                "account_id": account, "period": period, "held": hold or 0, "unknown": 0, "spent": 0,
                "cost_nano": hold, "overrun": False, "model": opening.model, "facts": "{}", "at_ms": now_ms,
            }
            for call, hold in enumerate(opening.holds)
        ]  # fmt: skip
        self.new.tags += [
            {"generation_id": opening.generation_id, "name": name, "value": value}
            for name, value in opening.tags.items()
        ]
        if opening.key.id in self.running:
            self.running[opening.key.id] += 1
        if opening.idempotency_hash is not None:
            self.named[opening.key.id, opening.idempotency_hash] = (opening.request_hash, opening.generation_id)
            self.new.idempotency.append({
                "key_id": opening.key.id, "hash": opening.idempotency_hash, "request_hash": opening.request_hash,
                "generation_id": opening.generation_id, "expires_ms": now_ms + IDEMPOTENCY_MS,
            })  # fmt: skip
