"""The receipt of one call: what was held for it, what it took, what it came to.

Rule: it is made of what the ledger holds and of nothing else, so that it says the same next year.
"""

from decimal import Decimal

from impasto.api.bill_wire import line_bodies, price_body, time_text
from impasto.api.money import json_number
from impasto.domain.ledger import Outcome, Posted
from impasto.domain.money import dollars_of
from impasto.domain.pricing import cost_of, lines_of
from impasto.domain.receipt import parse_facts


def receipt_body(call: Posted, *, ended_ms: int | None = None) -> dict[str, object]:
    """The receipt of `call`, of a generation that ended at `ended_ms`.

    `cost` is exact; `settled` is what was charged, rounded to a nano-dollar. While the call runs, and where nobody
    knows its outcome, both are null.
    """
    usage, price, status = parse_facts(call.facts)
    is_settled = call.outcome is Outcome.SETTLED
    return {
        "call": call.call,
        "outcome": call.outcome,
        "model": call.model or None,
        "currency": "USD",
        "lines": line_bodies(lines_of(usage, price)),
        "cost": json_number(cost_of(usage, price)) if is_settled and call.cost_nano is not None else None,
        "cost_status": status or None,
        "price": price_body(price),
        "reserved": json_number(_dollars(call.reserved_nano)),
        "settled": json_number(_settled(call)),
        "overrun": call.overrun,
        "reserved_at": time_text(call.reserved_ms),
        "ended_at": None if ended_ms is None else time_text(ended_ms),
    }


def _settled(call: Posted) -> Decimal | None:
    match call.outcome:
        case Outcome.SETTLED:
            return _dollars(call.cost_nano)
        case Outcome.VOID:
            return Decimal(0)
    return None


def _dollars(nano: int | None) -> Decimal | None:
    return None if nano is None else dollars_of(nano)
