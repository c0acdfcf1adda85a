"""From a brief to light on a canvas: one function for each kind of scene, found in a table.

Rule: a scene decides where things can stand; `arrange` puts them there; weather falls
before all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from impasto.painter.arrange import Stage, arrange
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array
from impasto.painter.daylight import mood_of
from impasto.painter.grade import CINEMATIC, Grade
from impasto.painter.placing import Surround
from impasto.painter.prompt import Brief, Thing
from impasto.painter.scenes import falling
from impasto.painter.scenes.city import paint_skyline, paint_street
from impasto.painter.scenes.landscape import LANDS, Country, country_camera, paint_country
from impasto.painter.scenes.space import SPACE_LIGHT, paint_moon, paint_space
from impasto.painter.scenes.studio import FLOOR, STUDIO_LIGHT, paint_abstract, paint_studio
from impasto.painter.scenes.table import paint_table
from impasto.painter.scenes.underwater import WATER_LIGHT, motes, paint_underwater
from impasto.painter.sky import paint_sky, sun_direction


@dataclass(frozen=True, slots=True)
class Composition:
    """Linear light, and how to develop it."""

    light: Array
    grade: Grade


Composer = Callable[[Brief, int, int, int], Composition]

USUAL_TIME = {
    "mountains": "day",
    "lake": "dawn",
    "meadow": "day",
    "forest": "day",
    "desert": "sunset",
    "winter": "day",
    "mars": "sunset",
    "sea": "sunset",
    "beach": "day",
    "city": "dusk",
    "street": "dusk",
    "sky": "day",
}
"""The time of day of a scene for which none was asked."""

OUTDOORS = Grade(bloom=0.09, contrast=1.05, saturation=1.08, vignette=0.22)


def compose(scene: str, brief: Brief, height: int, width: int, seed: int) -> Composition:
    """Paint the scene with everything the brief asks for."""
    composition = _COMPOSERS.get(scene, _country)(replace(brief, scene=scene), height, width, seed)
    if brief.style == "photo":
        return replace(
            composition,
            grade=replace(
                CINEMATIC, exposure=composition.grade.exposure or 0.1, vignette=max(0.36, composition.grade.vignette)
            ),
        )
    return composition


def known_scenes() -> set[str]:
    """Every scene that can be composed."""
    return {*_COMPOSERS, *LANDS}


def _weathered(canvas: Canvas, brief: Brief, horizon: float, seed: int) -> None:
    if "storm" in brief.weather:
        falling.lightning(canvas, horizon, seed)
    if brief.weather & {"rain", "storm"}:
        falling.rain(canvas, seed)
    if "snow" in brief.weather:
        falling.snow(canvas, seed)


def _country(brief: Brief, height: int, width: int, seed: int) -> Composition:
    scene = brief.scene or "meadow"
    mood = mood_of(brief, USUAL_TIME[scene])
    snowy = "snow" in brief.weather or brief.season == "winter"
    country = paint_country(height, width, scene, mood, brief.sky, brief.season, snowy, seed)
    _people_the(country, brief.things, scene, seed)
    _weathered(country.canvas, brief, country.camera.horizon, seed)
    return Composition(country.canvas.light, OUTDOORS)


def _people_the(country: Country, things: tuple[Thing, ...], scene: str, seed: int) -> None:
    """Things in the country: boats and fish on its water, the rest on its land, or on a rock in the sea."""
    camera = country.camera
    floor = camera.rows - camera.horizon
    ground = "water" if scene == "sea" else "land"
    stage = Stage(
        country.canvas,
        country.surround,
        camera.horizon + 0.22 * floor,
        camera.horizon + 0.86 * floor,
        0.05 * camera.rows,
        max(camera.horizon * 0.92, 0.3 * camera.rows),
        ground,
        country.mood,
    )
    if LANDS[scene].water is not None and scene != "sea":
        wet = tuple(thing for thing in things if thing.noun.place in ("water", "deep"))
        # The far part of the foreground is water here, the near part is shore.
        arrange(
            replace(
                stage, ground="water", far=camera.horizon + 0.04 * floor, near=camera.horizon + 0.14 * floor, unit=0.6
            ),
            wet,
            seed,
        )
        things = tuple(thing for thing in things if thing not in wet)
        stage = replace(stage, far=camera.horizon + 0.5 * floor)
    arrange(stage, things, seed)


def _skyline(brief: Brief, height: int, width: int, seed: int) -> Composition:
    mood = mood_of(brief, USUAL_TIME["city"])
    canvas, camera, surround = paint_skyline(height, width, mood, brief.sky, brief.light == "neon", seed)
    floor = height - camera.horizon
    stage = Stage(
        canvas,
        surround,
        camera.horizon + 0.25 * floor,
        height * 0.97,
        0.05 * height,
        camera.horizon * 0.7,
        "water",
        mood,
        0.8,
    )
    arrange(stage, brief.things, seed)
    _weathered(canvas, brief, camera.horizon, seed)
    return Composition(canvas.light, replace(OUTDOORS, bloom=0.14))


def _street(brief: Brief, height: int, width: int, seed: int) -> Composition:
    mood = mood_of(brief, USUAL_TIME["street"])
    wet = bool(brief.weather & {"rain", "storm"})
    canvas, camera, surround = paint_street(height, width, mood, brief.sky, brief.light == "neon", wet, seed)
    floor = height - camera.horizon
    stage = Stage(
        canvas,
        surround,
        camera.horizon + 0.35 * floor,
        height * 0.96,
        0.05 * height,
        camera.horizon * 0.8,
        "street",
        mood,
    )
    arrange(stage, brief.things, seed)
    _weathered(canvas, brief, camera.horizon, seed)
    return Composition(canvas.light, replace(OUTDOORS, bloom=0.15, exposure=0.15))


def _space(brief: Brief, height: int, width: int, seed: int) -> Composition:
    worlds = any(thing.noun.name in ("planet", "earth") for thing in brief.things)
    canvas = paint_space(height, width, seed, planet=0.0 if worlds else 0.7 if brief.things else 1.0)
    stage = Stage(canvas, SPACE_LIGHT, 0.6 * height, 0.95 * height, 0.05 * height, 0.95 * height, "space")
    arrange(stage, brief.things, seed)
    return Composition(canvas.light, Grade(bloom=0.13, contrast=1.06, saturation=1.1, vignette=0.3))


def _moon(brief: Brief, height: int, width: int, seed: int) -> Composition:
    canvas, camera = paint_moon(height, width, seed)
    floor = height - camera.horizon
    stage = Stage(
        canvas,
        SPACE_LIGHT,
        camera.horizon + 0.25 * floor,
        camera.horizon + 0.85 * floor,
        0.05 * height,
        camera.horizon * 0.9,
        "land",
    )
    # The blue world above is there already.
    arrange(stage, tuple(thing for thing in brief.things if thing.noun.name != "earth"), seed)
    return Composition(canvas.light, Grade(bloom=0.08, contrast=1.08, saturation=1.0, vignette=0.25))


def _underwater(brief: Brief, height: int, width: int, seed: int) -> Composition:
    dark = 1.0 if brief.time == "night" else 0.0
    canvas = paint_underwater(height, width, seed, dark)
    light = replace(WATER_LIGHT, sunlight=WATER_LIGHT.sunlight * np.float32(1 - 0.6 * dark))
    arrange(
        Stage(canvas, light, 0.82 * height, 0.97 * height, 0.08 * height, 0.84 * height, "sea floor"),
        brief.things,
        seed,
    )
    motes(canvas, seed)
    return Composition(canvas.light, Grade(bloom=0.14, contrast=1.05, saturation=1.05, vignette=0.32))


def _studio(brief: Brief, height: int, width: int, seed: int) -> Composition:
    canvas = paint_studio(height, width, seed, brief.colour)
    stage = Stage(canvas, STUDIO_LIGHT, FLOOR * height, 0.95 * height, 0.06 * height, 0.7 * height, "gloss", None, 1.25)
    arrange(stage, brief.things, seed)
    return Composition(canvas.light, Grade(bloom=0.06, contrast=1.04, saturation=1.08, vignette=0.22))


def _sky(brief: Brief, height: int, width: int, seed: int) -> Composition:
    mood = replace(mood_of(brief, USUAL_TIME["sky"]), cover=0.55)
    camera = replace(country_camera(height, width, LANDS["meadow"]), horizon=1.04 * height)
    canvas = Canvas.blank(height, width)
    paint_sky(canvas, camera, mood, brief.sky, seed)
    surround = Surround.of(mood, sun_direction(camera, mood, seed))
    arrange(
        Stage(canvas, surround, 0.6 * height, 0.95 * height, 0.08 * height, 0.92 * height, "sky", mood),
        brief.things,
        seed,
    )
    _weathered(canvas, brief, 0.8 * height, seed)
    return Composition(canvas.light, OUTDOORS)


def _abstract(brief: Brief, height: int, width: int, seed: int) -> Composition:
    canvas = paint_abstract(height, width, seed, brief.colour)
    if brief.things:
        arrange(
            Stage(canvas, STUDIO_LIGHT, 0.6 * height, 0.9 * height, 0.08 * height, 0.92 * height, "sky"),
            brief.things,
            seed,
        )
    return Composition(canvas.light, Grade(bloom=0.08, contrast=1.04, saturation=1.05, vignette=0.2))


def _table(brief: Brief, height: int, width: int, seed: int) -> Composition:
    by_candle = brief.scene == "restaurant" or brief.light == "candle"
    canvas = paint_table(height, width, brief, by_candle, seed)
    return Composition(canvas.light, CINEMATIC if by_candle else replace(OUTDOORS, vignette=0.3))


_COMPOSERS: dict[str, Composer] = {
    "restaurant": _table,
    "kitchen": _table,
    "city": _skyline,
    "street": _street,
    "space": _space,
    "moon": _moon,
    "underwater": _underwater,
    "studio": _studio,
    "sky": _sky,
    "abstract": _abstract,
}
