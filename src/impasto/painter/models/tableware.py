"""Tableware as solids: plates, candles, glasses, cutlery.

Rule: a model takes its place and size and returns solids standing on y = 0; one unit is
the radius of a dinner plate.
"""

from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.noise import chance_of
from impasto.painter.shading import Lighting
from impasto.painter.shapes import box, lathe, placed, rod, smoothed, together, turned, turnery, vector
from impasto.painter.solids import Distance, Hits, Material, Solid, plain, trace

PLATE_TOP = 0.055
"""How high the flat of a plate lies."""

_PLATE = ((0.0, 0.03), (0.56, 0.03), (0.62, 0.045), (0.67, 0.085), (0.98, 0.115))


def plate(at: Array, radius: float, seed: int, sauce: str | None = "#2a120a") -> Solid:
    """A porcelain plate with a fine gold line, and brushed and dotted with sauce."""
    shape = lathe([(r * radius, h * radius) for r, h in _PLATE], 0.034 * radius)
    glaze, gold = linear("#f3eee4"), linear("#b98b3c")
    drops = _drops(seed) if sauce else []
    dark = linear(sauce or "#000000")

    def colour(points: Array, normals: Array) -> Array:
        x, z = (points[:, 0] - at[0]) / radius, (points[:, 2] - at[2]) / radius
        away = np.hypot(x, z)
        line = smoothstep(0.010, 0.004, np.abs(away - 0.945)) * 0.8
        skin = mix(glaze, gold, line[:, None])
        wet = np.zeros_like(away)
        for drop_x, drop_z, size in drops:
            wet = np.maximum(wet, smoothstep(size, size * 0.86, np.hypot(x - drop_x, z - drop_z)))
        if sauce:
            wet = np.maximum(wet, _brushed(x, z))
        return mix(skin, dark, (wet * 0.96)[:, None])

    return Solid(
        placed(shape, at),
        at + vector(0, 0.06 * radius, 0),
        radius * 1.03,
        Material(colour, roughness=0.16, sheen=0.05),
        slab=(-0.02 * radius, 0.15 * radius),
    )


def _drops(seed: int) -> list[tuple[float, float, float]]:
    """A row of sauce dots that shrink along an arc in front."""
    chance = chance_of(seed, "sauce")
    turns = np.linspace(-0.55, -1.55, 7) + chance.uniform(-0.02, 0.02, 7)
    sizes = np.linspace(0.052, 0.014, 7)
    return [(0.80 * np.cos(t), 0.80 * np.sin(t), s) for t, s in zip(turns.tolist(), sizes.tolist(), strict=True)]


def _brushed(x: Array, z: Array) -> Array:
    """A stroke of sauce pulled in a curve, thick at its start and streaky at its end."""
    turn_by = np.arctan2(z, x)
    along = np.mod(turn_by + 2.85, 2 * np.pi) / 2.7
    lane = (np.hypot(x, z) - 0.50) / 0.05
    width = np.clip(1.1 - 0.75 * along, 0.05, 1)
    streaks = 0.5 + 0.5 * np.cos(lane * 9 + np.sin(along * 7))
    edge = smoothstep(width.max(), width.max() * 0.8, np.abs(lane) / width)
    fading = smoothstep(1.0, 0.35, along + (1 - streaks) * 0.4)
    return edge * fading * (along < 1)


def candle(at: Array, height: float, radius: float) -> list[Solid]:
    """A lit candle in a brass holder; its flame is laid by `flame`."""
    wax = turnery(
        [(radius * 0.98, 0.16), (radius, 0.2), (radius, height - 0.02), (radius * 0.86, height), (0.01, height - 0.015)]
    )
    warm = linear("#f4e3c4")

    def lit_wax(points: Array, _: Array) -> Array:
        near_flame = smoothstep(height - 0.75, height, points[:, 1] - at[1])
        return (
            warm * (0.8 + 2.6 * near_flame**2)[:, None] * mix(linear("#ffffff"), linear("#ffb060"), near_flame[:, None])
        )

    holder = turnery(
        [
            (0.30, 0.0),
            (0.31, 0.02),
            (0.27, 0.035),
            (0.10, 0.05),
            (0.06, 0.09),
            (radius * 1.25, 0.15),
            (radius * 1.3, 0.19),
            (radius, 0.2),
        ]
    )
    brass = Material(plain(linear("#c08a3a")), roughness=0.28, metal=True)
    wick = rod(vector(0, height - 0.04, 0), vector(0.008, height + 0.05, 0), 0.009)
    return [
        Solid(placed(holder, at), at + vector(0, 0.1, 0), 0.36, brass),
        Solid(
            placed(wax, at),
            at + vector(0, height / 2 + 0.08, 0),
            height * 0.6,
            Material(lit_wax, roughness=0.5, through=0.7),
        ),
        Solid(placed(wick, at), at + vector(0, height, 0), 0.1, Material(plain(linear("#1a0d06")), roughness=0.9)),
    ]


