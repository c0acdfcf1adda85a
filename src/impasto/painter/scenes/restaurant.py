"""A table in a restaurant by candlelight: white cloth, a dish in the middle, lights far behind.

Rule: the dish spans most of the short side whatever the picture's shape; the room fills
the rest.
"""

import cv2
import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas, lens_blur, soften
from impasto.painter.colour import Array, linear, mix, ramp, smoothstep
from impasto.painter.figures import figure
from impasto.painter.models.food import berry, leaf, plated_bananas, raspberry, scoop
from impasto.painter.models.tableware import PLATE_TOP, Glass, candle, flame, fork, knife, plate
from impasto.painter.noise import Chance, chance_of, sample, tile
from impasto.painter.placing import Surround, cast_shadow, put
from impasto.painter.prompt import Brief, Thing
from impasto.painter.shading import Lamp, Lighting, render, shade
from impasto.painter.shapes import turned, vector
from impasto.painter.solids import Material, Solid

SLOPE = 0.44
"""How steeply the camera looks down on the dish: height over distance."""


def table_camera(height: int, width: int) -> Camera:
    """A camera for which a plate of radius 1 fills most of the short side."""
    focal = float(np.sqrt(height * width)) / 0.72
    plate_across = min(0.82 * height, 0.86 * width)
    distance = 2 * focal / plate_across
    plate_row = (0.68 if width >= height else 0.72) * height
    return Camera(width, height, focal, width / 2, plate_row - focal * SLOPE, distance * SLOPE)


def paint_table(height: int, width: int, brief: Brief, by_candle: bool, seed: int) -> Canvas:
    """A laid table; by candlelight in a dark room, or by day at a window."""
    camera = table_camera(height, width)
    canvas = Canvas.blank(height, width)
    distance = camera.height / SLOPE
    middle = vector(0, 0, distance)
    if by_candle:
        paint_room(canvas, camera, seed)
    else:
        paint_window(canvas, camera, seed)
    side = 1.0 if chance_of(seed, "table").random() < 0.5 else -1.0
    candles = [middle + vector(-1.32 * side, 0, 1.15), middle + vector(1.02 * side, 0, 2.05)] if by_candle else []
    lighting = candle_lighting(candles, middle) if by_candle else window_lighting(middle)
    names = {thing.noun.name for thing in brief.things}
    glass = Glass(middle + vector(1.28 * side, 0, 0.62), 0.98) if by_candle or "wine glass" in names else None
    if "candle" in names and not candles:
        candles = [middle + vector(-1.32 * side, 0, 1.15)]
    served = [thing for thing in brief.things if thing.noun.name not in ("wine glass", "candle", "plate")]
    bananas = next((thing for thing in served if thing.noun.name == "banana"), None)
    others = [thing for thing in served if thing is not bananas]
    laid = by_candle or brief.fare or bananas is not None or "plate" in names
    dish = [plate(middle, 1.0, seed, "#2a120a" if by_candle and (bananas or not others) else None)] if laid else []
    food: list[Solid] = []
    on_plate = middle + vector(0, PLATE_TOP, 0)
    if bananas is not None:
        count = bananas.count if bananas.asked > 1 else 4
        food += plated_bananas(on_plate, min(count, 6), 0.92, seed, bananas.colour)
    if dish and not others and (by_candle or bananas is None):
        food += garnish(on_plate, seed)
    holders = [solid for at, tall in zip(candles, (0.95, 1.2), strict=False) for solid in candle(at, tall, 0.085)]
    cutlery = [fork(middle + vector(-1.22, 0, -0.1), 0.05), knife(middle + vector(1.2, 0, -0.1), -0.05)] if dish else []
    near = [*dish, *holders, *cutlery, *([glass.shell()] if glass else [])]
    lay_table(canvas, camera, lighting, near, middle, by_candle, seed)
    render(canvas, camera, holders, lighting, [])
    for at, tall in zip(candles, (0.95, 1.2), strict=False):
        flame(canvas, camera, at + vector(0, tall + 0.02, 0), 0.26)
    if glass is not None:
        glass.lay(canvas, camera, lighting)
    render(canvas, camera, cutlery, lighting, near)
    blur_by_depth(canvas, camera, distance)
    render(canvas, camera, dish, lighting, [*food, *holders])
    render(canvas, camera, food, lighting, [*food, *dish])
    serve(canvas, camera, middle, others, bool(dish), bananas is None, by_candle, seed)
    return canvas


