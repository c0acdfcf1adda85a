"""Writes the tokens of a scanner as JSON text again.

Rule: the text says what the bytes said. Numbers stand as they were sent, streamed strings are whole again,
and only white space and needless escapes are lost.
"""

from dataclasses import dataclass

import msgspec

from impasto.adapters.json_scan import Began, Ended, JsonError, Path, StringPiece, Token, Value

_MARKS = {"object": (b"{", b"}"), "array": (b"[", b"]")}


@dataclass(slots=True)
class _Open:
    """A container that is not closed yet."""

    end: bytes
    is_empty: bool = True


class JsonText:
    """Takes the tokens of one value, wherever in its document that stands.

    `take` raises `JsonError` for more than `max_bytes` of text, and for a streamed string that is no UTF-8.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._text = bytearray()
        self._open: list[_Open] = []
        self._string = bytearray()

    def take(self, token: Token) -> None:
        match token:
            case Began(path, kind):
                begin, end = _MARKS[kind]
                self._begin(path, begin)
                self._open.append(_Open(end))
            case Ended():
                self._text += self._open.pop().end
            case Value(path, value, word):
                self._begin(path, word or msgspec.json.encode(value))
            case StringPiece():
                self._take_piece(token)
        if len(self._text) + len(self._string) > self._max_bytes:
            raise JsonError(f"A value of more than {self._max_bytes} bytes.")

    def whole(self) -> str:
        """The text, once the value has ended."""
        return self._text.decode()

    def _begin(self, path: Path, text: bytes) -> None:
        if self._open:
            container, step = self._open[-1], path[-1]
            if not container.is_empty:
                self._text += b","
            container.is_empty = False
            if isinstance(step, str):
                self._text += msgspec.json.encode(step) + b":"
        self._text += text

    def _take_piece(self, piece: StringPiece) -> None:
        self._string += piece.data
        if piece.last:
            try:
                text = self._string.decode()
            except UnicodeDecodeError as error:
                raise JsonError("Not JSON: a string that is no UTF-8.") from error
            self._string.clear()
            self._begin(piece.path, msgspec.json.encode(text))
