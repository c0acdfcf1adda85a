"""Who is called after whom: a signature that is refused costs nothing, and no picture."""

import pytest

from impasto.completions.call import Serving, answer_to
from impasto.completions.route import Route
from impasto.domain.chat import ModelCall, TextPart, Turn
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, Text
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.models import a_call, a_model

STOP = Finished(FinishReason.STOP, "STOP")
REFUSED = Failure(Code.SIGNATURE_REFUSED, "The provider does not take back what it signed.")
OWN = (Turn("assistant", (TextPart("Here.", b"c2lnbmVk"),), "google"), Turn("user", (TextPart("again"),)))


async def heard(answerers: FakeAnswerers, *calls: ModelCall) -> list[Serving | Event]:
    return [event async for event in answer_to(calls, Route(a_model()), answerers)]


async def test_after_a_refused_signature_the_same_is_asked_without_claiming_earlier_answers() -> None:
    call = a_call(turns=OWN)
    answerers = FakeAnswerers()
    answerers.by_call = lambda each: [REFUSED] if each.turns[0].made_by else [Text("Fine."), STOP]
    serving, *events = await heard(answerers, call)
    assert serving == Serving(call.model, signatures_refused=True)
    assert events == [Text("Fine."), STOP]
    assert [[turn.made_by for turn in each.turns] for each in answerers.calls] == [["google", ""], ["", ""]]


async def test_without_an_answer_of_its_own_nothing_is_asked_twice() -> None:
    answerers = FakeAnswerers([REFUSED])
    with pytest.raises(Failure) as raised:
        await heard(answerers, a_call())
    assert raised.value.code is Code.SIGNATURE_REFUSED
    assert len(answerers.calls) == 1


async def test_it_is_tried_twice_and_no_more() -> None:
    answerers = FakeAnswerers([REFUSED])
    with pytest.raises(Failure) as raised:
        await heard(answerers, a_call(turns=OWN))
    assert raised.value.code is Code.SIGNATURE_REFUSED
    assert len(answerers.calls) == 2


async def test_what_has_begun_is_not_begun_again() -> None:
    answerers = FakeAnswerers([Text("Fi"), REFUSED])
    with pytest.raises(Failure):
        await heard(answerers, a_call(turns=OWN))
    assert len(answerers.calls) == 1
