"""From a request to an answer: what is refused beforehand, who answers, and what counts as one."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from impasto.completions.answer import CostStatus, Manner
from impasto.domain.chat import ChatRequest, ImageLink
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageStarted, Report, Text, UsageSeen
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.ledger import KeyChanged, Outcome, State
from impasto.domain.model import ImageLimits, Model
from impasto.domain.retention import Keeps
from impasto.domain.usage import Usage
from tests.completions.house import COST_NANO, KEY, NEW, OLD, PAINTED, RED, SANDBOX_KEY, STOP, URL, WITH_LINK, House
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.blobs import MemoryStore
from tests.fakes.images import FakeImages
from tests.fakes.models import a_model, a_price, a_request, retiring
from tests.fakes.pictures import picture_events

GONE = Failure(Code.MODEL_RETIRED, "Google does not know this model.", logged="Google answered 404")


async def test_an_answer_is_whole_counted_and_kept() -> None:
    house = House()
    request = a_request(image_config=ImageConfig("16:9", "1K"))
    answers = await house.create(request)
    completion = answers.first
    assert (answers.id, completion.id, completion.asking.created) == ("chatcmpl-1", "chatcmpl-1", 1_790_000_000)
    assert (completion.asking.model, completion.asking.image_config) == (request.model, request.image_config)
    assert completion.served_by.id == "google/painting-model"
    assert not completion.stood_in
    (picture,) = completion.results
    assert (picture.byte_count, picture.media_type, picture.dimensions) == (len(RED), "image/png", Dimensions(3, 2))
    assert (picture.id, house.store.kept[picture.sha256]) == ("img_1", RED)
    assert completion.bill.cost == Decimal("0.06803")
    assert completion.bill.status is CostStatus.EXACT
    assert completion.finish == STOP
    assert (house.generation.state, house.outcomes) == (State.DONE, [Outcome.SETTLED])
    assert house.generation.calls[0].cost_nano == COST_NANO


async def test_what_it_can_cost_is_held_before_anything_is_sent() -> None:
    house = House()
    await house.create(a_request(max_cost=Decimal("0.08")))
    (opening,) = house.ledger.openings
    (hold,) = opening.holds
    assert hold is not None
    assert COST_NANO < hold <= 80_000_000
    assert house.passed == ["begun", "answered", "kept", "noted", "settled"]


async def test_several_answers_hold_as_much_as_all_of_them_can_cost() -> None:
    house = House()
    await house.create(count=3)
    (opening,) = house.ledger.openings
    assert len(opening.holds) == 3
    assert len(set(opening.holds)) == 1


async def test_without_a_price_there_is_no_amount_to_hold() -> None:
    house = House(models=(a_model(price=None),))
    answers = await house.create()
    assert house.ledger.openings[0].holds == (None,)
    assert (answers.bill.cost, house.outcomes) == (None, [Outcome.SETTLED])


async def test_the_dearer_of_model_and_replacement_is_held() -> None:
    house = House(models=(OLD, a_model("new", price=a_price("1", "6", "120"))))
    await house.create(a_request(OLD.id))
    alone = House(models=(a_model("old"),))
    await alone.create(a_request(OLD.id))
    assert house.ledger.openings[0].holds[0] == 2 * (alone.ledger.openings[0].holds[0] or 0)


async def test_a_sandbox_holds_nothing_costs_nothing_and_asks_no_provider() -> None:
    house = House(key=SANDBOX_KEY)
    answers = await house.create()
    assert house.ledger.openings[0].holds == (0,)
    assert (answers.bill.cost, answers.bill.status) == (Decimal(0), CostStatus.EXACT)
    assert answers.asking.manner.sandbox
    assert (house.answerers.calls, len(house.sandbox.calls)) == ([], 1)
    assert house.generation.calls[0].cost_nano == 0


async def test_the_call_says_what_was_asked() -> None:
    house = House()
    await house.create(a_request(image_config=ImageConfig("16:9", "2K"), modalities=("image",)))
    (call,) = house.answerers.calls
    assert (call.image_config, call.modalities) == (ImageConfig("16:9", "2K"), ("image",))


async def test_what_is_sent_is_what_the_wire_has_a_field_for() -> None:
    limits = ImageLimits(("1:1",), ("1K",), "1K", sends_image_size=False, tokens_per_image={"1K": 1290})
    house = House(models=(a_model(images=limits),))
    completion = (await house.create(a_request(image_config=ImageConfig("1:1", "1K")))).first
    assert completion.sent == ImageConfig("1:1") == house.answerers.calls[0].image_config


async def test_words_and_facts_come_along() -> None:
    house = House(FakeAnswerers([Text("A "), Text("banana."), Report({"scene": "studio"}), STOP]))
    completion = (await house.create()).first
    assert completion.text == "A banana."
    assert completion.facts == {"scene": "studio"}
    assert (completion.bill.cost, completion.bill.status) == (None, CostStatus.UNKNOWN)


# --- refused before anything is sent ---


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (a_request("google/nobody", *WITH_LINK), Code.MODEL_NOT_FOUND),
        (a_request("google/painting-model", *WITH_LINK, image_config=ImageConfig("5:3")), Code.INVALID_VALUE),
        (a_request("google/painting-model", *WITH_LINK, max_cost=Decimal("0.01")), Code.MAX_COST_EXCEEDED),
        (a_request("google/priceless", *WITH_LINK, max_cost=Decimal(1000)), Code.NO_PRICE),
        (a_request("google/forbidden", *WITH_LINK), Code.NOT_ALLOWED),
    ],
)
async def test_a_refusal_comes_before_any_outside_work(request_: ChatRequest, code: Code) -> None:
    allowed = replace(KEY, models=frozenset({"google/painting-model", "google/priceless"}))
    models = (a_model(), a_model("priceless", price=None), a_model("forbidden"))
    house = House(models=models, key=allowed)
    assert (await house.failure_of(request_)).code is code
    house.assert_untouched()


async def test_a_provider_without_a_key_is_named_before_any_outside_work() -> None:
    house = House(FakeAnswerers(not_ready=Failure(Code.PROVIDER_NOT_CONFIGURED, "no key")))
    assert (await house.failure_of(a_request("google/painting-model", *WITH_LINK))).message == "no key"
    house.assert_untouched()


@pytest.mark.parametrize("code", [Code.BUDGET_SPENT, Code.BUDGET_HELD, Code.LEDGER_UNAVAILABLE])
async def test_what_the_ledger_refuses_is_neither_fetched_nor_called(code: Code) -> None:
    house = House()
    house.ledger.answers.append(Failure(code, "no"))
    assert (await house.failure_of(a_request("google/painting-model", *WITH_LINK))).code is code
    assert (house.images.fetched, house.answerers.calls) == ([], [])


async def test_a_refusal_names_what_the_key_may_use() -> None:
    house = House(key=replace(KEY, models=frozenset({NEW.id, "google/other"})))
    failure = await house.failure_of()
    assert failure.message == (
        'The key "caller" may not use google/painting-model. It may use google/new, google/other.'
    )
    assert failure.param == "model"


async def test_max_cost_names_both_sums() -> None:
    failure = await House().failure_of(a_request(max_cost=Decimal("0.01")))
    assert failure.param == "max_cost"
    assert "max_cost is $0.01" in failure.message
    assert "Nothing was sent" in failure.message


async def test_max_cost_above_the_estimate_passes() -> None:
    assert (await House().create(a_request(max_cost=Decimal("0.08")))).bill.cost


async def test_max_cost_bounds_all_answers_together() -> None:
    house = House()
    failure = await house.failure_of(a_request(max_cost=Decimal("0.14")), count=2)
    assert failure.code is Code.MAX_COST_EXCEEDED
    house.assert_untouched()


# --- pictures by URL ---


async def test_links_are_fetched_before_the_call() -> None:
    house = House(images=FakeImages({URL: RED}))
    await house.create(a_request("google/painting-model", *WITH_LINK))
    assert len(house.answerers.calls[0].turns[0].parts) == 2
    assert house.passed[:3] == ["begun", "inlined", "marked"]


async def test_what_has_links_to_fetch_is_not_sent_yet_when_it_begins() -> None:
    for messages, sent in (((), True), (WITH_LINK, False)):
        house = House(images=FakeImages({URL: RED}))
        await house.create(a_request("google/painting-model", *messages))
        assert house.ledger.openings[0].sent is sent
        assert house.generation.sent


@pytest.mark.parametrize("picture", [None, b"hello", b"GIF89a\x01\x00\x01\x00"])
async def test_a_picture_that_cannot_be_used_is_named_before_the_call(picture: bytes | None) -> None:
    house = House(images=FakeImages({URL: picture} if picture else {}))
    failure = await house.failure_of(a_request("google/painting-model", *WITH_LINK))
    assert failure.param == "messages[0].content[1].image_url.url"
    assert house.answerers.calls == []
    assert (house.generation.state, house.outcomes, house.generation.sent) == (State.REFUSED, [Outcome.VOID], False)


async def test_pictures_that_do_not_come_in_time_cost_nothing() -> None:
    house = House(deadline_seconds=0.05)

    class Hanging(FakeImages):
        async def fetch(self, url: str, *, where: str) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

    house.completions.images = Hanging()
    failure = await house.failure_of(a_request("google/painting-model", *WITH_LINK))
    assert failure.code is Code.DEADLINE_EXCEEDED
    assert "Nothing was sent" in failure.message
    assert (house.answerers.calls, house.outcomes) == ([], [Outcome.VOID])


# --- retired models ---


async def test_a_replacement_answers_for_a_retired_model() -> None:
    house = House(FakeAnswerers(PAINTED, {OLD.id: [GONE]}))
    completion = (await house.create(a_request(OLD.id))).first
    assert completion.served_by.id == NEW.id
    assert completion.stood_in
    assert house.store.kept[completion.results[0].sha256] == RED
    assert house.generation.calls[0].model == NEW.id
    assert [call.model.id for call in house.answerers.calls] == [OLD.id, NEW.id]


async def test_a_replacement_is_billed_at_its_own_price() -> None:
    dear = a_model("new", price=a_price("1", "6", "120"))
    house = House(FakeAnswerers(PAINTED, {OLD.id: [GONE]}), models=(OLD, dear))
    assert (await house.create(a_request(OLD.id))).bill.cost == Decimal("0.13606")


@pytest.mark.parametrize(
    ("models", "changes"),
    [
        pytest.param((OLD,), {}, id="the replacement is not in the catalogue"),
        pytest.param(
            (a_model("old", lifecycle=retiring(NEW.id, serve=False)), NEW), {}, id="the operator does not want it"
        ),
        pytest.param(
            (OLD, a_model("new", images=ImageLimits(("1:1",), ("1K",), "1K"))),
            {"image_config": ImageConfig(image_size="2K")},
            id="the replacement cannot do it",
        ),
        pytest.param(
            (OLD, a_model("new", price=a_price("1", "6", "1200"))),
            {"max_cost": Decimal("0.10")},
            id="the replacement costs too much",
        ),
        pytest.param((OLD, a_model("new", price=None)), {"max_cost": Decimal("0.10")}, id="its cost is unknown"),
    ],
)
async def test_without_a_replacement_that_may_answer_the_model_is_gone(
    models: tuple[Model, ...], changes: dict[str, Any]
) -> None:
    house = House(FakeAnswerers([GONE]), models=models)
    failure = await house.failure_of(a_request(OLD.id, **changes))
    assert (failure.code, failure.param) == (Code.MODEL_RETIRED, "model")
    assert failure.message == "Google no longer serves google/old. Ask for google/new instead."
    assert failure.logged == "Google answered 404"
    assert len(house.answerers.calls) == 1


async def test_a_replacement_that_the_key_may_not_use_does_not_answer() -> None:
    house = House(FakeAnswerers(PAINTED, {OLD.id: [GONE]}), key=replace(KEY, models=frozenset({OLD.id})))
    assert (await house.failure_of(a_request(OLD.id))).code is Code.MODEL_RETIRED
    assert (len(house.answerers.calls), house.outcomes) == (1, [Outcome.VOID])


async def test_a_dear_replacement_does_not_keep_the_model_itself_from_answering() -> None:
    house = House(models=(OLD, a_model("new", price=a_price("1", "6", "1200"))))
    completion = (await house.create(a_request(OLD.id, max_cost=Decimal("0.10")))).first
    assert completion.served_by.id == OLD.id


async def test_a_replacement_that_cannot_read_the_fetched_picture_does_not_answer() -> None:
    house = House(
        FakeAnswerers([GONE]),
        FakeImages({URL: RED}),
        models=(OLD, a_model("new", input_media_types=("image/webp",))),
    )
    assert (await house.failure_of(a_request(OLD.id, *WITH_LINK))).code is Code.MODEL_RETIRED


async def test_a_replacement_that_is_retired_too_names_what_comes_after_it() -> None:
    house = House(FakeAnswerers([GONE]), models=(OLD, a_model("new", lifecycle=retiring("google/newest"))))
    failure = await house.failure_of(a_request(OLD.id))
    assert failure.message == "Google no longer serves google/new. Ask for google/newest instead."


async def test_no_other_failure_brings_in_the_replacement() -> None:
    for code in (Code.PROVIDER_WRONG, Code.PROVIDER_RATE_LIMITED, Code.PROVIDER_UNREACHABLE):
        house = House(FakeAnswerers([Failure(code, "no")]))
        assert (await house.failure_of(a_request(OLD.id))).code is code
        assert len(house.answerers.calls) == 1


# --- answers that are none ---


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param([], Code.PROVIDER_BROKE_OFF, id="nothing"),
        pytest.param(picture_events(RED), Code.PROVIDER_BROKE_OFF, id="no end"),
        pytest.param([STOP], Code.PROVIDER_WRONG, id="a success with nothing in it"),
        pytest.param([Text(""), STOP], Code.PROVIDER_WRONG, id="no words"),
        pytest.param([*picture_events(RED, thought=True), STOP], Code.PROVIDER_WRONG, id="thoughts alone"),
        pytest.param([Finished(FinishReason.STOP, "SUN_SPOTS")], Code.PROVIDER_WRONG, id="an unknown end"),
        pytest.param([*picture_events(b"no picture"), STOP], Code.PROVIDER_WRONG, id="no picture"),
        pytest.param([ImageStarted(""), Failure(Code.PROVIDER_BROKE_OFF, "cut")], Code.PROVIDER_BROKE_OFF, id="a cut"),
    ],
)
async def test_nothing_empty_or_half_is_a_success(script: list[Event | BaseException], code: Code) -> None:
    failure = await House(FakeAnswerers(script)).failure_of(a_request())
    assert failure.code is code
    assert not failure.retry_helps


@pytest.mark.parametrize(
    "finish",
    [Finished(FinishReason.CONTENT_FILTER, "IMAGE_SAFETY", "Not that."), Finished(FinishReason.LENGTH, "MAX_TOKENS")],
)
async def test_an_empty_answer_that_says_why_is_an_answer(finish: Finished) -> None:
    completion = (await House(FakeAnswerers([UsageSeen(Usage(30, thought_tokens=212)), finish])).create()).first
    assert (completion.parts, completion.finish) == ((), finish)
    assert completion.bill.cost == Decimal("0.000651")


async def test_a_full_disk_is_ours() -> None:
    failure = await House(store=MemoryStore(room=10)).failure_of()
    assert failure.code is Code.STORE_UNAVAILABLE


async def test_a_model_call_holds_no_links() -> None:
    house = House(images=FakeImages({URL: RED}))
    await house.create(a_request("google/painting-model", *WITH_LINK))
    assert not any(isinstance(part, ImageLink) for turn in house.answerers.calls[0].turns for part in turn.parts)


# --- the key may have changed ---


async def test_a_key_that_was_changed_is_looked_at_as_it_is_now() -> None:
    house = House(keys_now=[replace(KEY, models=frozenset({NEW.id}), version=1), replace(KEY, version=2)])
    for _ in range(2):
        house.ledger.answers.append(KeyChanged(replace(KEY, version=9)))
    assert (await house.failure_of()).code is Code.NOT_ALLOWED
    await house.create()
    assert [opening.key.version for opening in house.ledger.openings] == [0, 0, 2]


@pytest.mark.parametrize(
    ("asked", "allows", "keeps"),
    [
        (Keeps.ALL, Keeps.PICTURES, Keeps.PICTURES),
        (Keeps.ALL, Keeps.NONE, Keeps.NONE),
        (Keeps.PICTURES, Keeps.ALL, Keeps.PICTURES),
        (Keeps.NONE, Keeps.ALL, Keeps.NONE),
    ],
)
async def test_what_a_key_has_come_to_forbid_is_not_kept(asked: Keeps, allows: Keeps, keeps: Keeps) -> None:
    house = House(keys_now=[replace(KEY, version=2, retention=allows)])
    house.ledger.answers.append(KeyChanged(replace(KEY, version=9)))
    answers = await house.create(keeps=asked, manner=Manner(delivery="url"), session_id="s")
    assert (house.generation.keeps, answers.asking.keeps) == (keeps, keeps)
    assert answers.asking.manner.delivery == ("inline" if keeps is Keeps.NONE else "url")
    assert (house.store.kept == {}) == (keeps is Keeps.NONE)
    assert house.ledger.openings[-1].session_id == (None if keeps is Keeps.NONE else "s")
    assert ("banana" in str(house.ledger.closings)) == (keeps is Keeps.ALL)
