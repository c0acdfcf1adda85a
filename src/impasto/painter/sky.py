"""Skies: gradient, sun or moon, clouds, stars, and the rarer lights.

Rule: everything is placed in the camera's own angles, so that clouds keep their size
when the picture's shape changes.
"""

import cv2
import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas, soften
from impasto.painter.colour import Array, linear, mix, ramp, smoothstep
from impasto.painter.daylight import Mood
from impasto.painter.noise import chance_of, sample, tile


def sun_place(camera: Camera, mood: Mood, seed: int) -> tuple[float, float]:
    """Column and row of the sun or the moon."""
    chance = chance_of(seed, "sun")
    across = chance.uniform(0.34, 0.44) if mood.moon else chance.uniform(0.18, 0.36)
    column = camera.width * (across if chance.random() < 0.5 else 1 - across)
    reach = min(camera.horizon, 0.62 * camera.focal)
    return column, camera.horizon - mood.sun_up * reach


def sun_direction(camera: Camera, mood: Mood, seed: int) -> Array:
    """Towards the light that falls on things. A high sun stands behind us, a low one before us but not straight."""
    column, _ = sun_place(camera, mood, seed)
    side = 0.75 if column > camera.width / 2 else -0.75
    up = 0.75 if mood.sun_up > 0.3 else 0.28
    ahead = -0.45 if mood.sun_up > 0.3 else 0.45
    towards = np.array([side, up, ahead], np.float32)
    return np.asarray(towards / np.linalg.norm(towards), np.float32)


def paint_sky(canvas: Canvas, camera: Camera, mood: Mood, lights: frozenset[str], seed: int) -> None:
    """Fill the picture with sky, down to its last row."""
    height = canvas.depth.shape[0]
    rows = np.arange(height, dtype=np.float32) + 0.5
    sky_rows = max(min(camera.horizon, 0.9 * camera.focal), 1.0)
    up = np.clip((camera.horizon - rows) / sky_rows, 0, 1)
    canvas.light[:] = ramp(up, list(mood.sky))[:, None, :] * np.float32(2.0**mood.exposure)
    column, row = sun_place(camera, mood, seed)
    if mood.stars or "stars" in lights:
        _stars(canvas, camera, max(mood.stars, 0.5 * ("stars" in lights)), seed)
    if "aurora" in lights:
        _aurora(canvas, camera, seed)
    if not mood.moon and mood.sun_up > -0.05:
        _sun(canvas, camera, mood, column, row)
    _clouds(canvas, camera, mood, column, row, seed)
    if mood.moon:
        _moon(canvas, camera, column, row if mood.sun_up > 0.3 else camera.horizon - 0.6 * sky_rows, seed)
    if "rainbow" in lights:
        _rainbow(canvas, camera)
    if "fireworks" in lights:
        _fireworks(canvas, camera, seed)


def _sun(canvas: Canvas, camera: Camera, mood: Mood, column: float, row: float) -> None:
    rows, columns = np.ogrid[0 : camera.rows, 0 : camera.width]
    away = np.hypot(rows - row, columns - column).astype(np.float32) / camera.focal
    low = mood.sun_up < 0.3
    tint = linear(mood.sun)
    strength = mood.strength * (0.9 if low else 0.10)
    glow = strength * (0.55 * np.exp(-away * 5) + 0.9 * np.exp(-away * 22))
    canvas.light[:] += glow[..., None] * tint
    radius = 0.034
    if not low:
        return
    disc = smoothstep(radius, radius * 0.86, away)[..., None]
    canvas.light[:] = mix(canvas.light, np.maximum(tint, 0.35) * np.float32(5.5), disc)


