"""A prompt read into a brief: what to draw, where, when and how.

Rule: precision over recall. Whole phrases, the longest first; what is not understood is
kept as ignored, word by word, and never drawn as something alike.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from impasto.painter.vocabulary import Meaning, Noun, lexicon, longest_phrase, nouns

MOST_KINDS = 6
MOST_OF_ONE = 12
MANY = 3
"""How many a plural without a number shows."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something asked for. `asked` is the number that was asked for, `count` the number to draw."""

    noun: Noun
    count: int = 1
    asked: int = 1
    colour: str | None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Brief:
    """What the painter understood. `scene` and `time` are None where nothing was said; `said` pairs what
    describes the picture with how it was written; `people` are words for people,
    `ignored` everything else that will not be drawn, both as they were written."""

    things: tuple[Thing, ...] = ()
    scene: str | None = None
    time: str | None = None
    weather: frozenset[str] = frozenset()
    sky: frozenset[str] = frozenset()
    style: str | None = None
    season: str | None = None
    light: str | None = None
    colour: str | None = None
    fare: bool = False
    said: tuple[tuple[str, str], ...] = ()
    people: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What has been read so far of a noun phrase: it waits for its noun."""

    count: int | None = None
    colour: tuple[str, str] | None = None
    size: tuple[str, str] | None = None


def read_prompt(prompt: str) -> Brief:
    """Read any text; nothing in it is an error."""
    words = _words_of(prompt)
    found = _phrases_of(words)
    brief, pending = Brief(), _Reading()
    for index, (phrase, meanings) in enumerate(found):
        following = found[index + 1][1] if index + 1 < len(found) else ()
        if not meanings:
            brief = _let_go(brief, pending)
            pending = _Reading(count=_number(phrase))
            if pending.count is None:
                brief = replace(brief, ignored=_added(brief.ignored, phrase))
            continue
        brief, pending = _take(brief, pending, phrase, _choose(meanings, following))
    return _let_go(brief, pending)


def _words_of(prompt: str) -> list[str]:
    text = unicodedata.normalize("NFKC", prompt).casefold()
    return [word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text)]


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 7 and int(word) > 0 else None


def _phrases_of(words: list[str]) -> list[tuple[str, tuple[Meaning, ...]]]:
    known, most = lexicon(), longest_phrase()
    found: list[tuple[str, tuple[Meaning, ...]]] = []
    at = 0
    while at < len(words):
        for length in range(min(most, len(words) - at), 0, -1):
            phrase = tuple(words[at : at + length])
            if phrase in known:
                break
        else:
            length, phrase = 1, (words[at],)
        found.append((" ".join(phrase), known.get(phrase, ())))
        at += length
    return found


_DESCRIBES = ("colour", "size", "noun", "count")


def _choose(meanings: tuple[Meaning, ...], following: tuple[Meaning, ...]) -> Meaning:
    """An orange is a fruit, an orange cat is a colour: what follows decides."""
    by_role = {meaning.role: meaning for meaning in meanings}
    if "colour" in by_role and "noun" in by_role:
        describes = any(meaning.role in ("noun", "size", "colour") for meaning in following)
        return by_role["colour" if describes else "noun"]
    if "noun" in by_role:
        return by_role["noun"]
    return meanings[0]


def _take(brief: Brief, pending: _Reading, phrase: str, meaning: Meaning) -> tuple[Brief, _Reading]:
    """One understood phrase into the brief."""
    value = meaning.value
    match meaning.role:
        case "noun":
            return _with_thing(brief, pending, nouns()[value], many=meaning.many), _Reading()
        case "count":
            return brief, _Reading(int(value), pending.colour, pending.size)
        case "colour":
            return brief, _Reading(pending.count, (value, phrase), pending.size)
        case "size":
            return brief, _Reading(pending.count, pending.colour, (value, phrase))
        case "people":
            return replace(_let_go(brief, pending), people=_added(brief.people, phrase)), _Reading()
        case "scene" if pending.count == 1:
            # The article belonged to the place: "a beach with palm trees".
            return _in_scene(brief, phrase, value), _Reading(None, pending.colour, pending.size)
        case "scene":
            return _in_scene(brief, phrase, value), pending
        case _:
            return _in_manner(brief, phrase, meaning), pending


def _in_manner(brief: Brief, phrase: str, meaning: Meaning) -> Brief:
    """What describes the picture rather than a thing in it."""
    value = meaning.value
    if meaning.role in ("weather", "sky", "time", "season", "light"):
        brief = replace(brief, said=(*brief.said, (value, phrase)))
    match meaning.role:
        case "fare":
            return replace(brief, fare=True)
        case "weather" | "sky":
            return _replaced(brief, meaning.role, getattr(brief, meaning.role) | {value})
        case "style" if brief.style not in (None, "photo", value):
            # Light and lens go with any style; two styles do not go together.
            return brief if value == "photo" else replace(brief, ignored=_added(brief.ignored, phrase))
        case "time" | "style" | "season" | "light":
            return _replaced(brief, meaning.role, value)
        case _:
            return brief


def _replaced(brief: Brief, field: str, value: Any) -> Brief:
    changes: dict[str, Any] = {field: value}
    return replace(brief, **changes)


_NARROWER = {
    ("kitchen", "restaurant"),
    ("mountains", "winter"),
    ("forest", "winter"),
    ("sea", "beach"),
    ("mountains", "lake"),
    ("forest", "lake"),
    ("city", "street"),
    ("mountains", "forest"),
    ("space", "mars"),
    ("space", "moon"),
    ("sky", "mountains"),
    ("mountains", "meadow"),
    ("sea", "underwater"),
    ("meadow", "lake"),
    ("lake", "winter"),
    ("meadow", "winter"),
}
"""Pairs of scenes of which the second holds the first."""


def _in_scene(brief: Brief, phrase: str, value: str) -> Brief:
    """A scene; of two in one prompt the one that holds the other, or the first."""
    if brief.scene is None or brief.scene == value or brief.scene == "sky" or (brief.scene, value) in _NARROWER:
        return replace(brief, scene=value)
    if (value, brief.scene) in _NARROWER or value in ("sky", "kitchen"):
        return brief
    return replace(brief, ignored=_added(brief.ignored, phrase))


def _with_thing(brief: Brief, pending: _Reading, noun: Noun, *, many: bool) -> Brief:
    asked = pending.count if pending.count is not None else (MANY if many else 1)
    thing = Thing(
        noun,
        min(asked, MOST_OF_ONE),
        asked,
        pending.colour[0] if pending.colour else None,
        float(pending.size[0]) if pending.size else 1.0,
    )
    for index, known in enumerate(brief.things):
        if known.noun == noun and known.colour == thing.colour:
            more = replace(known, count=max(known.count, thing.count), asked=max(known.asked, thing.asked))
            return replace(brief, things=(*brief.things[:index], more, *brief.things[index + 1 :]))
    if len(brief.things) >= MOST_KINDS:
        return replace(brief, ignored=_added(brief.ignored, noun.name))
    return replace(brief, things=(*brief.things, thing))


def _let_go(brief: Brief, pending: _Reading) -> Brief:
    """A colour without a noun colours the picture; a size without one cannot be honoured."""
    if pending.colour:
        if brief.colour is None:
            brief = replace(brief, colour=pending.colour[0], said=(*brief.said, pending.colour))
        else:
            brief = replace(brief, ignored=_added(brief.ignored, pending.colour[1]))
    if pending.size:
        brief = replace(brief, ignored=_added(brief.ignored, pending.size[1]))
    return brief


def _added(words: tuple[str, ...], word: str) -> tuple[str, ...]:
    return words if word in words else (*words, word)
