"""POST /v3/estimate: what a chat completion would cost at least and at most.

Rule: it reads the same body as the completion itself, and nothing is fetched, called or held for it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from impasto.api.access import note
from impasto.api.admission import Admission, bytes_held_by
from impasto.api.auth import caller_of
from impasto.api.bill_wire import line_bodies, price_body, time_text
from impasto.api.body import read_body
from impasto.api.chat_wire import ChatBody, parse_chat_body
from impasto.api.money import json_number
from impasto.catalogue.catalogue import Catalogue
from impasto.completions.estimate import Bound, Estimate, estimate_for
from impasto.completions.recall import Recall
from impasto.completions.route import Route, route_of
from impasto.domain.keys import VirtualKey
from impasto.domain.money import dollars_of, nano_to_reserve
from impasto.domain.pricing import Price
from impasto.domain.spending import BudgetState

ReadBudget = Callable[[str], Awaitable[BudgetState | None]]
"""What is left to the account with this id; `None` where it has no budget."""

_FREE = Price(Decimal(0), Decimal(0), Decimal(0), date.min, "")
"""What a sandbox's answers cost, whoever they are said to be from."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """The endpoint as a bare ASGI app."""

    catalogue: Catalogue
    admission: Admission
    max_body_bytes: int
    budget_of: ReadBudget
    recall: Recall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.admission.held(bytes_held_by(scope, self.max_body_bytes)):
            body = parse_chat_body(await read_body(scope, receive, self.max_body_bytes))
            note(scope, model=body.request.model[:100])
            key = caller_of(scope)
            # What an earlier answer comes back as may be more than what was sent of it.
            request = (await self.recall.recalled(body.request, key.id, body.session_id)).request
            route = _for_key(route_of(request, self.catalogue), key)
            answer = _estimate_body(body, route, estimate_for(route, request))
        answer["budget"] = _budget_body(await self.budget_of(key.account_id))
        await Response(msgspec.json.encode(answer), media_type="application/json")(scope, receive, send)


def _for_key(route: Route, key: VirtualKey) -> Route:
    """The route as `key` may go it, at the prices that it pays."""
    if route.replacement is not None and not key.may_use(route.replacement.id):
        route = replace(route, replacement=None)
    if not key.sandbox:
        return route
    return Route(replace(route.model, price=_FREE))


def _estimate_body(body: ChatBody, route: Route, one: Estimate) -> dict[str, object]:
    whole = one.times(body.count)
    reserve = _reserve(one.most.cost, body.count)
    answer: dict[str, object] = {
        "model": route.model.id,
        "currency": "USD",
        "n": body.count,
        "least": _bound_body(whole.least),
        "most": _bound_body(whole.most),
        "reserve": json_number(reserve),
        "cost_status": "unknown" if reserve is None else "estimated",
        "price": None if route.model.price is _FREE else price_body(route.model.price),
    }
    if reserve is None:
        answer["why"] = _why(route, one.most)
    return answer


def _bound_body(bound: Bound) -> dict[str, object]:
    usage = bound.usage
    return {
        "cost": json_number(bound.cost),
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
        "by_modality": line_bodies(bound.lines),
    }


def _reserve(most: Decimal | None, count: int) -> Decimal | None:
    """What would be held for `count` answers; `None` where that is unknown, or more than any sum of money here."""
    if most is None:
        return None
    try:
        return dollars_of(nano_to_reserve(most) * count)
    except ValueError:
        return None


def _why(route: Route, most: Bound) -> str:
    if most.cost is not None:
        return "max_tokens allows for more than can be held. Ask for less."
    for model in (route.model, route.replacement):
        if model is not None and model.price is None:
            return f"The catalogue has no price for {model.id}."
    return (
        f"The catalogue does not say how many tokens an answer of {route.model.id} can take, or what they cost. For "
        "words, max_tokens bounds it."
    )


def _budget_body(state: BudgetState | None) -> dict[str, object] | None:
    if state is None or state.budget.limit_nano is None:
        return None
    limit, balance = state.budget.limit_nano, state.balance
    left = max(0, limit - balance.spent - balance.held - balance.unknown)
    return {
        "limit": json_number(dollars_of(limit)),
        "period": state.budget.period,
        "spent": json_number(dollars_of(balance.spent)),
        "held": json_number(dollars_of(balance.held)),
        "unknown": json_number(dollars_of(balance.unknown)),
        "left": json_number(dollars_of(left)),
        "resets_at": None if state.resets_at is None else time_text(state.resets_at * 1000),
    }
