"""Space: stars, a nebula, a planet with its air; and the grey ground of a moon.

Rule: space is black first; colour is gas, and gas has edges where it is lit.
"""

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.noise import chance_of, sample, tile
from impasto.painter.placing import Surround

PALETTES = (
    ("#1a2a6c", "#8a2a7e", "#ff8a5a"),
    ("#0c3a5a", "#1a8a8a", "#f0d08a"),
    ("#2a1058", "#6a2ad0", "#ff5aa0"),
    ("#3a1420", "#b0382a", "#ffc06a"),
)

SPACE_LIGHT = Surround(
    np.array([-0.62, 0.45, -0.64], np.float32),
    linear("#fff4e4") * np.float32(1.25),
    linear("#3c4a78") * np.float32(0.7),
    linear("#0a0c1c"),
)


def paint_space(height: int, width: int, seed: int, planet: float = 1.0) -> Canvas:
    """Stars, gas, and a planet of a relative size; a smaller one keeps to the edge."""
    canvas = Canvas.blank(height, width)
    short = canvas.short
    chance = chance_of(seed, "space")
    palette = [linear(colour) for colour in PALETTES[int(chance.integers(len(PALETTES)))]]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / max(short, 0.5 * float(np.sqrt(height * width)))
    first, second = tile(seed, "gas", 7, 4), tile(seed, "dust", 7, 4)
    bend = sample(second, columns * 0.11, rows * 0.11)
    gas = sample(first, columns * 0.11 + bend * 0.03, rows * 0.11 + bend * 0.025)
    filament = 1 - np.abs(sample(second, columns * 0.3 + bend * 0.03, rows * 0.3))
    lane = np.exp(-(((columns - columns.max() * 0.5) * 0.5 + (rows - rows.max() * 0.5)) ** 2) * 2.2)
    dense = np.clip(0.42 + 0.42 * gas, 0, 1.6) ** 1.6 * (0.40 + 0.9 * lane)
    canvas.light[:] = linear("#03040c")
    canvas.light[:] += (dense * 0.95)[..., None] * mix(
        palette[0], palette[1], np.clip(0.5 + 0.6 * bend, 0, 1)[..., None]
    )
    heart = np.clip(dense - 0.35, 0, None) * np.clip(filament, 0, 1) ** 3
    canvas.light[:] += (heart * 2.4)[..., None] * palette[2]
    canvas.light[:] *= (
        1 - 0.55 * smoothstep(0.6, 1.6, sample(second, columns * 0.22 + 0.4, rows * 0.22 + bend * 0.02))
    )[..., None]
    _starfield(canvas, chance, dense)
    side = 1 if chance.random() < 0.5 else -1
    if planet > 0:
        _planet(
            canvas,
            int(chance.integers(len(_WORLDS))),
            seed,
            width * (0.5 + (0.44 - 0.24 * planet**3) * side),
            height * 0.60,
            short * 0.30 * planet,
        )
    return canvas


def _starfield(canvas: Canvas, chance: np.random.Generator, dense: Array) -> None:
    height, width = canvas.depth.shape
    count = int(2000 * height * width / 1e6) + 60
    rows, columns = (chance.random(count) * height).astype(int), (chance.random(count) * width).astype(int)
    size = np.minimum(chance.pareto(1.7, count) * 0.6 + 0.08, 9)
    tints = np.stack([linear(colour) for colour in ("#ffffff", "#cfe0ff", "#ffe2b8", "#ffd0a0", "#b8d0ff")])
    layer = np.zeros_like(canvas.light)
    np.add.at(layer, (rows, columns), tints[chance.integers(0, 5, count)] * size[:, None].astype(np.float32))
    fine = max(canvas.short / 1400, 0.55)
    canvas.light[:] += soften(layer, fine) * np.float32(1.6) + soften(layer, fine * 5) * np.float32(1.2)
    for row, column, bright in zip(rows[:8], columns[:8], size[:8], strict=True):
        reach = canvas.short * (0.012 + 0.004 * float(bright))
        for across, along in ((reach, 0.0), (0.0, reach)):
            _ray(canvas, float(column), float(row), across, along)


def _ray(canvas: Canvas, column: float, row: float, across: float, along: float) -> None:
    """One arm each way of a bright star's cross."""
    height, width = canvas.depth.shape
    for share in np.linspace(-1, 1, 61):
        x, y = int(column + share * across), int(row + share * along)
        if 0 <= x < width and 0 <= y < height:
            canvas.light[y, x] += linear("#dfe8ff") * np.float32(0.9 * (1 - abs(share)) ** 3)


_WORLDS = (
    (("#1c4a8a", "#3f8a4a", "#d8e6f0"), 0.4),
    (("#b07a4a", "#e0b888", "#8a5030"), 0.0),
    (("#3a5a9a", "#7aa0d8", "#c8dcf4"), 0.0),
    (("#8a4030", "#c87850", "#e8b088"), 0.1),
)


