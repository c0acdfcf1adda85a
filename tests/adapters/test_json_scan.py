"""The scanner's tokens, example by example, and every sentence with which it refuses."""

import json
from pathlib import Path as FilePath

import pytest

from impasto.adapters.json_scan import Began, Ended, JsonError, JsonScanner, Path, StringPiece, Token, Value

RECORDED = FilePath(__file__).parents[3] / "shared" / "recorded"


def tokens_of(*pieces: bytes, streamed: tuple[str, ...] = ()) -> list[Token]:
    scanner = JsonScanner(streamed)
    tokens = [token for piece in pieces for token in scanner.feed(piece)]
    return tokens + scanner.finish()


def streamed_bytes(tokens: list[Token], path: Path) -> bytes:
    pieces = [token for token in tokens if isinstance(token, StringPiece) and token.path == path]
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return b"".join(piece.data for piece in pieces)


def test_tokens_carry_the_path_from_the_document_down() -> None:
    document = b'{"parts": [{"text": "hi"}, {"inlineData": {"data": "AAAA"}}], "done": true, "none": []}'
    assert tokens_of(document, streamed=("data",)) == [
        Began((), "object"),
        Began(("parts",), "array"),
        Began(("parts", 0), "object"),
        Value(("parts", 0, "text"), "hi"),
        Ended(("parts", 0)),
        Began(("parts", 1), "object"),
        Began(("parts", 1, "inlineData"), "object"),
        StringPiece(("parts", 1, "inlineData", "data"), b"AAAA", last=True),
        Ended(("parts", 1, "inlineData")),
        Ended(("parts", 1)),
        Ended(("parts",)),
        Value(("done",), True),
        Began(("none",), "array"),
        Ended(("none",)),
        Ended(()),
    ]


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"null", None),
        (b" true\n", True),
        (b"false", False),
        (b"0", 0),
        (b"-0", 0),
        (b"-12", -12),
        (b"12.50", 12.5),
        (b"1E3", 1000.0),
        (b"1e-3", 0.001),
        (b"9" * 400, int("9" * 400)),
        (b'""', ""),
        ('"é\u4e2d🎨"'.encode(), "é\u4e2d🎨"),
        (rb'"\"\\\/\b\f\n\r\t\u003d\ud83c\udfa8"', '"\\/\b\f\n\r\t=🎨'),
        (rb'"\ud83c x \udfa8"', "\ufffd x \ufffd"),
    ],
)
def test_a_scalar_can_be_the_whole_document(document: bytes, value: object) -> None:
    assert tokens_of(document) == [Value((), value)]  # type: ignore[arg-type]


def test_a_number_is_certain_only_at_its_end() -> None:
    scanner = JsonScanner()
    assert scanner.feed(b"12") == []
    assert scanner.feed(b"5") == []
    assert scanner.finish() == [Value((), 125)]


def test_a_streamed_string_comes_as_it_is_fed() -> None:
    scanner = JsonScanner({"data"})
    scanner.feed(b'{"data": "AA')
    assert scanner.feed(b"BBBB") == [StringPiece(("data",), b"BBBB", last=False)]
    assert scanner.feed(b"") == []
    assert scanner.feed(b'"') == [StringPiece(("data",), b"", last=True)]
    assert scanner.feed(b"}") == [Ended(())]


def test_a_piece_without_escapes_is_handed_on_without_a_copy() -> None:
    scanner = JsonScanner({"data"})
    scanner.feed(b'{"data": "')
    piece = b"A" * 65536
    (token,) = scanner.feed(piece)
    assert isinstance(token, StringPiece)
    assert token.data is piece


@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        (rb"a\/b\/\/", b"a/b//"),
        (rb"AA\u003d\u003D", b"AA=="),
        (rb"line\nline\"quoted\"\\", b'line\nline"quoted"\\'),
        (rb"\\\\\"", b'\\\\"'),
        (rb"\ud83c\udfa8", "🎨".encode()),
        (rb"\ud83cA\udfa8", "\ufffdA\ufffd".encode()),
        (rb"\ud83c\ud83c\udfa8\n", "\ufffd🎨\n".encode()),
        (rb"\udbff\udfff\uDBFF\uDFFF", "\U0010ffff\U0010ffff".encode()),
        (rb"\ud83c", "\ufffd".encode()),
        ("é\\u00e9\u4e2d".encode(), "éé\u4e2d".encode()),
        (b"\xff\xfe\\/\xff", b"\xff\xfe/\xff"),
        (b"a\nb\\nc\nd", b"a\nb\nc\nd"),
    ],
)
def test_streamed_pieces_are_what_the_string_means_however_it_is_cut(wire: bytes, meant: bytes) -> None:
    document = b'{"data":"' + wire + b'","x":1}'
    for first in range(len(document) + 1):
        for second in range(first, len(document) + 1):
            tokens = tokens_of(document[:first], document[first:second], document[second:], streamed=("data",))
            assert streamed_bytes(tokens, ("data",)) == meant
            assert tokens[-2:] == [Value(("x",), 1), Ended(())]


