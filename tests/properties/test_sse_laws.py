"""Laws of the event stream reader: against a plain reading of the whole stream, however it is cut."""

import re
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from impasto.adapters.sse import SseBegan, SseData, SseEnded, SseReader

LINES = st.sampled_from([b"data: a", b"", b"data: 0123456789abcdef", b"data", b"data:", b"event: x", b"datab: c"])
LINE_ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])
NOISE = st.sampled_from([b"data", b":", b" ", b"\n", b"\r", b"\xef\xbb\xbf"]) | st.binary(max_size=3)
STREAMS = (
    st.lists(st.builds(bytes.__add__, LINES, LINE_ENDS), max_size=12) | st.lists(LINES | LINE_ENDS | NOISE, max_size=20)
).map(b"".join)


@st.composite
def cuttings(draw: st.DrawFn) -> list[bytes]:
    stream = draw(STREAMS)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:stop] for start, stop in pairwise([0, *cuts, len(stream)])]


def events_in(pieces: Iterable[bytes]) -> list[bytes]:
    reader = SseReader()
    tokens = [token for piece in pieces for token in reader.feed(piece)] + reader.finish()
    events: list[bytes] = []
    is_open = False
    for token in tokens:
        assert is_open is not isinstance(token, SseBegan)
        match token:
            case SseBegan():
                is_open = True
                events.append(b"")
            case SseData(data):
                assert data
                events[-1] += data
            case SseEnded():
                is_open = False
    assert not is_open
    return events


def events_by_the_book(stream: bytes) -> list[bytes]:
    """The standard's algorithm on the whole stream, line by line; what is left at the end is an event too."""
    events: list[bytes] = []
    lines: list[bytes] = []
    for line in [*re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
        if not line and lines:
            events.append(b"\n".join(lines))
            lines = []
    return events


@given(cuttings())
def test_any_cutting_gives_the_events_of_the_standard(pieces: list[bytes]) -> None:
    assert events_in(pieces) == events_by_the_book(b"".join(pieces))


@given(STREAMS)
def test_single_bytes_give_the_same_events(stream: bytes) -> None:
    assert events_in(stream[at : at + 1] for at in range(len(stream))) == events_by_the_book(stream)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40), max_size=5), st.integers(1, 9)
)
def test_what_was_sent_is_received(messages: list[str], size: int) -> None:
    lines = ["".join(f"data: {line}\r\n" for line in message.split("\n")) + "\r\n" for message in messages]
    stream = "".join(lines).encode()
    received = events_in(stream[at : at + size] for at in range(0, len(stream), size))
    assert [event.decode() for event in received] == messages
