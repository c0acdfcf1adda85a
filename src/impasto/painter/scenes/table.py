"""A laid table: by candlelight in a restaurant, or by day at a window.

Rule: the dish spans most of the short side whatever the picture's shape; the room fills
the rest. What lies in focus is painted last, so that it never bleeds into the blur.
"""

from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array
from impasto.painter.figures import figure
from impasto.painter.models.food import berry, leaf, plated_bananas, raspberry, scoop
from impasto.painter.models.tableware import PLATE_TOP, Glass, candle, flame, fork, knife, plate
from impasto.painter.noise import chance_of
from impasto.painter.placing import cast_shadow, put
from impasto.painter.prompt import Brief, Thing
from impasto.painter.scenes.rooms import (
    CANDLE_SURROUND,
    WINDOW_SURROUND,
    candle_lighting,
    paint_room,
    paint_window,
    window_lighting,
)
from impasto.painter.scenes.tabletop import TABLE_END, blur_by_depth, lay_table
from impasto.painter.shading import Lighting, render
from impasto.painter.shapes import turned, vector
from impasto.painter.solids import Solid

SLOPE = 0.38
"""How steeply the camera looks down on the dish: height over distance."""

AT_TABLE = {"candle": 4, "wine glass": 3, "plate": 1}
"""What the table itself is laid with, and how many of each it has room for."""

USUAL_BANANAS = 4

# Places on the table, across and away from the middle of the dish.
_CANDLE_SPOTS = ((-1.30, 1.05), (0.62, 2.0), (-0.35, 2.3), (1.75, 1.9))
_CANDLE_HEIGHTS = (0.80, 0.98, 0.70, 0.88)
_GLASS_SPOTS = ((1.34, 0.60), (-1.85, 0.45), (1.95, 1.3))
_THING_SPOTS = (
    (0.0, -0.12),
    (-0.98, 0.60),
    (0.98, 0.55),
    (-0.48, 1.20),
    (0.52, 1.25),
    (-1.70, 0.30),
    (1.75, 0.30),
    (-1.40, 1.35),
    (1.45, 1.35),
    (0.0, 1.90),
    (-0.72, -0.45),
    (0.76, -0.45),
)


