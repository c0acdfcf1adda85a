import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from impasto.completions.answer import Completion, CostStatus, Picture
from impasto.completions.create import Completions
from impasto.domain.chat import ChatRequest, ImageLink, Message, ModelCall, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event, Finished, FinishReason, ImageStarted, Report, Text, UsageSeen
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import ImageLimits, Model
from impasto.domain.usage import Usage
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.images import FakeImages
from tests.fakes.models import a_catalogue, a_model, a_price, a_request, retiring
from tests.fakes.pictures import picture_events, png
from tests.fakes.spools import MemorySpools

RED = png(3, 2)
STOP = Finished(FinishReason.STOP, "STOP")
PAINTED: list[Event] = [*picture_events(RED), UsageSeen(Usage(10, 0, 96, 1120, 179)), STOP]
GONE = Failure(Code.MODEL_RETIRED, "Google does not know this model.", logged="Google answered 404")
URL = "https://example.com/a.png"
WITH_LINK = (Message("user", (TextPart("like this"), ImageLink(URL, "messages[0].content[1].image_url.url"))),)

NEW = a_model("new")
OLD = a_model("old", lifecycle=retiring(NEW.id))


@dataclass
class House:
    """Everything that stands around a request."""

    answerers: FakeAnswerers = field(default_factory=lambda: FakeAnswerers(PAINTED))
    images: FakeImages = field(default_factory=FakeImages)
    spools: MemorySpools = field(default_factory=MemorySpools)
    models: tuple[Model, ...] = (OLD, NEW, a_model())
    deadline_seconds: float = 5

    async def create(self, request: ChatRequest) -> Completion:
        completions = Completions(
            catalogue=a_catalogue(*self.models),
            answerers=self.answerers,
            images=self.images,
            spools=self.spools,
            now=lambda: 1_790_000_000.9,
            deadline_seconds=self.deadline_seconds,
        )
        async with completions.deadline():
            return await completions.create(await completions.prepare(request), id="chatcmpl-1")

    async def failure_of(self, request: ChatRequest) -> Failure:
        with pytest.raises(Failure) as raised:
            await self.create(request)
        assert [spool.times_closed for spool in self.spools.opened] == [1] * len(self.spools.opened)
        return raised.value

    def assert_untouched(self) -> None:
        assert self.images.fetched == []
        assert self.answerers.calls == []
        assert self.spools.opened == []


async def test_an_answer_is_whole_counted_and_kept() -> None:
    house = House()
    request = a_request(image_config=ImageConfig("16:9", "1K"))
    completion = await house.create(request)
    assert (completion.id, completion.created, completion.request) == ("chatcmpl-1", 1_790_000_000, request)
    assert completion.served_by.id == "google/painting-model"
    assert not completion.stood_in
    assert completion.results == (Picture(0, len(RED), "image/png", Dimensions(3, 2)),)
    assert completion.spool.read(0, 1000) == RED
    assert completion.bill.cost == Decimal("0.06803")
    assert completion.bill.status is CostStatus.EXACT
    assert completion.finish == STOP
    assert house.spools.opened[0].times_closed == 0


async def test_the_call_says_what_was_asked() -> None:
    house = House()
    await house.create(a_request(image_config=ImageConfig("16:9", "2K"), modalities=("image",)))
    (call,) = house.answerers.calls
    assert (call.image_config, call.modalities) == (ImageConfig("16:9", "2K"), ("image",))


async def test_what_is_sent_is_what_the_wire_has_a_field_for() -> None:
    limits = ImageLimits(("1:1",), ("1K",), "1K", sends_image_size=False, tokens_per_image={"1K": 1290})
    house = House(models=(a_model(images=limits),))
    completion = await house.create(a_request(image_config=ImageConfig("1:1", "1K")))
    assert completion.sent == ImageConfig("1:1") == house.answerers.calls[0].image_config


