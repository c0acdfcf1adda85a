"""What a call comes to: settled where the bill is known, void where nothing was spent, and else unknown."""

import asyncio
import json
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from impasto.completions.answer import Manner, Words
from impasto.completions.ports import Blob
from impasto.domain.errors import MAY_HAVE_SPENT, Code, Failure
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Signature,
    Text,
    UsageSeen,
)
from impasto.domain.ledger import Outcome, State
from impasto.domain.retention import Keeps
from impasto.domain.usage import Usage
from tests.completions.house import COST_NANO, NEW, OLD, PAINTED, RED, SANDBOX_KEY, STOP, USAGE, House
from tests.completions.past import sha256 as sha256_of
from tests.fakes.answerers import FakeAnswerers, Script
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import a_model, a_request
from tests.fakes.pictures import picture_events, png

GONE = Failure(Code.MODEL_RETIRED, "Google does not know this model.")
SAFETY = Finished(FinishReason.CONTENT_FILTER, "IMAGE_SAFETY")
REFUSED_USAGE = Usage(30, thought_tokens=212)

REFUSALS = [code for code in Code if code not in MAY_HAVE_SPENT]


@pytest.mark.parametrize("code", REFUSALS)
async def test_what_the_provider_refused_or_never_heard_costs_nothing(code: Code) -> None:
    house = House(FakeAnswerers([Failure(code, "no")]))
    await house.failure_of()
    assert (house.generation.state, house.outcomes) == (State.REFUSED, [Outcome.VOID])
    assert house.generation.calls[0].cost_nano is None


@pytest.mark.parametrize("code", sorted(MAY_HAVE_SPENT))
async def test_after_what_may_have_been_spent_the_outcome_is_unknown(code: Code) -> None:
    house = House(FakeAnswerers([Failure(code, "no")]))
    assert (await house.failure_of()).code is code
    assert (house.generation.state, house.outcomes) == (State.UNKNOWN, [Outcome.UNKNOWN])
    assert house.generation.calls[0].cost_nano is None


@pytest.mark.parametrize("code", list(Code))
async def test_whatever_breaks_off_an_answer_that_had_begun_leaves_it_unknown(code: Code) -> None:
    house = House(FakeAnswerers([Text("a"), UsageSeen(USAGE), Failure(code, "no")]))
    await house.failure_of()
    assert house.outcomes == [Outcome.UNKNOWN]
    assert json.loads(house.generation.calls[0].facts)["usage"]["input_text_tokens"] == USAGE.input_text_tokens


BILL: list[Event] = [UsageSeen(USAGE), STOP]


@pytest.mark.parametrize(
    ("script", "outcome", "state", "cost_nano"),
    [
        pytest.param(PAINTED, Outcome.SETTLED, State.DONE, COST_NANO, id="an answer"),
        pytest.param([UsageSeen(REFUSED_USAGE), SAFETY], Outcome.SETTLED, State.DONE, 651_000, id="a refusal"),
        pytest.param([SAFETY], Outcome.UNKNOWN, State.DONE, None, id="a refusal without a bill"),
        pytest.param([Text("a"), STOP], Outcome.UNKNOWN, State.DONE, None, id="words without a bill"),
        pytest.param([*picture_events(RED), STOP], Outcome.SETTLED, State.DONE, 67_200_000, id="a picture without one"),
        pytest.param(BILL, Outcome.SETTLED, State.FAILED, COST_NANO, id="nothing, with a bill"),
        pytest.param([STOP], Outcome.UNKNOWN, State.UNKNOWN, None, id="nothing, without a bill"),
        pytest.param(
            [*picture_events(b"no"), *BILL], Outcome.SETTLED, State.FAILED, COST_NANO, id="no picture, with a bill"
        ),
        pytest.param([*picture_events(b"no"), STOP], Outcome.UNKNOWN, State.UNKNOWN, None, id="no picture"),
        pytest.param([*picture_events(RED), UsageSeen(USAGE)], Outcome.UNKNOWN, State.UNKNOWN, None, id="no end"),
        pytest.param([], Outcome.UNKNOWN, State.UNKNOWN, None, id="no word at all"),
    ],
)
async def test_what_an_answer_came_to(script: Script, outcome: Outcome, state: State, cost_nano: int | None) -> None:
    house = House(FakeAnswerers(script))
    try:
        await house.create()
    except Failure:
        assert state is not State.DONE
    (call,) = house.generation.calls
    assert (call.outcome, house.generation.state, call.cost_nano) == (outcome, state, cost_nano)
    assert call.model == "google/painting-model"


