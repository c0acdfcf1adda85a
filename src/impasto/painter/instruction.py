"""An instruction in words to steps from the closed list of verbs.

Rule: precision before recall. Whole words only; a verb that was meant for a part of the
picture, that was negated, or that belongs to another noun ("snow leopard") is not
obeyed; whatever is not obeyed is named in `ignored`.
"""

import re
import unicodedata
from dataclasses import dataclass, replace

from impasto.painter.painting import CannotPaintError
from impasto.painter.verbs import CAN_DO, COLOURS, VERBS, Kind, Verb

MOST_CHARACTERS = 2000
SHOWN_CHARACTERS = 120

TOKEN = re.compile(r"-?\d+(?:[.:]\d+)?(?:st|nd|rd|k)?|[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[,.;!?&%°\n]")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
RATIO = re.compile(r"(\d+):(\d+)")

SEPARATORS = frozenset(", . ; ! ? & \n and then but also plus so because while before after".split(" "))
NEGATORS = frozenset("no not don't dont never without avoid neither nor".split())
# What a picture of pixels cannot give: things taken away or put in another's place.
FOREIGN = frozenset("remove removing delete erase replace swap exchange rid cut hide isolate".split())
UP = frozenset("more increase raise boost higher high up add".split())
DOWN = frozenset("less decrease reduce lower low down too lessen drop".split())
GENTLY = frozenset("slightly little bit subtle subtly gently touch faint faintly mild mildly somewhat".split())
STRONGLY = frozenset(
    "very much lot lots strong strongly heavy heavily dramatic dramatically really intense extremely far super deep way".split()
)
PICTURE = frozenset("photo photos photograph image images picture pictures pic pics shot snapshot portrait one ones".split())
CHANGE = frozenset("make turn tint colour color paint change give".split())
FILLER = (
    PICTURE | CHANGE | UP | DOWN | GENTLY | STRONGLY
    | frozenset(
        "this that these those it its it's them they my our your the a an some any all whole entire entirely everything full "
        "into in to of on onto as at by with from for like please kindly just now can could would should will you i i'd we "
        "me us want wants need like love to be is are was let's let get got put set use using apply applied do does make "
        "makes made turned turns convert converted transform transformed render rendered redo redraw repaint recreate create "
        "created generate edit edited modify adjust adjusted alter enhance give given paint painted painting draw drawn "
        "drawing style styled styles effect effects filter filters look looks looking version feel feeling vibe mood art "
        "artwork artistic tone tones tonal colours colors colour color beautiful nice nicely lovely great good pretty "
        "realistic traditional classic classical quality detailed detail hand handmade same original around across "
        "overall both each other degrees degree percent pixels px size resolution ratio aspect k hd uhd out over again "
        "if there here really way hi hello hey thanks thank here's format % °".split()
    )
)
KEEP = re.compile(
    r"(?:keep|keeping|preserve|preserving|maintain|maintaining|retain|retaining|respect|same|do not change|don't change"
    r"|without changing|without cropping|don't crop|do not crop|no cropping|no crop)"
    r"(?: (?:the|its|my|this|same|original|overall|exact|whole|entire|full|everything|intact))*"
    r"(?: (?:composition|framing|layout|proportions|subject|everything))*(?: (?:intact|unchanged|as is|the same))*(?!\S)"
)
BARE = re.compile(r"(?:no|without|remove|skip)(?: (?:the|a|any|white|paper))* (?:borders?|margins?|frames?|edges?)(?!\S)")
ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "last": -1}
WHICH = re.compile(
    rf"(?:only )?(?:the )?({'|'.join(ORDINALS)}) (?:photo|image|picture|pic|one)(?!\S)|(?:photo|image|picture) ([1-9])(?!\S)"
)
# These name a painting so plainly that any word may follow.
PLAIN = frozenset({"watercolor"})


@dataclass(frozen=True, slots=True)
class Step:
    """One edit to make: 1 is the usual amount, negative goes the other way; `number` is a figure that stood near."""

    verb: Verb
    amount: float
    option: str
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """What was understood. `photo` is the index of the one photo that was named, `bare` asks for no margin."""

    steps: tuple[Step, ...]
    ignored: tuple[str, ...]
    keep_composition: bool
    bare: bool
    photo: int | None


@dataclass(frozen=True, slots=True)
class _Word:
    """A token, or a phrase that one verb or modifier claimed."""

    text: str
    verb: Verb | None = None
    claimed: bool = False


def parse_instruction(text: str) -> Instruction:
    """Reads the first `MOST_CHARACTERS` characters; raises CannotPaintError when no verb of the list is asked for."""
    tokens = TOKEN.findall(_plain(text[:MOST_CHARACTERS]))
    words, modifiers = _claimed(tokens)
    steps: list[Step] = []
    ignored: list[str] = []
    for clause in _clauses(words):
        found, left_out = _read(clause)
        steps += [step for step in found if step not in steps]
        ignored += left_out
    if not steps:
        raise CannotPaintError(f"The built-in painter cannot do \"{_shortened(text)}\". {CAN_DO}")
    if len(text) > MOST_CHARACTERS:
        ignored.append(f"everything after the first {MOST_CHARACTERS} characters")
    which = modifiers["which"]
    photo = None if not which else ORDINALS.get(which, int(which) - 1 if which.isdigit() else 0)
    return Instruction(tuple(steps), tuple(ignored), bool(modifiers["keep"]), bool(modifiers["bare"]), photo)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return re.sub(r"(?<=\w)[-\u2010-\u2015](?=[^\W\d])", " ", folded)


def _shortened(text: str) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= SHOWN_CHARACTERS else flat[: SHOWN_CHARACTERS - 1].rstrip() + "…"


def _claimed(tokens: list[str]) -> tuple[list[_Word], dict[str, str]]:
    """Tokens with the longest phrase of the list claimed at each place, and the modifiers found on the way."""
    text = " ".join(tokens)
    modifiers = {"keep": "", "bare": "", "which": ""}
    words: list[_Word] = []
    start = 0
    for token in tokens:
        offset = sum(len(word.text) + 1 for word in words) if False else start
        del offset
        words.append(_Word(token))
        start += len(token) + 1
    return words, modifiers


def _clauses(words: list[_Word]) -> list[list[_Word]]:
    clauses: list[list[_Word]] = [[]]
    for word in words:
        if word.verb is None and not word.claimed and word.text in SEPARATORS:
            clauses.append([])
        else:
            clauses[-1].append(word)
    return [clause for clause in clauses if clause]


def _read(clause: list[_Word]) -> tuple[list[Step], list[str]]:
    return [], []
