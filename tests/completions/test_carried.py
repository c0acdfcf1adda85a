"""Signatures on their way out and back: which part each is of, how parts come back, and what is not claimed."""

import base64
from collections.abc import Sequence
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
from impasto.completions.carried import claimed, hash_of, signatures_of
from impasto.domain.chat import ImagePart, Message, MessagePart, TextPart
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Finished, FinishReason
from impasto.domain.image import ImageConfig
from impasto.domain.signatures import MOST_TOKENS_OF_CARRIED, CarriedSignature, id_of_picture, id_of_words
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.completions.past import BOB, Drew, Past, Said, assistant, parts_of, sha256, user
from tests.fakes.blobs import MemoryBlob, MemoryStore
from tests.fakes.models import a_model
from tests.fakes.pictures import picture_part, png

RED, GREEN, BLUE = png(3, 2), png(3, 2, (0, 255, 0)), png(3, 2, (0, 0, 255))
ASKING = Asking(1, "google/painting-model", ImageConfig(), 1, Manner(signatures=True))


# --- out ---


def answers_of(*items: Item, manner: Manner = ASKING.manner) -> Answers:
    asking = replace(ASKING, manner=manner)
    completion = Completion(
        "chatcmpl-1", asking, ServedBy.of(a_model()), False, ImageConfig(), items,
        Bill(Usage(), Decimal(1), CostStatus.EXACT), Finished(FinishReason.STOP, "STOP"), {},
    )  # fmt: skip
    return Answers("chatcmpl-1", asking, {0: completion})


def drawn(store: MemoryStore, data: bytes, signature: bytes = b"") -> Picture:
    blob = store.open()
    blob.write(data)
    return Picture(blob, len(data), "image/png", None, signature=signature, sha256=sha256(data))


async def given_of(answers: Answers, store: MemoryStore) -> list[tuple[str, int, bytes]]:
    """The id, the index and the bytes of each signature of the first answer."""
    opened = len(store.open_blobs)
    signatures = await signatures_of(answers, store)
    found = [(part.id, part.index, b"".join(part.data)) for part in signatures.of(0)]
    assert {part.made_by for part in signatures.of(0)} <= {"google"}
    signatures.close()
    assert len(store.open_blobs) == opened
    return found


async def test_each_is_of_its_own_part_in_the_models_order() -> None:
    store = MemoryStore()
    words = Words(("One ", "two ", "three ", "four"), (SignedPieces(1, 3, b"WORDS"),))
    items = (words, drawn(store, RED, b"RED"), ToolCall("1", "look", "{}", "CALL"), drawn(store, BLUE, b"BLUE"))
    assert await given_of(answers_of(*items), store) == [
        (id_of_words("two three ", 4), 1, b"WORDS"),
        (id_of_picture(sha256(RED)), 3, b"RED"),
        (id_of_picture(sha256(BLUE)), 5, b"BLUE"),
    ]


async def test_what_is_kept_is_read_from_the_store_and_named_by_the_pictures_id() -> None:
    store = MemoryStore(kept={"a" * 64: b"WORDS", "b" * 64: b"RED"})
    words = Words(("One",), (SignedPieces(0, 1, sha256="a" * 64),))
    red = replace(drawn(store, RED), id="img_1", signature_sha256="b" * 64)
    gone = replace(drawn(store, BLUE), id="img_2", signature_sha256="c" * 64)
    assert await given_of(answers_of(words, red, gone), store) == [
        (id_of_words("One", 0), 0, b"WORDS"),
        ("img_1", 1, b"RED"),
    ]


async def test_without_being_asked_for_there_are_none() -> None:
    store = MemoryStore()
    assert await given_of(answers_of(drawn(store, RED, b"RED"), manner=Manner()), store) == []


async def test_a_store_that_is_down_is_said_and_leaves_nothing_open() -> None:
    class Down(MemoryStore):
        async def reader(self, sha256: str) -> MemoryBlob:
            if sha256.startswith("b"):
                raise Failure(Code.STORE_UNAVAILABLE, "down")
            return await super().reader(sha256)

    store = Down(kept={"a" * 64: b"ONE"})
    words = Words(("One", "two"), (SignedPieces(0, 1, sha256="a" * 64), SignedPieces(1, 2, sha256="b" * 64)))
    with pytest.raises(Failure):
        await signatures_of(answers_of(words), store)
    assert store.open_blobs == []


