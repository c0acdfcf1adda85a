"""The life of one request, from what was asked to a whole answer in the spool.

Rule: every refusal that can be known beforehand comes before anything is sent, and
one deadline stands over all of it.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from impasto.catalogue.catalogue import Catalogue
from impasto.completions.answer import Completion
from impasto.completions.drain import Drained, drain
from impasto.completions.estimate import most_it_can_cost
from impasto.completions.inline import inline
from impasto.completions.ports import Answerers, ImageSource, Spool, Spools
from impasto.completions.route import Route, route_of
from impasto.completions.settle import bill_for
from impasto.domain.chat import ChatRequest, ModelCall, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Finished, FinishReason
from impasto.domain.limits import check_pictures, image_config_to_send
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class Completions:
    """Answers chat requests. `now` gives seconds since the epoch; `deadline_seconds` bounds a whole request."""

    catalogue: Catalogue
    answerers: Answerers
    images: ImageSource
    spools: Spools
    now: Callable[[], float]
    deadline_seconds: float

    async def create(self, request: ChatRequest, *, id: str) -> Completion:  # noqa: A002
        """A whole answer to `request`, under the id that names it. Raises `Failure`."""
        created = int(self.now())
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await self._create(request, id, created)
        except TimeoutError:
            raise Failure(
                Code.DEADLINE_EXCEEDED,
                f"No whole answer within {self.deadline_seconds:g} seconds. The provider may bill for it all the same.",
            ) from None

    async def _create(self, request: ChatRequest, completion_id: str, created: int) -> Completion:
        route = route_of(request, self.catalogue)
        self._check_callable(route.model, request)
        turns = await inline(request, self.images)
        check_pictures(route.model, turns)
        spool = self.spools.open()
        try:
            served_by, drained = await self._answer(route, request, turns, spool)
            sent = image_config_to_send(served_by, request.image_config)
            return Completion(
                id=completion_id,
                created=created,
                request=request,
                served_by=served_by,
                stood_in=served_by is not route.model,
                sent=sent,
                parts=tuple(drained.parts),
                bill=bill_for(served_by, sent, drained),
                finish=_finish_of(drained),
                facts=drained.facts,
                spool=spool,
            )
        except BaseException:
            spool.close()
            raise

    def _check_callable(self, model: Model, request: ChatRequest) -> None:
        call = _call_of(model, request, ())
        if request.max_cost is not None:
            _check_affordable(model, most_it_can_cost(model, request, call.image_config), request.max_cost)
        self.answerers.check_ready(call)

    async def _answer(
        self, route: Route, request: ChatRequest, turns: tuple[Turn, ...], spool: Spool
    ) -> tuple[Model, Drained]:
        """Who answered, and what: the first of the route whom its provider still knows."""
        gone = route.retired()
        for model in self._candidates(route, request, turns):
            try:
                return model, await drain(self.answerers.answer(_call_of(model, request, turns)), spool)
            except Failure as failure:
                if failure.code is not Code.MODEL_RETIRED:
                    raise
                gone = Route(model).retired(failure.logged)
        raise gone

    def _candidates(self, route: Route, request: ChatRequest, turns: tuple[Turn, ...]) -> Iterator[Model]:
        yield route.model
        if route.replacement is None:
            return
        try:
            self._check_callable(route.replacement, request)
            check_pictures(route.replacement, turns)
        except Failure:
            return
        yield route.replacement


def _call_of(model: Model, request: ChatRequest, turns: tuple[Turn, ...]) -> ModelCall:
    return ModelCall(
        model=model,
        turns=turns,
        image_config=image_config_to_send(model, request.image_config),
        sampling=request.sampling,
        modalities=request.modalities,
    )


def _check_affordable(model: Model, most: Decimal | None, max_cost: Decimal) -> None:
    if most is None:
        raise Failure(
            Code.NO_PRICE,
            f"max_cost was given, but what {model.id} can cost is unknown: the catalogue has no price for it.",
            param="max_cost",
        )
    if most > max_cost:
        raise Failure(
            Code.MAX_COST_EXCEEDED,
            f"max_cost is ${max_cost:f}, and this request to {model.id} can cost up to ${most:f}. Nothing was sent.",
            param="max_cost",
        )


def _finish_of(drained: Drained) -> Finished:
    """Why it ended. Raises `provider_wrong` for an answer with nothing in it that calls itself a success."""
    finish = drained.finish
    if finish is None:
        raise Failure(Code.PROVIDER_BROKE_OFF, "The provider's answer ended without saying why.")
    if finish.reason is FinishReason.STOP and not drained.parts:
        raise Failure(
            Code.PROVIDER_WRONG,
            f"The provider ended its answer ({finish.native}) with neither a picture nor words in it. "
            "It may bill for the call.",
        )
    return finish
