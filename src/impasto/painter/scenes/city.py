"""Cities: a skyline over water, and a street between its houses.

Rule: every window is one lamp or none; a city at night is lit by its windows.
"""

from dataclasses import replace

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.daylight import Mood
from impasto.painter.noise import Chance, chance_of, sample, tile
from impasto.painter.placing import Surround
from impasto.painter.sky import paint_sky, sun_direction, sun_place
from impasto.painter.water import paint_water

NEON = ("#ff2d95", "#19e0ff", "#8a4dff", "#ffcf3a", "#3aff9a")


def _dark(mood: Mood) -> float:
    """How much of the light is lamps: 0 by day, 1 by night."""
    return float(np.clip((0.25 - mood.sun_up) / 0.3, 0, 1)) if not mood.moon else 1.0


def paint_skyline(
    height: int, width: int, mood: Mood, lights: frozenset[str], neon: bool, seed: int
) -> tuple[Canvas, Camera, Surround]:
    """Four rows of towers, paler with distance, and their lights in the water."""
    focal = float(np.sqrt(height * width)) / 0.95
    camera = Camera(width, height, focal, width / 2, (0.66 if width >= height else 0.72) * height, 6.0)
    canvas = Canvas.blank(height, width)
    paint_sky(canvas, camera, mood, lights, seed)
    surround = Surround.of(mood, sun_direction(camera, mood, seed))
    chance = chance_of(seed, "skyline")
    dark = _dark(mood)
    haze = linear(mood.fog) * np.float32(2.0**mood.exposure)
    if dark > 0.5:
        away = np.abs(np.arange(height, dtype=np.float32) - camera.horizon) / (0.16 * focal)
        canvas.light[:] += (np.exp(-away) * 0.10)[:, None, None] * linear("#ff9a50")
    for layer in range(4):
        near = (layer + 1) / 4
        _towers(canvas, camera, chance, near, surround, haze, dark, neon)
    column, _ = sun_place(camera, mood, seed)
    below = np.zeros((height, width), np.float32)
    below[int(camera.horizon) :] = 1
    paint_water(canvas, camera, mood, 0.0, 0.10, below, column, seed, "#0a2430")
    return canvas, camera, surround


def _towers(
    canvas: Canvas,
    camera: Camera,
    chance: Chance,
    near: float,
    surround: Surround,
    haze: Array,
    dark: float,
    neon: bool,
) -> None:
    short = min(canvas.short, int(camera.horizon))
    left = -0.05 * short
    while left < camera.width:
        wide = short * chance.uniform(0.045, 0.11) * (0.6 + 0.7 * near)
        centre = (left + wide / 2) / camera.width - 0.5
        middle = (
            np.exp(-((centre * 2.6) ** 2))
            if camera.width < 3 * camera.rows
            else 0.5 + 0.5 * np.sin(centre * 14 + near) ** 2
        )
        tall = short * (0.10 + chance.beta(1.6, 3.2) * 0.95 * (0.35 + 0.65 * middle)) * (1.25 - 0.62 * near)
        _tower(canvas, camera, chance, (left, wide, tall), near, surround, haze, dark, neon)
        left += wide * chance.uniform(0.85, 1.35)


