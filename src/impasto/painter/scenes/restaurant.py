"""A table in a restaurant by candlelight: white cloth, a dish in the middle, lights far behind.

Rule: the dish spans most of the short side whatever the picture's shape; the room fills
the rest.
"""

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix, ramp, smoothstep
from impasto.painter.models.food import berry, leaf, plated_bananas, raspberry, scoop
from impasto.painter.models.tableware import PLATE_TOP, Glass, candle, flame, fork, knife, plate
from impasto.painter.noise import Chance, chance_of, sample, tile
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


def paint_restaurant(height: int, width: int, seed: int) -> Canvas:
    camera = table_camera(height, width)
    canvas = Canvas.blank(height, width)
    distance = camera.height / SLOPE
    middle = vector(0, 0, distance)
    paint_room(canvas, camera, seed)
    chance = chance_of(seed, "table")
    side = 1.0 if chance.random() < 0.5 else -1.0
    candles = [middle + vector(-1.32 * side, 0, 1.15), middle + vector(1.02 * side, 0, 2.05)]
    lighting = candle_lighting(candles, middle)
    glass = Glass(middle + vector(1.28 * side, 0, 0.62), 0.98)
    dish = [plate(middle, 1.0, seed)]
    on_plate = middle + vector(0, PLATE_TOP, 0)
    food = plated_bananas(on_plate, 4, 0.92, seed)
    food.append(scoop(on_plate + vector(0.36, 0.19, 0.16), 0.2, "#f6e3bd", seed))
    food += [raspberry(on_plate + vector(0.44, 0.075, -0.2), 0.085, turned(0.4, 0.5, 0.9)),
             raspberry(on_plate + vector(0.27, 0.07, -0.33), 0.08, turned(1.4, -0.9, 0.2)),
             berry(on_plate + vector(0.55, 0.055, -0.06), 0.06, "#1d2547", "#6b7aa8"),
             berry(on_plate + vector(0.42, 0.05, -0.36), 0.055, "#1d2547", "#6b7aa8"),
             leaf(on_plate + vector(0.45, 0.42, 0.08), turned(0.25, -0.5, 0.35), 0.3),
             leaf(on_plate + vector(0.25, 0.43, 0.10), turned(2.75, 0.5, 0.3), 0.3)]  # fmt: skip
    holders = [solid for at, tall in zip(candles, (0.95, 1.2), strict=True) for solid in candle(at, tall, 0.085)]
    cutlery = [fork(middle + vector(-1.22, 0, -0.1), 0.05), knife(middle + vector(1.2, 0, -0.1), -0.05)]
    near = [*dish, *holders, *cutlery, glass.shell()]
    lay_table(canvas, camera, lighting, near, middle, seed)
    render(canvas, camera, holders, lighting, [])
    for at, tall in zip(candles, (0.95, 1.2), strict=True):
        flame(canvas, camera, at + vector(0, tall + 0.02, 0), 0.26)
    glass.lay(canvas, camera, lighting)
    render(canvas, camera, cutlery, lighting, near)
    blur_by_depth(canvas, camera, distance)
    render(canvas, camera, dish, lighting, [*food, *holders])
    render(canvas, camera, food, lighting, [*food, *dish])
    return canvas


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


def lay_table(canvas: Canvas, camera: Camera, lighting: Lighting, near: list[Solid], middle: Array, seed: int) -> None:
    """The cloth: traced as a plane, its light worked out on a coarse grid of the ground and looked up."""
    edge = float(middle[2]) + 2.7
    last = camera.project(0, 0, edge)[1]
    top = max(0, int(last))
    rays = camera.rays(top, camera.rows, 0, camera.width)
    away = camera.height / np.maximum(-rays[..., 1], 1e-4)
    points = camera.eye + rays * away[..., None]
    x, z = points[..., 0], points[..., 2]
    cloth, bump_x, bump_z = cloth_surface(x, z, seed)
    light = ground_light(x, z, lighting, near, middle)
    slope_light = 1 + 1.0 * bump_x + 0.8 * bump_z
    shine = np.clip(smoothstep(float(middle[2]) + 0.4, edge, z), 0, 1)[..., None] * linear("#ffb56a") * 0.05
    # A lamp hangs over the dish: its pool of light fades towards the ends of the table.
    pool = 0.30 + 0.70 * np.exp(-(x * x + 1.3 * (z - middle[2] - 0.2) ** 2) / 3.4)
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
    import cv2

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
            canvas.disc(centre + chance.normal(0, 0.08) * short, level + chance.normal(0, 0.06) * short, radius,
                        colour * np.float32(min(strength, 1.6)))  # fmt: skip
