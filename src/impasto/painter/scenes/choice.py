"""Which scene a brief gets: the one it names, the one its things are at home in, or an abstract.

Rule: the first thing named decides.
"""

from dataclasses import replace

from impasto.painter.prompt import Brief, Thing
from impasto.painter.scenes.table import AT_TABLE
from impasto.painter.vocabulary import homes

INDOORS = {"restaurant", "kitchen", "studio", "space", "moon", "abstract", "underwater"}
"""Scenes without weather, season or time of day, except for what they have by nature."""

_BY_NATURE = {
    "restaurant": {"night", "dusk", "sunset", "candle"},
    "kitchen": {"day", "dawn", "candle"},
    "space": {"stars", "night", "sun"},
    "moon": {"stars", "night", "moon"},
    "underwater": {"night", "day"},
}

_GROWING = {"mountains", "lake", "meadow", "forest", "winter"}


def unfit(brief: Brief, scene: str) -> tuple[str, ...]:
    """What was understood but has no place in this scene, as it was written: rain in a studio, autumn at sea."""
    left_out: set[str | None] = set()
    if scene in INDOORS:
        left_out |= brief.weather | brief.sky | {brief.time, brief.season}
    if scene not in _GROWING and brief.season != "winter":
        left_out.add(brief.season)
    if scene not in ("city", "street") and brief.light == "neon":
        left_out.add("neon")
    if brief.light == "candle":
        left_out.add("candle")
    if scene not in ("studio", "abstract"):
        left_out.add(brief.colour)
    left_out -= _BY_NATURE.get(scene, set())
    return tuple(dict.fromkeys(phrase for value, phrase in brief.said if value in left_out))


def fitted(brief: Brief, scene: str) -> Brief:
    """The brief with no more of a kind than the scene has room for."""
    if scene not in ("restaurant", "kitchen"):
        return brief
    things = tuple(
        replace(thing, count=min(thing.count, AT_TABLE.get(thing.noun.name, thing.count))) for thing in brief.things
    )
    return replace(brief, things=things)


def scene_of(brief: Brief) -> str:
    """The name of the scene to paint."""
    if brief.scene is not None and brief.scene not in ("sky", "sea"):
        return brief.scene
    if brief.scene == "sea":
        return "underwater" if _all_deep(brief.things) else "sea"
    if brief.scene == "sky":
        return "sky" if brief.things or brief.time or not brief.sky else "lake"
    if brief.things:
        return _home(brief, brief.things[0])
    return _by_light(brief)


def _all_deep(things: tuple[Thing, ...]) -> bool:
    surfacing = {"whale", "dolphin"}
    return bool(things) and all(thing.noun.place == "deep" and thing.noun.name not in surfacing for thing in things)


def _home(brief: Brief, first: Thing) -> str:
    if brief.light == "candle" or (brief.fare and first.noun.place == "table"):
        return "restaurant"
    if "snow" in brief.weather:
        return "winter"
    home = homes().get(first.noun.name)
    if home is None and first.noun.place == "table" and not _is_food(first):
        home = "studio"
    if home == "studio" and (brief.weather or brief.sky or brief.time or brief.season):
        return "street" if brief.weather & {"rain", "storm"} else "meadow"
    if home is not None:
        return home
    match first.noun.place:
        case "table":
            return "kitchen"
        case "deep":
            return "underwater"
        case "water":
            return "lake"
        case "air" | "ground":
            return "meadow"


def _is_food(thing: Thing) -> bool:
    """Food has a code point among the food and drink emoji, or is a banana."""
    head = thing.noun.picture.partition("-")[0]
    if thing.noun.name == "banana":
        return True
    if not head.startswith("1f"):
        return head == "2615"
    code = int(head, 16)
    return (
        0x1F32D <= code <= 0x1F37F
        or 0x1F950 <= code <= 0x1F96F
        or 0x1FAD0 <= code <= 0x1FADB
        or code in (0x1F9C0, 0x1F9C1, 0x1F9C4, 0x1F9C5, 0x1F9C7, 0x1F9CB)
    )


def _by_light(brief: Brief) -> str:
    """Nothing to draw was named: light, weather or season may still make a picture."""
    if brief.fare or brief.light == "candle":
        return "restaurant"
    if brief.light == "neon":
        return "city"
    if "fireworks" in brief.sky:
        return "city"
    if "snow" in brief.weather:
        return "winter"
    if "rain" in brief.weather:
        return "street"
    if "aurora" in brief.sky:
        return "winter"
    if brief.sky or brief.time == "night":
        return "lake"
    if brief.weather or brief.time in ("sunset", "dusk"):
        return "sea"
    if brief.season is not None:
        return {"winter": "winter", "autumn": "forest"}.get(brief.season, "meadow")
    return "mountains" if brief.time else "abstract"