async def test_words_and_facts_come_along() -> None:
    house = House(FakeAnswerers([Text("A "), Text("banana."), Report({"scene": "studio"}), STOP]))
    completion = await house.create(a_request())
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
    ],
)
async def test_a_refusal_comes_before_any_outside_work(request_: ChatRequest, code: Code) -> None:
    house = House(models=(a_model(), a_model("priceless", price=None)))
    assert (await house.failure_of(request_)).code is code
    house.assert_untouched()


async def test_a_provider_without_a_key_is_named_before_any_outside_work() -> None:
    house = House(FakeAnswerers(not_ready=Failure(Code.PROVIDER_NOT_CONFIGURED, "no key")))
    assert (await house.failure_of(a_request("google/painting-model", *WITH_LINK))).message == "no key"
    house.assert_untouched()


async def test_max_cost_names_both_sums() -> None:
    failure = await House().failure_of(a_request(max_cost=Decimal("0.01")))
    assert failure.param == "max_cost"
    assert "max_cost is $0.01" in failure.message
    assert "Nothing was sent" in failure.message


async def test_max_cost_above_the_estimate_passes() -> None:
    assert (await House().create(a_request(max_cost=Decimal("0.08")))).bill.cost


# --- pictures by URL ---


async def test_links_are_fetched_before_the_call() -> None:
    house = House(images=FakeImages({URL: RED}))
    await house.create(a_request("google/painting-model", *WITH_LINK))
    assert len(house.answerers.calls[0].turns[0].parts) == 2


@pytest.mark.parametrize("picture", [None, b"hello", b"GIF89a\x01\x00\x01\x00"])
async def test_a_picture_that_cannot_be_used_is_named_before_the_call(picture: bytes | None) -> None:
    house = House(images=FakeImages({URL: picture} if picture else {}))
    failure = await house.failure_of(a_request("google/painting-model", *WITH_LINK))
    assert failure.param == "messages[0].content[1].image_url.url"
    assert house.answerers.calls == []


# --- retired models ---


async def test_a_replacement_answers_for_a_retired_model() -> None:
    house = House(FakeAnswerers(PAINTED, {OLD.id: [GONE]}))
    completion = await house.create(a_request(OLD.id))
    assert completion.served_by.id == NEW.id
    assert completion.stood_in
    assert completion.spool.read(0, 1000) == RED
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


async def test_a_dear_replacement_does_not_keep_the_model_itself_from_answering() -> None:
    house = House(models=(OLD, a_model("new", price=a_price("1", "6", "1200"))))
    completion = await house.create(a_request(OLD.id, max_cost=Decimal("0.10")))
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
    completion = await House(FakeAnswerers([UsageSeen(Usage(30, thought_tokens=212)), finish])).create(a_request())
    assert (completion.parts, completion.finish) == ((), finish)
    assert completion.bill.cost == Decimal("0.000651")


# --- time and leaving ---


async def test_the_deadline_stands_over_the_call() -> None:
    house = House(FakeAnswerers(PAINTED[:2], hangs=True), deadline_seconds=0.05)
    failure = await house.failure_of(a_request())
    assert failure.code is Code.DEADLINE_EXCEEDED
    assert not failure.retry_helps


async def test_leaving_closes_what_was_opened() -> None:
    house = House(FakeAnswerers(PAINTED[:2], hangs=True))
    task = asyncio.create_task(house.create(a_request()))
    await asyncio.sleep(0.05)
    assert house.spools.opened[0].data
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert house.spools.opened[0].times_closed == 1


async def test_a_full_disk_is_ours() -> None:
    failure = await House(spools=MemorySpools(room=10)).failure_of(a_request())
    assert failure.code is Code.STORE_UNAVAILABLE


async def test_our_own_mistakes_close_the_spool_as_well() -> None:
    house = House(FakeAnswerers([ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        await house.create(a_request())
    assert house.spools.opened[0].times_closed == 1


async def test_a_model_call_holds_no_links() -> None:
    house = House(images=FakeImages({URL: RED}))
    await house.create(a_request("google/painting-model", *WITH_LINK))
    call: ModelCall = house.answerers.calls[0]
    assert not any(isinstance(part, ImageLink) for turn in call.turns for part in turn.parts)