def garnish(on_plate: Array, seed: int) -> list[Solid]:
    """A scoop with berries and mint, right of the middle."""
    food = [scoop(on_plate + vector(0.36, 0.19, 0.16), 0.2, "#f6e3bd", seed)]
    food += [
        raspberry(on_plate + vector(0.44, 0.075, -0.2), 0.085, turned(0.4, 0.5, 0.9)),
        raspberry(on_plate + vector(0.27, 0.07, -0.33), 0.08, turned(1.4, -0.9, 0.2)),
        berry(on_plate + vector(0.55, 0.055, -0.06), 0.06, "#1d2547", "#6b7aa8"),
        berry(on_plate + vector(0.42, 0.05, -0.36), 0.055, "#1d2547", "#6b7aa8"),
        leaf(on_plate + vector(0.45, 0.42, 0.08), turned(0.25, -0.5, 0.35), 0.3),
        leaf(on_plate + vector(0.25, 0.43, 0.10), turned(2.75, 0.5, 0.3), 0.3),
    ]
    return food


def serve(
    canvas: Canvas,
    camera: Camera,
    middle: Array,
    things: list[Thing],
    plated: bool,
    free: bool,
    by_candle: bool,
    seed: int,
) -> None:
    """Sprites on the plate where it is free, the rest beside and behind it; each as large as its place is near."""
    light = CANDLE_SURROUND if by_candle else WINDOW_SURROUND
    each = [thing for thing in things for _ in range(thing.count)]
    spots = list(_SPOTS[1:] if plated and not free else _SPOTS)
    places = [(spots[index % len(spots)], index // len(spots), thing) for index, thing in enumerate(each)]
    for (x, z), crowd, thing in sorted(places, key=lambda place: -place[0][1] - 0.02 * place[1]):
        x, z = x + 0.33 * crowd * (1 if x >= 0 else -1), z + 0.12 * crowd
        on_plate = plated and abs(x) < 0.6 and abs(z) < 0.5
        tall = 2.6 * thing.noun.size * thing.scale * (0.92 if len(each) == 1 else 0.78 if len(each) < 4 else 0.62)
        depth = float(middle[2]) + z
        column, row = camera.project(
            x * min(1.0, 0.95 * camera.width / camera.rows + 0.25), PLATE_TOP if on_plate else 0.0, depth
        )
        sprite = figure(thing.noun, round(camera.focal * tall / depth), thing.colour, seed)
        cast_shadow(canvas, sprite, column - sprite.width / 2, row, light, 0.45)
        put(canvas, sprite, column - sprite.width / 2, row, light, blur=abs(z) * 0.0022 * canvas.short)


_SPOTS = (
    (0.0, -0.12),
    (-0.95, 0.95),
    (0.9, 0.9),
    (-0.1, 1.25),
    (-0.42, 0.05),
    (0.42, 0.05),
    (1.45, 0.3),
    (-1.5, 0.25),
    (0.0, -0.4),
)
"""Where sprites stand around the middle of the plate: across and away."""

CANDLE_SURROUND = Surround(
    vector(-0.5, 0.68, -0.54),
    linear("#ffe0b4") * np.float32(0.62),
    linear("#c89a74") * np.float32(0.30),
    linear("#1a0d06"),
)
WINDOW_SURROUND = Surround(
    vector(-0.62, 0.62, 0.2),
    linear("#fff6e6") * np.float32(0.80),
    linear("#c8d4e4") * np.float32(0.62),
    linear("#e8e4da"),
)


def window_lighting(middle: Array) -> Lighting:
    """A large window to the left behind, the room's pale walls before."""
    lamps = [
        Lamp(middle + vector(-4.2, 3.6, 3.2), linear("#fff4e0") * np.float32(24.0), 1.3),
        Lamp(middle + vector(2.6, 3.4, -3.0), linear("#e4ecff") * np.float32(4.5), 1.8),
    ]
    return Lighting(lamps, linear("#c4ccd8") * np.float32(0.62), linear("#a88a6a") * np.float32(0.5), window_light)


def window_light(directions: Array, roughness: float) -> Array:
    """What mirrors see: a bright window and pale walls."""
    light = ramp(directions[:, 1], [(-1.0, "#8a7458"), (0.0, "#b8ae9e"), (1.0, "#cfd2d4")])
    unit = np.array([-0.68, 0.42, 0.60], np.float32)
    narrow = 9.0 / (1 + 12 * roughness * roughness)
    return light * np.float32(0.55) + np.exp(narrow * (directions @ unit - 1))[:, None] * linear(
        "#fffaf0"
    ) * np.float32(2.0)


def paint_window(canvas: Canvas, camera: Camera, seed: int) -> None:
    """A bright room out of focus: a window onto green, a wall, a curtain."""
    height, width = canvas.depth.shape
    chance = chance_of(seed, "window")
    edge = camera.project(0, 0, camera.height / SLOPE + 2.7)[1]
    short = canvas.short
    canvas.light[:] = linear("#d9cfbe") * np.float32(0.75)
    left = 0.10 * width if chance.random() < 0.5 else 0.42 * width
    right = left + min(0.50 * width, 1.0 * short)
    top = max(0.0, edge - 0.62 * short)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    inside = (
        smoothstep(left, left + 4, columns)
        * smoothstep(right, right - 4, columns)
        * smoothstep(top, top + 4, rows)
        * smoothstep(edge - 0.05 * short, edge - 0.06 * short, rows)
    )
    green = sample(tile(seed, "garden", 4, 8), columns / short * 0.5, rows / short * 0.5)
    garden = ramp(
        np.clip((edge - rows) / short * 1.5 + 0.18 * green, 0, 1),
        [(0.0, "#5d8a3a"), (0.35, "#8fb858"), (0.62, "#cfe6d0"), (1.0, "#f4fbff")],
    )
    bars = (np.abs(columns - (left + right) / 2) < 0.010 * short) | (
        np.abs(rows - (top + 0.22 * short)) < 0.008 * short
    )
    view = np.where(bars[..., None], linear("#f0ece2"), garden * np.float32(1.9))
    canvas.light[:] = mix(canvas.light, view, inside[..., None])
    canvas.light[:] = lens_blur(canvas.light, short * 0.022)
    for _ in range(int(9 * width / short)):
        canvas.disc(
            chance.uniform(left, right),
            chance.uniform(top, edge - 0.12 * short),
            short * chance.uniform(0.012, 0.034),
            linear("#eaffd8") * np.float32(0.16),
        )


def candle_lighting(candles: list[Array], middle: Array) -> Lighting:
    """Candles, a warm lamp above and behind, a cool breath from the front."""
    lamps = [Lamp(at + vector(0, 1.15, 0), linear("#ff9a45") * np.float32(0.62), 0.12) for at in candles]
    lamps.append(Lamp(middle + vector(-1.6, 3.6, 2.4), linear("#ffd9a6") * np.float32(9.0), 0.7))
    lamps.append(Lamp(middle + vector(-2.2, 2.6, -2.2), linear("#ffe2bd") * np.float32(6.5), 0.8))
    lamps.append(Lamp(middle + vector(2.4, 3.2, -3.2), linear("#b9c8ff") * np.float32(1.2), 1.6))
    return Lighting(lamps, linear("#6a5848") * np.float32(1.0), linear("#4a2a14") * np.float32(0.8), restaurant_light)


_LOBES = (
    (vector(-0.45, 0.75, 0.55), 26.0, "#ffdfae", 3.0),
    (vector(0.7, 0.45, 0.6), 90.0, "#ffb060", 4.0),
    (vector(-0.75, 0.3, 0.5), 120.0, "#ffa850", 3.5),
    (vector(0.35, 0.5, -0.8), 14.0, "#c2d0ff", 0.5),
    (vector(0.05, 0.95, -0.1), 6.0, "#ffe8c8", 0.8),
)


def restaurant_light(directions: Array, roughness: float) -> Array:
    """What mirrors see: a dark warm room with lamps."""
    light = ramp(directions[:, 1], [(-1.0, "#2a1a0e"), (0.0, "#3a2413"), (0.25, "#24160c"), (1.0, "#120b07")])
    for towards, sharpness, colour, strength in _LOBES:
        unit = towards / np.linalg.norm(towards)
        narrow = sharpness / (1 + 25 * roughness * roughness)
        lobe = np.exp(narrow * (directions @ unit - 1)) * strength * (narrow / sharpness) ** 0.7
        light = light + lobe[:, None] * linear(colour)
    return light


def lay_table(
    canvas: Canvas, camera: Camera, lighting: Lighting, near: list[Solid], middle: Array, by_candle: bool, seed: int
) -> None:
    """The cloth or the wood: traced as a plane, its light worked out on a coarse grid of the ground and looked up."""
    edge = float(middle[2]) + 2.7
    last = camera.project(0, 0, edge)[1]
    top = max(0, int(last))
    rays = camera.rays(top, camera.rows, 0, camera.width)
    away = camera.height / np.maximum(-rays[..., 1], 1e-4)
    points = camera.eye + rays * away[..., None]
    x, z = points[..., 0], points[..., 2]
    cloth, bump_x, bump_z = cloth_surface(x, z, seed) if by_candle else wood_surface(x, z, seed)
    light = ground_light(x, z, lighting, near, middle)
    slope_light = 1 + 1.0 * bump_x + 0.8 * bump_z
    shine = (
        np.clip(smoothstep(float(middle[2]) + 0.4, edge, z), 0, 1)[..., None]
        * linear("#ffb56a" if by_candle else "#f4ecd8")
        * np.float32(0.05 if by_candle else 0.22)
    )
    # A lamp hangs over the dish: its pool of light fades towards the ends of the table.
    low = 0.30 if by_candle else 0.75
    pool = low + (1 - low) * np.exp(-(x * x + 1.3 * (z - middle[2] - 0.2) ** 2) / 3.4)
    table = cloth * light * (slope_light * pool)[..., None] + shine
    cover = smoothstep(last - 0.5, last + 1.5, np.arange(top, camera.rows, dtype=np.float32))[:, None]
    canvas.light[top:] = mix(canvas.light[top:], table, cover[..., None])
    canvas.depth[top:] = np.where(cover > 0.5, away, np.inf)


def cloth_surface(x: Array, z: Array, seed: int) -> tuple[Array, Array, Array]:
    """Colour of the linen, and how much its folds lean sideways and away."""
    texture = tile(seed, "cloth", 5, 2)
    folds = sample(texture, x * 0.16, z * 0.09)
    lean_x = sample(texture, (x + 0.05) * 0.16, z * 0.09) - folds
    lean_z = sample(texture, x * 0.16, (z + 0.05) * 0.09) - folds
    weave = sample(tile(seed, "weave", 3, 128), x * 1.1, z * 1.1) * 0.012
    damask = np.sin(x * 9.0) * np.sin(z * 9.0) + 0.5 * np.sin(x * 18.0 + z * 18.0) * np.sin(x * 18.0 - z * 18.0)
    sheen = 1 + 0.035 * smoothstep(-0.1, 0.25, damask) + weave
    return linear("#c9b79e") * sheen[..., None], lean_x * 0.9, lean_z * 0.9


def wood_surface(x: Array, z: Array, seed: int) -> tuple[Array, Array, Array]:
    """Boards of oak that run across: their colour, and no folds."""
    texture = tile(seed, "wood", 6, 4)
    board = np.floor(z * 1.5)
    shift = np.mod(board * 0.377, 1.0)
    warp = sample(texture, x * 0.05 + shift, z * 0.12)
    rings = np.sin(z * 34 + warp * 7 + shift * 40) * 0.5 + 0.5 * sample(texture, x * 0.11 + shift, z * 2.1)
    joint = smoothstep(0.02, 0.005, np.abs(np.mod(z * 1.5, 1) - 0.5) * -1 + 0.5)
    tone = mix(
        linear("#8a5a34"), linear("#c89a66"), np.clip(0.5 + 0.22 * rings + 0.18 * (shift - 0.5), 0, 1)[..., None]
    )
    flat = np.zeros_like(x)
    return tone * (1 - 0.5 * joint)[..., None], flat, flat


def ground_light(x: Array, z: Array, lighting: Lighting, near: list[Solid], middle: Array) -> Array:
    """Light that arrives on the table, from a grid over what the camera sees, finer than it looks."""
    count = 300
    reach = 3.4
    across = np.linspace(-reach, reach, count, dtype=np.float32)
    grid_x, grid_z = np.meshgrid(across, across + middle[2])
    points = np.stack([grid_x, np.zeros_like(grid_x), grid_z], axis=-1).reshape(-1, 3)
    up = np.tile(vector(0, 1, 0), (points.shape[0], 1))
    white = Material(lambda where, _: np.ones_like(where), roughness=1.0, sheen=0.0)
    down = np.tile(vector(0, -0.7, 0.7), (points.shape[0], 1))
    arriving = shade(points, up, down, white, lighting, near, 0.3).reshape(count, count, 3)
    columns = (x + reach) / (2 * reach) * (count - 1)
    rows = (z - middle[2] + reach) / (2 * reach) * (count - 1)
    found = cv2.remap(
        arriving, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found, np.float32)


def blur_by_depth(canvas: Canvas, camera: Camera, focus: float) -> None:
    """The lens is focused on the dish; the room is blurred already and stays as it is."""
    depth = np.where(np.isfinite(canvas.depth), canvas.depth, focus + 3)
    full = np.hypot(focus, camera.height)
    away = np.abs(depth - full) / depth
    strength = 0.075 * canvas.short * np.clip(away - 0.055, 0, None)
    canvas.defocus(strength.astype(np.float32))


def paint_room(canvas: Canvas, camera: Camera, seed: int) -> None:
    """The room behind, far out of focus: walls, a window at dusk, lamps as discs of light."""
    height, width = canvas.depth.shape
    chance = chance_of(seed, "room")
    edge = camera.project(0, 0, camera.height / SLOPE + 2.7)[1]
    short = canvas.short
    up = (edge - np.arange(height, dtype=np.float32)) / max(edge, short * 0.3)
    wall = ramp(up, [(0.0, "#2a1509"), (0.35, "#24130a"), (0.8, "#150b07"), (1.0, "#0c0706")])
    canvas.light[:] = wall[:, None, :]
    for _ in range(3 + width // short):
        _panel(canvas, chance, edge)
    canvas.light[:] = soften(canvas.light, short * 0.03)
    for _ in range(2 + width // short):
        column, row = chance.uniform(0, width), edge - short * chance.uniform(0.1, 0.5)
        canvas.glow(
            column, row, short * chance.uniform(0.35, 0.7), linear("#ff8a35") * np.float32(chance.uniform(0.06, 0.16))
        )
    _lights(canvas, chance, edge)


def _panel(canvas: Canvas, chance: Chance, edge: float) -> None:
    """An upright darker or lighter shape: a curtain, a doorway, a window at dusk."""
    height, width = canvas.depth.shape
    left = int(chance.uniform(-0.1, 1) * width)
    across = int(canvas.short * chance.uniform(0.08, 0.3))
    tint = [("#3a1d0c", 1.0), ("#0a0605", 1.0), ("#16233a", 1.1), ("#4a220e", 0.8)][int(chance.integers(4))]
    rows = slice(int(max(0, edge - canvas.short * chance.uniform(0.5, 1.6))), int(max(1, edge)))
    columns = slice(max(0, left), max(0, min(width, left + across)))
    canvas.light[rows, columns] = linear(tint[0]) * np.float32(tint[1])


_LIGHT_COLOURS = ("#ffb257", "#ff9a3c", "#ffd08a", "#ff7e36", "#ffe0b0", "#ffc070", "#8fb4ff", "#ff5a3a")


def _lights(canvas: Canvas, chance: Chance, edge: float) -> None:
    """Lamps and candles of other tables, each a disc; in clusters, as rooms have them."""
    height, width = canvas.depth.shape
    short = canvas.short
    area = width * max(edge, 0.2 * height) / (short * short)
    for _ in range(int(6 + 4.5 * area)):
        centre = chance.uniform(-0.05, 1.05) * width
        level = edge - short * (0.02 + 0.95 * max(edge / short, 0.4) * chance.beta(1.2, 1.6))
        colour = linear(_LIGHT_COLOURS[int(chance.choice(8, p=[0.24, 0.2, 0.18, 0.1, 0.12, 0.1, 0.04, 0.02]))])
        for _ in range(int(chance.integers(1, 6))):
            radius = short * chance.uniform(0.018, 0.062)
            strength = 0.16 * (0.045 * short / radius) ** 1.2 * float(np.exp(chance.normal(0.3, 0.7)))
            canvas.disc(
                centre + chance.normal(0, 0.08) * short,
                level + chance.normal(0, 0.06) * short,
                radius,
                colour * np.float32(min(strength, 1.6)),
            )
