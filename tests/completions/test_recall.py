"""What requests cite and bring back: handles, links, uploads, and earlier answers in whatever shape."""

import base64
import hashlib
from dataclasses import replace

import pytest

from impasto.completions.recall import HASHED_CHARACTERS, OwnLink, Recalled, sha256_of
from impasto.domain.chat import (
    READ_BYTES,
    Handle,
    ImageLink,
    ImagePart,
    KeptImage,
    KeptText,
    Message,
    MessagePart,
    Stored,
    TextPart,
)
from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import Parent
from impasto.domain.tools import ToolCall
from tests.completions.past import (
    ANN,
    BOB,
    COMPLETION_TOKENS,
    FOREIGN_URL,
    Drew,
    Past,
    Said,
    assistant,
    kept,
    parts_of,
    sha256,
    user,
)
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import GOOGLE
from tests.fakes.pictures import picture_part, png

RED, GREEN, BLUE = png(3, 2), png(3, 2, (0, 255, 0)), png(3, 2, (0, 0, 255))
PLACE = "messages[1].content[0].image_url.url"
LINK = "https://gateway.test/v3/images/img_1/content?expires=2&signature=x"
OTHERS = replace(GOOGLE, id="openai", name="OpenAI")


def cited(image_id: str, where: str = PLACE) -> Handle:
    return Handle("image", image_id, where)


def previous(where: str = PLACE) -> Handle:
    return Handle("previous", "previous", where)


def file(upload_id: str, where: str = PLACE) -> Handle:
    return Handle("file", upload_id, where)


def inline(data: bytes, where: str = PLACE) -> ImagePart:
    return picture_part(data, where=where)


def signed(part: MessagePart) -> bool:
    return isinstance(part, KeptText) or (isinstance(part, KeptImage) and part.signature is not None)


def pictures_of(recalled: Recalled) -> list[KeptImage]:
    return [part for part in parts_of(recalled) if isinstance(part, KeptImage)]


async def failure_of(past: Past, *messages: Message, key: str = ANN, session: str | None = None) -> Failure:
    with pytest.raises(Failure) as raised:
        await past.recalled(*messages, key=key, session=session)
    assert past.store.open_blobs == []
    return raised.value


# --- what is cited ---


async def test_words_alone_ask_nobody() -> None:
    past = Past()
    past.ledger.down = Failure(Code.LEDGER_UNAVAILABLE, "down")
    messages = user("a boat"), assistant("here"), user("again")
    recalled = await past.recalled(*messages)
    assert recalled.request.messages == messages
    assert recalled.parents == ()


async def test_a_handle_is_the_picture_in_the_store() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"c2ln"))
    recalled = await past.recalled(user("at night", cited(image.id)))
    (picture,) = pictures_of(recalled)
    assert (picture.image, picture.media_type, picture.where) == (kept(RED), "image/png", PLACE)
    assert not picture.is_photo
    assert recalled.parents == (Parent("image", image.id, sha256(RED)),)


async def test_in_a_users_turn_a_picture_that_was_made_here_has_no_signature() -> None:
    past = Past()
    (image,) = past.answered(Said("here", b"d29yZHM="), Drew(RED, b"c2ln"))
    for part in (cited(image.id), inline(RED)):
        recalled = await past.recalled(user("at night", part))
        assert not any(map(signed, parts_of(recalled)))
        assert [message.role for message in recalled.request.messages] == ["user"]


async def test_what_another_key_made_is_as_what_never_was() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED), key=BOB)
    others = await failure_of(past, user(cited(image.id)))
    nobodys = await failure_of(past, user(cited("img_nobodys")))
    assert others.code is nobodys.code is Code.INVALID_IMAGE
    assert others.message.replace(image.id, "") == nobodys.message.replace("img_nobodys", "")
    assert others.param == nobodys.param == PLACE


async def test_a_picture_that_was_let_go_is_named_by_its_place() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED))
    past.let_go(image)
    past.links[LINK] = OwnLink(image.id, is_open=True)
    for part in (cited(image.id), ImageLink(LINK, PLACE)):
        failure = await failure_of(past, user(part))
        assert (failure.code, failure.param) == (Code.INVALID_IMAGE, PLACE)
        assert "no longer kept" in failure.message


async def test_a_gone_picture_of_another_key_is_as_what_never_was() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED), key=BOB)
    past.let_go(image)
    assert "did not make" in (await failure_of(past, user(cited(image.id)))).message


