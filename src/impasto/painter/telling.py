"""What the painter says about its picture.

Rule: the words name what was drawn and what was left out, and claim nothing else.
"""

from typing import Any

from impasto.painter.prompt import Brief, Thing
from impasto.painter.scenes.choice import INDOORS
from impasto.painter.vocabulary import plural_of

SCENES = {
    "restaurant": "a restaurant table",
    "kitchen": "a table by a window",
    "studio": "a studio",
    "sea": "the sea",
    "beach": "a beach",
    "lake": "a lake below mountains",
    "mountains": "mountains",
    "forest": "a forest",
    "meadow": "a meadow",
    "city": "a city on the water",
    "street": "a street",
    "space": "a view of space",
    "moon": "the surface of the moon",
    "mars": "the dunes of a red planet",
    "underwater": "the sea from below",
    "desert": "a desert",
    "winter": "a winter landscape",
    "sky": "the sky",
    "abstract": "an abstract of folded colour",
}
_TIMES = {"dawn": "at dawn", "day": "by day", "sunset": "at sunset", "dusk": "at dusk", "night": "at night"}
_WEATHER = {
    "cloudy": "under clouds",
    "rain": "in the rain",
    "snow": "in the snow",
    "fog": "in fog",
    "storm": "in a storm",
}
_SKY = {
    "stars": "stars",
    "moon": "the moon",
    "rainbow": "a rainbow",
    "aurora": "northern lights",
    "fireworks": "fireworks",
    "sun": "the sun",
}
_STYLES = {
    "watercolor": "as a watercolor",
    "oil": "as an oil painting",
    "pencil": "as a pencil drawing",
    "ink": "as a cartoon with ink lines",
    "pixel": "as pixel art",
    "poster": "as a poster",
    "noir": "in black and white",
    "sepia": "in sepia",
}
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
MOST_WORDS = 12


def words_of(brief: Brief, scene: str, time: str | None, ignored: tuple[str, ...]) -> str:
    """One sentence about the picture, and one about what is missing from it."""
    parts = [SCENES[scene]]
    if scene == "restaurant" or (scene == "kitchen" and brief.light == "candle"):
        parts.append("by candlelight")
    elif time is not None and scene not in INDOORS:
        parts.append(_TIMES[time])
    if scene not in INDOORS:
        parts += [_WEATHER[weather] for weather in sorted(brief.weather)]
    shown = [_told(thing, scene) for thing in brief.things]
    shown += ["neon lights"] * (brief.light == "neon" and scene in ("city", "street"))
    shown += [_SKY[light] for light in sorted(brief.sky) if scene not in INDOORS]
    if shown:
        parts.append("with " + _listed(shown))
    sentence = " ".join(parts)
    if brief.style in _STYLES:
        sentence += ", " + _STYLES[brief.style]
    start = sentence[0].upper() + sentence[1:] + "."
    if scene == "abstract" and brief.scene is None and not brief.things:
        start = f"I found nothing in the prompt that I can draw, so this is {sentence}."
    return " ".join([start, *_left_out(brief, ignored), *_short_of(brief)])


def _told(thing: Thing, scene: str) -> str:
    name = thing.noun.name
    small = "small " if thing.scale < 1 else "large " if thing.scale > 1 else ""
    if name == "banana" and scene in ("restaurant", "kitchen") and thing.asked == 1:
        # One banana makes no dish: the table serves a few.
        return f"{small}bananas on a plate"
    if name in _UNCOUNTED and thing.asked == 1:
        return small + name
    if thing.count > 1:
        return f"{_COUNTS[thing.count]} {small}{_plural(name)}"
    if name == "earth":
        return "the earth"
    article = "an" if (small or name)[0] in "aeio" else "a"
    return f"{article} {small}{name}"


_UNCOUNTED = {
    "french fries",
    "bread",
    "milk",
    "tea",
    "coffee",
    "rice",
    "corn",
    "broccoli",
    "sushi",
    "ramen",
    "spaghetti",
    "cheese",
    "bacon",
    "popcorn",
    "chocolate",
    "curry",
    "honey",
    "beer",
    "whisky",
    "champagne",
    "ice cream",
    "garlic",
    "wood",
    "stew",
    "salad",
    "paella",
    "pudding",
}

_SAME = {
    "jellyfish",
    "squid",
    "shrimp",
    "moose",
    "bison",
    "coral",
    "sheep",
    "deer",
    "fish",
    "tropical fish",
    "french fries",
    "bread",
    "milk",
    "tea",
    "coffee",
    "rice",
    "corn",
    "broccoli",
}


def _plural(name: str) -> str:
    return (
        name
        if name in _SAME
        else {
            "mouse": "mice",
            "goose": "geese",
            "wolf": "wolves",
            "ox": "oxen",
            "tomato": "tomatoes",
            "potato": "potatoes",
            "mango": "mangoes",
        }.get(name)
        or plural_of(name)
    )


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _quoted(words: tuple[str, ...]) -> str:
    named = ", ".join(f'"{word}"' for word in words[:MOST_WORDS])
    return named + (f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else "")


def _left_out(brief: Brief, ignored: tuple[str, ...]) -> list[str]:
    told = []
    if brief.people:
        told.append(f"I do not paint people, so I left out: {_quoted(brief.people)}.")
    if ignored:
        told.append(f"I left out: {_quoted(ignored)}.")
    return told


def _short_of(brief: Brief) -> list[str]:
    told = []
    for thing in brief.things:
        if thing.asked > thing.count:
            most = f"I paint at most {_COUNTS[thing.count]} of a kind here"
            told.append(f"{most}; {thing.asked} {_plural(thing.noun.name)} were asked for.")
    return told


def report_of(brief: Brief, scene: str, ignored: tuple[str, ...]) -> dict[str, Any]:
    """The same as data: scene, what was drawn, what was ignored (people among it)."""
    return {"scene": scene, "drew": [thing.noun.name for thing in brief.things], "ignored": [*brief.people, *ignored]}