def _moon(canvas: Canvas, camera: Camera, column: float, row: float, seed: int) -> None:
    radius = max(0.045 * camera.focal, 3.0)
    canvas.glow(column, row, radius * 9, linear("#8fb0e8") * np.float32(0.35), 3)
    canvas.glow(column, row, radius * 3, linear("#c8d8f8") * np.float32(0.45), 3)
    top, bottom = max(0, int(row - radius - 2)), min(camera.rows, int(row + radius + 3))
    left, right = max(0, int(column - radius - 2)), min(camera.width, int(column + radius + 3))
    if top >= bottom or left >= right:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = (columns - column) / radius, (rows - row) / radius
    away = np.hypot(x, y)
    seas = smoothstep(-0.2, 1.2, sample(tile(seed, "moon", 5), x * 0.16 + 0.3, y * 0.16 + 0.2))
    face = (1.15 - 0.45 * seas) * np.sqrt(np.clip(1.05 - away * away * 0.6, 0, 1))
    disc = np.clip((1 - away) * radius, 0, 1)[..., None]
    light = canvas.light[top:bottom, left:right]
    light[:] = mix(light, face[..., None] * linear("#f4f0e2") * np.float32(1.5), disc)


def _clouds(canvas: Canvas, camera: Camera, mood: Mood, column: float, row: float, seed: int) -> None:
    """Clouds on a plane overhead, lit from where the sun stands: denser towards it is darker."""
    last = int(np.clip(np.ceil(camera.horizon), 1, camera.rows))
    rows, columns = np.mgrid[0:last, 0 : camera.width].astype(np.float32)
    up = np.maximum((camera.horizon - rows) / camera.focal, 0.0)
    # Overhead the plane would come too near: from there on clouds keep their size.
    low = np.minimum(up, 0.42)
    away = 0.5 / (low + 0.09) - (up - low) * 0.9
    across = (columns - camera.width / 2) / camera.focal * (0.5 / (low + 0.09))
    texture = tile(seed, "clouds", 7, 4)
    wide, fine = tile(seed, "cloud fields", 4, 4), 0.35
    drift_x = np.clip((column - columns) / camera.focal, -1, 1) * 0.02
    drift_z = np.clip((rows - row) / camera.focal, -1, 1) * 0.05

    def thickness(shift_x: Array | float, shift_z: Array | float) -> Array:
        x, z = across * 0.24 + shift_x, away * 0.26 + shift_z
        return np.asarray(sample(texture, x, z) * 0.75 + sample(wide, x * fine, z * fine) * 0.75, np.float32)

    bar = 1.1 - 2.2 * mood.cover
    here = thickness(0.0, 0.0)
    towards = thickness(drift_x, -drift_z)
    dense = smoothstep(bar, bar + 0.75, here) * smoothstep(0.0, 0.05, up)
    lit = np.clip(0.72 + 0.55 * (here - towards) - 0.22 * smoothstep(bar + 0.5, bar + 2.2, here), 0, 1)
    near_sun = np.exp(-np.hypot(columns - column, rows - row) / camera.focal * 3.2)
    tint = mix(linear(mood.cloud_shade), linear(mood.cloud_light), lit[..., None])
    tint = tint + (near_sun * (1 - 0.75 * dense) * mood.strength * (0.8 if mood.sun_up < 0.3 else 0.12))[
        ..., None
    ] * linear(mood.sun) * (not mood.moon)
    tint = mix(ramp(np.zeros(1), list(mood.sky))[0], tint, smoothstep(0.0, 0.22, up)[..., None] * 0.9 + 0.1)
    canvas.light[:last] = mix(canvas.light[:last], tint * np.float32(2.0**mood.exposure), (dense * 0.93)[..., None])


def _stars(canvas: Canvas, camera: Camera, strength: float, seed: int) -> None:
    chance = chance_of(seed, "stars")
    height, width = canvas.depth.shape
    count = int(900 * strength * height * width / camera.focal**2) + 20
    rows, columns = chance.uniform(0, height, count), chance.uniform(0, width, count)
    size = chance.pareto(1.6, count) + 0.25
    layer = np.zeros((height, width), np.float32)
    np.add.at(layer, (rows.astype(int), columns.astype(int)), np.minimum(size, 9) * strength)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), max(camera.focal / 1300, 0.55)))
    band = sample(tile(seed, "milky way", 6), *_slanted(height, width, camera.focal))
    lane = np.exp(-((_lane(height, width, camera.focal)) ** 2) * 9)
    dust = np.clip(0.5 + 0.4 * band, 0, 2) * lane * strength
    fade = smoothstep(0, 0.25 * camera.focal, camera.horizon - np.arange(height, dtype=np.float32))[:, None]
    canvas.light[:] += (layer * fade * 1.1)[..., None] * linear("#e8eeff")
    canvas.light[:] += (dust * fade)[..., None] * linear("#7088c8") * np.float32(0.16)


