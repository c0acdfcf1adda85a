"""Read a multipart/form-data body while it arrives (RFC 7578).

Rule: files go on in pieces and are never held; words are held, up to a bound. A body that ends before
its last boundary is refused: half of a file is no file.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from impasto.api.body import body_pieces
from impasto.domain.errors import Code, Failure

WriteFile = Callable[[bytes], None]
TakeFile = Callable[[str, str], WriteFile]
"""Hears of each file, by its field and by its own name, and gives what takes its bytes. May refuse it."""

MAX_PARTS = 64
MAX_TEXT_BYTES = 256 << 10
"""Of all fields without a file together, their names included."""

_MEDIA_TYPE = b"multipart/form-data"
_DISPOSITION = b"content-disposition"


async def read_form(scope: Scope, receive: Receive, max_bytes: int, take_file: TakeFile) -> dict[str, list[str]]:
    """The fields that are no files, each with all its values; files have gone to `take_file` by then.

    Raises 413 for more than `max_bytes`, 422 for what is no such form.
    """
    parts = _Parts(take_file)
    parser = _parser_of(Headers(scope=scope).get("content-type", ""), parts)
    async with aclosing(body_pieces(scope, receive, max_bytes)) as pieces:
        async for piece in pieces:
            try:
                parser.write(piece)
            except FormParserError as error:
                raise _broken(str(error)) from None
    if not parts.is_whole:
        raise _broken("it ends before its last boundary")
    return parts.texts


class _Parts:
    """What the parser tells of, put together."""

    def __init__(self, take_file: TakeFile) -> None:
        self.texts: dict[str, list[str]] = {}
        self.is_whole = False
        self._take_file = take_file
        self._count = 0
        self._text_bytes = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._name = ""
        self._text = bytearray()
        self._write: WriteFile | None = None

    def callbacks(self) -> Mapping[str, Callable[..., None]]:
        """By the parser's names for what it tells."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begins,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all_ended,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise _broken(f"it has more than {MAX_PARTS} fields")
        self._disposition = b""

    def _header_begins(self) -> None:
        self._header, self._value = bytearray(), bytearray()

    def _header_ends(self) -> None:
        if bytes(self._header).lower() == _DISPOSITION:
            self._disposition = bytes(self._value)

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _broken("a part of it has no name")
        self._name = _decoded(options[b"name"], "the name of a field")
        self._text = bytearray()
        self._write = None
        if b"filename" in options:
            self._write = self._take_file(self._name, options[b"filename"].decode("utf-8", "replace"))
        else:
            self._count_text(len(options[b"name"]))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._write is not None:
            self._write(data[start:end])
            return
        self._count_text(end - start)
        self._text += data[start:end]

    def _end(self) -> None:
        if self._write is None:
            self.texts.setdefault(self._name, []).append(_decoded(self._text, "a field"))

    def _count_text(self, byte_count: int) -> None:
        self._text_bytes += byte_count
        if self._text_bytes > MAX_TEXT_BYTES:
            raise _broken(f"its fields hold more than {MAX_TEXT_BYTES >> 10} KB of text")

    def _all_ended(self) -> None:
        self.is_whole = True


def _parser_of(content_type: str, parts: _Parts) -> MultipartParser:
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if media_type != _MEDIA_TYPE or not boundary:
        raise Failure(
            Code.INVALID_BODY,
            "The body is no form. Send it as multipart/form-data with a boundary, as curl -F does.",
            param="content-type",
        )
    callbacks: Any = parts.callbacks()
    try:
        return MultipartParser(boundary, callbacks)
    except FormParserError as error:
        raise _broken(str(error)) from None


def _decoded(text: bytes | bytearray, what: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken(f"{what} holds bytes that are not UTF-8") from None


def _broken(why: str) -> Failure:
    return Failure(Code.INVALID_BODY, f"The body is no whole form: {why}.")