async def test_without_counts_what_has_no_price_is_settled_as_unpriced() -> None:
    house = House(FakeAnswerers([Text("a"), STOP]), models=(a_model(price=None),))
    await house.create()
    assert (house.outcomes, house.generation.calls[0].cost_nano) == ([Outcome.SETTLED], None)


async def test_the_receipt_holds_the_price_that_it_was_billed_at() -> None:
    house = House()
    await house.create()
    facts = json.loads(house.generation.calls[0].facts)
    assert facts["status"] == "exact"
    assert facts["usage"]["output_image_tokens"] == 1120
    assert Decimal(facts["price"]["output_image"]) == Decimal(60)


async def test_whoever_answered_is_billed() -> None:
    house = House(FakeAnswerers(PAINTED, {OLD.id: [GONE], NEW.id: [*PAINTED[:2], Failure(Code.PROVIDER_WRONG, "x")]}))
    await house.failure_of(a_request(OLD.id))
    assert (house.generation.calls[0].model, house.outcomes) == (NEW.id, [Outcome.UNKNOWN])


@pytest.mark.parametrize("script", [PAINTED, [Text("a"), STOP], [SAFETY]])
async def test_a_sandbox_settles_at_nothing(script: Script) -> None:
    house = House(key=SANDBOX_KEY, sandbox=FakeAnswerers(script))
    await house.create()
    assert (house.outcomes, house.generation.calls[0].cost_nano) == ([Outcome.SETTLED], 0)
    assert json.loads(house.generation.calls[0].facts)["price"] is None


async def test_the_deadline_stands_over_the_call() -> None:
    house = House(FakeAnswerers(PAINTED[:2], hangs=True), deadline_seconds=0.05)
    failure = await house.failure_of()
    assert failure.code is Code.DEADLINE_EXCEEDED
    assert not failure.retry_helps
    assert house.outcomes == [Outcome.UNKNOWN]


async def test_a_call_that_is_given_up_ends_at_once_as_unknown() -> None:
    house = House(FakeAnswerers(PAINTED[:2], hangs=True))
    async with house.asking() as attached:
        await asyncio.sleep(0.01)
        attached.give_up()
        attached.give_up()
        with pytest.raises(Failure, match="gives up such calls") as raised:
            await attached.answers()
        attached.give_up()
    assert raised.value.code is Code.PROVIDER_BROKE_OFF
    assert (house.generation.state, house.outcomes) == (State.UNKNOWN, [Outcome.UNKNOWN])


async def test_several_calls_are_given_up_together() -> None:
    house = House(FakeAnswerers(PAINTED[:2], hangs=True))
    async with house.asking(count=3) as attached:
        await asyncio.sleep(0.01)
        attached.give_up()
    assert house.outcomes == [Outcome.UNKNOWN] * 3


# --- what is kept ---


async def test_a_signature_is_kept_beside_its_picture() -> None:
    *begun, ended = picture_events(RED)
    house = House(FakeAnswerers([*begun, Signature(b"c2ln"), ended, *BILL]))
    (picture,) = (await house.create()).first.results
    assert house.store.kept[picture.signature_sha256] == b"c2ln"
    ending = house.ledger.closings[-1].ending
    assert ending is not None
    assert set(ending.blobs) == {picture.sha256, picture.signature_sha256}


