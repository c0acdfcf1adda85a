"""One answer as it comes: what is taken in, and that everybody reads the same, whenever and however slowly."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.completions.answer import Item, SignedPieces, Words
from impasto.completions.call import Serving
from impasto.completions.intake import RECENT_BYTES, PictureIntake
from impasto.completions.journal import Journal
from impasto.domain.errors import Code, Failure
from impasto.domain.events import (
    Event,
    Finished,
    FinishReason,
    ImageData,
    ImageEnded,
    ImageStarted,
    Report,
    Signature,
    Text,
    UsageSeen,
)
from impasto.domain.image import Dimensions
from impasto.domain.signatures import MAX_SIGNATURE_BYTES
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.fakes.blobs import MemoryStore
from tests.fakes.models import a_model
from tests.fakes.pictures import picture_events, png

RED, GREEN = png(3, 2), png(2, 3, (0, 255, 0))
STOP = Finished(FinishReason.STOP, "STOP")
SERVING = Serving(a_model())


class Source:
    """Events that come one by one; `closed` when their reader is done with them."""

    def __init__(self, events: Sequence[Serving | Event]) -> None:
        self.events = events
        self.closed = False
        self.played = 0

    async def play(self) -> AsyncGenerator[Serving | Event, None]:
        try:
            for event in self.events:
                self.played += 1
                yield event
                await asyncio.sleep(0)
        finally:
            self.closed = True


async def recorded(*events: Serving | Event, max_bytes: int = 1 << 20, store: MemoryStore | None = None) -> Journal:
    journal = Journal(store or MemoryStore(), max_bytes)
    await journal.record(Source(events).play())
    return journal


async def failure_of(*events: Event, max_bytes: int = 1 << 20) -> Failure:
    store, source = MemoryStore(), Source([*events, STOP])
    journal = Journal(store, max_bytes)
    with pytest.raises(Failure) as raised:
        await journal.record(source.play())
    assert source.closed
    assert raised.value.code is Code.PROVIDER_WRONG
    assert not raised.value.retry_helps
    journal.close()
    assert store.open_blobs == []
    return raised.value


def shown(journal: Journal) -> list[Item | bytes]:
    """The items, pictures as their bytes."""
    return [bytes(item.blob.read(0, 1 << 30)) if isinstance(item, PictureIntake) else item for item in journal.items]


async def followed(journal: Journal) -> list[Serving | Event]:
    return [event async for event in journal.follow()]


async def read_into(heard: list[Serving | Event], events: AsyncGenerator[Serving | Event, None]) -> None:
    """Unlike a list that is made at the end, `heard` is there when it fails."""
    async for event in events:
        heard.append(event)  # noqa: PERF401


def as_read(events: Sequence[Serving | Event]) -> list[object]:
    """What a reader of `events` has in the end: the pieces of a picture are joined."""
    found: list[object] = []
    for event in events:
        if isinstance(event, ImageData) and found and isinstance(found[-1], bytes):
            found[-1] += event.data
        else:
            found.append(event.data if isinstance(event, ImageData) else event)
    return found


# --- what is taken in ---


async def test_each_picture_has_a_blob_of_its_own() -> None:
    journal = await recorded(*picture_events(RED), Text("and"), *picture_events(GREEN), STOP)
    assert shown(journal) == [RED, Words(("and",)), GREEN]
    pictures = [item.picture() for item in journal.items if isinstance(item, PictureIntake)]
    assert [(picture.byte_count, picture.media_type, picture.dimensions) for picture in pictures] == [
        (len(RED), "image/png", Dimensions(3, 2)),
        (len(GREEN), "image/png", Dimensions(2, 3)),
    ]
    assert journal.pictures_made == 2
    assert journal.finish == STOP


@pytest.mark.parametrize("piece_characters", [4, 8, 64, 4096])
async def test_the_size_of_the_pieces_changes_nothing(piece_characters: int) -> None:
    assert shown(await recorded(*picture_events(RED, piece_characters=piece_characters))) == [RED]


async def test_the_bytes_decide_what_a_picture_is() -> None:
    journal = await recorded(ImageStarted("image/jpeg"), *picture_events(RED)[1:])
    (item,) = journal.items
    assert isinstance(item, PictureIntake)
    assert item.picture().media_type == "image/png"
    journal.end()
    assert (await followed(journal))[0] == ImageStarted("image/png")


async def test_thoughts_are_counted_and_left_out() -> None:
    journal = await recorded(*picture_events(GREEN, thought=True), *picture_events(RED))
    assert shown(journal) == [RED]
    assert journal.pictures_made == 2


async def test_a_thought_need_not_be_a_picture() -> None:
    assert shown(await recorded(ImageStarted(""), ImageEnded(thought=True), *picture_events(RED))) == [RED]


async def test_words_join_until_a_picture_comes_and_keep_their_pieces() -> None:
    journal = await recorded(
        Text("a"), Text(""), Signature(b"AA"), Text("b"), *picture_events(RED), Text(""), Text("c")
    )
    assert shown(journal) == [Words(("a", "b"), (SignedPieces(1, 2, b"AA"),)), RED, Words(("c",))]


async def test_the_last_usage_is_the_bill() -> None:
    journal = await recorded(UsageSeen(Usage(1)), UsageSeen(Usage(2)), Report({"scene": "studio"}))
    assert journal.usage == Usage(2)
    assert journal.facts == {"scene": "studio"}
    assert journal.finish is None


async def test_who_serves_is_known() -> None:
    assert (await recorded(SERVING, Text("a"))).served_by == SERVING.model


async def test_calls_stand_where_they_were_made() -> None:
    call = ToolCall("1", "look", "{}")
    journal = await recorded(Text("a"), call, Text("b"), call, STOP)
    assert journal.items == (Words(("a",)), call, Words(("b",)), call)


# --- what belongs to a picture besides ---


async def signatures_of(*events: Event) -> list[bytes]:
    journal = await recorded(*events)
    return [item.signature for item in journal.items if isinstance(item, PictureIntake)]


async def test_a_signature_belongs_to_what_comes_next() -> None:
    *begun, ended = picture_events(RED)
    assert await signatures_of(*begun, Signature(b"AAAA"), Signature(b"BBBB"), ended) == [b"AAAABBBB"]
    assert await signatures_of(Signature(b"AAAA"), Text("words"), *begun, ended) == [b""]
    assert await signatures_of(Signature(b"AAAA"), ToolCall("1", "look", "{}"), *begun, ended) == [b""]
    assert await signatures_of(*begun, Signature(b"AAAA"), ended, *begun, ended) == [b"AAAA", b""]
    assert await signatures_of(*begun, Signature(b'AA"A'), ended) == [b""]


async def test_a_signature_has_a_bound_of_its_own() -> None:
    *begun, ended = picture_events(RED)
    pieces = [Signature(b"A" * (MAX_SIGNATURE_BYTES // 2))] * 3
    journal = await recorded(*begun, *pieces, ended, max_bytes=4 * MAX_SIGNATURE_BYTES)
    (item,) = journal.items
    assert isinstance(item, PictureIntake)
    assert item.signature == b""  # a part of it is worth nothing


async def test_signatures_count_towards_the_bound() -> None:
    await failure_of(Signature(b"A" * 101), max_bytes=100)


async def words_of(*events: Event) -> list[Words]:
    journal = await recorded(*events, max_bytes=4 * MAX_SIGNATURE_BYTES)
    return [item for item in journal.items if isinstance(item, Words)]


ONE, TWO = b"b25l", b"dHdv"


@pytest.mark.parametrize(
    ("events", "signed"),
    [
        pytest.param([Signature(ONE), Text("a"), Text("b")], [SignedPieces(0, 1, ONE)], id="first words"),
        pytest.param([Text("a"), Signature(ONE), Text("b")], [SignedPieces(1, 2, ONE)], id="later words"),
        pytest.param([Signature(ONE[:2]), Signature(ONE[2:]), Text("a")], [SignedPieces(0, 1, ONE)], id="in pieces"),
        pytest.param([Text("a"), Text("b"), Signature(ONE), Text("")], [SignedPieces(0, 2, ONE)], id="trailing"),
        pytest.param(
            [Signature(ONE), Text("a"), Text("b"), Text("c"), Signature(TWO), Text("")],
            [SignedPieces(0, 1, ONE), SignedPieces(1, 3, TWO)],
            id="trailing, of the rest",
        ),
        pytest.param(
            [Signature(ONE), Text("a"), Signature(TWO), Text("")], [SignedPieces(0, 1, ONE)], id="trailing, of nothing"
        ),
        pytest.param(
            [Signature(ONE), Text("a"), Signature(TWO), Text("b")],
            [SignedPieces(0, 1, ONE), SignedPieces(1, 2, TWO)],
            id="each",
        ),
        pytest.param([Signature(b'"'), Text("a")], [], id="no base64"),
        pytest.param([Signature(ONE), Text(""), Text("a")], [], id="of nothing at all"),
        pytest.param([Signature(b"A" * (MAX_SIGNATURE_BYTES + 4)), Text("a"), Text("b")], [], id="too long"),
        pytest.param(
            [Signature(b"A" * MAX_SIGNATURE_BYTES), Signature(b"AAAA"), Text("a"), Signature(ONE), Text("b")],
            [SignedPieces(1, 2, ONE)],
            id="too long, then another",
        ),
        pytest.param(
            [Signature(b"A" * MAX_SIGNATURE_BYTES), Text("a")],
            [SignedPieces(0, 1, b"A" * MAX_SIGNATURE_BYTES)],
            id="as long as may be",
        ),
    ],
)
async def test_words_have_the_signatures_that_came_with_them(events: list[Event], signed: list[SignedPieces]) -> None:
    (words,) = await words_of(*events, STOP)
    assert list(words.signed) == signed


async def test_each_run_of_words_counts_its_own_pieces() -> None:
    *begun, ended = picture_events(RED)
    first, second = await words_of(
        Text("a"), Signature(ONE), Text("b"), *begun, ended, Text("c"), Text("d"), Signature(TWO), Text(""), STOP
    )
    assert (first.pieces, first.signed) == (("a", "b"), (SignedPieces(1, 2, ONE),))
    assert (second.pieces, second.signed) == (("c", "d"), (SignedPieces(0, 2, TWO),))


async def test_a_trailing_signature_after_a_picture_is_the_pictures_where_it_has_none() -> None:
    *begun, ended = picture_events(RED)
    assert await signatures_of(*begun, ended, Signature(ONE), Text("")) == [ONE]
    assert await signatures_of(*begun, Signature(ONE), ended, Signature(TWO), Text("")) == [ONE]
    assert await signatures_of(*begun, ended, Signature(ONE), Text("words")) == [b""]


async def test_whoever_reads_along_sees_no_signature() -> None:
    *begun, ended = picture_events(RED)
    journal = await recorded(Signature(ONE), Text("a"), *begun, Signature(TWO), ended, Signature(ONE), Text(""), STOP)
    journal.end()
    assert as_read(await followed(journal)) == [Text("a"), ImageStarted("image/png"), base64.b64encode(RED), ended]


async def test_what_is_not_kept_waits_where_nothing_has_a_name() -> None:
    store = MemoryStore()
    for is_kept in (True, False):
        journal = Journal(store, is_kept=is_kept)
        await journal.record(Source([*picture_events(RED), STOP]).play())
        assert [blob.is_spool for blob in store.open_blobs] == [not is_kept]
        assert shown(journal) == [RED]
        journal.close()
    assert store.open_blobs == []


# --- what is no answer ---


async def test_base64_broken_anywhere_is_no_picture() -> None:
    encoded = base64.b64encode(RED)
    for at in range(len(encoded)):
        for wrong in (b"!", b"\n", b"-", b"\xc3"):
            broken = encoded[:at] + wrong + encoded[at + 1 :]
            await failure_of(ImageStarted(""), ImageData(broken), ImageEnded())


async def test_a_picture_cut_within_its_last_group_is_none() -> None:
    encoded = base64.b64encode(RED)
    for length in (1, 2, 3, 5, len(encoded) - 1):
        await failure_of(ImageStarted(""), ImageData(encoded[:length]), ImageEnded())


@pytest.mark.parametrize(
    "pieces",
    [(b"AAA=", b"AAAA"), (b"AAA=AAAA",), (b"AA==", b"AA=="), (b"====",), (b"A===",), (b"=AAA",)],
)
async def test_padding_ends_a_picture(pieces: tuple[bytes, ...]) -> None:
    await failure_of(ImageStarted(""), *map(ImageData, pieces), ImageEnded())


async def test_padding_ends_one_picture_and_not_the_next() -> None:
    for picture in (RED, RED + b"a", RED + b"ab"):
        assert shown(await recorded(*picture_events(picture), *picture_events(picture))) == [picture] * 2


async def test_no_bytes_are_no_picture() -> None:
    assert "no bytes" in (await failure_of(ImageStarted("image/png"), ImageEnded())).message


@pytest.mark.parametrize("data", [b"hello", b"<html></html>", b"\x00" * 300, b"%PDF-1.7", b"\x89PNG"])
async def test_bytes_of_no_picture_are_none(data: bytes) -> None:
    assert "no picture format" in (await failure_of(*picture_events(data))).message


async def test_bytes_outside_of_a_picture_are_none() -> None:
    data = ImageData(base64.b64encode(b"abc"))
    assert "outside" in (await failure_of(data)).message
    assert "outside" in (await failure_of(*picture_events(png(4, 4)), data)).message


async def test_an_answer_has_a_bound() -> None:
    await recorded(*picture_events(RED), max_bytes=len(RED))
    for events in (
        picture_events(RED),
        picture_events(RED, thought=True),
        [Text("x" * len(RED))],
        [Text("x"), *picture_events(RED[:-1])],
    ):
        failure = await failure_of(*events, max_bytes=len(RED) - 1)
        assert "larger than" in failure.message


async def test_calls_count_towards_the_bound() -> None:
    await failure_of(ToolCall("1", "look", "x" * 97), max_bytes=100)


async def test_what_is_too_large_is_not_heard_to_its_end() -> None:
    source = Source([Text("x" * 60)] * 100)
    with pytest.raises(Failure):
        await Journal(MemoryStore(), 100).record(source.play())
    assert (source.played, source.closed) == (2, True)


async def test_what_the_store_cannot_take_ends_the_answer_and_its_bill_is_heard() -> None:
    source = Source([*picture_events(RED), UsageSeen(Usage(7)), STOP])
    journal = Journal(MemoryStore(room=10))
    with pytest.raises(Failure) as raised:
        await journal.record(source.play())
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert source.closed
    assert (journal.usage, journal.finish) == (Usage(7), STOP)


@pytest.mark.parametrize(
    "spoils",
    [
        [ImageStarted(""), ImageData(b"!!!!")],
        picture_events(b"no picture"),
        [ImageData(b"AAAA")],
        [ImageStarted(""), ImageData(b"AA=="), ImageData(b"AAAA")],
    ],
)
async def test_a_spoiled_answer_is_heard_to_its_end_because_its_bill_comes_last(spoils: list[Event]) -> None:
    source = Source([*spoils, Text("on"), *picture_events(RED), UsageSeen(Usage(7)), Report({"a": 1}), STOP])
    journal = Journal(MemoryStore())
    with pytest.raises(Failure) as raised:
        await journal.record(source.play())
    assert raised.value.code is Code.PROVIDER_WRONG
    assert (journal.usage, journal.finish, journal.facts) == (Usage(7), STOP, {"a": 1})
    assert journal.pictures_made >= 1
    assert shown(journal) == []


async def test_the_first_thing_wrong_is_what_is_told() -> None:
    failure = await failure_of(ImageStarted(""), ImageData(b"!!!!"), ImageEnded(), *picture_events(b"x"))
    assert "broken base64" in failure.message


async def test_a_spoiled_answer_has_a_bound_as_well() -> None:
    source = Source([ImageData(b"AAAA"), *[ImageData(b"AAAA")] * 1000])
    with pytest.raises(Failure, match="outside"):
        await Journal(MemoryStore(), 100).record(source.play())
    assert source.played < 100
    assert source.closed


# --- reading along ---


async def test_a_live_reader_hears_each_thing_as_it_comes() -> None:
    journal = Journal(MemoryStore())
    gate = asyncio.Event()

    async def events() -> AsyncGenerator[Serving | Event, None]:
        yield SERVING
        yield Text("a")
        await gate.wait()
        yield Text("b")
        yield STOP

    recording = asyncio.create_task(journal.record(events()))
    following = journal.follow()
    assert [await anext(following), await anext(following)] == [SERVING, Text("a")]
    gate.set()
    assert await anext(following) == Text("b")
    await recording
    journal.end()
    assert [event async for event in following] == []


async def test_nobody_hears_the_end_before_it_is_told() -> None:
    journal = await recorded(Text("a"), STOP)
    following = journal.follow()
    assert await anext(following) == Text("a")
    last = asyncio.ensure_future(anext(following, None))
    await asyncio.sleep(0.01)
    assert not last.done()
    journal.end()
    assert await last is None


async def test_a_picture_begins_when_its_bytes_say_what_it_is() -> None:
    picture = png(40, 40) + b"x" * 400
    encoded = base64.b64encode(picture)
    journal = Journal(MemoryStore())
    gate = asyncio.Event()

    async def events() -> AsyncGenerator[Event, None]:
        yield ImageStarted("")
        yield ImageData(encoded[:100])
        await gate.wait()
        yield ImageData(encoded[100:])
        yield ImageEnded()

    recording = asyncio.create_task(journal.record(events()))
    following = journal.follow()
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.01)
    assert not first.done()
    gate.set()
    assert await first == ImageStarted("image/png")
    await recording
    journal.end()
    assert as_read([event async for event in following]) == [encoded, ImageEnded()]


async def test_a_failure_comes_after_all_that_came_before_it() -> None:
    *begun, _ = picture_events(LARGE[:3000])
    journal = await recorded(SERVING, Text("a"), *begun)
    journal.end(Failure(Code.PROVIDER_BROKE_OFF, "cut"))
    heard: list[Serving | Event] = []
    with pytest.raises(Failure, match="cut"):
        await read_into(heard, journal.follow())
    assert as_read(heard) == [SERVING, Text("a"), ImageStarted("image/png"), base64.b64encode(LARGE[:3000])]


async def test_a_failure_before_a_picture_is_known_shows_nothing_of_it() -> None:
    journal = await recorded(ImageStarted(""), ImageData(b"AAAA"))
    journal.end(Failure(Code.PROVIDER_BROKE_OFF, "cut"))
    with pytest.raises(Failure, match="cut"):
        await anext(journal.follow())


async def test_who_stops_reading_stops_nobody_else() -> None:
    journal = Journal(MemoryStore())
    gate = asyncio.Event()

    async def events() -> AsyncGenerator[Event, None]:
        yield Text("a")
        await gate.wait()
        yield Text("b")

    recording = asyncio.create_task(journal.record(events()))
    leaves, stays = (asyncio.create_task(followed(journal)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    gate.set()
    await recording
    journal.end()
    assert await stays == [Text("a"), Text("b")]


@pytest.mark.parametrize("more", [b"", b"a", b"ab"])
async def test_base64_that_could_be_written_otherwise_is_read_the_same_by_all(more: bytes) -> None:
    picture = RED + more
    encoded = base64.b64encode(picture)
    journal = await recorded(ImageStarted(""), ImageData(_with_loose_bits(encoded)), ImageEnded())
    journal.end()
    assert as_read(await followed(journal))[1] == encoded
    assert shown(journal) == [picture]


def _with_loose_bits(encoded: bytes) -> bytes:
    """The same, with a bit set in its last group that stands for no byte."""
    if not encoded.endswith(b"="):
        return encoded
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = encoded.index(b"=") - 1
    return encoded[:place] + bytes([alphabet[alphabet.index(encoded[place]) | 1]]) + encoded[place + 1 :]


LARGE = RED + bytes(number * 89 % 251 for number in range(RECENT_BYTES * 2))


@pytest.mark.parametrize("rest", [b"", b"a", b"ab"])
@pytest.mark.parametrize("is_over", [False, True])
async def test_who_falls_behind_reads_on_from_the_blob(rest: bytes, is_over: bool) -> None:
    picture = LARGE + rest
    *pieces, ended = picture_events(picture, piece_characters=32 << 10)
    journal = Journal(MemoryStore(), 1 << 30)
    begun, read, all_but_the_end, end = (asyncio.Event() for _ in range(4))

    async def play() -> AsyncGenerator[Event, None]:
        for event in pieces[:3]:
            yield event
        begun.set()
        await read.wait()
        for event in pieces[3:]:
            yield event
        yield Signature(b"AAAA")  # the whole picture is there, and it is not over yet
        all_but_the_end.set()
        if not is_over:
            await end.wait()
        yield ended

    recording = asyncio.create_task(journal.record(play()))
    await begun.wait()
    following = journal.follow()
    heard = [await anext(following), await anext(following)]
    read.set()
    await all_but_the_end.wait()
    if is_over:
        await recording
    reading = asyncio.create_task(read_into(heard, following))
    await asyncio.sleep(0.01)  # it reads all that there is
    end.set()
    await recording
    journal.end()
    await reading
    assert as_read(heard) == [ImageStarted("image/png"), base64.b64encode(picture), ImageEnded()]


# --- whatever the pieces, live or late ---

CUTS = st.lists(st.integers(1, 60), min_size=1, max_size=30)


def cut(picture: bytes, cuts: list[int], *, thought: bool) -> list[Event]:
    """The events of a picture, cut after so many groups of four each time."""
    encoded, pieces, place = base64.b64encode(picture), list[Event](), 0
    while place < len(encoded):
        size = 4 * cuts[len(pieces) % len(cuts)]
        pieces.append(ImageData(encoded[place : place + size]))
        place += size
    return [ImageStarted("", thought), *pieces, Signature(b"c2ln"), ImageEnded(thought)]


PICTURES = st.builds(
    lambda length, cuts, thought: cut(RED + b"\x07" * length, cuts, thought=thought),
    st.integers(0, 900),
    CUTS,
    st.sampled_from([False, False, True]),
)
WORDS = st.builds(lambda text: [Text(text)], st.text(max_size=9))
CALLS = st.just([ToolCall("1", "look", "{}")])


@given(st.lists(PICTURES | WORDS | CALLS, max_size=4), st.lists(st.integers(0, 6), min_size=1, max_size=12), CUTS)
@example([cut(RED + b"a", [1], thought=False)], [0], [1])
async def test_live_and_late_read_the_same_whatever_the_pieces(
    parts: list[list[Event]], pauses: list[int], paces: list[int]
) -> None:
    events = [SERVING, *(event for part in parts for event in part), STOP]
    store = MemoryStore()
    journal = Journal(store)

    async def play() -> AsyncGenerator[Serving | Event, None]:
        for place, event in enumerate(events):
            for _ in range(pauses[place % len(pauses)]):
                await asyncio.sleep(0)
            yield event

    async def read_slowly() -> list[Serving | Event]:
        heard: list[Serving | Event] = []
        async for event in journal.follow():
            heard.append(event)
            for _ in range(paces[len(heard) % len(paces)]):
                await asyncio.sleep(0)
        return heard

    readers = [asyncio.create_task(followed(journal)), asyncio.create_task(read_slowly())]
    await journal.record(play())
    journal.end()
    live, slow = [as_read(await reader) for reader in readers]
    late = as_read(await followed(journal))
    assert live == slow == late == _expected(parts)
    journal.close()
    assert store.open_blobs == []


def _expected(parts: list[list[Event]]) -> list[object]:
    found: list[object] = [SERVING]
    for part in parts:
        first = part[0]
        if isinstance(first, ImageStarted):
            if not first.thought:
                data = b"".join(event.data for event in part if isinstance(event, ImageData))
                found += [ImageStarted("image/png"), data, ImageEnded()]
        elif first != Text(""):
            found.append(first)
    return found
