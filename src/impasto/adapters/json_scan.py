"""Reads JSON in pieces; a long string passes through as it comes.

Rule: nothing is held but the current short token and the path to it. A streamed string costs two `bytes.find` per
piece, and a piece without an escape is handed on without a copy.

The grammar is RFC 8259, one document, UTF-8 without a byte order mark. Beyond the grammar:

- NaN, Infinity and numbers too large for a float are refused: every number is finite.
- Half a surrogate pair stands for no character and reads as U+FFFD, for a provider's slip must not cost a paid answer.
- A key that comes twice is passed on twice.
- In streamed strings escapes are resolved and checked; all other bytes pass as they are. What is not valid there
  (control characters, broken UTF-8) is the consumer's to refuse, with the check of its alphabet.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

Path = tuple[str | int, ...]
"""Keys and indices from the document down, e.g. `("candidates", 0, "content", "parts", 1, "inlineData", "data")`."""

Scalar = str | int | float | bool | None


class JsonError(ValueError):
    """Not JSON, or beyond a bound. The message names the byte and what was expected, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Began:
    """An object or an array begins at `path`."""

    path: Path
    kind: Literal["object", "array"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The object or array at `path` ends."""

    path: Path


@dataclass(frozen=True, slots=True)
class Value:
    """A whole scalar; strings are decoded. `word` is what stands on the wire for any other, digit by digit."""

    path: Path
    value: Scalar
    word: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StringPiece:
    """A piece of a streamed string: the bytes it means, without escapes. Only a `last` piece may be empty."""

    path: Path
    data: bytes
    last: bool


Token = Began | Ended | Value | StringPiece

_VALUE, _FIRST_VALUE = "a value", "a value or ]"
_KEY, _FIRST_KEY, _COLON = "a key", "a key or }", "a colon"
_NEXT_MEMBER, _NEXT_ITEM = "a comma or }", "a comma or ]"
_NOTHING = "nothing more"

_VALUES = frozenset({_VALUE, _FIRST_VALUE})
_KEYS = frozenset({_KEY, _FIRST_KEY})
_FITS = {
    b"{": _VALUES,
    b"[": _VALUES,
    b'"': _VALUES | _KEYS,
    b":": frozenset({_COLON}),
    b",": frozenset({_NEXT_MEMBER, _NEXT_ITEM}),
    b"}": frozenset({_FIRST_KEY, _NEXT_MEMBER}),
    b"]": frozenset({_FIRST_VALUE, _NEXT_ITEM}),
}
"""Where each mark may stand; everything else begins a number or a literal, and stands where a value may."""

_LITERALS = {b"true": True, b"false": False, b"null": None}
_MARK = re.compile(rb"[^ \t\n\r]")
_SHORT_TEXT = re.compile(rb'[ !#-\[\]-~]{0,64}(?=")')
_WORD = re.compile(rb"[-+.0-9A-Za-z]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")

# A high surrogate is taken only when what follows it is there to be judged: the other half may be in the next piece.
_WHOLE_ESCAPES = re.compile(
    rb"""(?: [^"\\]++
           | \\["\\/bfnrt]
           | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
           | \\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[0-9a-fA-F]{4})
         )*+""",
    re.VERBOSE | re.DOTALL,
)
_CUT_ESCAPE = re.compile(rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?")
_ESCAPED_RUN = re.compile(rb"\\[\x00-\x7f]+")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_ANY_CHARACTER = json.JSONDecoder(strict=False)

_SMALL_BYTES = 4096
_MAX_WORD_BYTES = 4096
_MAX_KEY_BYTES = 4096


class JsonScanner:
    """Turns the bytes of one JSON document, however they are cut, into tokens.

    A string is streamed when the innermost object key above it is one of `streamed_keys`, also through arrays. Other
    strings may take `max_token_bytes` (at least 64) as they stand on the wire, keys and numbers 4 KiB; containers nest
    `max_depth` deep. `feed` and `finish` raise `JsonError`, after which the scanner is of no more use.
    """

    def __init__(
        self, streamed_keys: Collection[str] = (), *, max_depth: int = 64, max_token_bytes: int = 8 * 1024 * 1024
    ) -> None:
        self._streamed_keys = frozenset(streamed_keys)
        self._max_depth = max_depth
        self._max_token_bytes = max_token_bytes
        self._max_key_bytes = min(_MAX_KEY_BYTES, max_token_bytes)
        self._max_word_bytes = min(_MAX_WORD_BYTES, max_token_bytes)
        self._expected = _VALUE
        self._path: list[str | int] = []
        self._string: Literal["key", "value", "streamed"] | None = None
        self._string_path: Path = ()
        self._string_position = 0
        self._text = bytearray()
        self._held = b""
        self._position = 0
        self._tokens: list[Token] = []

    def feed(self, data: bytes) -> list[Token]:
        """The tokens that `data` brings."""
        if self._position == 0 and len(data) <= _SMALL_BYTES and not self._held:
            tokens = _tokens_of_small(data, self._streamed_keys, self._max_depth)
            if tokens:
                self._position, self._expected = len(data), _NOTHING
                return tokens
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        while at < len(data):
            at = self._scan_structure(data, at) if self._string is None else self._scan_string(data, at)
        self._position += len(data) - len(self._held)
        tokens, self._tokens = self._tokens, []
        return tokens

    def finish(self) -> list[Token]:
        """The tokens that only the end makes certain, such as a lone number. Raises when the document is not whole."""
        # White space ends a number and changes nothing else outside a string.
        tokens = self.feed(b" ") if self._string is None else []
        if self._expected != _NOTHING:
            expected = "the rest of a string" if self._string else self._expected
            raise JsonError(f"The JSON breaks off: expected {expected}.")
        return tokens

    def _scan_structure(self, data: bytes, at: int) -> int:
        found = _MARK.search(data, at)
        if found is None:
            return len(data)
        at, mark = found.start(), found[0]
        if self._expected not in _FITS.get(mark, _VALUES):
            raise self._error(at)
        match mark:
            case b'"':
                return self._begin_string(data, at)
            case b"{" | b"[":
                self._begin_container(at, mark)
            case b"}" | b"]":
                self._path.pop()
                self._tokens.append(Ended(tuple(self._path)))
                self._end_value()
            case b",":
                self._advance()
            case b":":
                self._expected = _VALUE
            case _:
                return self._scan_word(data, at)
        return at + 1

    def _begin_container(self, at: int, mark: bytes) -> None:
        if len(self._path) >= self._max_depth:
            raise self._error(at, f"at most {self._max_depth} levels")
        is_object = mark == b"{"
        self._tokens.append(Began(tuple(self._path), "object" if is_object else "array"))
        self._path.append("" if is_object else 0)
        self._expected = _FIRST_KEY if is_object else _FIRST_VALUE

    def _advance(self) -> None:
        step = self._path[-1]
        if isinstance(step, int):
            self._path[-1] = step + 1
            self._expected = _VALUE
        else:
            self._expected = _KEY

    def _end_value(self) -> None:
        if not self._path:
            self._expected = _NOTHING
        else:
            self._expected = _NEXT_ITEM if isinstance(self._path[-1], int) else _NEXT_MEMBER

    def _scan_word(self, data: bytes, at: int) -> int:
        found = _WORD.match(data, at)
        end = found.end() if found else at
        if end - at > self._max_word_bytes:
            raise self._error(at, f"at most {self._max_word_bytes} bytes of a number")
        if end == len(data):
            self._held = data[at:]
            return end
        word = data[at:end]
        value = _LITERALS[word] if word in _LITERALS else _number_of(word)
        if value is None and word != b"null":
            raise self._error(at)
        self._tokens.append(Value(tuple(self._path), value, word))
        self._end_value()
        return end

    def _begin_string(self, data: bytes, at: int) -> int:
        self._string_position = self._position + at
        self._string_path = tuple(self._path)
        if self._expected in _KEYS:
            self._string = "key"
        else:
            self._string = "streamed" if _innermost_key(self._path) in self._streamed_keys else "value"
        # Nearly all strings are short, plain and here as a whole; this spares them the long way.
        short = _SHORT_TEXT.match(data, at + 1)
        if short is None or self._string == "streamed":
            return at + 1
        self._end_text(short[0].decode())
        return short.end() + 1

    def _scan_string(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = quote if quote >= 0 else len(data)
        is_escaped = data.find(b"\\", at, end) >= 0
        if is_escaped:
            found = _WHOLE_ESCAPES.match(data, at)
            end = found.end() if found else at
        last = data[end : end + 1] == b'"'
        if end < len(data) and not last:
            if not _CUT_ESCAPE.fullmatch(data, end):
                raise self._error(end, "an escape that JSON knows")
            self._held = data[end:]
        self._take_string(data[at:end], is_escaped, last)
        return end + 1 if last else len(data)

    def _take_string(self, piece: bytes, is_escaped: bool, last: bool) -> None:
        if self._string != "streamed":
            self._hold_text(piece)
            if last:
                self._end_text(self._whole_text())
            return
        if piece or last:
            piece = _ESCAPED_RUN.sub(_unescaped, piece) if is_escaped else piece
            self._tokens.append(StringPiece(self._string_path, piece, last))
        if last:
            self._string = None
            self._end_value()

    def _hold_text(self, piece: bytes) -> None:
        bound = self._max_key_bytes if self._string == "key" else self._max_token_bytes
        if len(self._text) + len(piece) > bound:
            raise self._error(self._string_position - self._position, f"at most {bound} bytes of text")
        self._text += piece

    def _whole_text(self) -> str:
        raw, self._text = self._text, bytearray()
        try:
            text = json.loads('"' + raw.decode() + '"')
        except ValueError:
            expected = "text in UTF-8 without control characters"
            raise self._error(self._string_position - self._position, expected) from None
        return _of_whole_characters(text)

    def _end_text(self, text: str) -> None:
        if self._string == "key":
            self._path[-1] = text
            self._expected = _COLON
        else:
            self._tokens.append(Value(self._string_path, text))
            self._end_value()
        self._string = None

    def _error(self, at: int, expected: str = "") -> JsonError:
        return JsonError(f"Not JSON at byte {self._position + at}: expected {expected or self._expected}.")


def _innermost_key(path: list[str | int]) -> str | None:
    for step in reversed(path):
        if isinstance(step, str):
            return step
    return None


def _number_of(word: bytes) -> int | float | None:
    found = _NUMBER.fullmatch(word)
    if found is None:
        return None
    if found.lastindex is None:
        return int(word)
    number = float(word)
    return number if math.isfinite(number) else None


def _unescaped(run: re.Match[bytes]) -> bytes:
    text: str = _ANY_CHARACTER.decode('"' + run[0].decode("ascii") + '"')
    return _of_whole_characters(text).encode()


def _of_whole_characters(text: str) -> str:
    return text if text.isascii() else _HALF_PAIR.sub("\ufffd", text)


class _Members(list[tuple[str, object]]):
    """The members of an object, in order, with keys that come twice."""


class _Word(str):
    """A number as it stands on the wire."""

    __slots__ = ()


_WHOLE = json.JSONDecoder(object_pairs_hook=_Members, parse_int=_Word, parse_float=_Word, parse_constant=_Word)


def _tokens_of_small(data: bytes, streamed_keys: frozenset[str], max_depth: int) -> list[Token]:
    """The tokens of a small document that came whole, five times as fast; none where that is not plain to see.

    What is not plain is left to the scanner, so that there is one judge of what is no JSON: whatever the standard
    library refuses or reads more freely, escapes that may be half a character, and containers at the bound.
    """
    if b"\\u" in data or data[-1:] not in (b"}", b"\n"):
        return []
    try:
        document = _WHOLE.decode(data.decode())
    except (ValueError, RecursionError):
        return []
    tokens: list[Token] = []
    return tokens if _read_small(document, (), False, streamed_keys, max_depth, tokens) else []


def _read_small(
    value: object, path: Path, streamed: bool, streamed_keys: frozenset[str], depth_left: int, tokens: list[Token]
) -> bool:
    """Append the tokens of `value`; whether all of it was plain."""
    if isinstance(value, _Members):
        tokens.append(Began(path, "object"))
        for key, member in value:
            if not _read_small(member, (*path, key), key in streamed_keys, streamed_keys, depth_left - 1, tokens):
                return False
        tokens.append(Ended(path))
        return depth_left > 0
    if isinstance(value, list):
        tokens.append(Began(path, "array"))
        for index, item in enumerate(value):
            if not _read_small(item, (*path, index), streamed, streamed_keys, depth_left - 1, tokens):
                return False
        tokens.append(Ended(path))
        return depth_left > 0
    if isinstance(value, _Word):
        word = value.encode()
        number = _number_of(word)
        tokens.append(Value(path, number, word))
        return number is not None
    if streamed and isinstance(value, str):
        tokens.append(StringPiece(path, value.encode(), last=True))
    elif value is None or isinstance(value, str | bool):
        tokens.append(Value(path, value, b"" if isinstance(value, str) else _WORDS_OF[value]))
    return True


_WORDS_OF = {value: word for word, value in _LITERALS.items()}