async def test_only_results_are_kept() -> None:
    drafts = [png(2, 2), png(2, 3), png(2, 4)]
    drafter = a_model("drafter", images=a_model().images)
    script = [event for draft in drafts for event in picture_events(draft)]
    house = House(FakeAnswerers([*picture_events(RED, thought=True), *script, *BILL]), models=(drafter,))
    answers = await house.create(a_request("google/drafter"))
    assert list(house.store.kept.values()) == drafts
    assert [picture.id for picture in answers.first.results] == ["img_1", "img_2", "img_3"]


async def test_bytes_that_were_never_a_picture_are_nowhere_kept() -> None:
    house = House(FakeAnswerers([ImageStarted(""), ImageData(b"AAAA"), ImageEnded(), *BILL]))
    await house.failure_of()
    assert house.store.kept == {}


async def test_what_is_kept_is_noted_until_it_is_posted() -> None:
    noted: dict[str, list[str]] = {}
    house = House(passing=lambda step: noted.update({step: list(house.store.notes)}))
    await house.create()
    assert noted["kept"] == []
    assert noted["noted"] == noted["settled"] == ["chatcmpl-1.0"]
    assert house.store.notes == {}


async def test_words_alone_need_no_note() -> None:
    house = House(FakeAnswerers([Text("a"), *BILL]))
    await house.create()
    assert house.passed == ["begun", "answered", "settled"]


SIGNED: list[Event] = [
    Signature(b"b25l"), Text("Here"), Text("it is."),
    *picture_events(RED)[:-1], Signature(b"dHdv"), ImageEnded(),
    *picture_events(png(5, 5))[:-1], Signature(b"dGhyZWU="), ImageEnded(),
    Text("Good?"), Signature(b"Zm91cg=="), Text(""), *BILL,
]  # fmt: skip
SIGNATURES = {b"b25l", b"dHdv", b"dGhyZWU=", b"Zm91cg=="}


@dataclass(slots=True)
class Together(MemoryStore):
    """Keeps nothing before `count` things wait to be kept."""

    count: int = 0
    waiting: int = 0
    all_wait: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, blob: Blob) -> str:
        self.waiting += 1
        if self.waiting >= self.count:
            self.all_wait.set()
        await self.all_wait.wait()
        return await MemoryStore.keep(self, blob)


async def test_pictures_and_signatures_are_kept_at_once() -> None:
    house = House(FakeAnswerers(SIGNED), store=Together(count=6))
    completion = (await house.create()).first
    assert set(house.store.kept.values()) == {RED, png(5, 5)} | SIGNATURES
    assert all(not each.signature for each in completion.results)
    words = [item for item in completion.items if isinstance(item, Words)]
    assert [(each.start, each.end, each.byte_count, each.data) for run in words for each in run.signed] == [
        (0, 1, 4, b""),
        (0, 1, 8, b""),
    ]


async def test_the_end_names_every_blob_that_the_answer_needs() -> None:
    house = House(FakeAnswerers(SIGNED))
    await house.create()
    ending = house.ledger.closings[-1].ending
    assert ending is not None
    assert ending.blobs == {sha256: len(data) for sha256, data in house.store.kept.items()}
    assert [image.sha256 for image in ending.images] == [sha256_of(RED), sha256_of(png(5, 5))]


@dataclass(slots=True)
class KeepsSome(MemoryStore):
    """Keeps `count` things, then no more."""

    count: int = 0

    async def keep(self, blob: Blob) -> str:
        await asyncio.sleep(0)
        self.count -= 1
        if self.count < 0:
            raise self.full()
        return await MemoryStore.keep(self, blob)


@pytest.mark.parametrize("count", range(6))
async def test_a_store_that_is_full_half_way_gives_no_answer_and_it_is_paid_for(count: int) -> None:
    house = House(FakeAnswerers(SIGNED), store=KeepsSome(count=count))
    failure = await house.failure_of()
    assert failure.code is Code.STORE_UNAVAILABLE
    assert (house.generation.state, house.outcomes) == (State.FAILED, [Outcome.SETTLED])
    assert house.store.notes == {}
    ending = house.ledger.closings[-1].ending
    assert ending is not None
    assert (ending.images, ending.blobs) == ((), {})


