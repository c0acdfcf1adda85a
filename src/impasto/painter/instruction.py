"""An instruction in words to steps from the closed list of verbs.

Rule: precision before recall. Whole words only; a verb that was meant for a part of the
picture, that was negated, or that belongs to another noun ("snow leopard") is not
obeyed, and what was asked for and is not obeyed is named in `ignored`.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from impasto.painter.painting import CannotPaintError
from impasto.painter.verbs import CAN_DO, COLOURS, VERBS, Kind, Verb

MOST_CHARACTERS = 2000
SHOWN_CHARACTERS = 120

TOKEN = re.compile(r"-?\d+(?:[.:]\d+)?(?:st|nd|rd|k)?|[^\W\d_]+(?:'[^\W\d_]+)*|[,.;!?&%°\n]")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
RATIO = re.compile(r"\d+:\d+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SEPARATORS = _words(", . ; ! ? & and then but also plus so because while before after") | {"\n"}
NEGATORS = _words("no not don't dont never without avoid neither nor")
# What pixels alone cannot give: things taken away, or put in another's place.
FOREIGN = _words("remove removing delete erase replace swap exchange rid cut hide isolate")
UP = _words("more increase raise boost higher high up")
DOWN = _words("less decrease reduce lower low down too lessen drop")
GENTLY = _words(
    "slight slightly light gentle gently thin narrow small little bit subtle subtly touch faint mild somewhat"
)
STRONGLY = _words(
    "very much lot lots strong strongly heavy heavily dramatic really intense extremely far super thick wide"
)
PICTURE = _words("photo photos photograph image images picture pictures pic pics shot snapshot portrait selfie")
CHANGE = _words("make turn tint colour color paint change give")
POINTING = _words("this that these those my our your the")
DESCRIBING_ENDS = _words("into as look looks to so in")
FILLER = (
    PICTURE | CHANGE | POINTING | UP | DOWN | GENTLY | STRONGLY
    | _words(
        "it its it's them they a an some any all whole entire entirely everything full half third side part corner "
        "into in to of on onto as at by with from for like please kindly just now can could would should will you "
        "i i'd we me us want wants need love to be is are was let's let get got put set use using add apply "
        "applied do does makes made turned turns convert converted transform transformed render rendered redo "
        "redraw repaint recreate create created generate generated edit edited modify adjust adjusted alter "
        "enhance given painted painting draw drawn drawing style styled styles effect effects filter filters "
        "looking look looks version feel feeling vibe mood art artwork artistic tone tones tonal colours colors "
        "beautiful nice nicely lovely great good pretty realistic traditional classic classical quality detailed "
        "detail hand handmade same original around overall both each other degrees degree percent pixels px size "
        "resolution ratio aspect k hd uhd out over again if there here way hi hello hey thanks thank format one "
        "ones falling % °"
    )
)  # fmt: skip
_SAME = "(?: (?:the|its|my|this|same|original|overall|exact|whole|entire|full))*"
KEEP = re.compile(
    r"(?:(?:keep|preserv|maintain|retain)(?:e|ing)?|respect|same|do not change|don't change|without changing)"
    rf"{_SAME} (?:composition|framing|layout|proportions|everything)(?: (?:intact|unchanged|as is))*(?!\S)"
    r"|(?:do not|don't|no|without) crop(?:ping)?(?!\S)"
)
BARE = re.compile(
    r"(?:no|without|remove|skip)(?: (?:the|a|any|white|paper))* (?:borders?|margins?|frames?|edges?)(?!\S)"
)
ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "last": -1}
WHICH = re.compile(
    rf"(?:only )?(?:the )?({'|'.join(ORDINALS)}) (?:photo|image|picture|pic|one)(?!\S)"
    r"|(?:photo|image|picture) ([1-9])(?!\S)"
)
# Names a way of painting so plainly that any word may follow it.
PLAIN = frozenset({"watercolor"})
TINT = next(verb for verb in VERBS if verb.name == "tint")


@dataclass(frozen=True, slots=True)
class Step:
    """One edit: an amount of 1 is usual, a negative one goes the other way; `number` is a figure that stood near."""

    verb: Verb
    amount: float
    option: str
    number: float | None = None

    def repeats(self, other: "Step") -> bool:
        """Asked for twice is asked for once: "a watercolor painting in watercolor"."""
        return (self.verb.name, self.option, self.amount > 0) == (other.verb.name, other.option, other.amount > 0)


@dataclass(frozen=True, slots=True)
class Instruction:
    """What was understood. `photo` is the index of the one photo that was named; `bare` asks for no margin."""

    steps: tuple[Step, ...]
    ignored: tuple[str, ...]
    keep_composition: bool
    bare: bool
    photo: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """A token, or a phrase that one verb or one modifier claimed."""

    text: str
    verb: Verb | None = None
    known: bool = False


Clause = list[Word]


def parse_instruction(text: str) -> Instruction:
    """Reads the first `MOST_CHARACTERS` characters; raises CannotPaintError when no verb of the list is asked for."""
    plain = " ".join(TOKEN.findall(_plain(text[:MOST_CHARACTERS])))
    words = list(_claimed(plain))
    steps: list[Step] = []
    ignored = [] if len(text) <= MOST_CHARACTERS else [f"what follows the first {MOST_CHARACTERS} characters"]
    for clause in _clauses(words):
        found, left_out = _read(_without_descriptions(_before_negation(clause)))
        for step in found:
            if not any(step.repeats(earlier) for earlier in steps):
                steps.append(step)
        ignored += left_out
    if not steps:
        raise CannotPaintError(f"The built-in painter cannot do “{shortened(text)}”. {CAN_DO}")
    which = WHICH.search(plain)
    photo = None if which is None else ORDINALS[which[1]] if which[1] else int(which[2]) - 1
    return Instruction(tuple(steps), tuple(ignored), bool(KEEP.search(plain)), bool(BARE.search(plain)), photo)


def shortened(text: str) -> str:
    """The text on one line of printable characters, cut to what a message can show."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= SHOWN_CHARACTERS else flat[: SHOWN_CHARACTERS - 1].rstrip() + "…"


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return re.sub(r"(?<=\w)[-\u2010-\u2015](?=[^\W\d])", " ", folded)