def test_the_hash_of_a_picture_that_is_not_kept() -> None:
    assert hash_of(drawn(MemoryStore(), RED)) == sha256(RED)


# --- back ---


def inline(data: bytes, number: int = 0) -> ImagePart:
    return picture_part(data, where=f"messages[1].images[{number}].image_url.url")


def of_words(text: str, start: int, index: int, data: bytes = b"d29yZHM=") -> CarriedSignature:
    return CarriedSignature(id_of_words(text, start), index, "google", data)


def of_picture(data: bytes, index: int, made_by: str = "google") -> CarriedSignature:
    return CarriedSignature(id_of_picture(sha256(data)), index, made_by, base64.b64encode(sha256(data).encode()))


def carrying(*parts: MessagePart | str, carried: Sequence[CarriedSignature]) -> Message:
    return replace(assistant(*parts), carried=tuple(carried))


def turn_of(message: Message) -> Message | None:
    pictures = [part for part in message.parts if isinstance(part, ImagePart)]
    return claimed(message, {part.where: sha256(part.decoded()) for part in pictures}, {})


def told(message: Message | None) -> list[tuple[object, bool]] | None:
    """Each part as its words or bytes, and whether it is signed."""
    if message is None:
        return None
    return [
        (part.text if isinstance(part, TextPart) else part.decoded(), part.signature is not None)
        for part in message.parts
        if isinstance(part, TextPart | ImagePart)
    ]


def test_words_and_a_picture_are_the_models_own_turn() -> None:
    signatures = [of_words("Here: ", 0, 0), of_picture(RED, 1)]
    turn = turn_of(carrying("Here: ", inline(RED), carried=signatures))
    assert turn is not None
    assert (turn.role, turn.made_by, turn.carried) == ("assistant", "google", ())
    assert told(turn) == [("Here: ", True), (RED, True)]
    assert [part.signature for part in turn.parts] == [each.data for each in signatures]  # type: ignore[union-attr]
    assert turn.signature_tokens == sum(len(each.data) for each in signatures)


def test_what_signatures_are_counted_as_has_a_bound() -> None:
    heavy = replace(of_picture(RED, 0), data=b"A" * (2 * MOST_TOKENS_OF_CARRIED))
    turn = turn_of(carrying(inline(RED), carried=[heavy]))
    assert turn is not None
    assert turn.signature_tokens == MOST_TOKENS_OF_CARRIED


MIXED = [of_words("Step 1: ", 0, 0), of_picture(RED, 1), of_picture(GREEN, 3), of_picture(BLUE, 4)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # Words apart from pictures: the places that the signatures name, and the gap between, say the order.
        (carrying("Step 1: Step 2: ", inline(RED), inline(GREEN, 1), inline(BLUE, 2), carried=MIXED),
         [("Step 1: ", True), (RED, True), ("Step 2: ", False), (GREEN, True), (BLUE, True)]),
        (carrying("Step 1: Step 2: ", inline(BLUE), carried=[*reversed(MIXED)]),
         [("Step 1: ", True), ("Step 2: ", False), (BLUE, True)]),
        # In the model's order already.
        (carrying("Step 1: ", inline(RED), "Step 2: ", inline(GREEN, 1), inline(BLUE, 2), carried=MIXED),
         [("Step 1: ", True), (RED, True), ("Step 2: ", False), (GREEN, True), (BLUE, True)]),
        (carrying(inline(RED), "Step 1: Step 2: ", carried=MIXED),
         [(RED, True), ("Step 1: ", True), ("Step 2: ", False)]),
        # Only the pictures came back.
        (carrying(inline(RED), inline(GREEN, 1), carried=MIXED), [(RED, True), (GREEN, True)]),
        (carrying("Step 1: and more", carried=MIXED[:1]), [("Step 1: ", True), ("and more", False)]),
        (carrying("ab", carried=[of_words("a", 0, 0), of_words("b", 1, 1)]), [("a", True), ("b", True)]),
        # The same bytes twice take a signature each.
        (carrying(inline(RED), inline(RED, 1), carried=[of_picture(RED, 0), of_picture(RED, 1)]),
         [(RED, True), (RED, True)]),
    ],
)  # fmt: skip
def test_parts_come_in_order(message: Message, expected: list[tuple[object, bool]]) -> None:
    assert told(turn_of(message)) == expected


