"""An answer as a stream of chunks: events in, server-sent events out.

Rule: the chunks of a stream fold to the whole answer. One choice in every chunk, the role in the
first; then content; then the finish chunk; last, once, what it came to. Pure: what is given is
bytes of whole events, or pieces of one event in their order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from impasto.api.chat_answer import LinkOf, answer_header, base64_of, header_of, receipt_of
from impasto.api.errors import error_body
from impasto.api.shapes import (
    MARKDOWN_AFTER,
    MARKDOWN_BEFORE,
    MARKDOWN_BETWEEN,
    refusal_of,
    words_alone,
    words_beside,
)
from impasto.api.signature_wire import detail_body
from impasto.api.tool_wire import tool_call_body
from impasto.completions.answer import Answers, Asking, Completion, Picture, ServedBy, Words
from impasto.completions.carried import SignedPart
from impasto.domain.errors import Failure
from impasto.domain.events import Event, ImageData, ImageEnded, ImageStarted, Text
from impasto.domain.tools import ToolCall

PIECE_CHARACTERS = 64 << 10
"""Longest piece of a data URL in one chunk: readers of lines have limits, and 64 KiB passes them."""

CHUNK = "chat.completion.chunk"
DONE = b"data: [DONE]\n\n"
_BEFORE_URL = b'{"images":[{"type":"image_url","image_url":{"url":"data:%s;base64,'
_AFTER_URL = b'"}}]}'


FIRST_CHARACTERS = 4 << 10
"""Length of the first piece, so that a picture shows early."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A picture that is not sent: `url` leads to it."""

    url: str