async def test_an_upload_is_a_photo() -> None:
    past = Past()
    upload = past.uploaded(RED)
    recalled = await past.recalled(user(file(upload.id)))
    (picture,) = pictures_of(recalled)
    assert (picture.image, picture.is_photo, picture.where) == (kept(RED), True, PLACE)
    assert recalled.parents == (Parent("file", upload.id, sha256(RED)),)


@pytest.mark.parametrize(("key", "now_seconds"), [(BOB, 0.0), (ANN, 3.0)], ids=["another key's", "expired"])
async def test_an_upload_that_is_not_the_callers_now_is_not_there(key: str, now_seconds: float) -> None:
    past = Past()
    past.gallery.now = lambda: now_seconds
    upload = past.uploaded(RED, expires_ms=2000)
    failure = await failure_of(past, user(file(upload.id)), key=key)
    assert (failure.code, failure.param) == (Code.INVALID_IMAGE, PLACE)
    assert upload.id in failure.message


async def test_an_upload_of_what_was_made_here_stays_a_photo_of_the_callers() -> None:
    past = Past()
    past.answered(Said("here", b"d29yZHM="), Drew(RED, b"c2ln"))
    upload = past.uploaded(RED)
    recalled = await past.recalled(assistant(file(upload.id)), user("again"))
    assert recalled.parents == (Parent("file", upload.id, sha256(RED)),)
    assert not any(map(signed, parts_of(recalled)))


# --- links of this gateway ---


@pytest.mark.parametrize(
    ("key", "is_open", "is_there"), [(ANN, True, True), (ANN, False, True), (BOB, True, True), (BOB, False, False)]
)
async def test_who_may_cite_a_link_of_this_gateway(key: str, is_open: bool, is_there: bool) -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"c2ln"))
    past.links[LINK] = OwnLink(image.id, is_open)
    if not is_there:
        assert (await failure_of(past, user(ImageLink(LINK, PLACE)), key=key)).param == PLACE
        return
    recalled = await past.recalled(user(ImageLink(LINK, PLACE)), key=key)
    assert [picture.image for picture in pictures_of(recalled)] == [kept(RED)]


async def test_a_link_to_nothing_is_as_a_closed_one() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED), key=BOB)
    messages = []
    for image_id in (image.id, "img_nobodys"):
        past.links[LINK] = OwnLink(image_id, is_open=False)
        messages.append((await failure_of(past, user(ImageLink(LINK, PLACE)))).message)
    assert messages[0] == messages[1]


async def test_the_open_link_of_another_key_gives_its_picture_and_nothing_that_was_said() -> None:
    past = Past()
    (image,) = past.answered(Said("the secret word", b"d29yZHM="), Drew(RED, b"c2ln"), key=BOB)
    past.links[LINK] = OwnLink(image.id, is_open=True)
    recalled = await past.recalled(assistant("mine", ImageLink(LINK, PLACE)), user("again"))
    assert [message.made_by for message in recalled.request.messages] == ["", ""]
    assert not any(map(signed, parts_of(recalled)))
    assert "secret" not in str(recalled)
    assert recalled.parents == (Parent("photo", "", sha256(RED)),)


async def test_another_link_stays_one() -> None:
    past = Past()
    link = ImageLink(FOREIGN_URL, PLACE)
    recalled = await past.recalled(user(link))
    assert parts_of(recalled) == [link]
    assert recalled.parents == (link,)


# --- the previous picture ---


async def test_the_previous_picture_is_the_last_of_the_assistants_turns() -> None:
    past = Past()
    past.answered(Drew(GREEN), session="s")
    request = (
        assistant(inline(RED, "messages[0].content")),
        user(inline(BLUE, "messages[1].content[0].image_url.url")),
        user("brighter", previous("messages[2].content[1].image_url.url")),
    )
    recalled = await past.recalled(*request, session="s")
    picture = recalled.request.messages[-1].parts[-1]
    assert isinstance(picture, ImagePart)
    assert (picture.decoded(), picture.where) == (RED, "messages[2].content[1].image_url.url")


@pytest.mark.parametrize("kind", ["handle", "link", "inline"])
async def test_the_previous_picture_in_whatever_form(kind: str) -> None:
    past = Past()
    (image,) = past.answered(Drew(RED))
    past.links[LINK] = OwnLink(image.id, is_open=True)
    forms: dict[str, MessagePart] = {
        "handle": cited(image.id, "before"), "link": ImageLink(LINK, "before"), "inline": inline(RED, "before"),
    }  # fmt: skip
    recalled = await past.recalled(assistant(forms[kind]), user("brighter", previous("here")))
    picture = recalled.request.messages[-1].parts[-1]
    assert isinstance(picture, KeptImage)
    assert (picture.image, picture.where) == (kept(RED), "here")


