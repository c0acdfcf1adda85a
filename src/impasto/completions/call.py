"""Call the models of a route, one after the other, until one answers.

Rule: the next candidate is called only while nothing has come and the provider has said that
it does not know the model, which costs nothing. Nor does it cost anything where it refuses a signature:
then the same is asked once more with its earlier answers told rather than claimed as its own.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from impasto.completions.ports import Answerers
from impasto.completions.route import Route
from impasto.domain.chat import ModelCall
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event
from impasto.domain.model import Model


@dataclass(frozen=True, slots=True)
class Serving:
    """`model` answers: what comes next is its. `signatures_refused`: it takes
    back none of those that it gave before."""

    model: Model
    signatures_refused: bool = False


async def answer_to(
    calls: Iterable[ModelCall], route: Route, answerers: Answerers
) -> AsyncGenerator[Serving | Event, None]:
    """Who answers, then the answer as it arrives. Raises `Failure`."""
    gone = route.retired()
    for call in calls:
        serving = False
        attempts = _attempts(call)
        for attempt in attempts:
            try:
                async with aclosing(answerers.answer(attempt)) as events:
                    async for event in events:
                        if not serving:
                            serving = True
                            yield Serving(call.model, signatures_refused=attempt is not call)
                        yield event
                return  # noqa: TRY300 - what follows is for failures
            except Failure as failure:
                if not serving and failure.code is Code.SIGNATURE_REFUSED and attempt is not attempts[-1]:
                    continue
                if serving or failure.code is not Code.MODEL_RETIRED:
                    raise
                gone = Route(call.model).retired(failure.logged)
                break
    raise gone


def _attempts(call: ModelCall) -> list[ModelCall]:
    """The call; then, should its provider refuse its own signatures, the same with no turn that is its own."""
    if not any(turn.made_by for turn in call.turns):
        return [call]
    return [call, replace(call, turns=tuple(replace(turn, made_by="") for turn in call.turns))]
