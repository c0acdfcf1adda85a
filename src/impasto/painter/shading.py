"""How surfaces answer light: diffuse and mirror light, shadows, crevices, surroundings.

Rule: light is physical in kind, not in number: inverse-square lamps, the GGX highlight
(Walter et al., "Microfacet models for refraction through rough surfaces", 2007) and
Schlick's Fresnel term, with exposures chosen by eye.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.canvas import Canvas
from impasto.painter.colour import Array, length, mix
from impasto.painter.solids import Hits, Material, Solid, openness, shadow, trace

Surroundings = Callable[[Array, float], Array]
"""Directions (n x 3) and a roughness to the light that comes from there (n x 3)."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """A round light: the colour it gives a white surface one unit away.

    `size` softens its shadows, where it `casts` any.
    """

    at: Array
    colour: Array
    size: float = 0.15
    casts: bool = True


@dataclass(frozen=True, slots=True)
class Lighting:
    """Everything that lights a scene. `ambient` comes from above, `ground` bounces up from below."""

    lamps: Sequence[Lamp]
    ambient: Array
    ground: Array
    surroundings: Surroundings


def shade(
    points: Array,
    normals: Array,
    rays: Array,
    made_of: Material,
    lighting: Lighting,
    near: Sequence[Solid],
    reach: float,
) -> Array:
    """The light that leaves each point towards the eye. `near` casts shadows; `reach` is how far crevices are felt."""
    base = made_of.colour(points, normals)
    facing = np.clip(-np.einsum("ij,ij->i", normals, rays), 0.26, 1)
    mirror = base if made_of.metal else np.full_like(base, made_of.sheen)
    fresnel = mirror + (1 - mirror) * ((1 - facing) ** 5)[:, None] * (1 - 0.7 * made_of.roughness)
    open_share = openness(points, normals, near, reach)[:, None]
    sky = (0.5 + 0.5 * normals[:, 1])[:, None]
    body = mix(lighting.ground, lighting.ambient, sky) * open_share
    gleam = np.zeros_like(base)
    for lamp in lighting.lamps:
        diffuse, highlight = _lamp_light(points, normals, rays, facing, made_of, lamp, near)
        body = body + diffuse[:, None] * lamp.colour
        gleam += highlight[:, None] * lamp.colour
    bounced = rays - 2 * np.einsum("ij,ij->i", rays, normals)[:, None] * normals
    around = lighting.surroundings(bounced, made_of.roughness) * (0.35 + 0.65 * open_share)
    share = 0.0 if made_of.metal else 1.0
    glow = 1 + made_of.glow / np.maximum(body.mean(axis=1, keepdims=True), 1e-3) if made_of.glow else 1.0
    return np.asarray(base * body * share * (1 - fresnel) * glow + fresnel * (around + gleam), np.float32)


def _lamp_light(
    points: Array, normals: Array, rays: Array, facing: Array, made_of: Material, lamp: Lamp, near: Sequence[Solid]
) -> tuple[Array, Array]:
    towards = lamp.at - points
    far = length(towards)
    towards = towards / far[:, None]
    falls = np.einsum("ij,ij->i", normals, towards)
    lit = np.zeros(points.shape[0], np.float32)
    rows = np.flatnonzero(falls > -made_of.through)
    blocking = near if lamp.casts else ()
    lit[rows] = shadow(
        points[rows] + normals[rows] * np.float32(0.01), lamp.at, blocking, lamp.size / max(float(far.mean()), 0.1)
    )
    arriving = lit / (far * far)
    wrapped = np.clip((falls + made_of.through) / (1 + made_of.through) ** 2, 0, None)
    # A lamp is not a point: its size adds to the roughness it is mirrored with.
    rough = np.clip(made_of.roughness**2 + lamp.size / (2 * far), 0.01, 1)
    half = towards - rays
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-6)
    aligned = np.clip(np.einsum("ij,ij->i", normals, half), 0, 1)
    narrow = rough * rough
    spread = narrow / (np.pi * (aligned * aligned * (narrow - 1) + 1) ** 2)
    highlight = spread * arriving * np.clip(falls, 0, 1) / (4 * facing * np.clip(falls, 0.1, 1) + 0.4)
    return (wrapped * arriving).astype(np.float32), np.minimum(highlight, 30).astype(np.float32)


def render(canvas: Canvas, camera: Camera, solids: Sequence[Solid], lighting: Lighting, near: Sequence[Solid]) -> None:
    """Trace, shade and lay solids, the furthest first. `near` casts shadows on them."""
    for solid in sorted(solids, key=lambda solid: -float(solid.centre[2])):
        hits = trace(solid, camera)
        if hits is not None:
            canvas.lay(hits, shade_hits(hits, solid, lighting, near))


def shade_hits(hits: Hits, solid: Solid, lighting: Lighting, near: Sequence[Solid]) -> Array:
    """`shade` for what the camera sees of one solid."""
    return shade(hits.points, hits.normals, hits.rays, solid.material, lighting, near, 0.35)
