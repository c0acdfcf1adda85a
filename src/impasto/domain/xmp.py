"""What is read out of XMP, the XML in which pictures tell of themselves.

Rule: the text is scanned once, tag by tag, and never parsed into a tree: no entities, no depth, and time that grows
with the length alone, whatever the text is. Names count without their prefix, which every writer may choose.
"""

import re
from collections.abc import Iterator
from html import unescape

from impasto.domain.containers import Span

# Quoted values may hold anything; what is not closed ends with the text, so that nothing is scanned twice.
_TAG = re.compile(
    rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    rb"|<(?P<close>/?)(?P<name>[^\s<>/\"'=!?]++)"
    rb"(?P<attributes>(?:[^<>\"']++|\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z))*+)(?:>|(?=<)|\Z)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rb"(?<=[\s\"'])(?P<name>[^\s=<>\"'/]++)\s*+=\s*+(?P<value>\"[^\"]*+\"|'[^']*+')",
)
_LONGEST_NUMBER = 12
_POSITION = re.compile(
    rb"(?!xmlns:)(?:[^:]*:)?(?:gps.*|.*latitude|.*long(?:i|t)+tude|lat|long?)", re.IGNORECASE | re.DOTALL
)


def positions_in(xml: bytes) -> Iterator[Span]:
    """The elements and attributes that tell a position: `exif:GPSLatitude` and its kin, those of drones, `geo:lat`.

    What is left is as well-formed as it was when they are overwritten with spaces.
    """
    inside, depth, start = b"", 0, 0
    for tag in _TAG.finditer(xml):
        name = tag["name"]
        if name is None:
            continue
        closes, closed_itself = bool(tag["close"]), tag["attributes"].endswith(b"/")
        if inside:
            if name == inside and not closed_itself:
                depth += -1 if closes else 1
            if depth == 0:
                yield start, tag.end()
                inside = b""
        elif closes:
            continue
        elif not _POSITION.fullmatch(name):
            yield from _attributes(tag)
        elif closed_itself:
            yield tag.span()
        else:
            inside, depth, start = name, 1, tag.start()
    if inside:
        yield start, len(xml)


def text_of(xml: bytes, wanted: bytes) -> str | None:
    """The first value of this name: an attribute, the words of an element, or the resource that it names."""
    for tag in _TAG.finditer(xml):
        name = tag["name"]
        if name is None or tag["close"]:
            continue
        is_wanted = _local(name) == wanted
        for attribute in _ATTRIBUTE.finditer(xml, *tag.span("attributes")):
            if _local(attribute["name"]) == (b"resource" if is_wanted else wanted):
                return _plain(attribute["value"][1:-1])
        if is_wanted:
            return _plain(xml[tag.end() :].partition(b"<")[0])
    return None


def movie_length_in(xml: bytes) -> int | None:
    """How many bytes at the end of a motion photo are its movie."""
    if b"MotionPhoto" not in xml and b"MicroVideo" not in xml:
        return None
    for tag in _TAG.finditer(xml):
        if tag["name"] is None:
            continue
        found = _ATTRIBUTE.finditer(xml, *tag.span("attributes"))
        attributes = {_local(one["name"]): one["value"][1:-1] for one in found}
        is_movie = attributes.get(b"Semantic") == b"MotionPhoto"
        length = attributes.get(b"Length" if is_movie else b"MicroVideoOffset", b"")
        if length.isdigit() and len(length) < _LONGEST_NUMBER:
            return int(length)
    return None


def _local(name: bytes) -> bytes:
    return name.rpartition(b":")[2]


def _plain(text: bytes) -> str:
    return unescape(text.decode("utf-8", "replace")).strip()


def _attributes(tag: re.Match[bytes]) -> Iterator[Span]:
    for attribute in _ATTRIBUTE.finditer(tag.string, *tag.span("attributes")):
        if _POSITION.fullmatch(attribute["name"]):
            yield attribute.span()
