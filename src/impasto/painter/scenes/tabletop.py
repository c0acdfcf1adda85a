"""The top of a table: linen or oak, and the light that falls on it.

Rule: light on the flat is worked out on a coarse grid of the ground and looked up, so
that its cost does not depend on the picture's size.
"""

import cv2
import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.noise import sample, tile
from impasto.painter.shading import Lighting, shade
from impasto.painter.shapes import vector
from impasto.painter.solids import Material, Solid

TABLE_END = 2.75
"""How far behind the dish the table ends."""


def lay_table(
    canvas: Canvas, camera: Camera, lighting: Lighting, near: list[Solid], middle: Array, by_candle: bool, seed: int
) -> None:
    """The cloth or the wood: traced as a plane, its light worked out on a coarse grid of the ground and looked up."""
    edge = float(middle[2]) + TABLE_END
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
