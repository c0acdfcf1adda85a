"""Small changes of a generation, and the sums that every entry changes.

Rule: balances change by what entries say, in the same transaction and in one order, so that
processes that write at once do not lock each other out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from impasto.domain.budget import Balance
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Delivery, Earlier, Opening, State
from impasto.storage.tables import balances, generations

Insert = postgresql.Insert | sqlite.Insert

INSERT_INTO: Mapping[str, Callable[[Table], Insert]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""An INSERT that can say what to do on a conflict: the same words in both dialects, from two places."""

_SENT = (
    update(generations)
    .where(generations.c.id == bindparam("b_id"), generations.c.state == State.RUNNING)
    .values(sent=True)
)
_DELIVERED = (
    update(generations)
    .where(generations.c.id == bindparam("b_id"))
    .where(generations.c.claims == bindparam("b_claim"))
    .where(generations.c.delivery == Delivery.OPEN)
    .values(delivery=bindparam("b_delivery"))
)


@dataclass(frozen=True, slots=True)
class Sent:
    """Something may have been sent for this generation."""

    generation_id: str

    def apply(self, connection: Connection) -> Failure | None:
        """What forbids it: nothing is sent for what has ended meanwhile, because this process was taken for dead."""
        if connection.execute(_SENT, {"b_id": self.generation_id}).rowcount:
            return None
        return Failure(
            Code.OVERLOADED,
            "This request took so long to begin that it was given up. Nothing was sent; try again.",
            logged=f"{self.generation_id} was resolved before anything was sent for it",
            retry_helps=True,
        )


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the answer of whoever attached as `claim`."""

    generation_id: str
    claim: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An opening of which nobody will hear: what it held is released, what it attached to is lost again."""

    opening: Opening
    attached: Earlier | None


def note_deliveries(connection: Connection, deliveries: Sequence[Delivered]) -> None:
    """Write what became of answers, in the order in which closings lock generations."""
    if deliveries:
        connection.execute(
            _DELIVERED,
            [
                {"b_id": each.generation_id, "b_claim": each.claim, "b_delivery": each.delivery}
                for each in sorted(deliveries, key=lambda each: each.generation_id)
            ],
        )


def sums_of(changes: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], Balance]:
    """What entries change, by account and period."""
    sums: dict[tuple[str, str], Balance] = {}
    for entry in changes:
        place = (str(entry["account_id"]), str(entry["period"]))
        change = Balance(int(entry["held"]), int(entry["unknown"]), int(entry["spent"]))  # type: ignore[call-overload]
        sums[place] = sums.get(place, Balance()) + change
    return sums


def add_to_balances(connection: Connection, changes: Mapping[tuple[str, str], Balance]) -> None:
    """Add `changes` to the balances of their accounts and periods."""
    if changes:
        connection.execute(
            _ADD_TO_BALANCES[connection.dialect.name],
            [
                {
                    "account_id": account,
                    "period": period,
                    "held": sum_.held,
                    "unknown": sum_.unknown,
                    "spent": sum_.spent,
                }
                for (account, period), sum_ in sorted(changes.items())
            ],
        )


def _upsert(statement: Insert) -> Insert:
    return statement.on_conflict_do_update(
        index_elements=["account_id", "period"],
        set_={name: balances.c[name] + statement.excluded[name] for name in ("held", "unknown", "spent")},
    )


_ADD_TO_BALANCES = {dialect: _upsert(insert_into(balances)) for dialect, insert_into in INSERT_INTO.items()}