def _tower(
    canvas: Canvas,
    camera: Camera,
    chance: Chance,
    place: tuple[float, float, float],
    near: float,
    surround: Surround,
    haze: Array,
    dark: float,
    neon: bool,
) -> None:
    left, wide, tall = place
    foot = round(camera.horizon) + 1
    x0, x1 = max(0, round(left)), min(camera.width, round(left + wide))
    y0 = max(0, round(foot - tall))
    if x0 >= x1 or y0 >= foot:
        return
    tint = linear(("#8a94a4", "#a89a8c", "#6e7a8e", "#b4aca4", "#5a6474", "#94706a")[int(chance.integers(6))])
    rows, columns = np.mgrid[y0:foot, x0:x1].astype(np.float32)
    across = (columns - left) / wide
    facing = (
        0.72 + 0.5 * np.where(across < 0.62, -surround.sun[0], surround.sun[0] * 0.9) + 0.25 * (surround.sun[2] < 0)
    )
    wall = tint * (surround.ambient * 0.9 + surround.sunlight * np.clip(facing, 0.05, 1.2)[..., None])
    size = max(3.0, camera.focal * 0.0085 * (0.7 + 0.6 * near))
    cell_x, cell_y = np.floor((columns - left) / size), np.floor((rows - foot) / (size * 1.35))
    in_x, in_y = np.mod((columns - left) / size, 1), np.mod((rows - foot) / (size * 1.35), 1)
    pane = ((in_x > 0.22) & (in_x < 0.82) & (in_y > 0.25) & (in_y < 0.8)).astype(np.float32)
    toss = np.mod(np.sin(cell_x * 12.9898 + cell_y * 78.233 + left * 0.37) * 43758.5453, 1.0)
    lamp = (toss < 0.34 + 0.15 * np.sin(left)) * pane
    warm = mix(linear("#ffb45a"), linear("#ffe8c0"), np.mod(toss * 17, 1)[..., None])
    if neon:
        warm = mix(
            warm,
            np.stack([linear(colour) for colour in NEON])[(np.mod(toss * 91, 1) * 4.99).astype(int)],
            (np.mod(toss * 37, 1) < 0.35)[..., None],
        )
    wall = wall * (1 - 0.45 * pane * (1 - dark) * (0.4 + 0.6 * toss))[..., None]
    wall = wall + (pane * (1 - dark) * (toss > 0.75))[..., None] * surround.fog * np.float32(0.35)
    wall = wall + (lamp * dark * (0.4 + 1.1 * np.mod(toss * 53, 1)))[..., None] * warm * np.float32(1.1)
    fade = 0.78 * (1 - near) + 0.06
    wall = mix(wall, haze, fade)
    wall = mix(wall, haze, (smoothstep(foot - 0.16 * camera.focal, foot, rows) * 0.25)[..., None])
    canvas.light[y0:foot, x0:x1] = wall
    if neon and near > 0.4 and chance.random() < 0.5:
        _sign(canvas, chance, (x0, x1, y0, foot))
    if near < 0.9 and wide > 6 and chance.random() < 0.3:
        middle, spire = (x0 + x1) // 2, max(0, y0 - round(tall * 0.14))
        canvas.light[spire:y0, middle : middle + max(1, round(wide * 0.05))] = mix(
            tint * 0.3 * surround.ambient, haze, fade
        )
        if dark > 0.5:
            canvas.glow(middle, spire, wide * 0.3, linear("#ff3020") * np.float32(1.2), 3)


def _sign(canvas: Canvas, chance: Chance, place: tuple[int, int, int, int]) -> None:
    """An upright neon sign with its glow."""
    x0, x1, y0, foot = place
    colour = linear(NEON[int(chance.integers(len(NEON)))])
    wide, tall = max(2, round((x1 - x0) * 0.16)), round((foot - y0) * chance.uniform(0.2, 0.45))
    left, top = round(chance.uniform(x0, max(x0 + 1, x1 - wide))), round(y0 + (foot - y0) * chance.uniform(0.1, 0.4))
    canvas.light[top : top + tall, left : left + wide] = colour * np.float32(2.2)
    for share in (0.25, 0.5, 0.75):
        canvas.glow(left + wide / 2, top + tall * share, tall * 0.6, colour * np.float32(0.22), 2)