async def test_without_one_the_previous_picture_is_the_sessions() -> None:
    past = Past()
    past.answered(Drew(RED), session="s")
    past.answered(Drew(GREEN), session="other")
    past.answered(Drew(BLUE), session="s", key=BOB)
    recalled = await past.recalled(user("brighter", previous("here")), session="s")
    (picture,) = pictures_of(recalled)
    assert (picture.image, picture.where) == (kept(RED), "here")


@pytest.mark.parametrize("session", [None, "s"])
async def test_with_nothing_before_there_is_no_previous_picture(session: str | None) -> None:
    past = Past()
    past.answered(Drew(RED), session="other")
    past.answered(Drew(RED), session="s", key=BOB)
    failure = await failure_of(past, user(inline(BLUE, "there")), user("brighter", previous("here")), session=session)
    assert (failure.code, failure.param) == (Code.INVALID_IMAGE, "here")
    assert ('"s"' in failure.message) == (session is not None)


async def test_the_previous_picture_may_be_cited_in_the_assistants_own_turn() -> None:
    past = Past()
    past.answered(Said("here", b"d29yZHM="), Drew(RED, b"c2ln"), session="s")
    recalled = await past.recalled(assistant(previous()), user("brighter"), session="s")
    assert recalled.request.messages[0].made_by == "google"
    assert all(map(signed, recalled.request.messages[0].parts))


# --- earlier answers ---


@pytest.mark.parametrize("kind", ["handle", "link", "inline"])
async def test_an_answer_that_comes_back_is_the_turn_that_its_provider_gave(kind: str) -> None:
    past = Past()
    (image,) = past.answered(Said("Here ", b"d29yZHM="), Said("it is."), Drew(RED, b"cGljdHVyZQ=="), Said("Good?"))
    past.links[LINK] = OwnLink(image.id, is_open=False)
    inlined = inline(RED)
    forms: dict[str, MessagePart] = {
        "handle": cited(image.id), "link": ImageLink(LINK, PLACE), "inline": inlined,
    }  # fmt: skip
    recalled = await past.recalled(user("a boat"), assistant("Here it is.", forms[kind], "Good?"), user("at night"))
    first, turn, last = recalled.request.messages
    assert (first, last) == (user("a boat"), user("at night"))
    assert (turn.role, turn.made_by, turn.signature_tokens) == ("assistant", "google", COMPLETION_TOKENS)
    here, it_is, picture, good = turn.parts
    assert here == KeptText("Here ", kept(b"d29yZHM="))
    assert (it_is, good) == (TextPart("it is."), TextPart("Good?"))
    assert isinstance(picture, KeptImage)
    assert (picture.image, picture.signature) == (kept(RED), kept(b"cGljdHVyZQ=="))
    assert picture.inline == (inlined if kind == "inline" else None)


@pytest.mark.parametrize(
    "words",
    [(), ("Here it is.Good?",), ("Here it is.\n\n", "\nGood?"), ("Good?", "Here it is."), ("Here  it\tis.", " ")],
)
async def test_the_models_own_words_are_told_once_however_a_shape_parts_them(words: tuple[str, ...]) -> None:
    past = Past()
    (image,) = past.answered(Said("Here it is."), Drew(RED, b"c2ln"), Said("Good?"))
    recalled = await past.recalled(assistant(*words, cited(image.id)))
    (turn,) = recalled.request.messages
    assert [part.text for part in turn.parts if isinstance(part, TextPart)] == ["Here it is.", "Good?"]


@pytest.mark.parametrize("words", ["Here it was.", "Something else", "Here it is.Good?!"])
async def test_words_that_the_model_did_not_say_are_left_beside_its_turn(words: str) -> None:
    past = Past()
    (image,) = past.answered(Said("Here it is."), Drew(RED, b"c2ln"), Said("Good?"))
    turn, rest = (await past.recalled(assistant(words, cited(image.id)))).request.messages
    assert turn.made_by == "google"
    assert rest == assistant(words)


async def test_a_picture_that_nobody_knows_is_left_beside_the_models_turn() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"c2ln"))
    recalled = await past.recalled(assistant(cited(image.id, "known"), inline(BLUE, "unknown")))
    turn, rest = recalled.request.messages
    assert [signed(part) for part in turn.parts] == [True]
    assert (rest.role, rest.made_by, rest.parts) == ("assistant", "", (inline(BLUE, "unknown"),))
    assert recalled.parents == (Parent("image", image.id, sha256(RED)), Parent("photo", "", sha256(BLUE)))


