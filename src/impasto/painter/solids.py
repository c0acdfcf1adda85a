"""Solids told by their distance: where a ray meets them, and which way they face there.

Rule: a solid is a function from points (n x 3) to signed distances (n); everything else
(rays, normals, shadows) follows from it. Sphere tracing after John C. Hart, "Sphere
tracing: a geometric method for the antialiased ray tracing of implicit surfaces", 1996.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.colour import Array, length

Distance = Callable[[Array], Array]
Colouring = Callable[[Array, Array], Array]
"""Points and normals (n x 3) to linear colours (n x 3)."""

STEPS = 56
REACH = 0.8  # of the distance promised: bent and tapered shapes promise a little too much


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface takes light. `glow` is light of its own, as a multiple of its colour; `sheen` its mirror share
    seen head on; `through` how much light wanders through it."""

    colour: Colouring
    roughness: float = 0.5
    sheen: float = 0.04
    metal: bool = False
    through: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True, slots=True)
class Solid:
    """A shape within a ball, and what it is made of.

    A flat one may say between which heights it lies (`slab`); it is then seen from above only.
    """

    distance: Distance
    centre: Array
    radius: float
    material: Material
    slab: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """Where rays met a solid within a rectangle of the picture; the points are those of `cover` > 0, in order."""

    frame: tuple[int, int, int, int]
    cover: Array
    depth: Array
    points: Array
    normals: Array
    rays: Array


def plain(colour: Array) -> Colouring:
    """The same colour everywhere."""
    return lambda points, _: np.broadcast_to(colour, points.shape)


def trace(solid: Solid, camera: Camera) -> Hits | None:
    """What the camera sees of one solid, with soft edges; nothing where it is out of sight."""
    frame = camera.frame(solid.centre, solid.radius)
    if frame is None:
        return None
    rays = camera.rays(*frame)
    flat = rays.reshape(-1, 3)
    start, end = _ball_span(camera.eye, flat, solid.centre, solid.radius)
    if solid.slab is not None:
        below = np.minimum(flat[:, 1], -1e-6)
        start = np.maximum(start, (solid.slab[1] - camera.height) / below)
        end = np.minimum(end, (solid.slab[0] - camera.height) / below)
    rows = np.flatnonzero(end > start)
    if rows.size == 0:
        return None
    travelled, miss = _march(solid.distance, camera.eye, flat[rows], start[rows], end[rows])
    cover_hit = np.clip(1 - miss * camera.focal / np.maximum(travelled, 1e-3) * flat[rows, 2] ** -1, 0, 1)
    seen = cover_hit > 0.02
    rows, travelled, cover_hit = rows[seen], travelled[seen], cover_hit[seen]
    if rows.size == 0:
        return None
    shape = rays.shape[:2]
    cover = np.zeros(flat.shape[0], np.float32)
    depth = np.full(flat.shape[0], np.inf, np.float32)
    cover[rows], depth[rows] = cover_hit, travelled
    points = camera.eye + flat[rows] * travelled[:, None]
    normals = normals_of(solid.distance, points, solid.radius * 2e-3)
    return Hits(frame, cover.reshape(shape), depth.reshape(shape), points, normals, flat[rows])


def _ball_span(eye: Array, rays: Array, centre: Array, radius: float) -> tuple[Array, Array]:
    towards = centre - eye
    nearest = rays @ towards
    half = radius * radius - (towards @ towards - nearest * nearest)
    half = np.sqrt(np.maximum(half, 0)) - (half < 0)
    return np.maximum(nearest - half, 1e-3), nearest + half


def _march(distance: Distance, eye: Array, rays: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """How far each ray travels to its nearest approach, and how wide it misses there (0: it hits)."""
    best_at, best = start.copy(), np.full_like(start, np.inf)
    index, travelled = np.arange(start.size), start
    nearest_at, nearest = best_at, best
    tolerance = np.float32(2e-4 * float(end.max()))
    for step in range(STEPS):
        gap = distance(eye + rays * travelled[:, None])
        closer = gap < nearest
        nearest_at, nearest = np.where(closer, travelled, nearest_at), np.where(closer, gap, nearest)
        done = (gap <= tolerance) | (travelled >= end)
        travelled = travelled + np.where(done, 0, np.maximum(gap, tolerance) * np.float32(REACH))
        # Finished rays wait until there are enough of them to be worth sorting out.
        if np.count_nonzero(done) > 0.25 * done.size or step == STEPS - 1:
            best_at[index], best[index] = nearest_at, nearest
            going = ~done
            index, rays, end, travelled = index[going], rays[going], end[going], travelled[going]
            nearest_at, nearest = nearest_at[going], nearest[going]
            if index.size == 0:
                break
    return best_at, np.where(best <= tolerance * 1.5, 0, best).astype(np.float32)


_CORNERS = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)


def normals_of(distance: Distance, points: Array, step: float) -> Array:
    """Unit normals from four samples at a tetrahedron's corners."""
    slope = np.zeros_like(points)
    for corner in _CORNERS:
        slope += corner * distance(points + corner * np.float32(step))[:, None]
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9), np.float32)


def shadow(points: Array, light: Array, occluders: Sequence[Solid], softness: float) -> Array:
    """How much of a light reaches each point, 0..1; a larger `softness` blurs the edge."""
    towards = light - points
    far = length(towards)
    rays = towards / far[:, None]
    lit = np.ones(points.shape[0], np.float32)
    for solid in occluders:
        _darken(lit, points, rays, far, solid, softness)
    return lit


def _darken(lit: Array, points: Array, rays: Array, far: Array, solid: Solid, softness: float) -> None:
    offset = solid.centre - points
    along = np.einsum("ij,ij->i", offset, rays)
    aside = np.einsum("ij,ij->i", offset, offset) - along * along
    wide = solid.radius + softness * np.maximum(along, 0)
    half = np.sqrt(np.maximum(wide * wide - aside, 0))
    rows = np.flatnonzero((aside < wide * wide) & (along + half > 0) & (lit > 0.02))
    if rows.size == 0:
        return
    at = np.maximum(along[rows] - half[rows], 0.03 * solid.radius)
    end = np.minimum(along[rows] + half[rows], far[rows] - 0.02)
    darkest = np.ones(rows.size, np.float32)
    active = np.flatnonzero(at < end)
    for _ in range(14):
        if active.size == 0:
            break
        gap = solid.distance(points[rows[active]] + rays[rows[active]] * at[active, None])
        share = np.clip(gap / (softness * at[active]) * 0.5 + 0.5, 0, 1)
        darkest[active] = np.minimum(darkest[active], share)
        at[active] += np.maximum(np.abs(gap), 0.06 * solid.radius)
        active = active[(at[active] < end[active]) & (darkest[active] > 0.01)]
    lit[rows] *= darkest


def openness(points: Array, normals: Array, occluders: Sequence[Solid], reach: float) -> Array:
    """How open the surroundings of each point are, 0..1: crevices and contact are dark. The ground is y = 0."""
    closed = np.zeros(points.shape[0], np.float32)
    for tap, weight in ((0.15, 0.5), (0.45, 0.3), (1.0, 0.2)):
        probe = points + normals * np.float32(tap * reach)
        gap = np.minimum(probe[:, 1] + 2e-3, tap * reach)
        for solid in occluders:
            rows = np.flatnonzero(length(probe - solid.centre) < solid.radius + tap * reach)
            if rows.size:
                gap[rows] = np.minimum(gap[rows], solid.distance(probe[rows]))
        closed += weight * np.clip(1 - gap / (tap * reach), 0, 1)
    return 1 - closed
