"""Open country: mountains, meadows, forests, deserts, snow, lakes and coasts.

Rule: a landscape is data: a shape of the land, its colours, its water and its plants.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.daylight import Mood, faded
from impasto.painter.noise import chance_of, sample, tile
from impasto.painter.placing import Surround, put
from impasto.painter.plants import at_height, conifer, grass, leafy
from impasto.painter.sky import paint_sky, sun_direction, sun_place
from impasto.painter.terrain import Heights, Seen, look_at_land, slopes, sunlit
from impasto.painter.water import paint_water


@dataclass(frozen=True, slots=True)
class Land:
    """`shape` makes heights from a seed; `ground`, `rock` and `snow` are colours (snow lies above `snow_line`);
    `water` is a level, and `roughness` its waves; `trees` how many, of which kind."""

    shape: Callable[[int], Heights]
    ground: tuple[str, str]
    rock: str = "#6a625c"
    snow_line: float = 1e9
    snow: str = "#eef3fa"
    water: float | None = None
    roughness: float = 0.15
    trees: int = 0
    tree_line: float = 42.0
    conifers: float = 1.0
    grass: tuple[str, str] | None = None
    flowers: tuple[str, ...] = ()
    horizon: float = 0.52
    eye: float = 2.0
    deep: str = "#0d3a4e"


def _rolling(amount: float, far: float) -> Callable[[int], Heights]:
    def shape(seed: int) -> Heights:
        texture = tile(seed, "hills", 5, 4)

        def heights(x: Array, z: Array) -> Array:
            near = sample(texture, x * 0.0022 + 0.3, z * 0.0022) * amount * smoothstep(8, 90, z)
            away = (sample(texture, x * 0.00035, z * 0.00035 + 0.5) + 0.8) * far * smoothstep(150, 900, z)
            small = sample(texture, x * 0.02, z * 0.02) * 0.10 * smoothstep(4, 14, z)
            return np.asarray(near + away + small, np.float32)

        return heights

    return shape


def _alpine(tallest: float, foot: float = 260.0, basin: float = 0.0) -> Callable[[int], Heights]:
    def shape(seed: int) -> Heights:
        rough, smooth, wide = tile(seed, "ridges", 6, 4), tile(seed, "crests", 2, 4), tile(seed, "massif", 3, 4)

        def heights(x: Array, z: Array) -> Array:
            ridge = 1 - np.minimum(np.abs(sample(smooth, x * 0.00030, z * 0.00036)) * 0.8, 1)
            detail = 1 - np.minimum(np.abs(sample(smooth, x * 0.0011 + 0.4, z * 0.0013 + 0.2)) * 0.8, 1)
            crags = sample(rough, x * 0.003, z * 0.003)
            massif = 0.55 + 0.38 * sample(wide, x * 0.00020 + 0.7, z * 0.00026)
            rise = smoothstep(foot, foot + 900, z)
            peaks = (
                np.clip(massif, 0.42, 1.3)
                * (0.62 * ridge + 0.24 * detail * ridge + 0.05 * crags * ridge + 0.06)
                * tallest
                * rise
            )
            hills = (
                sample(rough, x * 0.0022, z * 0.0022) * 2.2 * smoothstep(10, 120, z)
                + sample(wide, x * 0.016, z * 0.022) * 0.16
            )
            return np.asarray(
                peaks + hills - basin * smoothstep(12, 60, z) * (1 - smoothstep(foot - 120, foot + 60, z)), np.float32
            )

        return heights

    return shape


def _dunes(seed: int) -> Heights:
    texture = tile(seed, "dunes", 4, 4)

    def heights(x: Array, z: Array) -> Array:
        bent = sample(texture, x * 0.0011, z * 0.0011)
        wave = np.mod(z * 0.0042 + x * 0.0028 + bent * 0.30 + 0.25, 1.0)
        crest = np.where(wave < 0.70, (wave / 0.70) ** 1.7, ((1 - wave) / 0.30) ** 1.1)
        size = 16 + 20 * np.clip(0.5 + 0.5 * sample(texture, x * 0.0004 + 0.3, z * 0.0004), 0, 1.2)
        ripple = np.sin(z * 1.6 + x * 1.1 + bent * 14) * 0.035 * smoothstep(70, 8, z)
        swell = sample(texture, x * 0.004, z * 0.004) * 0.5 * smoothstep(5, 40, z)
        return np.asarray(crest * size * smoothstep(70, 260, z) * (0.8 + z / 1600) + ripple + swell, np.float32)

    return heights


def _coast(sand: float) -> Callable[[int], Heights]:
    def shape(seed: int) -> Heights:
        texture = tile(seed, "coast", 5, 4)
        side = 1.0 if chance_of(seed, "headland").random() < 0.5 else -1.0

        def heights(x: Array, z: Array) -> Array:
            beach = sand - (z - 9 - 0.10 * x * side) * 0.055 + 0.10 * sample(texture, x * 0.01, z * 0.01)
            headland = (
                smoothstep(0.22, 0.75, side * x / np.maximum(z, 1))
                * smoothstep(160, 420, z)
                * (26 + 16 * sample(texture, x * 0.002, z * 0.002))
            )
            islands = (sample(texture, x * 0.0005 + 0.2, z * 0.0004) - 1.15) * 60 * smoothstep(900, 1600, z)
            return np.asarray(np.maximum(np.maximum(np.maximum(beach, -3), headland - 2), islands - 1), np.float32)

        return heights

    return shape


LANDS = {
    "mountains": Land(
        _alpine(760),
        ("#4c6b2c", "#7d8f3f"),
        snow_line=150,
        trees=220,
        grass=("#3c6a22", "#a8b850"),
        flowers=("#ffffff", "#f2d24a", "#b48af0"),
        horizon=0.60,
    ),
    "lake": Land(
        _alpine(700, 300, 5.5),
        ("#47662c", "#76883e"),
        snow_line=150,
        water=-1.0,
        roughness=0.05,
        trees=160,
        grass=("#3c6a22", "#9cb04c"),
        horizon=0.52,
        deep="#0f3a44",
    ),
    "meadow": Land(
        _rolling(7, 34),
        ("#557a30", "#93a048"),
        trees=46,
        conifers=0.15,
        grass=("#41702a", "#b4b85a"),
        flowers=("#e8404a", "#ffffff", "#f6c83a", "#7a7af0", "#f08ab8"),
        horizon=0.50,
    ),
    "forest": Land(
        _rolling(4, 60),
        ("#36501f", "#5f6f30"),
        trees=620,
        tree_line=20.0,
        conifers=0.7,
        grass=("#2f5a1e", "#86a044"),
        horizon=0.52,
    ),
    "desert": Land(_dunes, ("#d8a05c", "#ecc486"), rock="#c08848", horizon=0.44, eye=15.0),
    "winter": Land(
        _alpine(700), ("#cfdaea", "#e2eaf4"), rock="#6a7484", snow_line=-5, snow="#e0e9f5", trees=260, horizon=0.56
    ),
    "mars": Land(_dunes, ("#b0572e", "#d08050"), rock="#7a3a20", horizon=0.44, eye=15.0),
    "sea": Land(_coast(-2.0), ("#5a5648", "#8a8468"), rock="#55504a", water=0.0, roughness=0.34, horizon=0.50, eye=5.0),
    "beach": Land(
        _coast(1.1),
        ("#d9b98a", "#ecd4a8"),
        rock="#7a6a58",
        water=0.0,
        roughness=0.16,
        horizon=0.46,
        eye=3.4,
        deep="#0c6a78",
    ),
}


def country_camera(height: int, width: int, land: Land) -> Camera:
    """Wide enough for the country; the horizon a little lower on upright pictures."""
    focal = float(np.sqrt(height * width)) / 0.95
    lower = land.horizon + 0.08 * (height > 1.4 * width)
    return Camera(width, height, focal, width / 2, lower * height, land.eye)


@dataclass(frozen=True, slots=True)
class Country:
    """A painted landscape, ready for what is to stand in it."""

    canvas: Canvas
    camera: Camera
    mood: Mood
    surround: Surround
    heights: Heights
    sun_column: float


def paint_country(
    height: int, width: int, name: str, mood: Mood, lights: frozenset[str], season: str | None, snow: bool, seed: int
) -> Country:
    """Sky, land, water, trees and grass."""
    land = LANDS[name]
    camera = country_camera(height, width, land)
    canvas = Canvas.blank(height, width)
    paint_sky(canvas, camera, mood, lights, seed)
    sun = sun_direction(camera, mood, seed)
    column, _ = sun_place(camera, mood, seed)
    heights = land.shape(seed)
    country = Country(canvas, camera, mood, Surround.of(mood, sun), heights, column)
    near = 0.9 * camera.height * camera.focal / max(camera.rows - camera.horizon, 1)
    seen = look_at_land(heights, camera, near, 2600)
    if land.water is not None:
        _land(country, land, seen, np.where(seen.z > 60, seen.cover, 0), snow, season, seed)
        wet = seen.y < land.water + 0.02
        water = np.where(wet | (seen.cover < 0.5), 1.0, 0.0).astype(np.float32)
        paint_water(canvas, camera, mood, land.water, land.roughness, water, column, seed, land.deep)
        shore = np.where(wet, 0, seen.cover)
        _land(country, land, seen, shore, snow, season, seed)
    else:
        _land(country, land, seen, seen.cover, snow, season, seed)
    _trees(country, land, season, snow or name == "winter", seed)
    if land.grass and not snow:
        colours = ("#8a5a1e", "#d8a848") if season == "autumn" else land.grass
        grass(canvas.light, camera.horizon, 0.075 * canvas.short, colours, seed, land.flowers)
    return country


def _land(country: Country, land: Land, seen: Seen, cover: Array, snow: bool, season: str | None, seed: int) -> None:
    mood, surround = country.mood, country.surround
    normal = slopes(country.heights, seen)
    texture = tile(seed, "ground", 6, 8)
    patch = np.clip(0.5 + 0.4 * sample(texture, seen.x * 0.004, seen.z * 0.004), 0, 1)
    fine = sample(texture, seen.x * 0.05, seen.z * 0.05)
    first, second = land.ground if season != "autumn" or land.grass is None else ("#8a6a2c", "#b8863a")
    ground = mix(linear(first), linear(second), patch[..., None]) * (1 + 0.13 * fine)[..., None]
    steep = smoothstep(0.80, 0.62, normal[..., 1] + 0.05 * fine)
    ground = mix(ground, linear(land.rock) * (1 + 0.2 * fine)[..., None], steep[..., None])
    line = -1e9 if snow else land.snow_line
    white = smoothstep(line - 25, line + 60, seen.y + 22 * fine) * smoothstep(0.50, 0.70, normal[..., 1] + 0.06 * fine)
    if line < 0:
        white = np.maximum(white, smoothstep(0.55, 0.75, normal[..., 1]))
    ground = mix(ground, linear(land.snow), (white * 0.95)[..., None])
    falls = np.clip(normal @ surround.sun, 0, 1) * sunlit(country.heights, seen, surround.sun, 220.0)
    light = ground * (
        falls[..., None] * mood.sunlight * np.float32(1.05) + linear(mood.ambient) * (0.55 + 0.45 * normal[..., 1:2])
    )
    light = faded(light, linear(mood.fog), seen.z / 2600 * mood.haze)
    country.canvas.light[:] = mix(country.canvas.light, light, cover[..., None])


def _trees(country: Country, land: Land, season: str | None, snow: bool, seed: int) -> None:
    """Trees stand where the land is low and dry, thick at the middle distance, none before the middle."""
    if not land.trees:
        return
    chance = chance_of(seed, "trees")
    camera, short = country.camera, country.canvas.short
    tall = max(24, round(0.42 * short))
    wide = camera.width / camera.focal
    stems = [conifer(seed + index, tall, snow) for index in range(3)]
    stems += [leafy(seed + index, tall, "winter" if snow else season) for index in range(2)]
    places = []
    for _ in range(int(land.trees * np.clip(wide, 0.6, 3.0))):
        z = float(np.exp(chance.uniform(np.log(land.tree_line), np.log(620))))
        places.append((z, chance.uniform(-0.55, 0.55) * wide * z, chance.random(), chance.uniform(0.7, 1.25)))
    for z, x, kind, size in sorted(places, reverse=True):
        y = float(country.heights(np.array([x], np.float32), np.array([z], np.float32))[0])
        column, row = camera.project(x, y, z)
        aside = abs(column - camera.width / 2) / camera.width
        if (
            (land.water is not None and y < land.water + 0.4)
            or y > land.snow_line - 40 > 0
            or (z < 95 and aside < 0.30 - 0.12 * (land.tree_line < 30))
        ):
            continue
        sprite = stems[int(kind * 97) % 3] if kind < land.conifers else stems[3 + int(kind * 97) % 2]
        pixels = int(12.5 * size * camera.focal / z)
        if pixels < 3:
            continue
        shown = at_height(sprite, pixels)
        fog = float(1 - np.exp(-z / 1300 * country.mood.haze))
        put(country.canvas, shown, column - shown.width / 2, row + pixels * 0.02, country.surround, fog)