async def test_an_assistants_turn_without_a_known_picture_stays_as_it_is() -> None:
    past = Past()
    past.answered(Said("Here"), Drew(RED, b"c2ln"), key=BOB)
    message = assistant("Here", inline(RED))
    recalled = await past.recalled(message, user("again"))
    assert recalled.request.messages == (message, user("again"))
    assert recalled.parents == (Parent("photo", "", sha256(RED)),)


async def test_of_several_pictures_those_that_came_back_are_told() -> None:
    past = Past()
    _, image = past.answered(Said("one", b"YQ=="), Drew(RED, b"Yg=="), Said("two"), Drew(GREEN, b"Yw=="))
    (turn,) = (await past.recalled(assistant("onetwo", cited(image.id)))).request.messages
    one, two, picture = turn.parts
    assert (one, two) == (KeptText("one", kept(b"YQ==")), TextPart("two"))
    assert isinstance(picture, KeptImage)
    assert (picture.image, picture.signature) == (kept(GREEN), kept(b"Yw=="))


async def test_pictures_of_two_answers_in_one_turn_are_two_turns() -> None:
    past = Past()
    (first,) = past.answered(Said("one"), Drew(RED, b"YQ=="))
    (second,) = past.answered(Said("two"), Drew(GREEN, b"Yg=="))
    turns = (await past.recalled(assistant(cited(second.id, "a"), "one", inline(RED, "b")))).request.messages
    assert [[getattr(part, "text", None) for part in turn.parts] for turn in turns] == [["two", None], ["one", None]]
    assert all(turn.made_by == "google" for turn in turns)
    assert first.generation_id != second.generation_id


async def test_pictures_of_two_choices_are_two_turns_as_well() -> None:
    past = Past()
    one, two = past.answered_several((Said("one"), Drew(RED, b"YQ==")), (Said("two"), Drew(GREEN, b"Yg==")))
    (turn,) = (await past.recalled(assistant(cited(two.id)))).request.messages
    assert turn.parts[0] == TextPart("two")
    turns = (await past.recalled(assistant(cited(two.id, "a"), cited(one.id, "b")))).request.messages
    assert [turn.parts[0] for turn in turns] == [TextPart("two"), TextPart("one")]


async def test_a_picture_that_comes_back_twice_in_a_turn_is_told_once() -> None:
    past = Past()
    (image,) = past.answered(Said("one"), Drew(RED, b"YQ=="))
    for again in (inline(RED, "b"), cited(image.id, "b")):
        recalled = await past.recalled(assistant(inline(RED, "a"), again))
        (turn,) = recalled.request.messages
        assert [signed(part) for part in turn.parts] == [False, True]


async def test_an_answer_with_the_same_picture_twice_comes_back_with_both() -> None:
    past = Past()
    past.answered(Drew(RED, b"YQ=="), Said("and"), Drew(RED, b"Yg=="))
    (turn,) = (await past.recalled(assistant(inline(RED, "a"), "and", inline(RED, "b")))).request.messages
    pictures = [part for part in turn.parts if isinstance(part, KeptImage)]
    assert [picture.signature for picture in pictures] == [kept(b"YQ=="), kept(b"Yg==")]


async def test_a_cited_picture_is_its_own_answers_though_another_has_the_same_bytes() -> None:
    past = Past()
    (first,) = past.answered(Said("one"), Drew(RED, b"YQ=="))
    (second,) = past.answered(Said("two"), Drew(RED, b"Yg=="))
    for image, words in ((first, "one"), (second, "two")):
        for request in (
            [assistant(cited(image.id))],
            [user(inline(RED, "a")), assistant(cited(image.id))],
            [user(cited(first.id, "a")), assistant(cited(image.id))],
        ):
            recalled = await past.recalled(*request)
            assert recalled.request.messages[-1].parts[0] == TextPart(words)
            assert Parent("image", image.id, sha256(RED)) in recalled.parents


async def test_of_answers_with_the_same_bytes_the_newest_is_recognised() -> None:
    past = Past()
    past.answered(Said("one"), Drew(RED, b"YQ=="))
    past.answered(Said("two"), Drew(RED, b"Yg=="))
    (turn,) = (await past.recalled(assistant(inline(RED)))).request.messages
    assert turn.parts[0] == TextPart("two")