@pytest.mark.parametrize(
    "message",
    [
        carrying("Step 1:", inline(RED), carried=MIXED),  # trimmed
        carrying("step 1: ", inline(RED), carried=MIXED),
        carrying("Step 1: ", inline(RED), carried=MIXED[1:]),  # the first words are not signed
        carrying("Before. Step 1: ", carried=[of_words("Step 1: ", 8, 0)]),
        carrying("Step 1: ", inline(RED), inline(png(9, 9), 1), carried=MIXED),  # a picture of somebody else
        carrying(inline(RED), inline(RED, 1), carried=MIXED),
        carrying("Step", inline(RED), " 1: ", carried=MIXED),  # parted anew
        carrying("abc", carried=[of_words("ab", 0, 0), of_words("bc", 1, 1)]),
        carrying(inline(RED), inline(BLUE, 1), carried=[of_picture(RED, 0), of_picture(BLUE, 1, "openai")]),
        carrying(inline(RED), ToolCall("1", "look", "{}"), carried=MIXED),
        carrying(carried=MIXED),
        carrying(inline(RED), carried=()),
    ],
)
def test_what_cannot_be_told_exactly_is_not_claimed(message: Message) -> None:
    assert turn_of(message) is None


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.booleans()), min_size=1, max_size=6))
def test_words_that_come_back_as_they_went_are_cut_as_they_were(texts: list[tuple[str, bool]]) -> None:
    texts = [(texts[0][0], True), *texts[1:]]
    said, carried = "", []
    for index, (text, is_signed) in enumerate(texts):
        carried += [of_words(text, len(said), index)] if is_signed else []
        said += text
    turn = turn_of(carrying(said, carried=carried))
    assert turn is not None
    assert "".join(part.text for part in turn.parts if isinstance(part, TextPart)) == said
    signed = [text for text, is_signed in told(turn) or () if is_signed]
    assert signed == [text for text, is_signed in texts if is_signed]


# --- beside what is remembered ---


async def test_the_gateways_own_memory_wins() -> None:
    past = Past()
    past.answered(Said("Here: ", b"kept words"), Drew(RED, b"kept red"))
    message = carrying(inline(RED), carried=[of_picture(RED, 1)])
    (turn, _) = (await past.recalled(message, user("now at night"))).request.messages
    assert [type(part).__name__ for part in turn.parts] == ["KeptText", "KeptImage"]


@pytest.mark.parametrize("is_let_go", [True, False])
async def test_a_picture_that_is_kept_no_longer_is_known_by_its_id(is_let_go: bool) -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"kept red"))
    if is_let_go:
        past.let_go(image)
    past.forget_answer(image)
    message = carrying(inline(RED), carried=[CarriedSignature(image.id, 0, "google", b"cmVk")])
    (part,) = parts_of(await past.recalled(message))
    assert isinstance(part, ImagePart)
    assert part.signature == b"cmVk"


async def test_the_id_of_somebody_elses_picture_tells_nothing() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"kept red"), key=BOB)
    message = carrying(inline(RED), carried=[CarriedSignature(image.id, 0, "google", b"cmVk")])
    (part,) = parts_of(await past.recalled(message))
    assert isinstance(part, ImagePart)
    assert part.signature is None


async def test_words_alone_are_claimed_as_well() -> None:
    recalled = await Past().recalled(carrying("Which one?", carried=[of_words("Which one?", 0, 0)]))
    assert [message.made_by for message in recalled.request.messages] == ["google"]


async def test_a_user_is_never_the_model() -> None:
    message = replace(carrying(inline(RED), carried=[of_picture(RED, 0)]), role="user")
    (part,) = parts_of(await Past().recalled(message))
    assert isinstance(part, ImagePart)
    assert part.signature is None