class ChunkWriter:
    """Writes the chunks of one choice of the answer `completion_id`, which `served_by` gives.

    A picture's pieces are cut at the same places however it came, so that the chunks of an answer that is given
    again are the same.
    """

    def __init__(self, completion_id: str, asking: Asking, served_by: ServedBy, index: int = 0) -> None:
        header = answer_header(completion_id, asking, served_by.provider, CHUNK)
        self._shape = asking.manner.shape
        self._before = b"data: " + msgspec.json.encode(header)[:-1] + b',"choices":[{"index":%d,"delta":' % index
        self._words_key = "text" if words_beside(self._shape, served_by) else "content"
        self._has_begun = False
        self._picture_count = 0
        self._call_count = 0
        self._in_content = False
        self._has_content = False
        self._last_was_words = False
        self._piece = bytearray()
        self._piece_characters = FIRST_CHARACTERS

    def write(self, event: Event | Linked) -> Iterator[bytes]:
        """The chunks of one event. Until there is something to say nothing is said, so a failure keeps its status."""
        for chunk in self._chunks_of(event):
            yield from self._begin()
            yield chunk

    def _begin(self) -> Iterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            yield self._chunk({"role": "assistant"})

    def _chunks_of(self, event: Event | Linked) -> Iterator[bytes]:
        match event:
            case Text(text) if text:
                yield self._words(text)
            case ImageStarted(media_type):
                yield from self._start_picture(media_type)
            case ImageData(data) if self._in_content:
                yield from self._cut(data)
            case ImageData(data):
                yield data
            case ImageEnded():
                yield from self._end_picture()
            case Linked(url):
                yield self._link(url)
            case ToolCall():
                yield self._chunk({"tool_calls": [{"index": self._call_count} | tool_call_body(event)]})
                self._call_count += 1
            case _:
                pass

    def end(
        self, completion: Completion, link_of: LinkOf | None = None, signatures: Sequence[SignedPart] = ()
    ) -> Iterator[bytes]:
        """What is left to say of `completion`, its signatures, and the finish chunk."""
        yield from self._begin()
        if self._shape == "both" and completion.results:
            yield from self._lone_picture(completion, link_of)
        content = "" if self._picture_count else words_alone(completion, self._shape)
        if not self._has_content and content is not None and not (self._shape == "parts" and self._picture_count):
            yield self._chunk({"content": content})
        for part in signatures:
            yield from self._signature(part)
        refusal = refusal_of(completion)
        finish: dict[str, object] = {
            "finish_reason": completion.finish.reason,
            "native_finish_reason": completion.finish.native,
        }
        yield self._chunk({} if refusal is None else {"refusal": refusal}, finish)

    def replay(
        self, completion: Completion, link_of: LinkOf | None, signatures: Sequence[SignedPart] = ()
    ) -> Iterator[bytes]:
        """All chunks of an answer that is whole, its pictures as links where `link_of` is given."""
        for event in replayed(completion, self._shape, link_of):
            yield from self.write(event)
        yield from self.end(completion, link_of, signatures)

    def _signature(self, part: SignedPart) -> Iterator[bytes]:
        """One event, in pieces."""
        before, _, after = self._chunk({"reasoning_details": [detail_body(part, b"\0")]}).partition(b"\0")
        yield before
        yield from part.data
        yield after

    def _words(self, text: str) -> bytes:
        if self._shape == "markdown" and self._picture_count and not self._last_was_words:
            text = MARKDOWN_BETWEEN + text
        self._last_was_words = True
        self._has_content |= self._words_key == "content"
        return self._chunk({self._words_key: text})

    def _start_picture(self, media_type: str) -> Iterator[bytes]:
        # A live answer in the shape `content` has sent its picture before it knows of a second one.
        self._in_content = self._shape == "markdown" or (self._shape == "content" and not self._picture_count)
        self._picture_count += 1
        self._piece_characters = FIRST_CHARACTERS
        if not self._in_content:
            yield self._before + _BEFORE_URL % media_type.encode()
            return
        before = MARKDOWN_BEFORE if self._shape == "markdown" else ""
        if before and self._has_content:
            before = MARKDOWN_BETWEEN + before
        self._last_was_words = False
        self._has_content = True
        yield self._chunk({"content": f"{before}data:{media_type};base64,"})

    def _cut(self, data: bytes) -> Iterator[bytes]:
        self._piece += data
        while len(self._piece) >= self._piece_characters:
            yield self._content(bytes(self._piece[: self._piece_characters]))
            del self._piece[: self._piece_characters]
            self._piece_characters = PIECE_CHARACTERS

    def _link(self, url: str) -> bytes:
        self._picture_count += 1
        if self._shape not in ("content", "markdown"):
            return self._chunk({"images": [{"type": "image_url", "image_url": {"url": url}}]})
        text = f"{MARKDOWN_BEFORE}{url}{MARKDOWN_AFTER}" if self._shape == "markdown" else url
        if self._shape == "markdown" and self._has_content:
            text = MARKDOWN_BETWEEN + text
        self._last_was_words = False
        self._has_content = True
        return self._chunk({"content": text})

    def _end_picture(self) -> Iterator[bytes]:
        if self._piece:
            yield self._content(bytes(self._piece))
            self._piece.clear()
        if not self._in_content:
            yield _AFTER_URL + _after(None)
        elif self._shape == "markdown":
            yield self._chunk({"content": MARKDOWN_AFTER})

    def _lone_picture(self, completion: Completion, link_of: LinkOf | None) -> Iterator[bytes]:
        picture = completion.results[-1]
        self._has_content = True
        if link_of:
            yield self._chunk({"content": link_of(picture.id)})
            return
        yield self._chunk({"content": f"data:{picture.media_type};base64,"})
        for data in base64_of(picture, PIECE_CHARACTERS // 4 * 3):
            yield self._content(data)

    def _content(self, data: bytes) -> bytes:
        return b"".join((self._before, b'{"content":"', data, b'"}', _after(None)))

    def _chunk(self, delta: dict[str, object], finish: dict[str, object] | None = None) -> bytes:
        return self._before + msgspec.json.encode(delta) + _after(finish)


def replayed(completion: Completion, shape: str, link_of: LinkOf | None) -> Iterator[Event | Linked]:
    """The events of an answer that is whole, as `shape` shows it.

    A live answer in the shape `content` has sent every picture before it knew of a next one, and is given again as
    it was; one that waited has only the last.
    """
    last_only = shape == "content" and completion.asking.manner.waits
    results = completion.results
    for item in completion.shown_items:
        match item:
            case Words(pieces):
                yield from map(Text, pieces)
            case ToolCall():
                yield item
            case Picture() if last_only and item is not results[-1]:
                pass
            case Picture() if link_of:
                yield Linked(link_of(item.id))
            case Picture():
                yield ImageStarted(item.media_type)
                for data in base64_of(item):
                    yield ImageData(data)
                yield ImageEnded()


def receipt_chunk(answers: Answers) -> bytes:
    """The last chunk: usage and cost, and whatever else a whole answer says of itself."""
    body = header_of(answers.first, CHUNK)
    body["choices"] = [{"index": min(answers.completions), "delta": {}, "logprobs": None, "finish_reason": None}]
    return b"data: " + msgspec.json.encode(body | receipt_of(answers)) + b"\n\n"


def error_event(failure: Failure) -> bytes:
    """What a caller hears who was told 200 already."""
    return b"data: " + msgspec.json.encode({"error": error_body(failure)}) + b"\n\n"


def _after(finish: dict[str, object] | None) -> bytes:
    if finish is None:
        return b',"logprobs":null,"finish_reason":null}]}\n\n'
    return b',"logprobs":null,' + msgspec.json.encode(finish)[1:-1] + b"}]}\n\n"
