"""The life of one request, from what was asked to an answer: whole in a spool, or live.

Rule: every refusal that can be known beforehand comes before anything is sent, and
one deadline stands over all of it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from impasto.catalogue.catalogue import Catalogue
from impasto.completions.answer import Completion
from impasto.completions.call import Serving, answer_to
from impasto.completions.drain import Drained, HeadSpool, drain, pass_on
from impasto.completions.estimate import most_it_can_cost
from impasto.completions.inline import inline
from impasto.completions.ports import Answerers, ImageSource, Spool, Spools
from impasto.completions.route import Route, route_of
from impasto.completions.settle import bill_for
from impasto.domain.chat import ChatRequest, ModelCall, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason
from impasto.domain.limits import check_pictures, image_config_to_send
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that can be called: its route is found, its pictures are at hand, nothing is spent yet.

    `streamed`: its provider is asked to answer as it goes.
    """

    request: ChatRequest
    route: Route
    turns: tuple[Turn, ...]
    created: int
    streamed: bool


LiveEvent = Serving | Event | Completion


@dataclass(frozen=True, slots=True)
class Completions:
    """Answers chat requests. `now` gives seconds since the epoch; `deadline_seconds` bounds a whole request."""

    catalogue: Catalogue
    answerers: Answerers
    images: ImageSource
    spools: Spools
    now: Callable[[], float]
    deadline_seconds: float

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """The time that one request may take, from preparing to the end of a live answer."""
        try:
            async with asyncio.timeout(self.deadline_seconds):
                yield
        except TimeoutError:
            raise Failure(
                Code.DEADLINE_EXCEEDED,
                f"No whole answer within {self.deadline_seconds:g} seconds. The provider may bill for it all the same.",
            ) from None

    async def prepare(self, request: ChatRequest, *, count: int = 1, streamed: bool = False) -> Prepared:
        """Say everything that can be said before anything is sent. `count` answers are wanted. Raises `Failure`."""
        created = int(self.now())
        route = route_of(request, self.catalogue)
        self._check_callable(route.model, request, count)
        turns = await inline(request, self.images)
        check_pictures(route.model, turns)
        return Prepared(request, route, turns, created, streamed)

    async def create(self, prepared: Prepared, *, id: str) -> Completion:  # noqa: A002
        """A whole answer, under the id that names it. Raises `Failure`."""
        spool = self.spools.open()
        try:
            drained = await drain(self._answer(prepared), spool)
            return _completion(prepared, id, drained, spool)
        except BaseException:
            spool.close()
            raise

    async def create_each(
        self,
        prepared: Prepared,
        count: int,
        *,
        id: str,  # noqa: A002
    ) -> AsyncGenerator[tuple[int, Completion | Failure], None]:
        """`count` whole answers, asked for at once: each with its index, as it comes, or the failure of that one."""

        async def one(index: int) -> tuple[int, Completion | Failure]:
            try:
                return index, await self.create(prepared, id=id)
            except Failure as failure:
                return index, failure

        if count == 1:
            yield await one(0)
            return
        tasks = [asyncio.create_task(one(index)) for index in range(count)]
        taken: set[int] = set()
        try:
            for next_done in asyncio.as_completed(tasks):
                index, answer = await next_done
                taken.add(index)
                yield index, answer
        finally:
            for task in tasks:
                task.cancel()
            for left in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(left, tuple) and left[0] not in taken and isinstance(left[1], Completion):
                    left[1].spool.close()

    async def live(self, prepared: Prepared, *, id: str) -> AsyncGenerator[LiveEvent, None]:  # noqa: A002
        """An answer while it comes, and last the completion that it came to, without its pictures. Raises `Failure`."""
        drained = Drained()
        events = pass_on(self._answer(prepared), drained)
        async with aclosing(events):
            async for event in events:
                yield event
        yield _completion(prepared, id, drained, HeadSpool())

    def _answer(self, prepared: Prepared) -> AsyncGenerator[Serving | Event, None]:
        return answer_to(self._calls(prepared), prepared.route, self.answerers)

    def _calls(self, prepared: Prepared) -> Iterator[ModelCall]:
        request, route, streamed = prepared.request, prepared.route, prepared.streamed
        yield _call_of(route.model, request, prepared.turns, streamed=streamed)
        if route.replacement is None:
            return
        try:
            self._check_callable(route.replacement, request, 1)
            check_pictures(route.replacement, prepared.turns)
        except Failure:
            return
        yield _call_of(route.replacement, request, prepared.turns, streamed=streamed)

    def _check_callable(self, model: Model, request: ChatRequest, count: int) -> None:
        call = _call_of(model, request, (), streamed=False)
        if request.max_cost is not None:
            most = most_it_can_cost(model, request, call.image_config)
            _check_affordable(model, None if most is None else most * count, request.max_cost)
        self.answerers.check_ready(call)


def _completion(prepared: Prepared, completion_id: str, drained: Drained, spool: Spool) -> Completion:
    served_by = drained.served_by or prepared.route.model
    sent = image_config_to_send(served_by, prepared.request.image_config)
    return Completion(
        id=completion_id,
        created=prepared.created,
        request=prepared.request,
        served_by=served_by,
        stood_in=served_by is not prepared.route.model,
        sent=sent,
        parts=tuple(drained.parts),
        bill=bill_for(served_by, sent, drained),
        finish=_finish_of(drained),
        facts=drained.facts,
        spool=spool,
        tool_calls=tuple(drained.tool_calls),
    )


def _call_of(model: Model, request: ChatRequest, turns: tuple[Turn, ...], *, streamed: bool) -> ModelCall:
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
    if finish.reason is FinishReason.STOP and not drained.parts and not drained.tool_calls:
        raise Failure(
            Code.PROVIDER_WRONG,
            f"The provider ended its answer ({finish.native}) with neither a picture nor words in it. "
            "It may bill for the call.",
        )
    return finish