def test_the_innermost_key_decides_also_through_arrays() -> None:
    tokens = tokens_of(b'{"data": ["a", [{"text": "b"}, "c"], 1], "text": "data"}', streamed=("data",))
    assert [token.path for token in tokens if isinstance(token, StringPiece)] == [("data", 0), ("data", 1, 1)]
    assert [token.value for token in tokens if isinstance(token, Value)] == ["b", 1, "data"]


def test_keys_are_unescaped_and_a_repeated_key_comes_twice() -> None:
    assert tokens_of(rb'{"d\u0061ta": "x", "data": 1}', streamed=("data",)) == [
        Began((), "object"),
        StringPiece(("data",), b"x", last=True),
        Value(("data",), 1),
        Ended(()),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{,}", "at byte 1: expected a key or }"),
        (b'{"a" 1}', "at byte 5: expected a colon"),
        (b'{"a": }', "at byte 6: expected a value"),
        (b'{"a": 1,}', "at byte 8: expected a key"),
        (b'{"a": 1 "b": 2}', "at byte 8: expected a comma or }"),
        (b"[1 2]", "at byte 3: expected a comma or ]"),
        (b"[1\v]", "at byte 2: expected a comma or ]"),
        (b"[\xa01]", "at byte 1: expected a value or ]"),
        (b"[1}", "at byte 2: expected a comma or ]"),
        (b"[,", "at byte 1: expected a value or ]"),
        (b"[1,]", "at byte 3: expected a value"),
        (b"{} {}", "at byte 3: expected nothing more"),
        (b"\xef\xbb\xbf{}", "at byte 0: expected a value"),
        (b"[nul]", "at byte 1: expected a value or ]"),
        (b"[NaN]", "at byte 1: expected a value"),
        (b"[-Infinity]", "at byte 1: expected a value"),
        (b"[1e999]", "at byte 1: expected a value"),
        (b"[01]", "at byte 1: expected a value"),
        (b"[1.]", "at byte 1: expected a value"),
        (b"[+1]", "at byte 1: expected a value"),
        (b"[truefalse]", "at byte 1: expected a value"),
        (b'["a\nb"]', "at byte 1: expected text in UTF-8"),
        (b'["\xff"]', "at byte 1: expected text in UTF-8"),
        (b'["\xed\xa0\x80"]', "at byte 1: expected text in UTF-8"),
        (rb'["a\x"]', "at byte 3: expected an escape"),
        (rb'{"data": "\u12g4"}', "at byte 10: expected an escape"),
        (rb'{"data": "\u12"}', "at byte 10: expected an escape"),
        (rb'{"data": "\ud83c\u12"}', "at byte 10: expected an escape"),
    ],
)
def test_what_is_not_json_is_refused_at_its_byte_however_it_is_cut(document: bytes, message: str) -> None:
    for cut in range(len(document) + 1):
        with pytest.raises(JsonError) as refusal:
            tokens_of(document[:cut], document[cut:], streamed=("data",))
        assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"", "a value"),
        (b"{", "a key or }"),
        (b'{"a"', "a colon"),
        (b'{"a": 1', "a comma or }"),
        (b"[[]", "a comma or ]"),
        (b'"abc', "the rest of a string"),
        (b'{"data": "abc\\', "the rest of a string"),
        (b'{"data": "abc"', "a comma or }"),
    ],
)
def test_a_document_that_breaks_off_is_refused_at_the_end(document: bytes, expected: str) -> None:
    with pytest.raises(JsonError, match=rf"^The JSON breaks off: expected {expected}\.$"):
        tokens_of(document, streamed=("data",))


def test_depth_is_bounded() -> None:
    assert len(JsonScanner(max_depth=3).feed(b"[[[")) == 3
    with pytest.raises(JsonError, match="at byte 3: expected at most 3 levels"):
        JsonScanner(max_depth=3).feed(b"[[[{")


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize(
    ("document", "bound"), [(b'["%b"]', 100), (b"[%b]", 100), (b'{"%b": 1}', 100), (b'{"%b": 1}', 10**6)]
)
def test_what_must_be_held_is_bounded(document: bytes, bound: int, size: int) -> None:
    document %= b"1" * 5000
    scanner = JsonScanner(max_token_bytes=bound)
    with pytest.raises(JsonError, match="expected at most"):
        list(map(scanner.feed, _cut(document, size)))


def test_a_streamed_string_is_not_bounded() -> None:
    scanner = JsonScanner({"data"}, max_token_bytes=100)
    scanner.feed(b'{"data":"')
    for _ in range(100):
        scanner.feed(b"AAAA" * 100)
    assert scanner.feed(b'"}') == [StringPiece(("data",), b"", last=True), Ended(())]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not here")
def test_recorded_answers_scan_to_what_they_say() -> None:
    for file in sorted(RECORDED.rglob("*.json")):
        document = file.read_bytes()
        scalars = [token.value for token in tokens_of(*_cut(document, 1000)) if isinstance(token, Value)]
        assert scalars == list(_scalars(json.loads(document))), file


def _cut(document: bytes, size: int) -> list[bytes]:
    return [document[start : start + size] for start in range(0, len(document), size)]


def _scalars(value: object) -> list[object]:
    if isinstance(value, dict):
        return [scalar for member in value.values() for scalar in _scalars(member)]
    if isinstance(value, list):
        return [scalar for item in value for scalar in _scalars(item)]
    return [value]