def paint_street(
    height: int, width: int, mood: Mood, lights: frozenset[str], neon: bool, wet: bool, seed: int
) -> tuple[Canvas, Camera, Surround]:
    """A street that runs away from us between two rows of houses."""
    focal = float(np.sqrt(height * width)) / 1.0
    camera = Camera(width, height, focal, width / 2, (0.56 if width >= height else 0.60) * height, 1.7)
    canvas = Canvas.blank(height, width)
    paint_sky(canvas, camera, mood, lights, seed)
    surround = Surround.of(mood, sun_direction(camera, mood, seed))
    dark = _dark(mood)
    surround = replace(surround, ambient=surround.ambient + linear("#ffb878") * np.float32(0.42 * dark))
    haze = mix(linear(mood.fog) * np.float32(2.0**mood.exposure), linear("#c87a4a") * np.float32(0.25), 0.4 * dark)
    rays = camera.rays(0, height, 0, width)
    slope = rays / rays[..., 2:3]
    road = 6.0 * max(1.0, 0.55 * width / height)
    _houses(canvas, slope, road, surround, haze, dark, neon, seed)
    _pavement(canvas, camera, slope, road, surround, haze, wet or neon, dark, seed)
    if dark > 0.3:
        _lamp_posts(canvas, camera, road, neon)
    return canvas, camera, surround


def _houses(
    canvas: Canvas, slope: Array, road: float, surround: Surround, haze: Array, dark: float, neon: bool, seed: int
) -> None:
    """Both rows of façades: planes along the street, cut to a height that changes from house to house."""
    z = road / np.maximum(np.abs(slope[..., 0]), 1e-4)
    y = 1.7 + slope[..., 1] * z
    house = np.floor(z / 9 + 0.5 * (slope[..., 0] > 0))
    toss = np.mod(np.sin(house * 127.1 + (slope[..., 0] > 0) * 311.7 + seed % 997) * 43758.5453, 1.0)
    top = 9 + 15 * toss
    inside = smoothstep(0.0, 0.02, (top - y) / z) * (y > 0) * (z < 170)
    shades = np.stack([linear(colour) for colour in ("#b8836a", "#c9b294", "#8f8a86", "#a86a58", "#d4c4a8", "#7e8a94")])
    wall = shades[(np.mod(toss * 61, 1) * 5.99).astype(int)]
    brick = sample(tile(seed, "brick", 5, 16), z * 0.11, y * 0.11)
    wall = wall * (1 + 0.10 * brick)[..., None]
    in_z, in_y = np.mod(z / 2.25, 1), np.mod((y - 0.6) / 3.0, 1)
    pane = (
        smoothstep(0.26, 0.30, in_z)
        * smoothstep(0.74, 0.70, in_z)
        * smoothstep(0.26, 0.30, in_y)
        * smoothstep(0.84, 0.80, in_y)
    )
    frame = (
        smoothstep(0.20, 0.23, in_z)
        * smoothstep(0.80, 0.77, in_z)
        * smoothstep(0.20, 0.23, in_y)
        * smoothstep(0.90, 0.87, in_y)
    )
    cell = np.mod(
        np.sin(np.floor(z / 2.25) * 12.98 + np.floor((y - 0.6) / 3.0) * 78.2 + (slope[..., 0] > 0) * 37.7) * 43758.5453,
        1.0,
    )
    side = np.where(slope[..., 0] > 0, -surround.sun[0], surround.sun[0])
    light = surround.ambient * 0.85 + surround.sunlight * np.clip(0.25 + 0.75 * side, 0.08, 1)[..., None]
    wall = mix(wall * light, linear("#efe8da") * light, (frame * 0.7)[..., None])
    glass = mix(
        linear("#1c2630") * light + surround.fog * np.float32(0.12),
        linear("#ffc06a") * (0.5 + cell)[..., None],
        ((cell < 0.55) * dark)[..., None],
    )
    wall = mix(wall, glass, pane[..., None])
    shop = (
        ((y < 3.2) & (y > 0.3))
        * smoothstep(0.06, 0.10, np.mod(z / 9, 1))
        * smoothstep(0.94, 0.90, np.mod(z / 9, 1))
        * (toss > 0.35)
    )
    bright = linear("#ffca80") * np.float32(0.25 + 0.9 * dark)
    if neon:
        bright = np.stack([linear(colour) for colour in NEON])[(np.mod(toss * 31, 1) * 4.99).astype(int)] * np.float32(
            0.9
        )
    wall = mix(wall, bright * (0.6 + 0.5 * np.mod(z * 0.7, 1))[..., None], (shop * 0.75)[..., None])
    # The foot of a wall and the eaves are darker.
    wall = (
        wall * (0.72 + 0.28 * smoothstep(0.0, 1.4, y))[..., None] * (1 - 0.3 * smoothstep(top - 0.8, top, y))[..., None]
    )
    fade = 1 - np.exp(-z / 75)
    wall = mix(wall, haze, fade[..., None])
    canvas.light[:] = mix(canvas.light, wall, inside[..., None])


