"""The words the painter knows, read once from its assets.

Rule: a phrase means something only as a whole: there is no matching inside a word, and
no guessing from likeness.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Role = Literal[
    "noun",
    "scene",
    "time",
    "weather",
    "sky",
    "style",
    "colour",
    "size",
    "count",
    "season",
    "fare",
    "light",
    "people",
    "filler",
]
Place = Literal["table", "ground", "air", "water", "deep"]


@dataclass(frozen=True, slots=True)
class Noun:
    """Something to draw. `picture` is a code point in assets/pictures, or `drawn:` and the name of a model;
    `size` its height as a share of the short side where it is the main thing."""

    name: str
    place: Place
    picture: str
    size: float


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for: its role, and a value whose sense depends on the role. `many` marks a plural."""

    role: Role
    value: str
    many: bool = False


def _assets(name: str) -> dict[Any, Any]:
    return tomllib.loads((files("impasto.painter") / "assets" / name).read_text(encoding="utf-8"))


@cache
def nouns() -> Mapping[str, Noun]:
    """Everything that can be drawn, by name."""
    places: tuple[Place, ...] = ("table", "ground", "air", "water", "deep")
    vocabulary = _assets("vocabulary.toml")
    return {name: Noun(name, place, line[0], line[1]) for place in places for name, line in vocabulary[place].items()}


@cache
def homes() -> Mapping[str, str]:
    """The scene in which a noun is at home, where it has one."""
    return {name: scene for scene, names in _assets("vocabulary.toml")["homes"].items() for name in names}


@cache
def lexicon() -> Mapping[tuple[str, ...], tuple[Meaning, ...]]:
    """Phrases (as tuples of words) to their meanings, the likeliest first."""
    found: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for phrase, meaning in [*_plain_words(), *_noun_phrases()]:
        words = tuple(phrase.replace("-", " ").split())
        if meaning not in found.get(words, ()):
            found[words] = (*found.get(words, ()), meaning)
    return found


def _plain_words() -> Iterator[tuple[str, Meaning]]:
    roles: dict[Role, dict[str, list[str]]] = _assets("words.toml")
    for role, values in roles.items():
        for value, phrases in values.items():
            for phrase in phrases:
                yield phrase, Meaning(role, value)


def _noun_phrases() -> Iterator[tuple[str, Meaning]]:
    vocabulary = _assets("vocabulary.toml")
    irregular: dict[str, str] = vocabulary.pop("plurals")
    del vocabulary["homes"]
    for group in vocabulary.values():
        for name, line in group.items():
            for phrase in (name, *line[2:]):
                yield phrase, Meaning("noun", name)
                yield plural_of(phrase), Meaning("noun", name, many=True)
    for phrase, name in irregular.items():
        if name in nouns():
            yield phrase, Meaning("noun", name, many=True)


def plural_of(phrase: str) -> str:
    """The regular English plural of a phrase: of its head, where it holds an "of"."""
    head, of, rest = phrase.partition(" of ")
    if head.endswith(("s", "x", "ch", "sh", "z")):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return head + of + rest


def longest_phrase() -> int:
    """How many words the longest known phrase has."""
    return max(len(words) for words in lexicon())