def _claimed(plain: str) -> Iterator[Word]:
    """The words, with the longest phrase of the list claimed at each place."""
    start = 0
    while start < len(plain):
        word = _word_at(plain, start)
        yield word
        start += len(word.text) + 1


def _word_at(plain: str, start: int) -> Word:
    for pattern in (KEEP, BARE, WHICH):
        if modifier := pattern.match(plain, start):
            return Word(modifier[0], known=True)
    matches = [(match, verb) for verb in VERBS if (match := verb.pattern.match(plain, start))]
    if matches:
        match, verb = max(matches, key=lambda pair: pair[0].end())
        return Word(match[0].rstrip(), verb)
    token = plain[start : plain.find(" ", start) if " " in plain[start:] else len(plain)]
    return Word(token, known=token in FILLER or token[0] in "-0123456789")


def _clauses(words: list[Word]) -> Iterator[Clause]:
    clause: Clause = []
    for word in words:
        if word.verb is None and word.text in SEPARATORS:
            yield clause
            clause = []
        else:
            clause.append(word)
    yield clause


def _before_negation(clause: Clause) -> Clause:
    """What is asked for, without what is asked not to be ("an oil painting instead of a sketch")."""
    for place, word in enumerate(clause):
        following = clause[place + 1].text if place + 1 < len(clause) else ""
        if not word.verb and (
            word.text in NEGATORS or (word.text, following) in {("instead", "of"), ("rather", "than")}
        ):
            return clause[:place]
    return clause


def _without_descriptions(clause: Clause) -> Clause:
    """Words that only say which photo is meant are known: "this photo of my dog", "my blurry photo"."""
    described: Clause = []
    inside = False
    for place, word in enumerate(clause):
        last = clause[place - 1].text if place else ""
        following = clause[place + 1].text if place + 1 < len(clause) else ""
        inside = (inside or (last in PICTURE and word.text == "of")) and not (word.verb or word.text in DESCRIBING_ENDS)
        describes = inside or (word.verb is not None and last in POINTING and following in PICTURE)
        described.append(Word(word.text, known=True) if describes else word)
    return described


