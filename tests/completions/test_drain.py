import base64
from collections.abc import AsyncGenerator, Sequence

import pytest

from impasto.completions.answer import Picture, Words
from impasto.completions.drain import Drained, drain
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
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage
from tests.fakes.pictures import picture_events, png
from tests.fakes.spools import MemorySpool

RED, GREEN = png(3, 2), png(2, 3, (0, 255, 0))
STOP = Finished(FinishReason.STOP, "STOP")


class Source:
    """Events that come one by one; `closed` when their reader is done with them."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.closed = False

    async def play(self) -> AsyncGenerator[Event, None]:
        try:
            for event in self.events:
                yield event
        finally:
            self.closed = True


async def drained(*events: Event, spool: MemorySpool | None = None, max_bytes: int = 1 << 20) -> Drained:
    return await drain(Source(events).play(), spool or MemorySpool(), max_bytes=max_bytes)


async def failure_of(*events: Event, max_bytes: int = 1 << 20) -> Failure:
    source = Source([*events, STOP])
    with pytest.raises(Failure) as raised:
        await drain(source.play(), MemorySpool(), max_bytes=max_bytes)
    assert source.closed
    assert raised.value.code is Code.PROVIDER_WRONG
    assert not raised.value.retry_helps
    return raised.value


async def test_pictures_lie_in_the_spool_one_after_the_other() -> None:
    spool = MemorySpool()
    found = await drained(*picture_events(RED), Text("and"), *picture_events(GREEN), STOP, spool=spool)
    assert bytes(spool.data) == RED + GREEN
    assert found.parts == [
        Picture(0, len(RED), "image/png", Dimensions(3, 2)),
        Words("and"),
        Picture(len(RED), len(GREEN), "image/png", Dimensions(2, 3)),
    ]
    assert found.pictures_made == 2
    assert found.finish == STOP


@pytest.mark.parametrize("piece_characters", [4, 8, 64, 4096])
async def test_the_size_of_the_pieces_changes_nothing(piece_characters: int) -> None:
    spool = MemorySpool()
    found = await drained(*picture_events(RED, piece_characters=piece_characters), spool=spool)
    assert bytes(spool.data) == RED
    assert found.parts == [Picture(0, len(RED), "image/png", Dimensions(3, 2))]


async def test_the_bytes_decide_what_a_picture_is() -> None:
    events = [ImageStarted("image/jpeg"), *picture_events(RED)[1:]]
    found = await drained(*events)
    assert found.parts == [Picture(0, len(RED), "image/png", Dimensions(3, 2))]


async def test_thoughts_are_counted_and_left_out() -> None:
    found = await drained(*picture_events(GREEN, thought=True), *picture_events(RED))
    assert found.parts == [Picture(len(GREEN), len(RED), "image/png", Dimensions(3, 2))]
    assert found.pictures_made == 2


async def test_a_thought_need_not_be_a_picture() -> None:
    found = await drained(ImageStarted(""), ImageEnded(thought=True), *picture_events(RED))
    assert len(found.parts) == 1


async def test_words_join_until_a_picture_comes() -> None:
    found = await drained(Text("a"), Text(""), Signature(b"AA"), Text("b"), *picture_events(RED), Text(""), Text("c"))
    assert [part.text for part in found.parts if isinstance(part, Words)] == ["ab", "c"]


async def test_the_last_usage_is_the_bill() -> None:
    found = await drained(UsageSeen(Usage(1)), UsageSeen(Usage(2)), Report({"scene": "studio"}))
    assert found.usage == Usage(2)
    assert found.facts == {"scene": "studio"}
    assert found.finish is None


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
        found = await drained(*picture_events(picture), *picture_events(picture))
        assert [part.byte_count for part in found.parts if isinstance(part, Picture)] == [len(picture)] * 2


async def test_no_bytes_are_no_picture() -> None:
    assert "no bytes" in (await failure_of(ImageStarted("image/png"), ImageEnded())).message


@pytest.mark.parametrize("data", [b"hello", b"<html></html>", b"\x00" * 300, b"%PDF-1.7", b"\x89PNG"])
async def test_bytes_of_no_picture_are_none(data: bytes) -> None:
    assert "no picture format" in (await failure_of(*picture_events(data))).message


async def test_an_answer_has_a_bound() -> None:
    await drained(*picture_events(RED), max_bytes=len(RED))
    for events in (
        picture_events(RED),
        picture_events(RED, thought=True),
        [Text("x" * len(RED))],
        [Text("x"), *picture_events(RED[:-1])],
    ):
        failure = await failure_of(*events, max_bytes=len(RED) - 1)
        assert "larger than" in failure.message


async def test_what_the_spool_cannot_take_ends_the_call() -> None:
    source = Source(picture_events(RED))
    with pytest.raises(Failure) as raised:
        await drain(source.play(), MemorySpool(room=10))
    assert raised.value.code is Code.STORE_UNAVAILABLE
    assert source.closed


async def test_calls_stand_beside_the_words_around_them() -> None:
    call = ToolCall("1", "look", "{}")
    found = await drained(Text("a"), call, Text("b"), call, STOP)
    assert (found.parts, found.tool_calls) == ([Words("ab")], [call, call])


async def test_calls_count_towards_the_bound() -> None:
    await failure_of(ToolCall("1", "look", "x" * 97), max_bytes=100)