def flame(canvas: Canvas, camera: Camera, at: Array, size: float) -> None:
    """A candle flame whose foot is at `at`, with its glow."""
    column, row = camera.project(float(at[0]), float(at[1]), float(at[2]))
    tall = camera.focal * size / float(at[2])
    top, bottom = max(0, int(row - 1.4 * tall)), min(camera.rows, int(row + 0.4 * tall))
    left, right = max(0, int(column - 0.6 * tall)), min(camera.width, int(column + 0.6 * tall))
    if top < bottom and left < right:
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        up = (row - rows) / tall
        width = 0.17 * np.sqrt(np.clip(up + 0.1, 0, None)) * np.clip(1.06 - up, 0, None) ** 0.8 * 1.5
        inside = np.clip(1 - np.abs(columns - column) / tall / np.maximum(width, 1e-3), 0, 1)
        body = smoothstep(0.0, 0.55, inside)
        heart = smoothstep(0.1, 0.5, up) * (0.55 + 0.45 * smoothstep(1.0, 0.5, up))
        tint = mix(linear("#ff7a1a"), linear("#ffe9b0"), (inside**0.6)[..., None])
        blue = smoothstep(0.16, 0.0, up)[..., None] * linear("#3a5cff") * 0.8
        light = canvas.light[top:bottom, left:right]
        light[:] = mix(
            light, tint * (7.0 * heart)[..., None] + blue, body[..., None] * np.clip(0.3 + heart, 0, 1)[..., None]
        )
    for reach, strength in ((1.3, 0.9), (3.8, 0.26), (9.0, 0.075)):
        canvas.glow(column, row - 0.45 * tall, reach * tall, linear("#ffb25a") * np.float32(strength), 2.6)


@dataclass(frozen=True, slots=True)
class Glass:
    """A stemmed glass with wine in it."""

    at: Array
    size: float
    wine: str = "#6e0a1c"

    def shell(self) -> Solid:
        """The outline of foot, stem and bowl as one body."""
        return self._body(_GLASS, 0.75, 0.84)

    def wine_in_it(self) -> Solid:
        """The wine in the bowl."""
        return self._body(_WINE, 0.92, 0.42)

    def _body(self, outline: list[tuple[float, float]], middle: float, radius: float) -> Solid:
        body = turnery([(wide * self.size, height * self.size) for wide, height in outline])
        clear = Material(plain(linear("#ffffff")), roughness=0.04)
        return Solid(placed(body, self.at), self.at + vector(0, middle * self.size, 0), radius * self.size, clear)

    def lay(self, canvas: Canvas, camera: Camera, lighting: Lighting) -> None:
        """Bend the light that is already there, tint it by the wine, and add what the glass mirrors."""
        wine = trace(self.wine_in_it(), camera)
        if wine is not None:
            behind = _seen_through(canvas, wine, 0.35 * self.size, camera, self.at)
            thick = np.clip(-np.einsum("ij,ij->i", wine.normals, wine.rays), 0, 1)[:, None]
            tint = linear(self.wine)
            canvas.lay(wine, behind * tint ** (0.25 + 0.9 * thick) * 1.6 + tint * (0.10 + 0.35 * (1 - thick) ** 2))
        glass = trace(self.shell(), camera)
        if glass is not None:
            behind = _seen_through(canvas, glass, 0.05 * self.size, camera, self.at)
            facing = np.clip(-np.einsum("ij,ij->i", glass.normals, glass.rays), 0, 1)[:, None]
            mirror = 0.06 + 0.75 * (1 - facing) ** 3
            bounced = glass.rays - 2 * np.einsum("ij,ij->i", glass.rays, glass.normals)[:, None] * glass.normals
            around = lighting.surroundings(bounced, 0.02)
            canvas.lay(glass, behind * (1 - 0.75 * (1 - facing) ** 2) + mirror * around * np.float32(1.3))


_GLASS = smoothed(
    [
        (0.31, 0.0),
        (0.31, 0.012),
        (0.22, 0.022),
        (0.06, 0.05),
        (0.03, 0.12),
        (0.026, 0.30),
        (0.028, 0.60),
        (0.05, 0.68),
        (0.19, 0.74),
        (0.31, 0.88),
        (0.345, 1.06),
        (0.325, 1.27),
        (0.275, 1.50),
    ]
)
_WINE = [(wide * 0.94, height + 0.015) for wide, height in _GLASS if 0.70 < height < 1.04]
_WINE += [(_WINE[-1][0], 1.055), (0.001, 1.06)]


def _seen_through(canvas: Canvas, hits: Hits, bending: float, camera: Camera, at: Array) -> Array:
    """What stands behind a bent surface: the picture, shifted against the normals."""
    top, _, left, _ = hits.frame
    rows, columns = np.nonzero(hits.cover > 0)
    shift = camera.focal * bending / float(at[2])
    height, width = canvas.depth.shape
    rows = np.clip((rows + top + hits.normals[:, 1] * shift).astype(int), 0, height - 1)
    columns = np.clip((columns + left - hits.normals[:, 0] * shift).astype(int), 0, width - 1)
    return np.asarray(canvas.light[rows, columns], np.float32)


def knife(at: Array, yaw: float) -> Solid:
    """A table knife that points away."""
    blade = placed(box(vector(0.045, 0.010, 0.36), 0.009), vector(0, 0.02, 0.30))
    handle = rod(vector(0, 0.028, -0.55), vector(0, 0.022, -0.02), 0.038, 0.026)
    return _silver(together(blade, handle), at, yaw)


def fork(at: Array, yaw: float) -> Solid:
    """A table fork that points away."""
    tines = [rod(vector(x, 0.03, 0.34), vector(x, 0.045, 0.62), 0.015, 0.009) for x in (-0.057, -0.019, 0.019, 0.057)]
    palm = placed(box(vector(0.074, 0.012, 0.085), 0.012), vector(0, 0.026, 0.28))
    handle = rod(vector(0, 0.028, -0.55), vector(0, 0.024, 0.22), 0.036, 0.017)
    return _silver(together(*tines, palm, handle), at, yaw)


def _silver(shape: Distance, at: Array, yaw: float) -> Solid:
    turn = turned(yaw)
    made_of = Material(plain(linear("#f4efe6")), roughness=0.25, metal=True)
    return Solid(placed(shape, at, turn), at + turn @ vector(0, 0.02, 0.04), 0.68, made_of, slab=(-0.01, 0.09))
