"""What callers were given and may use again: pictures by their ids, files that they uploaded.

Rule: a picture is whatever an answer showed, and its hash is that of the bytes that were heard. What somebody asked to
be deleted is never cited again, and what is cited may be deleted while it is.
"""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_PICTURES = 30
_DATA_URL = re.compile(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of an answer. `id` is empty where the answer gave none, because nothing of it is kept."""

    id: str
    sha256: str
    data_url: str = field(repr=False)

    @property
    def content(self) -> bytes:
        return base64.b64decode(self.data_url.partition(",")[2])


@dataclass(slots=True)
class Belongings:
    """Of one key. `deleting` are ids that somebody has asked to be deleted, `deleted` those that are known to be;
    `files` maps ids of uploads to the hash of what was sent."""

    pictures: list[Picture] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def add(self, picture: Picture) -> None:
        """Of many, the last are remembered."""
        self.pictures.append(picture)
        del self.pictures[:-MOST_PICTURES]


def pictures_in(content: bytes, *, streamed: bool) -> list[Picture]:
    """The pictures of a whole answer, in order. Raises `ValueError` where it names others than it shows."""
    bodies = [json.loads(event.removeprefix(b"data: ")) for event in content.split(b"\n\n")[:-2]] if streamed else []
    last = bodies[-1] if streamed else json.loads(content)
    shown = _shown(bodies if streamed else [last])
    named = [each["id"] or "" for each in last["applied"]]
    byte_counts = [each["bytes"] for each in last["applied"]]
    found = [_picture(id_, url) for id_, url in zip(named, shown, strict=True)]
    if [len(each.content) for each in found] != byte_counts:
        raise ValueError(f"pictures of {[len(each.content) for each in found]} bytes are said to have {byte_counts}")
    return found


def _shown(bodies: list[dict[str, object]]) -> list[str]:
    """The data URLs of an answer, or of the chunks of one, in order of their choices."""
    words: defaultdict[int, str] = defaultdict(str)
    for choice in (choice for body in bodies for choice in body["choices"]):  # type: ignore[attr-defined]
        said = choice.get("message") or choice.get("delta") or {}
        words[choice["index"]] += "".join(_strings_in(said))
    return [found[0] for _, text in sorted(words.items()) for found in _DATA_URL.finditer(text)]


def _strings_in(said: object) -> Iterator[str]:
    match said:
        case str():
            yield said
        case dict():
            for value in said.values():
                yield from _strings_in(value)
        case list():
            for value in said:
                yield from _strings_in(value)


def _picture(id_: str, data_url: str) -> Picture:
    content = base64.b64decode(data_url.partition(",")[2])
    return Picture(id_, hashlib.sha256(content).hexdigest(), data_url)
