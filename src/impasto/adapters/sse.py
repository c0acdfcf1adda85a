"""Reads server-sent events in pieces; a long `data:` line passes through as it comes.

Rule: nothing is held but the first bytes of a line. Only `data` counts: comments, event names, ids and retry times are
left out. https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SseBegan:
    """An event with data begins."""


@dataclass(frozen=True, slots=True)
class SseData:
    """A piece of the event's data, never empty. The first piece of a line is the whole line or at least 8 bytes, so
    that a closing word such as `[DONE]` comes whole."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SseEnded:
    """The event ends."""


SseToken = SseBegan | SseData | SseEnded

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATA = re.compile(rb"data(?:: ?|(?=\n))")
_HEAD_BYTES = 16


class SseReader:
    """Turns the bytes of an event stream, however they are cut, into events.

    Lines end with LF, CR or CRLF; the `data` lines of one event join with LF. No bytes are refused.
    """

    def __init__(self) -> None:
        self._line: Literal["head", "data", "other"] = "head"
        self._in_event = False
        self._is_first = True
        self._after_cr = False
        self._held = b""
        self._tokens: list[SseToken] = []

    def feed(self, data: bytes) -> list[SseToken]:
        """What `data` brings."""
        data = self._held + self._with_plain_line_ends(data)
        self._held = b""
        at = 0
        while at < len(data):
            end = data.find(b"\n", at)
            if self._line != "head":
                at = self._take_line(data, at, end)
            elif end < 0 and len(data) - at < _HEAD_BYTES:
                self._held, at = data[at:], len(data)
            else:
                at = self._take_head(data, at, end)
        tokens, self._tokens = self._tokens, []
        return tokens

    def finish(self) -> list[SseToken]:
        """What the end of input brings: an event that no blank line closed is delivered all the same."""
        return self.feed(b"\n\n")

    def _with_plain_line_ends(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        if b"\r" not in data:
            return data
        # A split costs a tenth of two replacements where the line ends are few and the lines are megabytes.
        first, *others = data.split(b"\r")
        return b"\n".join((first, *(other.removeprefix(b"\n") for other in others)))

    def _take_head(self, data: bytes, at: int, end: int) -> int:
        if self._is_first:
            self._is_first = False
            if data.startswith(_BYTE_ORDER_MARK, at):
                return at + len(_BYTE_ORDER_MARK)
        if end == at:
            self._end_event()
            return at + 1
        field = _DATA.match(data, at)
        if field is None:
            self._line = "other"
            return at
        self._line = "data"
        self._tokens.append(SseData(b"\n") if self._in_event else SseBegan())
        self._in_event = True
        return field.end()

    def _take_line(self, data: bytes, at: int, end: int) -> int:
        stop = end if end >= 0 else len(data)
        if self._line == "data" and stop > at:
            self._tokens.append(SseData(data[at:stop]))
        if end >= 0:
            self._line = "head"
        return stop + 1

    def _end_event(self) -> None:
        if self._in_event:
            self._tokens.append(SseEnded())
            self._in_event = False
