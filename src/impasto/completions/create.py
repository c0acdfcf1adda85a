"""The life of one request, from what was asked to a whole answer in the spool.

Rule: every refusal that can be known beforehand comes before anything is sent, and
one deadline stands over all of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
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
from impasto.domain.chat import ChatRequest, ImagePart, ModelCall, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason
from impasto.domain.limits import check_picture, image_config_to_send
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
        self._check_max_cost(route, request)
        self.answerers.check_ready(_call_of(route.model, request, ()))
        turns = await inline(request, self.images)
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

    def _check_max_cost(self, route: Route, request: ChatRequest) -> None:
        if request.max_cost is None:
            return
        for model in (route.model, route.replacement):
            if model is None:
                continue
            most = most_it_can_cost(model, request, image_config_to_send(model, request.image_config))
            _check_affordable(model, most, request.max_cost)

    async def _answer(
        self, route: Route, request: ChatRequest, turns: tuple[Turn, ...], spool: Spool
    ) -> tuple[Model, Drained]:
        try:
            return route.model, await drain(self._events(route.model, request, turns), spool)
        except Failure as failure:
            if failure.code is not Code.MODEL_RETIRED:
                raise
            if route.replacement is None:
                raise route.retired() from failure
        return route.replacement, await drain(self._events(route.replacement, request, turns), spool)

    def _events(self, model: Model, request: ChatRequest, turns: tuple[Turn, ...]) -> AsyncIterator[Event]:
        call = _call_of(model, request, turns)
        for turn in turns:
            for part in turn.parts:
                if isinstance(part, ImagePart):
                    check_picture(model, part)
        return self.answerers.answer(call)


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
            f"The provider reported success ({finish.native}) but sent neither a picture nor words.",
        )
    return finish
