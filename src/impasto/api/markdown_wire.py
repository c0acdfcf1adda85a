"""An earlier answer in the shape `markdown`, taken back as words and pictures.

Rule: only a data URL, a handle or a link to a picture of a gateway like this one is a picture inside `![…](…)`;
any other link in somebody's words stays words.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from impasto.api.picture_wire import OWN_PICTURE, parse_picture_url
from impasto.api.shapes import MARKDOWN_BETWEEN
from impasto.domain.chat import Handle, ImageLink, ImagePart, TextPart

_PICTURE = re.compile(
    rb'!\[[^\[\]"\\]{0,200}\]\((data:image\\?/[A-Za-z0-9.+-]+;base64,[^)"!]*+|' + OWN_PICTURE + rb")\)"
)
# What stands for a picture ends before the next `[`, and its bytes before the next `!`, so that looking for their ends
# takes no longer than the text is.
_text = msgspec.json.Decoder(str)


def has_markdown_pictures(content: Raw) -> bool:
    """Whether a JSON string holds pictures between its words."""
    return _PICTURE.search(memoryview(content)) is not None


def parse_markdown(content: Raw, where: str) -> Iterable[TextPart | ImagePart | ImageLink | Handle]:
    """The words and pictures of a JSON string, in order. Raises as `parse_picture_url` does. Each picture has a place
    of its own: after the first one they are counted."""
    view, at = memoryview(content)[1:-1], 0
    for number, found in enumerate(_PICTURE.finditer(view), 1):
        yield from _words(view[at : found.start()], after=at > 0, before=True)
        yield parse_picture_url(Raw(b'"' + found[1] + b'"'), f"{where}#{number}" if number > 1 else where)
        at = found.end()
    yield from _words(view[at:], after=at > 0, before=False)


def _words(view: memoryview, *, after: bool, before: bool) -> Iterable[TextPart]:
    """The words `after` and `before` a picture, without the blank line that was put between: words that are signed
    have to come back to the letter."""
    # No escape of JSON ends in `!` or begins with `)`, so a picture never cuts one in two.
    words = _text.decode(b'"' + bytes(view) + b'"')
    words = words.removeprefix(MARKDOWN_BETWEEN) if after else words
    words = words.removesuffix(MARKDOWN_BETWEEN) if before else words
    if words.strip("\n"):
        yield TextPart(words)
