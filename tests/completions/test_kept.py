"""An answer as it is kept, and back; and what is said of what a dead process left."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.completions.answer import (
    Answers,
    Asking,
    Bill,
    Completion,
    CostStatus,
    Item,
    Manner,
    Picture,
    ServedBy,
    SignedPieces,
    Words,
)
from impasto.completions.kept import (
    LONGEST_IN_A_ROW,
    KeptAnswers,
    Note,
    answers_of,
    asking_of,
    closing_after_crash,
    encode,
    ending_of,
    is_note,
    keep_long,
    kept_completion,
    kept_failure,
    note_name,
    state_of,
    without_content,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Finished, FinishReason
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.ledger import Delivery, Ending, Generation, Making, Outcome, Parent, Posted, Resolution, State
from impasto.domain.retention import Keeps
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import a_model
from tests.fakes.pictures import png

RED = png(3, 2)
TEXTS = st.text(max_size=20)
COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())
COSTS = st.none() | st.decimals("0", "1000", places=9)
CONFIGS = st.builds(ImageConfig, st.sampled_from([None, "1:1", "16:9"]), st.sampled_from([None, "1K", "4K"]))
MANNERS = st.builds(
    Manner,
    st.sampled_from(["content", "images", "both", "parts", "markdown"]),
    st.sampled_from(["inline", "url"]),
    st.booleans(),
    st.booleans(),
    st.lists(TEXTS, max_size=2).map(tuple),
    TEXTS,
    st.booleans(),
)
ASKINGS = st.builds(Asking, st.integers(0, 2**40), TEXTS, CONFIGS, st.integers(1, 10), MANNERS)
FINISHES = st.builds(Finished, st.sampled_from(FinishReason), TEXTS, TEXTS)
FACTS = st.dictionaries(TEXTS, TEXTS | st.integers(0, 9) | st.lists(TEXTS, max_size=2), max_size=2)
WORDS = st.builds(Words, st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3).map(tuple))
CALLS = st.builds(ToolCall, TEXTS, TEXTS, TEXTS, TEXTS)
PICTURES = st.builds(
    lambda more, dimensions: (RED + more, dimensions),
    st.binary(max_size=20),
    st.none() | st.builds(Dimensions, st.integers(1, 9999), st.integers(1, 9999)),
)
FAILURES = st.builds(
    lambda code, message, param: Failure(code, message, param=param), st.sampled_from(Code), TEXTS, st.none() | TEXTS
)


def generation(
    *calls: Posted,
    ending: tuple[str | None, str | None] = (None, None),
    asking: Asking | None = None,
    sent: bool = True,
) -> Generation:
    """One with these calls, and its end as text or as a blob."""
    answer, sha256 = ending
    return Generation(
        id="chatcmpl-1", key_id="key-1", account_id="account-1", model="google/painting-model", state=State.DONE,
        delivery=Delivery.OPEN, created_ms=1, ended_ms=2, request=encode(asking or AN_ASKING).decode(), answer=answer,
        answer_sha256=sha256, tags={}, calls=calls, sent=sent,
    )  # fmt: skip


AN_ASKING = Asking(1_790_000_000, "google/painting-model", ImageConfig("16:9"), 1, Manner())


async def a_picture(store: MemoryStore, data: bytes, dimensions: Dimensions | None, number: int) -> Picture:
    blob = store.open()
    blob.write(data)
    return Picture(blob, len(data), "image/png", dimensions, f"img_{number}", await store.keep(blob), f"s{number}")


async def a_completion(
    store: MemoryStore, asking: Asking = AN_ASKING, *pictures: bytes, text: str = "Here: "
) -> Completion:
    """One with words before its pictures."""
    items: list[Item] = [Words((text,))]
    items += [await a_picture(store, data, None, number) for number, data in enumerate(pictures)]
    return Completion(
        "chatcmpl-1", asking, ServedBy.of(a_model()), False, asking.image_config, tuple(items),
        Bill(Usage(1), Decimal("0.000000001"), CostStatus.EXACT), Finished(FinishReason.STOP, "STOP"), {},
    )  # fmt: skip


def comparable(answers: Answers) -> object:
    """All that an answer says, with its pictures as bytes."""
    return (
        answers.id,
        answers.asking,
        {call: _comparable(completion) for call, completion in answers.completions.items()},
        {call: (failure.code, failure.message, failure.param) for call, failure in answers.failures.items()},
    )


def _comparable(completion: Completion) -> object:
    items = [
        (item.read(0, 10**6), item.byte_count, item.media_type, item.dimensions, item.id, item.sha256,
         item.signature_sha256) if isinstance(item, Picture) else item
        for item in completion.items
    ]  # fmt: skip
    return (
        completion.id, completion.asking, completion.served_by, completion.stood_in, completion.sent, items,
        completion.bill, completion.finish, dict(completion.facts),
    )  # fmt: skip


@given(st.data())
async def test_whatever_came_comes_back_as_it_was(data: st.DataObject) -> None:
    store = MemoryStore()
    asking = data.draw(ASKINGS)
    completions: dict[int, Completion] = {}
    failures: dict[int, Failure] = {}
    number = iter(range(100))
    for call in range(data.draw(st.integers(1, 3))):
        if call and data.draw(st.booleans()):
            failures[call] = data.draw(FAILURES)
            continue
        items: list[Item] = [
            await a_picture(store, *item, next(number)) if isinstance(item, tuple) else item
            for item in data.draw(st.lists(WORDS | CALLS | PICTURES, max_size=4))
        ]
        completions[call] = Completion(
            "chatcmpl-1", asking, ServedBy.of(a_model()), data.draw(st.booleans()), data.draw(CONFIGS), tuple(items),
            Bill(data.draw(USAGES), data.draw(COSTS), data.draw(st.sampled_from(CostStatus))), data.draw(FINISHES),
            data.draw(FACTS),
        )  # fmt: skip
    answers = Answers("chatcmpl-1", asking, completions, failures)
    kept = KeptAnswers(
        tuple(kept_completion(call, completion) for call, completion in completions.items()),
        tuple(kept_failure(call, failure) for call, failure in failures.items()),
    )
    text = encode(kept)
    ending = ending_of(kept, text, await keep_long(text, store), State.DONE)
    before = comparable(answers)
    answers.close()
    again = await answers_of(generation(ending=(ending.answer, ending.answer_sha256), asking=asking), store)
    assert comparable(again) == before
    again.close()
    assert store.open_blobs == []
    assert asking_of(generation(asking=asking)) == asking


async def test_a_kept_answer_holds_no_bytes_of_a_picture_and_no_draft() -> None:
    store = MemoryStore()
    drafter = a_model("drafter", images=a_model().images)
    completion = await a_completion(store, AN_ASKING, RED, RED + b"2")
    served_by = ServedBy(drafter.id, "google", "Google", makes_images=True, has_drafts=True)
    completion = Completion(
        completion.id, completion.asking, served_by, False, completion.sent, completion.items, completion.bill,
        completion.finish, completion.facts,
    )  # fmt: skip
    text = encode(kept_completion(0, completion))
    assert b"iVBOR" not in text
    assert b"img_1" in text
    assert b"img_0" not in text


@pytest.mark.parametrize("length", [0, LONGEST_IN_A_ROW, LONGEST_IN_A_ROW + 1])
async def test_a_long_answer_is_kept_as_a_blob_and_a_short_one_in_the_row(length: int) -> None:
    store = MemoryStore()
    text = b"x" * length
    sha256 = await keep_long(text, store)
    ending = ending_of(KeptAnswers(), text, sha256, State.DONE)
    assert store.open_blobs == []
    if length > LONGEST_IN_A_ROW:
        assert sha256 is not None
        assert (store.kept[sha256], ending.answer, ending.blobs) == (text, None, {sha256: length})
    else:
        assert (sha256, ending.answer, ending.blobs, store.kept) == (None, text.decode(), {}, {})


async def test_a_long_answer_that_cannot_be_kept_leaves_nothing_open() -> None:
    store = MemoryStore(room=10)
    with pytest.raises(Failure):
        await keep_long(b"x" * (LONGEST_IN_A_ROW + 1), store)
    assert store.open_blobs == []


async def test_an_answer_whose_picture_is_gone_is_gone_and_leaves_nothing_open() -> None:
    store = MemoryStore()
    completion = await a_completion(store, AN_ASKING, RED, RED + b"2")
    completion.close()
    store.kept.pop(completion.results[1].sha256)
    text = encode(KeptAnswers((kept_completion(0, completion), kept_completion(1, completion))))
    with pytest.raises(Failure) as raised:
        await answers_of(generation(ending=(text.decode(), None)), store)
    assert raised.value.code is Code.ANSWER_GONE
    assert store.open_blobs == []


async def test_what_ended_with_failures_alone_raises_the_first() -> None:
    text = encode(
        KeptAnswers(
            (), tuple(kept_failure(call, Failure(Code.PROVIDER_WRONG, f"{call}", param="p")) for call in (1, 0))
        )
    )
    with pytest.raises(Failure) as raised:
        await answers_of(generation(ending=(text.decode(), None)), MemoryStore())
    assert (raised.value.message, raised.value.param, raised.value.retry_helps) == ("0", "p", False)


@pytest.mark.parametrize("helps", [False, True])
async def test_whether_a_repeat_helps_is_told_again(helps: bool) -> None:
    failure = Failure(Code.OVERLOADED, "too much at once", retry_helps=helps)
    text = encode(KeptAnswers((), (kept_failure(0, failure),)))
    with pytest.raises(Failure) as raised:
        await answers_of(generation(ending=(text.decode(), None)), MemoryStore())
    assert raised.value.retry_helps is helps


async def test_an_answer_that_was_let_go_is_gone() -> None:
    with pytest.raises(Failure) as raised:
        await answers_of(generation(), MemoryStore())
    assert raised.value.code is Code.ANSWER_GONE


async def test_an_end_that_says_nothing_broke_off() -> None:
    with pytest.raises(Failure) as raised:
        await answers_of(generation(ending=("{}", None)), MemoryStore())
    assert raised.value.code is Code.PROVIDER_BROKE_OFF


DONE_, NONE_ = KeptAnswers(completions=(None,)), KeptAnswers()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "outcomes", "state"),
    [
        (DONE_, [Outcome.SETTLED], State.DONE),
        (DONE_, [Outcome.UNKNOWN, Outcome.VOID], State.DONE),
        (NONE_, [Outcome.UNKNOWN], State.UNKNOWN),
        (NONE_, [Outcome.VOID, Outcome.UNKNOWN, Outcome.SETTLED], State.UNKNOWN),
        (NONE_, [Outcome.SETTLED, Outcome.VOID], State.FAILED),
        (NONE_, [Outcome.VOID, Outcome.VOID], State.REFUSED),
    ],
)
def test_how_a_generation_ended(answers: KeptAnswers, outcomes: list[Outcome], state: State) -> None:
    assert state_of(answers, dict(enumerate(outcomes))) is state


# --- after a crash ---

SETTLED = Resolution(0, Outcome.SETTLED, 67, "google/painting-model", '{"a":1}')


async def a_note(call: int) -> bytes:
    store = MemoryStore()
    completion = await a_completion(store, AN_ASKING, RED)
    completion.close()
    resolution = Resolution(call, Outcome.SETTLED, 67, "google/painting-model", '{"a":1}')
    return encode(Note(resolution, kept_completion(call, completion)))


OPEN, POSTED = Posted(0, 80, 1), Posted(0, 80, 1, Outcome.SETTLED, 67, "google/painting-model", '{"a":1}')


@pytest.mark.parametrize(
    ("call", "sent", "noted", "resolution", "failure"),
    [
        pytest.param(OPEN, False, False, Resolution(0, Outcome.VOID), Code.OVERLOADED, id="nothing was sent"),
        pytest.param(OPEN, True, False, Resolution(0, Outcome.UNKNOWN), Code.PROVIDER_BROKE_OFF, id="sent"),
        pytest.param(OPEN, True, True, SETTLED, None, id="answered and noted"),
        pytest.param(POSTED, True, True, SETTLED, None, id="answered, noted and posted"),
        pytest.param(POSTED, True, False, SETTLED, Code.PROVIDER_BROKE_OFF, id="posted, its answer lost"),
    ],
)
async def test_what_a_dead_process_left(
    call: Posted, sent: bool, noted: bool, resolution: Resolution, failure: Code | None
) -> None:
    notes = {0: await a_note(0)} if noted else {}
    closing, answers, _ = closing_after_crash(generation(call, sent=sent), notes)
    assert (closing.generation_id, closing.resolutions, closing.ending) == ("chatcmpl-1", (resolution,), None)
    assert [one.code for one in answers.failures] == ([failure] if failure else [])
    assert len(answers.completions) == (0 if failure else 1)


async def test_each_of_several_calls_is_resolved_by_what_is_known_of_it() -> None:
    calls = (Posted(0, 80, 1), Posted(1, 80, 1), Posted(2, 80, 1, Outcome.VOID))
    closing, answers, _ = closing_after_crash(generation(*calls), {1: await a_note(1)})
    outcomes = {each.call: each.outcome for each in closing.resolutions}
    assert outcomes == {0: Outcome.UNKNOWN, 1: Outcome.SETTLED, 2: Outcome.VOID}
    assert state_of(answers, outcomes) is State.DONE
    assert [completion.call for completion in answers.completions] == [1]
    assert [failure.call for failure in answers.failures] == [0, 2]


def test_a_note_is_kept_under_generation_and_call() -> None:
    assert note_name("chatcmpl-1", 3) == "chatcmpl-1.3"


# --- signatures ---

SIGNED = Words(("Here", " it", " is"), (SignedPieces(0, 1, b"", "1" * 64, 8), SignedPieces(1, 3, b"", "2" * 64, 12)))


async def signed_completion(store: MemoryStore) -> Completion:
    picture = replace(await a_picture(store, RED, None, 0), signature_sha256="3" * 64, signature_byte_count=16)
    unsigned = replace(await a_picture(store, RED + b"2", None, 1), signature_sha256="")
    return replace(await a_completion(store), items=(SIGNED, picture, Words(("Good?",)), unsigned))


async def test_signatures_of_words_and_pictures_come_back() -> None:
    store = MemoryStore()
    completion = await signed_completion(store)
    kept = KeptAnswers((kept_completion(0, completion),))
    completion.close()
    again = await answers_of(generation(ending=(encode(kept).decode(), None)), store)
    words, picture, more, unsigned = again.first.items
    assert (words, more) == (SIGNED, Words(("Good?",)))
    assert isinstance(picture, Picture)
    assert isinstance(unsigned, Picture)
    assert (picture.signature_sha256, picture.signature_byte_count) == ("3" * 64, 16)
    assert (unsigned.signature_sha256, unsigned.signature_byte_count) == ("", 0)
    again.close()
    assert store.open_blobs == []


async def test_an_end_names_every_blob_once_with_its_size() -> None:
    store = MemoryStore()
    completion = await signed_completion(store)
    pictures = {picture.sha256: picture.byte_count for picture in completion.results}
    kept = KeptAnswers((kept_completion(0, completion), kept_completion(1, completion)))
    completion.close()
    making = Making("a boat", 6)
    expected = {"1" * 64: 8, "2" * 64: 12, "3" * 64: 16} | pictures
    short = ending_of(kept, b"{}", None, State.DONE, making)
    assert (short.blobs, short.answer, short.answer_sha256, short.making) == (expected, "{}", None, making)
    long = ending_of(kept, b"{}", "4" * 64, State.DONE)
    assert (long.blobs, long.answer, long.answer_sha256) == (expected | {"4" * 64: 2}, None, "4" * 64)
    assert [(row.id, row.choice) for row in long.images] == [("img_0", 0), ("img_1", 0), ("img_0", 1), ("img_1", 1)]


def test_without_pictures_nothing_is_said_of_what_they_were_made_of() -> None:
    assert ending_of(KeptAnswers(), b"{}", None, State.FAILED, Making("a boat", 6)).making is None


async def test_what_is_kept_without_content_holds_no_words() -> None:
    store = MemoryStore()
    completion = await a_completion(store, AN_ASKING, RED, text="a secret")
    failure = kept_failure(
        1, Failure(Code.PROVIDER_REJECTED, "a secret", param="a secret", retry_helps=True), Keeps.NONE
    )
    done = without_content(KeptAnswers((kept_completion(0, completion),), (failure,)), State.DONE)
    completion.close()
    assert done == Ending(State.DONE)
    failed = without_content(KeptAnswers((), (failure,)), State.REFUSED)
    assert "secret" not in str(failed)
    assert (failed.images, failed.blobs, failed.making) == ((), {}, None)
    with pytest.raises(Failure) as raised:
        await answers_of(generation(ending=(failed.answer, None)), store)
    assert (raised.value.code, raised.value.retry_helps, raised.value.param) == (Code.PROVIDER_REJECTED, True, None)


NEW_FIELDS = {
    "signed", "signature_byte_count", "provenance", "without_gps", "signatures_refused", "making", "keeps",
    "signatures",
}  # fmt: skip


def as_before(value: object) -> object:
    """JSON as it was written before there were handles."""
    if isinstance(value, dict):
        return {name: as_before(each) for name, each in value.items() if name not in NEW_FIELDS}
    return [as_before(each) for each in value] if isinstance(value, list) else value


async def test_what_an_earlier_version_kept_is_read() -> None:
    store = MemoryStore()
    completion = await a_completion(store, AN_ASKING, RED)
    kept = kept_completion(0, completion)
    note = encode(Note(Resolution(0, Outcome.SETTLED, 1), kept, Making("a boat", 6)))
    texts = [
        json.dumps(as_before(json.loads(text))) for text in (encode(KeptAnswers((kept,))), encode(AN_ASKING), note)
    ]
    assert all(f'"{name}"' not in text for text in texts for name in NEW_FIELDS)
    completion.close()
    answer, asking, old_note = texts
    again = await answers_of(replace(generation(ending=(answer, None)), request=asking), store)
    assert (again.first.text, again.asking) == ("Here: ", AN_ASKING)
    again.close()
    assert is_note(old_note.encode())
    closing, answers, making = closing_after_crash(generation(Posted(0, 5, 1)), {0: old_note.encode()})
    assert (closing.resolutions[0].outcome, len(answers.completions), making) == (Outcome.SETTLED, 1, None)
    assert store.open_blobs == []


async def test_what_pictures_were_made_of_outlives_a_crash() -> None:
    store = MemoryStore()
    completion = await a_completion(store, AN_ASKING, RED)
    making = Making("a boat", 6, (Parent("image", "img_9", "9" * 64),))
    note = encode(Note(Resolution(0, Outcome.SETTLED, 1), kept_completion(0, completion), making))
    completion.close()
    assert closing_after_crash(generation(Posted(0, 5, 1)), {0: note})[2] == making
