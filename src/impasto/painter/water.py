"""Water: a rippled mirror of what stands above the horizon, with the sun's glitter.

Rule: water invents nothing: it shows what is already painted, broken by its waves.
"""

import cv2
import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.daylight import Mood
from impasto.painter.noise import sample, tile


def paint_water(
    canvas: Canvas,
    camera: Camera,
    mood: Mood,
    level: float,
    roughness: float,
    where: Array,
    sun_column: float,
    seed: int,
    deep: str = "#0d3a4e",
) -> None:
    """Cover `where` (0..1) below the horizon with water at height `level`; `roughness` 0 is a mirror, 1 a gale."""
    top = int(np.clip(np.floor(camera.horizon), 0, camera.rows - 1))
    rows, columns = np.mgrid[top : camera.rows, 0 : camera.width].astype(np.float32)
    below = np.maximum(rows + 0.5 - camera.horizon, 0.5)
    z = (camera.height - level) * camera.focal / below
    x = (columns - camera.centre) * z / camera.focal
    lean_x, lean_z, crest = _waves(x, z, roughness, seed)
    mirrored_row = camera.horizon - below * (1 - 0.25 * roughness) - lean_z * camera.focal * 0.55
    mirrored_column = columns + lean_x * camera.focal * 0.35
    sky = cv2.remap(
        canvas.light,
        mirrored_column,
        np.clip(mirrored_row, 0, max(camera.horizon - 1, 0)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    grazing = np.clip(1 - below / camera.focal * 1.6 - lean_z * 2.2, 0, 1)
    mirror = 0.12 + 0.80 * grazing**2.2
    body = linear(deep) * (linear(mood.ambient) * np.float32(1.1) + mood.sunlight * np.float32(0.5))
    body = body * (1 + 0.5 * np.clip(crest, -1, 1))[..., None]
    shown = mix(body, np.asarray(sky, np.float32), mirror[..., None])
    shown += _glitter(columns, below, lean_x, lean_z, sun_column, camera, roughness)[..., None] * mood.sunlight
    foam = smoothstep(1.5, 2.3, crest) * roughness * smoothstep(4.0, 0.2, z / 60)
    shown = mix(shown, linear(mood.cloud_light) * np.float32(0.8), (foam * 0.7)[..., None])
    haze = 1 - np.exp(-z / 900 * mood.haze)
    shown = mix(shown, linear(mood.fog), (haze * 0.65)[..., None])
    share = where[top:] * smoothstep(-0.5, 0.8, rows + 0.5 - camera.horizon)
    canvas.light[top:] = mix(canvas.light[top:], shown, share[..., None])


def _waves(x: Array, z: Array, roughness: float, seed: int) -> tuple[Array, Array, Array]:
    """How far the surface leans sideways and away, and how high it stands; calmer with distance."""
    texture = tile(seed, "waves", 6, 8)
    total_x, total_z, crest = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for scale, weight in ((0.006, 0.5), (0.022, 0.8), (0.08, 0.6)):
        u, v = x * scale * 0.55, z * scale
        step = 0.012
        here = sample(texture, u, v)
        # Waves smaller than a pixel only blur what they mirror.
        fade = weight / (1 + (z * scale * 0.35) ** 2)
        total_x += (sample(texture, u + step, v) - here) * fade
        total_z += (sample(texture, u, v + step) - here) * fade
        crest += here * fade
    strength = 0.012 + 0.16 * roughness
    return total_x * strength, total_z * strength, crest


def _glitter(
    columns: Array, below: Array, lean_x: Array, lean_z: Array, sun_column: float, camera: Camera, roughness: float
) -> Array:
    """The sun's broken path towards the eye."""
    wide = (0.035 + 0.05 * roughness) * camera.focal + below * (0.10 + 0.25 * roughness)
    path = np.exp(-(((columns - sun_column) / wide) ** 2))
    spark = smoothstep(0.1, 1.1, lean_z / (0.012 + 0.16 * roughness) + 0.55)
    return np.asarray(path * (0.25 + 2.2 * spark) * np.exp(-below / camera.focal * 1.8), np.float32)
