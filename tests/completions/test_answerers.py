from dataclasses import replace

import pytest

from impasto.completions.answerers import AnswererTable
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Text
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.models import GOOGLE, a_call, a_model


async def test_an_engine_answers_for_its_adapter_and_the_rest_is_remote() -> None:
    engine, remote = FakeAnswerers([Text("here")]), FakeAnswerers([Text("there")])
    table = AnswererTable({"painter": engine}, remote)
    local_call = a_call(a_model(provider=replace(GOOGLE, adapter="painter")))
    assert [event async for event in table.answer(local_call)] == [Text("here")]
    assert [event async for event in table.answer(a_call())] == [Text("there")]


def test_whoever_answers_says_whether_it_is_ready() -> None:
    table = AnswererTable({}, FakeAnswerers(not_ready=Failure(Code.PROVIDER_NOT_CONFIGURED, "no key")))
    with pytest.raises(Failure, match="no key"):
        table.check_ready(a_call())
