"""From a request to what can be called: everything that can be said before anything is held or sent.

Rule: a refusal that can be known beforehand comes before money is held, and before anything outside is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from impasto.catalogue.catalogue import Catalogue
from impasto.completions.estimate import most_it_can_cost
from impasto.completions.ports import Answerers
from impasto.completions.route import Route, route_of
from impasto.domain.chat import ChatRequest, ModelCall, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.limits import check_pictures, image_config_to_send
from impasto.domain.model import Model
from impasto.domain.money import MAX_NANO, dollars_of, nano_to_reserve

MOST_DOLLARS = dollars_of(MAX_NANO)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that can be called. `most` is what one call can cost at most, in US dollars; `None`: unknown.
    `streamed`: its provider is asked to answer as it goes. `sandbox`: no provider is asked at all."""

    request: ChatRequest
    route: Route
    most: Decimal | None
    streamed: bool
    sandbox: bool

    @property
    def hold(self) -> int | None:
        """What one call reserves, in nano-dollars."""
        return None if self.most is None else nano_to_reserve(self.most)

    @property
    def models(self) -> tuple[Model, ...]:
        """Who may answer, in order."""
        return (self.route.model,) if self.route.replacement is None else (self.route.model, self.route.replacement)


def prepare(
    request: ChatRequest,
    key: VirtualKey,
    catalogue: Catalogue,
    answerers: Answerers,
    *,
    count: int = 1,
    streamed: bool = False,
) -> Prepared:
    """Find who can answer, and what it can cost. `count` answers are wanted. Raises `Failure`."""
    route = route_of(request, catalogue)
    _check_allowed(key, route.model)
    if route.replacement is not None and not key.may_use(route.replacement.id):
        route = replace(route, replacement=None)
    prepared = Prepared(request, route, Decimal(0) if key.sandbox else None, streamed, key.sandbox)
    if not key.sandbox:
        answerers.check_ready(call_of(route.model, request, (), streamed=streamed))
        prepared = _with_what_it_costs(prepared, count)
    return prepared


def calls_of(prepared: Prepared, turns: tuple[Turn, ...], answerers: Answerers) -> Iterator[ModelCall]:
    """The calls that may be made, one after the other, until one is answered."""
    request, streamed = prepared.request, prepared.streamed
    yield call_of(prepared.route.model, request, turns, streamed=streamed)
    replacement = prepared.route.replacement
    if replacement is None:
        return
    call = call_of(replacement, request, turns, streamed=streamed)
    try:
        answerers.check_ready(call)
        check_pictures(replacement, turns)
    except Failure:
        return
    yield call


def call_of(model: Model, request: ChatRequest, turns: tuple[Turn, ...], *, streamed: bool) -> ModelCall:
    """What is asked of `model`."""
    return ModelCall(
        model=model,
        turns=turns,
        image_config=image_config_to_send(model, request.image_config),
        sampling=request.sampling,
        modalities=request.modalities,
        streamed=streamed,
        tools=request.tools,
        tool_choice=request.tool_choice,
        response_format=request.response_format,
    )


def _check_allowed(key: VirtualKey, model: Model) -> None:
    if key.may_use(model.id):
        return
    allowed = ", ".join(sorted(key.models or ())) or "none"
    raise Failure(
        Code.NOT_ALLOWED, f'The key "{key.name}" may not use {model.id}. It may use {allowed}.', param="model"
    )


def _with_what_it_costs(prepared: Prepared, count: int) -> Prepared:
    """The most that one call can come to, whoever serves it. Raises 402 where `max_cost` is less.

    A replacement that `max_cost` does not allow is left out.
    """
    request, route = prepared.request, prepared.route
    most = _most(route.model, request)
    _check_affordable(route.model, most, request.max_cost, count)
    if route.replacement is None:
        return replace(prepared, most=most)
    replacements = _most(route.replacement, request)
    try:
        _check_affordable(route.replacement, replacements, request.max_cost, count)
    except Failure:
        return replace(prepared, most=most, route=replace(route, replacement=None))
    dearer = None if most is None or replacements is None else max(most, replacements)
    return replace(prepared, most=dearer)


def _most(model: Model, request: ChatRequest) -> Decimal | None:
    most = most_it_can_cost(model, request, image_config_to_send(model, request.image_config))
    if most is not None and most > MOST_DOLLARS:
        raise Failure(
            Code.INVALID_VALUE,
            f"This request to {model.id} could cost up to ${most:.0f}, which no gateway can hold. Ask for less, for "
            "instance by max_tokens.",
            param="max_tokens",
        )
    return most


def _check_affordable(model: Model, most: Decimal | None, max_cost: Decimal | None, count: int) -> None:
    if max_cost is None:
        return
    if most is None:
        raise Failure(
            Code.NO_PRICE,
            f"max_cost was given, but what {model.id} can cost is unknown: the catalogue has no price for it.",
            param="max_cost",
        )
    if most * count > max_cost:
        raise Failure(
            Code.MAX_COST_EXCEEDED,
            f"max_cost is ${max_cost:f}, and this request to {model.id} can cost up to ${most * count:f}. Nothing was "
            "sent.",
            param="max_cost",
        )
