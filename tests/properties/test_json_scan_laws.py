"""Laws of the scanner: against Python's own reader, whatever the document and however it is cut."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impasto.adapters.json_scan import Began, Ended, JsonError, JsonScanner, Path, StringPiece, Token, Value

KEYS = st.sampled_from(["data", "text", "a\\b", ""]) | st.text(max_size=4)
TEXTS = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Nd"])) | st.text('\\/"u0dD8cC😀', max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS | st.integers(-(10**400), 10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SEPARATORS = st.sampled_from([None, (",", ":"), (" ,\r\n", "\t: ")])
SMALL_DOCUMENTS = [
    rb'{"data": "a\/b\ud83c\udfa8\ud83c", "n": [-1.5e3, 0, {"x": null}], "t": true}',
    '[ "é\u4e2d🎨", {"data":["\\u00e9é","🎨\\n"]} ]\r\n'.encode(),
    b'{"a":{"data":""},"data":"","data":[],"b":{}}',
    b"-12.5E+1",
    rb'"\\\""',
]
SHARDS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b'"', b'"', b'"data":"', b" ", b"\n", b"\\", b"\\\\", b'\\"', b"/"),
    *(b"\\u", b"d83c", b"dfa8", b"\\ud83c", b"\\udfa8", b"00e9", b"1", b"0", b"-", b".", b"e", b"E+", b"true", b"null"),
    *(b"NaN", b"Infinity", b"1e999", b"\xff", b"\xc3", b"\xa9", b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"'", b"a"),
]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    indent, separators = draw(st.sampled_from([None, 2])), draw(SEPARATORS)
    text = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair is written only as an escape
        return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text).encode()


@st.composite
def broken_documents(draw: st.DrawFn) -> bytes:
    document = draw(documents())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(document)))
        stop = draw(st.integers(start, min(start + 3, len(document))) | st.just(len(document)))
        document = document[:start] + draw(st.just(b"") | st.sampled_from(SHARDS)) + document[stop:]
    return document


@st.composite
def cuttings(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> list[bytes]:
    whole = draw(contents)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    if draw(st.booleans()):
        return [whole[start:stop] for start, stop in pairwise([0, *cuts, len(whole)])]
    return [whole[at : at + 1] for at in range(len(whole))]


def scan(pieces: Iterable[bytes], streamed: Sequence[str] = ()) -> list[Token]:
    scanner = JsonScanner(streamed)
    return [token for piece in pieces for token in scanner.feed(piece)] + scanner.finish()


def folded(tokens: Iterable[Token]) -> Any:
    """The value that the tokens tell, checking on the way that each stands where it may."""
    document: list[Any] = []
    containers: dict[Path, Any] = {}
    streamed = b""

    def put(path: Path, value: Any) -> None:
        holder = containers[path[:-1]] if path else document
        if isinstance(holder, dict):
            holder[path[-1]] = value
        else:
            assert len(holder) == (path[-1] if path else 0)
            holder.append(value)

    for token in tokens:
        match token:
            case Began(path, kind):
                value: Any = {} if kind == "object" else []
                put(path, value)
                containers[path] = value
            case Ended(path):
                del containers[path]
            case Value(path, value):
                put(path, value)
            case StringPiece(path, data, last):
                assert data or last
                streamed += data
                if last:
                    put(path, streamed.decode())
                    streamed = b""
    assert not containers
    (value,) = document
    return value


def read_by_python(document: bytes, *, strict: bool = True) -> Any:
    """What Python makes of it, with our rules: UTF-8, finite numbers, U+FFFD for half a pair."""
    text = document.decode(errors="strict" if strict else "replace")
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite, strict=strict)
    return _of_whole_characters(value)


def _refuse(word: str) -> float:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _of_whole_characters(value: Any) -> Any:
    match value:
        case str():
            return re.sub("[\ud800-\udfff]", "\ufffd", value)
        case list():
            return [_of_whole_characters(item) for item in value]
        case dict():
            return {_of_whole_characters(key): _of_whole_characters(member) for key, member in value.items()}
        case _:
            return value


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type: 1, 1.0 and True are three things here."""
    return repr(left) == repr(right)


@given(cuttings(documents()))
def test_tokens_rebuild_what_python_reads(pieces: list[bytes]) -> None:
    assert same(folded(scan(pieces)), read_by_python(b"".join(pieces)))


@given(cuttings(documents()))
def test_streamed_strings_join_to_the_same_strings(pieces: list[bytes]) -> None:
    assert same(folded(scan(pieces, ["data", "text"])), read_by_python(b"".join(pieces)))


@pytest.mark.parametrize("document", SMALL_DOCUMENTS)
def test_every_cut_into_three_rebuilds_the_document(document: bytes) -> None:
    expected = read_by_python(document)
    for first in range(len(document) + 1):
        for second in range(first, len(document) + 1):
            pieces = document[:first], document[first:second], document[second:]
            assert same(folded(scan(pieces, ["data"])), expected)


@pytest.mark.parametrize("document", SMALL_DOCUMENTS)
def test_no_beginning_of_a_document_passes_for_the_whole(document: bytes) -> None:
    for end in range(len(document)):
        beginning = document[:end]
        assert accepts([beginning], ["data"]) == python_accepts(beginning)


@given(cuttings(broken_documents() | st.lists(st.sampled_from(SHARDS), max_size=12).map(b"".join)))
@example([b'"\\ud83c', b"\\", b'udfa8"'])
def test_what_python_refuses_is_refused_and_nothing_else(pieces: list[bytes]) -> None:
    document = b"".join(pieces)
    try:
        expected = read_by_python(document)
    except ValueError:
        with pytest.raises(JsonError):
            scan(pieces)
    else:
        assert same(folded(scan(pieces)), expected)


@given(cuttings(broken_documents() | st.lists(st.sampled_from(SHARDS), max_size=12).map(b"".join)))
def test_a_streamed_string_is_lenient_in_its_characters_only(pieces: list[bytes]) -> None:
    document = b"".join(pieces)
    if accepts(pieces, ["data", "text"]):
        read_by_python(document, strict=False)
    else:
        assert not python_accepts(document)


@given(cuttings(broken_documents() | documents()))
def test_the_verdict_and_the_tokens_do_not_depend_on_the_cuts(pieces: list[bytes]) -> None:
    assert outcome(pieces) == outcome([b"".join(pieces)])


def accepts(pieces: Iterable[bytes], streamed: Sequence[str] = ()) -> bool:
    try:
        scan(pieces, streamed)
    except JsonError:
        return False
    return True


def python_accepts(document: bytes) -> bool:
    try:
        read_by_python(document)
    except ValueError:
        return False
    return True


def outcome(pieces: Iterable[bytes]) -> str | list[Token]:
    """The refusal, or the tokens with the pieces of each string joined."""
    joined: list[Token] = []
    try:
        tokens = scan(pieces, ["data"])
    except JsonError as refusal:
        return str(refusal)
    for token in tokens:
        before = joined[-1] if joined else None
        if isinstance(token, StringPiece) and isinstance(before, StringPiece) and not before.last:
            joined[-1] = StringPiece(token.path, before.data + token.data, token.last)
        else:
            joined.append(token)
    return joined
