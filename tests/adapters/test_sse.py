"""Server-sent events, example by example."""

import pytest

from impasto.adapters.sse import SseBegan, SseData, SseEnded, SseReader, SseToken


def tokens_of(*pieces: bytes) -> list[SseToken]:
    reader = SseReader()
    tokens = [token for piece in pieces for token in reader.feed(piece)]
    return tokens + reader.finish()


def events_of(*pieces: bytes) -> list[bytes]:
    """The data of each event."""
    events: list[bytes] = []
    for token in tokens_of(*pieces):
        match token:
            case SseBegan():
                events.append(b"")
            case SseData(data):
                assert data
                events[-1] += data
            case SseEnded():
                pass
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data: one\r\n\ndata: two\n\r", [b"one", b"two"]),
        (b"data: one\r\n\rdata: two\n\r\n", [b"one", b"two"]),
        (b"data: a\ndata: b\r\ndata:c\n\n", [b"a\nb\nc"]),
        (b"data:no space\n\ndata:  two spaces\n\n", [b"no space", b" two spaces"]),
        (b"data\n\ndata\ndata\n\ndata:\n\n", [b"", b"\n", b""]),
        (b": comment\nevent: done\ndata: a\nid: 1\nretry: 5\ndata: b\n\n", [b"a\nb"]),
        (b"event: alone\n\ndatabase: no\ndat: no\n data: no\nDATA: no\n\n", []),
        (b"\xef\xbb\xbfdata: after the mark\n\n", [b"after the mark"]),
        (b"data: a\n\n\xef\xbb\xbfdata: only the first mark is one\n\n", [b"a"]),
        (b"data: no blank line\n", [b"no blank line"]),
        (b"data: no line end", [b"no line end"]),
        (b"data: a\n\ndata: b\r", [b"a", b"b"]),
        (b"data: a\n\ndata", [b"a", b""]),
        (b"data: \xff\x00\n\n", [b"\xff\x00"]),
    ],
)
def test_events_are_the_same_however_they_are_cut(stream: bytes, events: list[bytes]) -> None:
    assert events_of(*(stream[at : at + 1] for at in range(len(stream)))) == events
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert events_of(stream[:first], stream[first:second], b"", stream[second:]) == events


def test_a_long_line_comes_as_it_is_fed() -> None:
    reader = SseReader()
    assert reader.feed(b"data: {'data': 'AAAA") == [SseBegan(), SseData(b"{'data': 'AAAA")]
    assert reader.feed(b"BBBB") == [SseData(b"BBBB")]
    assert reader.feed(b"CCCC'}\r") == [SseData(b"CCCC'}")]
    assert reader.feed(b"\n\r") == [SseEnded()]
    assert reader.feed(b"\n") == []
    assert reader.finish() == []


def test_a_piece_inside_a_line_is_handed_on_without_a_copy() -> None:
    reader = SseReader()
    reader.feed(b"data: 0123456789")
    piece = b"A" * 65536
    (token,) = reader.feed(piece)
    assert isinstance(token, SseData)
    assert token.data is piece


@pytest.mark.parametrize("stream", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n"])
def test_a_closing_word_comes_whole(stream: bytes) -> None:
    for cut in range(len(stream) + 1):
        assert tokens_of(stream[:cut], stream[cut:]) == [SseBegan(), SseData(b"[DONE]"), SseEnded()]


def test_a_stream_that_ends_between_events_brings_nothing_more() -> None:
    reader = SseReader()
    reader.feed(b"data: a\n\n: bye\n")
    assert reader.finish() == []