def _read(clause: Clause) -> tuple[list[Step], list[str]]:
    """The steps of one clause, and what in it is left out."""
    clause = [_own_noun(clause, place) for place in range(len(clause))]
    if any(word.text in FOREIGN for word in clause):
        return [], [_phrase(clause)]
    verbs = [(place, word.verb) for place, word in enumerate(clause) if word.verb]
    if not verbs:
        return _read_colour(clause)
    found: list[tuple[int, Step]] = []
    for index, (place, verb) in enumerate(verbs):
        before = clause[(verbs[index - 1][0] + 1 if index else 0) : place]
        after = clause[place + 1 : verbs[index + 1][0] if index + 1 < len(verbs) else len(clause)]
        step, used = _step(verb, before, after)
        clause = [replace(word, known=True) if word.text == used else word for word in clause]
        found.append((place, step))
    foreign = [place for place in range(len(clause)) if _is_foreign(clause, place)]
    kept = [(place, step) for place, step in found if _is_meant(step, clause, foreign)]
    left_out = sorted(foreign + [place for place, step in found if (place, step) not in kept])
    if not kept:
        return [], [_phrase(clause)]
    return [step for _, step in kept], [_phrase(clause[left_out[0] : left_out[-1] + 1])] if left_out else []


def _own_noun(clause: Clause, place: int) -> Word:
    """A single word of the list before an unknown word is part of that word's name: "snow leopard", "pencil case"."""
    word = clause[place]
    following = clause[place + 1] if place + 1 < len(clause) else None
    compound = following is not None and not following.verb and not following.known and following.text not in COLOURS
    single = word.verb is not None and word.verb.kind is Kind.STYLE and " " not in word.text
    return Word(word.text) if word.verb and single and compound and word.verb.name not in PLAIN else word


def _read_colour(clause: Clause) -> tuple[list[Step], list[str]]:
    """ "Make it blue" has no verb of the list, and yet is clear: a word of change, a colour, nothing unknown."""
    colours = [COLOURS[word.text] for word in clause if word.text in COLOURS]
    unknown = [word for word in clause if not word.known and word.text not in COLOURS]
    if len(set(colours)) == 1 and not unknown and any(word.text in CHANGE for word in clause):
        return [Step(TINT, _strength(clause), colours[0])], []
    return [], [_phrase(clause)] if colours or unknown else []


def _step(verb: Verb, before: Clause, after: Clause) -> tuple[Step, str]:
    """The step that a verb's words ask for with the words around them, and the word that gave the option."""
    near = [*before, *after]
    used = next((other.text for other in [*after, *before] if other.text in verb.options), "")
    ratio = next((other.text for other in near if RATIO.fullmatch(other.text)), "")
    option = ratio if ratio and verb.name == "crop" else verb.options.get(used, verb.option)
    number = next((float(other.text) for other in [*after, *before] if NUMBER.fullmatch(other.text)), None)
    amount = _strength(near)
    if verb.sign:
        amount = amount if number is None else min(abs(number) / 30.0, 3.0)
        amount *= -verb.sign if any(other.text in DOWN for other in near) else verb.sign
    return Step(verb, amount, option, number), used


def _strength(near: Clause) -> float:
    texts = {word.text for word in near}
    return 0.5 if texts & GENTLY else 1.7 if texts & STRONGLY else 1.0


def _is_foreign(clause: Clause, place: int) -> bool:
    """An unknown word, unless it only names the photo: "my dog photo"."""
    if clause[place].known or clause[place].verb:
        return False
    following = next((word for word in clause[place + 1 :] if word.known or word.verb), None)
    return following is None or following.text not in PICTURE


def _is_meant(step: Step, clause: Clause, foreign: list[int]) -> bool:
    if step.verb.kind in (Kind.TONE, Kind.SHAPE) and foreign:
        return False
    lessened = not step.verb.sign and step.verb.kind in (Kind.TONE, Kind.STYLE)
    return not (lessened and any(word.text in ("less", "reduce", "decrease") for word in clause))


def _phrase(clause: Clause) -> str:
    return " ".join(word.text for word in clause)