def _pavement(
    canvas: Canvas,
    camera: Camera,
    slope: Array,
    road: float,
    surround: Surround,
    haze: Array,
    wet: bool,
    dark: float,
    seed: int,
) -> None:
    height = canvas.depth.shape[0]
    top = int(camera.horizon) + 1
    z = 1.7 / np.maximum(-slope[top:, :, 1], 1e-4)
    x = slope[top:, :, 0] * z
    rough = sample(tile(seed, "asphalt", 6, 16), x * 0.25, z * 0.25)
    ground = linear("#4c4c50") * (1 + 0.10 * rough)[..., None]
    walk = smoothstep(road * 0.66, road * 0.67, np.abs(x))
    slab = smoothstep(0.03, 0.06, np.mod(z / 1.1, 1)) * smoothstep(0.03, 0.06, np.mod(x / 1.1, 1))
    ground = mix(ground, linear("#8c8880") * (0.8 + 0.2 * slab + 0.06 * rough)[..., None], walk[..., None])
    line = smoothstep(0.13, 0.10, np.abs(x)) * (np.mod(z / 5, 1) < 0.55)
    ground = mix(ground, linear("#d8d4c8"), (line * 0.8 * (z > 4))[..., None])
    light = ground * (surround.ambient + surround.sunlight * np.float32(0.55 if surround.sun[1] > 0.5 else 0.3))
    mirrored = np.asarray(canvas.light[np.clip(2 * top - np.arange(top, height) - 1, 0, top - 1)])
    puddle = smoothstep(-0.3, 0.7, sample(tile(seed, "puddles", 4, 4), x * 0.06, z * 0.03)) * (
        1.0 if wet else 0.12 + 0.25 * dark
    )
    smear = soften(mirrored, max(1.0, 0.006 * height))
    light = mix(light, smear, ((0.20 + 0.55 * puddle) * (0.9 if wet else 0.35 * (0.3 + dark)))[..., None])
    light = mix(light, haze, (1 - np.exp(-z / 75))[..., None])
    inside = (np.abs(x) < road * 1.02)[..., None]
    canvas.light[top:] = np.where(inside, light, canvas.light[top:])


def _lamp_posts(canvas: Canvas, camera: Camera, road: float, neon: bool) -> None:
    tint = linear("#ff9ad0" if neon else "#ffbe70")
    for z in (60, 44, 32, 24, 18, 13):
        for side in (-1, 1):
            column, foot = camera.project(side * road * 0.7, 0, z)
            _, head = camera.project(0, 4.6, z)
            wide = max(1, round(camera.focal * 0.07 / z))
            if 0 <= column < camera.width:
                canvas.light[max(0, int(head)) : max(0, int(foot)), max(0, int(column)) : int(column) + wide] *= 0.18
            canvas.glow(column, head, camera.focal * 0.5 / z, tint * np.float32(5.0), 2.5)
            canvas.glow(column, head, camera.focal * 3.4 / z, tint * np.float32(0.35), 2.5)
            canvas.glow(column, foot, camera.focal * 2.4 / z, tint * np.float32(0.10), 2.0)