def table_camera(height: int, width: int) -> Camera:
    """A camera for which a plate of radius 1 fills most of the short side."""
    focal = float(np.sqrt(height * width)) / 0.72
    plate_across = min(0.80 * height, 0.86 * width)
    distance = 2 * focal / plate_across
    plate_row = (0.68 if width >= height else 0.72) * height
    return Camera(width, height, focal, width / 2, plate_row - focal * SLOPE, distance * SLOPE)


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands on the table: solids by the part they play, and things that are sprites."""

    middle: Array
    candles: tuple[tuple[Array, float], ...]
    glasses: tuple[Glass, ...]
    dish: tuple[Solid, ...]
    food: tuple[Solid, ...]
    cutlery: tuple[Solid, ...]
    things: tuple[Thing, ...]
    plate_is_free: bool

    @property
    def holders(self) -> list[Solid]:
        """The candles as solids."""
        return [solid for at, tall in self.candles for solid in candle(at, tall, 0.085)]


def paint_table(height: int, width: int, brief: Brief, by_candle: bool, seed: int) -> Canvas:
    """A laid table; by candlelight in a dark room, or by day at a window."""
    camera = table_camera(height, width)
    canvas = Canvas.blank(height, width)
    setting = lay(brief, camera, by_candle, seed)
    edge = camera.project(0, 0, float(setting.middle[2]) + TABLE_END)[1]
    places = [at for at, _ in setting.candles]
    if by_candle:
        paint_room(canvas, edge, seed)
        lighting = candle_lighting(places, setting.middle)
    else:
        paint_window(canvas, edge, seed)
        lighting = window_lighting(setting.middle)
    _paint_setting(canvas, camera, setting, lighting, by_candle, seed)
    serve(canvas, camera, setting, by_candle, seed)
    return canvas


def _paint_setting(
    canvas: Canvas, camera: Camera, setting: Setting, lighting: Lighting, by_candle: bool, seed: int
) -> None:
    holders, glasses = setting.holders, [glass.shell() for glass in setting.glasses]
    near = [*setting.dish, *holders, *setting.cutlery, *glasses]
    lay_table(canvas, camera, lighting, near, setting.middle, by_candle, seed)
    render(canvas, camera, holders, lighting, [])
    for at, tall in setting.candles:
        flame(canvas, camera, at + vector(0, tall + 0.02, 0), 0.26)
    for glass in sorted(setting.glasses, key=lambda glass: -float(glass.at[2])):
        glass.lay(canvas, camera, lighting)
    render(canvas, camera, setting.cutlery, lighting, near)
    blur_by_depth(canvas, camera, float(setting.middle[2]))
    render(canvas, camera, setting.dish, lighting, [*setting.food, *holders])
    render(canvas, camera, setting.food, lighting, [*setting.food, *setting.dish])


def lay(brief: Brief, camera: Camera, by_candle: bool, seed: int) -> Setting:
    """Decide what goes where: what the brief asks for, and what such a table has anyway."""
    distance = camera.height / SLOPE
    middle = vector(0, 0, distance)
    side = 1.0 if chance_of(seed, "table").random() < 0.5 else -1.0
    half = camera.width / 2 / camera.focal

    def spot(across: float, away: float) -> Array:
        reach = 0.80 * half * (distance + away)
        return middle + vector(float(np.clip(across * side, -reach, reach)), 0, away)

    asked = {thing.noun.name: thing.count for thing in brief.things}
    candles = _CANDLE_SPOTS[: asked.get("candle", 2 if by_candle else 0)]
    glasses = _GLASS_SPOTS[: asked.get("wine glass", 1 if by_candle else 0)]
    bananas = next((thing for thing in brief.things if thing.noun.name == "banana"), None)
    others = tuple(thing for thing in brief.things if thing is not bananas and thing.noun.name not in AT_TABLE)
    laid = by_candle or brief.fare or bananas is not None or "plate" in asked
    sauce = "#2a120a" if by_candle and (bananas or not others) else None
    cutlery = (fork(middle + vector(-1.22, 0, -0.1), 0.05), knife(middle + vector(1.2, 0, -0.1), -0.05))
    return Setting(
        middle,
        tuple((spot(*place), tall) for place, tall in zip(candles, _CANDLE_HEIGHTS, strict=False)),
        tuple(Glass(spot(across, away if half > 0.3 else 1.3), 0.92) for across, away in glasses),
        (plate(middle, 1.0, seed, sauce),) if laid else (),
        tuple(_food(middle + vector(0, PLATE_TOP, 0), bananas, laid and not others, by_candle, seed)),
        cutlery if laid and half * distance > 1.45 else (),
        others,
        laid and bananas is None,
    )


def _food(on_plate: Array, bananas: Thing | None, garnished: bool, by_candle: bool, seed: int) -> list[Solid]:
    food: list[Solid] = []
    if bananas is not None:
        count = bananas.count if bananas.asked > 1 else USUAL_BANANAS
        food += plated_bananas(on_plate, count, 0.92, seed, bananas.colour)
    if garnished and (by_candle or bananas is None):
        food += garnish(on_plate, seed)
    return food


def garnish(on_plate: Array, seed: int) -> list[Solid]:
    """A scoop with berries and mint, right of the middle."""
    return [
        scoop(on_plate + vector(0.36, 0.19, 0.16), 0.2, "#fff0d2", seed),
        raspberry(on_plate + vector(0.44, 0.075, -0.2), 0.085, turned(0.4, 0.5, 0.9)),
        raspberry(on_plate + vector(0.27, 0.07, -0.33), 0.08, turned(1.4, -0.9, 0.2)),
        berry(on_plate + vector(0.55, 0.055, -0.06), 0.06, "#1d2547", "#6b7aa8"),
        berry(on_plate + vector(0.42, 0.05, -0.36), 0.055, "#1d2547", "#6b7aa8"),
        leaf(on_plate + vector(0.45, 0.42, 0.08), turned(0.25, -0.5, 0.35), 0.3),
        leaf(on_plate + vector(0.25, 0.43, 0.10), turned(2.75, 0.5, 0.3), 0.3),
    ]


def serve(canvas: Canvas, camera: Camera, setting: Setting, by_candle: bool, seed: int) -> None:
    """Sprites on the plate where it is free, the rest beside and behind it; each as large as its place is near."""
    each = [thing for thing in setting.things for _ in range(thing.count)]
    spots = _THING_SPOTS if setting.plate_is_free or not setting.dish else _THING_SPOTS[1:]
    places = [(spots[index % len(spots)], index // len(spots), thing) for index, thing in enumerate(each)]
    crowding = 1.45 if len(each) == 1 else 1.15 if len(each) < 4 else 0.8 if len(each) < 10 else 0.65
    for (across, away), crowd, thing in sorted(places, key=lambda place: -place[0][1] - 0.02 * place[1]):
        at = vector(across + 0.33 * crowd * (1 if across >= 0 else -1), 0, away + 0.12 * crowd)
        _serve_one(canvas, camera, setting, thing, at, crowding, by_candle, seed)


def _serve_one(
    canvas: Canvas,
    camera: Camera,
    setting: Setting,
    thing: Thing,
    at: Array,
    crowding: float,
    by_candle: bool,
    seed: int,
) -> None:
    light = CANDLE_SURROUND if by_candle else WINDOW_SURROUND
    on_plate = bool(setting.dish) and abs(at[0]) < 0.6 and abs(at[2]) < 0.5
    depth = float(setting.middle[2] + at[2])
    tall = 2.6 * min(thing.noun.size, 0.42) * thing.scale * crowding
    sprite = figure(thing.noun, round(camera.focal * tall / depth), thing.colour, seed)
    widest = camera.focal * (0.98 if on_plate else 1.5) / depth
    if sprite.width > widest:
        sprite = figure(thing.noun, round(sprite.height * widest / sprite.width), thing.colour, seed)
    drawn_in = min(1.0, 0.95 * camera.width / camera.rows + 0.25)
    column, row = camera.project(float(at[0]) * drawn_in, PLATE_TOP if on_plate else 0.0, depth)
    left = column - sprite.width / 2
    cast_shadow(canvas, sprite, left, row, light, 0.45)
    put(canvas, sprite, left, row, light, blur=abs(float(at[2])) * 0.0022 * canvas.short)