async def test_where_the_answer_is_gone_its_picture_is_told_without() -> None:
    past = Past()
    (image,) = past.answered(Said("Here"), Drew(RED, b"c2ln"))
    past.forget_answer(image)
    (turn,) = (await past.recalled(assistant("Here", cited(image.id)))).request.messages
    assert turn.made_by == ""
    assert not any(map(signed, turn.parts))
    assert [type(part) for part in turn.parts] == [TextPart, KeptImage]


async def test_where_a_long_answer_is_gone_its_picture_is_told_without() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"c2ln"))
    generations = past.ledger.generations
    generations[image.generation_id] = replace(generations[image.generation_id], answer=None, answer_sha256="0" * 64)
    (turn,) = (await past.recalled(assistant(cited(image.id)))).request.messages
    assert turn.made_by == ""
    del generations[image.generation_id]
    assert (await past.recalled(assistant(cited(image.id)))).request.messages[0].made_by == ""


async def test_a_store_that_gives_nothing_is_told() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED, b"c2ln"))
    past.ledger.down = Failure(Code.LEDGER_UNAVAILABLE, "down")
    assert (await failure_of(past, assistant(cited(image.id)))).code is Code.LEDGER_UNAVAILABLE


async def test_whose_answer_it_was_is_told() -> None:
    past = Past()
    (image,) = past.answered(Said("Here"), Drew(RED, b"c2ln"), provider=OTHERS)
    (turn,) = (await past.recalled(assistant(cited(image.id)))).request.messages
    assert turn.made_by == "openai"


async def test_an_answer_without_signatures_counts_for_none() -> None:
    past = Past()
    (image,) = past.answered(Said("Here"), Drew(RED))
    (turn,) = (await past.recalled(assistant(cited(image.id)))).request.messages
    assert turn.signature_tokens == 0


async def test_called_functions_stay_in_the_turn_that_called_them() -> None:
    past = Past()
    (image,) = past.answered(Said("Here"), Drew(RED, b"c2ln"))
    call = ToolCall("call-1", "weather", "{}")
    (turn,) = (await past.recalled(Message("assistant", (TextPart("Hm"), cited(image.id), call)))).request.messages
    words, picture, last = turn.parts
    assert (words, last) == (TextPart("Hm"), call)
    assert isinstance(picture, KeptImage)
    assert not signed(picture)


async def test_each_turn_is_found_on_its_own_and_each_answer_read_once() -> None:
    past = Past()
    (image,) = past.answered(Said("Here"), Drew(RED, b"c2ln"))
    past.ledger.unread, past.ledger.finds_before = Failure(Code.LEDGER_UNAVAILABLE, "once"), 1
    messages = [message for place in range(5) for message in (user("x"), assistant(cited(image.id, str(place))))]
    recalled = await past.recalled(*messages)
    assert [message.made_by for message in recalled.request.messages] == ["", "google"] * 5
    assert recalled.parents == (Parent("image", image.id, sha256(RED)),)


async def test_parents_are_told_once_in_their_order() -> None:
    past = Past()
    (image,) = past.answered(Drew(RED))
    upload = past.uploaded(GREEN)
    link = ImageLink(FOREIGN_URL, "d")
    recalled = await past.recalled(
        user(file(upload.id, "a"), inline(RED, "b"), inline(BLUE, "c"), link, cited(image.id, "e"), inline(BLUE, "f"))
    )
    assert recalled.parents == (
        Parent("file", upload.id, sha256(GREEN)),
        Parent("image", image.id, sha256(RED)),
        Parent("photo", "", sha256(BLUE)),
        link,
    )


# --- hashes ---


@pytest.mark.parametrize("byte_count", [0, 1, 2, 3, HASHED_CHARACTERS // 4 * 3, HASHED_CHARACTERS // 4 * 3 + 1])
def test_the_hash_is_that_of_the_bytes(byte_count: int) -> None:
    data = bytes(number % 251 for number in range(byte_count))
    expected = hashlib.sha256(data).hexdigest()
    assert sha256_of(base64.b64encode(data)) == sha256_of(memoryview(base64.b64encode(data))) == expected
    store = MemoryStore()
    blob = store.open()
    blob.write(data)
    assert sha256_of(Stored(blob)) == expected


@pytest.mark.parametrize("byte_count", [0, 1, 2, 3, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 2 * READ_BYTES + 2])
def test_what_is_stored_says_its_length_and_reads_as_base64(byte_count: int) -> None:
    data = bytes(number % 251 for number in range(byte_count))
    blob = MemoryStore().open()
    blob.write(data)
    for stored, expected in ((Stored(blob), base64.b64encode(data)), (Stored(blob, encoded=False), data)):
        assert bytes(stored) == b"".join(stored) == expected
        assert len(stored) == len(expected)