async def test_a_signature_that_there_is_no_room_for_gives_no_answer() -> None:
    house = House(FakeAnswerers(SIGNED), store=MemoryStore(room=len(RED) + len(png(5, 5)) + 3))
    assert (await house.failure_of()).code is Code.STORE_UNAVAILABLE
    assert house.outcomes == [Outcome.SETTLED]


@pytest.mark.parametrize("count", [1, 3])
async def test_where_nothing_is_kept_the_answer_is_whole_and_nothing_stays(count: int) -> None:
    house = House(FakeAnswerers(SIGNED))
    async with house.asking(keeps=Keeps.NONE, count=count, session_id="s", end_user="u") as attached:
        answers = await attached.answers()
        pictures = [picture for each in answers.completions.values() for picture in each.results]
        assert [picture.read(0, 1000) for picture in pictures] == [RED, png(5, 5)] * count
        assert {(picture.id, picture.sha256) for picture in pictures} == {("", "")}
        assert all(blob.is_spool for blob in house.store.open_blobs)
        assert answers.first.text == "Hereit is.Good?"
    assert (house.store.kept, house.store.notes) == ({}, {})
    assert not {"kept", "noted"} & set(house.passed)
    ending = house.ledger.closings[-1].ending
    assert ending is not None
    assert (ending.answer, ending.answer_sha256, ending.images, ending.blobs, ending.making) == (
        None,
        None,
        (),
        {},
        None,
    )
    (opening,) = house.ledger.openings
    assert (opening.session_id, opening.end_user, opening.keeps) == (None, None, Keeps.NONE)
    assert (house.generation.state, set(house.outcomes)) == (State.DONE, {Outcome.SETTLED})


async def test_where_nothing_is_kept_nor_are_names_of_fields_that_nobody_knows() -> None:
    house = House()
    answers = await house.create(keeps=Keeps.NONE, manner=Manner(ignored=("a secret",)))
    assert answers.asking.manner.ignored == ("a secret",)
    assert "secret" not in house.ledger.openings[0].request


async def test_where_nothing_is_kept_nothing_is_given_again() -> None:
    house = House(FakeAnswerers(SIGNED))
    await house.create(keeps=Keeps.NONE, idempotency_hash=b"name", request_hash=b"text")
    failure = await house.failure_of(keeps=Keeps.NONE, idempotency_hash=b"name", request_hash=b"text", id="chatcmpl-2")
    assert failure.code is Code.ANSWER_GONE
    assert "retention (none)" in failure.message


@pytest.mark.parametrize(
    "script",
    [
        [Text("a secret"), Failure(Code.PROVIDER_BROKE_OFF, "a secret")],
        [Failure(Code.PROVIDER_REJECTED, "a secret")],
        [*picture_events(b"a secret"), *BILL],
    ],
)
@pytest.mark.parametrize("keeps", [Keeps.PICTURES, Keeps.NONE])
async def test_of_a_failure_no_words_are_kept_either(script: Script, keeps: Keeps) -> None:
    house = House(FakeAnswerers(script))
    await house.failure_of(keeps=keeps)
    ending = house.ledger.closings[-1].ending
    assert ending is not None
    assert "secret" not in str(ending)
    assert (house.store.kept, house.store.notes) == ({}, {})


async def test_what_was_noted_says_what_its_pictures_were_made_of() -> None:
    notes: list[bytes] = []
    house = House(passing=lambda step: notes.extend(house.store.notes.values()) if step == "noted" else None)
    await house.create()
    (note,) = notes
    assert b"a banana" in note


@pytest.mark.parametrize("keeps", [Keeps.PICTURES, Keeps.NONE])
async def test_words_of_the_request_are_kept_only_where_they_may_be(keeps: Keeps) -> None:
    notes: list[bytes] = []
    house = House(passing=lambda step: notes.extend(house.store.notes.values()))
    await house.create(keeps=keeps)
    assert "banana" not in str([*notes, *house.ledger.closings, house.ledger.openings[0].request])
