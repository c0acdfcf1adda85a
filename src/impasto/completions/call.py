"""Call the models of a route, one after the other, until one answers.

Rule: the next candidate is called only while nothing has come and the provider has said that
it does not know the model, which costs nothing.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from impasto.completions.ports import Answerers
from impasto.completions.route import Route
from impasto.domain.chat import ModelCall
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class Serving:
    """`model` answers: what comes next is its."""

    model: Model


async def answer_to(
    calls: Iterable[ModelCall], route: Route, answerers: Answerers
) -> AsyncGenerator[Serving | Event, None]:
    """Who answers, then the answer as it arrives. Raises `Failure`."""
    gone = route.retired()
    for call in calls:
        serving = False
        try:
            async with aclosing(answerers.answer(call)) as events:
                async for event in events:
                    if not serving:
                        serving = True
                        yield Serving(call.model)
                    yield event
            return  # noqa: TRY300 - the next candidate is for failures
        except Failure as failure:
            if serving or failure.code is not Code.MODEL_RETIRED:
                raise
            gone = Route(call.model).retired(failure.logged)
    raise gone