def _slanted(height: int, width: int, focal: float) -> tuple[Array, Array]:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / focal
    return (columns + rows * 0.6) * 0.5, (rows - columns * 0.5) * 0.7


def _lane(height: int, width: int, focal: float) -> Array:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(((columns - width * 0.55) * 0.75 + (rows - height * 0.3)) / focal * 1.2, np.float32)


def _aurora(canvas: Canvas, camera: Camera, seed: int) -> None:
    """Curtains: bright at their lower hem, fading upward from green to violet."""
    rows, columns = np.mgrid[0 : camera.rows, 0 : camera.width].astype(np.float32)
    up, x = (camera.horizon - rows) / camera.focal, columns / camera.focal
    texture = tile(seed, "aurora", 5, 4)
    total = np.zeros((*up.shape, 3), np.float32)
    for layer, (base, strength) in enumerate(((0.10, 0.8), (0.20, 1.0), (0.31, 0.6))):
        hem = base + 0.06 * sample(texture, x * 0.22, np.full_like(x, 0.2 + 0.3 * layer))
        rays = 0.55 + 0.35 * sample(texture, x * 1.6 + up * 0.1, np.full_like(x, 0.6 + 0.1 * layer))
        above = up - hem
        body = np.exp(-np.clip(above, 0, None) * 7.5) * smoothstep(-0.02, 0.012, above) * np.clip(rays, 0, 1.4)
        tint = mix(linear("#2cf08c"), linear("#8a4af0"), smoothstep(0.04, 0.28, above)[..., None])
        total += (body * strength)[..., None] * tint
    canvas.light[:] += soften(total, camera.focal * 0.004) * np.float32(0.55)


def _rainbow(canvas: Canvas, camera: Camera) -> None:
    rows, columns = np.ogrid[0 : camera.rows, 0 : camera.width]
    reach = min(camera.horizon * 0.92, camera.focal * 0.6, camera.width * 0.62)
    away = np.hypot(columns - camera.width * 0.52, rows - camera.horizon * 1.04).astype(np.float32)
    place = (away - reach * 0.9) / (reach * 0.085)
    colours = [
        (0.0, "#5a30c0"),
        (0.2, "#2a60e0"),
        (0.4, "#20b060"),
        (0.6, "#f0e040"),
        (0.8, "#f08020"),
        (1.0, "#e02020"),
    ]
    band = smoothstep(-0.15, 0.2, place) * smoothstep(1.15, 0.8, place)
    band = band * (rows < camera.horizon + 2)
    canvas.light[:] += ramp(place, colours) * (band * 0.42)[..., None]


def _fireworks(canvas: Canvas, camera: Camera, seed: int) -> None:
    chance = chance_of(seed, "fireworks")
    layer = np.zeros_like(canvas.light)
    for _ in range(5 + camera.width // max(camera.rows, 1) * 2):
        colour = linear(("#ff5a4a", "#ffd060", "#6ac8ff", "#ff7ad0", "#8affa0", "#ffffff")[int(chance.integers(6))])
        centre = np.array([chance.uniform(0.08, 0.92) * camera.width, camera.horizon * chance.uniform(0.12, 0.68)])
        reach = camera.focal * chance.uniform(0.07, 0.17)
        for turn in np.linspace(0, 2 * np.pi, 46, endpoint=False) + chance.normal(0, 0.03, 46):
            long = reach * chance.uniform(0.75, 1.05)
            for share in np.linspace(0.15, 1, 22):
                x = centre[0] + np.cos(turn) * long * share
                y = centre[1] + np.sin(turn) * long * share + 0.18 * reach * share**2
                if 0 <= int(y) < camera.rows and 0 <= int(x) < camera.width:
                    layer[int(y), int(x)] += colour * np.float32(0.5 + 3 * share**3)
    spread = max(camera.focal / 900, 0.6)
    canvas.light[:] += np.asarray(cv2.GaussianBlur(layer, (0, 0), spread)) * np.float32(3) + soften(
        layer, spread * 12
    ) * np.float32(9)