def _planet(canvas: Canvas, kind: int, seed: int, column: float, row: float, radius: float) -> None:
    """A lit globe: oceans and land, or bands; with the blue rim of its air."""
    height, width = canvas.depth.shape
    reach = radius * 1.25
    top, bottom = max(0, int(row - reach)), min(height, int(row + reach) + 1)
    left, right = max(0, int(column - reach)), min(width, int(column + reach) + 1)
    if top >= bottom or left >= right:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = (columns - column) / radius, (row - rows) / radius
    away = np.hypot(x, y)
    z = np.sqrt(np.clip(1 - away * away, 0, 1))
    (low, land, high), clouds = _WORLDS[kind]
    turn, up = np.arctan2(x, z + 1e-3) * 0.16 + 0.3, np.arcsin(np.clip(y, -1, 1)) * 0.16
    texture = tile(seed, "world", 7, 4)
    terrain = sample(texture, turn, up)
    if clouds == 0:
        terrain = np.sin(up * 95 + terrain * 1.1) + 0.3 * terrain
    skin = mix(linear(low), linear(land), smoothstep(0.1, 0.4, terrain)[..., None])
    skin = mix(skin, linear(high), smoothstep(1.0, 1.5, terrain)[..., None])
    swirl = sample(texture, turn * 1.3 + 0.5, up * 1.8 + 0.03 * terrain)
    skin = mix(skin, linear("#ffffff"), (smoothstep(0.3, 1.3, swirl) * clouds * 2)[..., None])
    sun = SPACE_LIGHT.sun
    falls = x * sun[0] + y * sun[1] - z * sun[2]
    day = smoothstep(-0.12, 0.55, falls)
    air = smoothstep(0.75, 1.0, away) * smoothstep(-0.1, 0.6, falls + 0.1)
    globe = skin * (day * 1.15 + 0.004)[..., None] + (air * 0.55)[..., None] * linear("#7ab0ff")
    light = canvas.light[top:bottom, left:right]
    halo = np.exp(-np.clip(away - 1, 0, None) * 16) * (away >= 1) * np.clip(falls + 0.55, 0, 1)
    light[:] = mix(light, globe, np.clip((1 - away) * radius + 0.5, 0, 1)[..., None]) + (halo * 0.32)[
        ..., None
    ] * linear("#6aa0ff")


def paint_moon(height: int, width: int, seed: int) -> tuple[Canvas, Camera]:
    """Grey craters under a black sky, with a blue world above."""
    from impasto.painter.terrain import look_at_land, slopes, sunlit

    focal = float(np.sqrt(height * width)) / 0.95
    camera = Camera(width, height, focal, width / 2, 0.60 * height, 3.0)
    canvas = Canvas.blank(height, width)
    chance = chance_of(seed, "moon")
    canvas.light[:] = linear("#010206")
    _starfield(canvas, chance, canvas.depth)
    _planet(
        canvas,
        0,
        seed,
        width * 0.74,
        camera.horizon * 0.42,
        min(0.17 * focal, 0.3 * camera.horizon, 0.3 * width),
    )
    texture = tile(seed, "regolith", 6, 4)
    rings = [
        (chance.uniform(-1.0, 1.0), float(np.exp(chance.uniform(np.log(9), np.log(260)))), chance.uniform(0.05, 0.16))
        for _ in range(70)
    ]

    def heights(x: Array, z: Array) -> Array:
        land = (
            sample(texture, x * 0.004, z * 0.004) * 1.5 * smoothstep(10, 80, z)
            + sample(texture, x * 0.05, z * 0.05) * 0.07
        )
        far = np.maximum(sample(texture, x * 0.0006 + 0.3, z * 0.0006) + 0.4, 0) * 60 * smoothstep(250, 900, z)
        for across, away, wide in rings:
            reach = wide * away
            gone = np.hypot(x - across * away * 0.8, z - away) / reach
            land = land + reach * 0.24 * (np.exp(-((gone - 1) ** 2) * 18) - 1.5 * np.exp(-((gone / 0.75) ** 4)))
        return np.asarray(land + far, np.float32)

    seen = look_at_land(heights, camera, 3.0, 1500, 300)
    normal = slopes(heights, seen)
    sun = np.array([-0.75, 0.42, -0.35], np.float32)
    falls = np.clip(normal @ (sun / np.linalg.norm(sun)), 0, 1) * sunlit(heights, seen, sun, 40.0, 4)
    fine = sample(texture, seen.x * 0.2, seen.z * 0.2)
    ground = linear("#9a958e") * (1 + 0.12 * fine)[..., None] * (falls * 1.25 + 0.035)[..., None]
    canvas.light[:] = mix(canvas.light, ground, seen.cover[..., None])
    return canvas, camera
