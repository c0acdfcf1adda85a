"""Food as solids: bananas, fruit, ice cream, leaves.

Rule: a model takes its place, turn and size and returns solids; one unit is the radius
of a dinner plate.
"""

from dataclasses import replace

import numpy as np

from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.noise import sample, tile
from impasto.painter.shapes import ball, balls, ellipsoid, lathe, melted, placed, smoothed, together, turned, vector
from impasto.painter.solids import Distance, Material, Solid, plain

# Along a banana, from the blossom end to the stem, and how thick it is there.
_OUTLINE = smoothed(
    [
        (-1.0, 0.24),
        (-0.95, 0.36),
        (-0.86, 0.66),
        (-0.68, 0.92),
        (-0.3, 1.0),
        (0.2, 0.99),
        (0.55, 0.86),
        (0.74, 0.56),
        (0.84, 0.32),
        (0.92, 0.26),
        (1.0, 0.29),
    ]
)
_ALONG = np.array([along for along, _ in _OUTLINE], np.float32)
_THICK = np.array([thick for _, thick in _OUTLINE], np.float32)


def _banana_places(points: Array, bend: float, half_angle: float) -> tuple[Array, Array, Array]:
    """Along (-1..1, beyond at the ends), out from the core line, and across."""
    angle = np.arctan2(points[:, 0], points[:, 1] + bend)
    out = np.hypot(points[:, 0], points[:, 1] + bend) - bend
    return angle / half_angle, out, points[:, 2]


def banana(at: Array, turn: Array, length: float, seed: int, ripeness: float = 0.5) -> Solid:
    """A banana whose belly points along its own +y; `ripeness` from 0 (green) to 1 (spotted)."""
    half_angle = 0.86
    bend = length / 2 / half_angle
    thick = length * 0.122

    def shape(points: Array) -> Array:
        along, out, across = _banana_places(points, bend, half_angle)
        radius = thick * np.interp(along, _ALONG, _THICK)
        ridge = np.arctan2(across, out)
        radius = radius * (1 + 0.035 * np.cos(5 * ridge) * (np.abs(along) < 0.9))
        beyond = np.maximum(np.abs(along) - 1, 0) * half_angle * bend
        return np.asarray(np.hypot(np.hypot(out, across), beyond) - radius, np.float32)

    def colour(points: Array, normals: Array) -> Array:
        local = (points - at) @ turn
        along, out, across = _banana_places(local, bend, half_angle)
        ridge = np.arctan2(across, out) / (2 * np.pi)
        texture = tile(seed, "banana")
        mottle = sample(texture, along * 0.35 + 0.5, ridge)
        freckle = sample(texture, along * 0.9, ridge * 2)
        skin = mix(linear("#f7c51e"), linear("#ffe04f"), np.clip(0.5 + 0.3 * mottle, 0, 1)[:, None])
        green = smoothstep(0.62, 1.0, along + 0.10 * mottle) * 0.6 + smoothstep(0.5, 0, np.full_like(along, ripeness))
        skin = mix(skin, linear("#a9b52a"), np.clip(green, 0, 1)[:, None])
        seam = smoothstep(0.93, 1.0, np.cos(5 * 2 * np.pi * ridge)) * 0.25
        skin = mix(skin, linear("#b98a12"), seam[:, None])
        spots = smoothstep(2.2 - 0.7 * ripeness, 2.8 - 0.7 * ripeness, freckle) * 0.55
        skin = mix(skin, linear("#5a3210"), spots[:, None])
        ends = np.maximum(smoothstep(-0.9, -0.985, along), smoothstep(0.95, 0.995, along))
        return mix(skin, linear("#2e1a0c"), (ends * 0.92)[:, None])

    made_of = Material(colour, roughness=0.4, sheen=0.05, through=0.3)
    return Solid(placed(shape, at, turn), at, length * 0.64, made_of)


def berry(at: Array, radius: float, colour: str, bloom: str) -> Solid:
    """A round berry with a paler bloom on top."""
    base, dust = linear(colour), linear(bloom)

    def skin(points: Array, normals: Array) -> Array:
        return mix(base, dust, (0.4 * np.clip(normals[:, 1], 0, 1) ** 2)[:, None])

    return Solid(placed(ball(radius), at), at, radius * 1.05, Material(skin, roughness=0.35, through=0.1))


def raspberry(at: Array, radius: float, turn: Array) -> Solid:
    """A raspberry: drupelets on a cone."""
    places = []
    for ring, (height, wide, count) in enumerate(((-0.35, 0.8, 9), (0.1, 0.74, 9), (0.5, 0.52, 7), (0.8, 0.2, 3))):
        for index in range(count):
            turn_by = 2 * np.pi * (index + 0.5 * (ring % 2)) / count
            places.append(vector(wide * np.cos(turn_by), height, wide * np.sin(turn_by)) * np.float32(radius))
    core = ellipsoid(vector(radius * 0.8, radius * 0.9, radius * 0.8))
    shape = together(core, balls(np.stack(places), radius * 0.3))
    deep, light = linear("#8e0f2e"), linear("#d8304f")

    def skin(points: Array, normals: Array) -> Array:
        return mix(deep, light, np.clip(0.35 + 0.4 * normals[:, 1], 0, 1)[:, None])

    made_of = Material(skin, roughness=0.38, through=0.3)
    return Solid(placed(shape, at, turn), at, radius * 1.25, made_of)


def leaf(at: Array, turn: Array, length: float) -> Solid:
    """A mint leaf that lies along its own x axis and curls up at the tip."""
    radii = vector(length / 2, length * 0.035, length * 0.27)
    body = ellipsoid(radii)

    def shape(points: Array) -> Array:
        bent = points.copy()
        bent[:, 1] -= 0.55 / length * points[:, 0] ** 2 + 0.9 / length * points[:, 2] ** 2
        return body(bent) * 0.7

    def skin(points: Array, normals: Array) -> Array:
        local = (points - at) @ turn
        rib = smoothstep(0.035, 0.0, np.abs(local[:, 2]) / length)
        veins = smoothstep(0.75, 1.0, np.cos((np.abs(local[:, 2]) * 1.1 - local[:, 0]) / length * 42))
        green = mix(linear("#2f7d2c"), linear("#79b84a"), np.clip(0.7 * rib + 0.35 * veins, 0, 1)[:, None])
        return mix(green, linear("#1f5a22"), np.clip(local[:, 0] / length + 0.2, 0, 0.6)[:, None])

    return Solid(placed(shape, at, turn), at, length * 0.62, Material(skin, roughness=0.4, through=0.45))


def scoop(at: Array, radius: float, colour: str, seed: int) -> Solid:
    """A scoop of ice cream with a ragged skirt."""
    body = melted(ball(radius), placed(_skirt(radius), vector(0, -radius * 0.52, 0)), radius * 0.2)
    texture = tile(seed, "scoop")
    base = linear(colour)

    def rough(points: Array) -> Array:
        local = points - at
        turn_by = np.arctan2(local[:, 2], local[:, 0]) / (2 * np.pi)
        return sample(texture, turn_by, local[:, 1] / radius * 0.3)

    def shape(points: Array) -> Array:
        return np.asarray((body(points - at) - rough(points) * radius * 0.022) * 0.85, np.float32)

    def skin(points: Array, normals: Array) -> Array:
        specks = smoothstep(2.1, 2.4, sample(texture, points[:, 0] * 5.5, points[:, 1] * 5.5 + points[:, 2] * 3))
        return mix(np.broadcast_to(base, points.shape), linear("#4a3420"), (specks * 0.28)[:, None])

    return Solid(shape, at, radius * 1.35, Material(skin, roughness=0.55, through=0.55))


def _skirt(radius: float) -> Distance:
    turns = np.linspace(0, 2 * np.pi, 34)[:-1]
    away = radius * (0.92 + 0.035 * np.sin(5 * turns))
    places = np.stack([np.cos(turns) * away, 0.02 * np.sin(3 * turns), np.sin(turns) * away], axis=1).astype(np.float32)
    return together(balls(places, radius * 0.15), lathe([(0, 0), (radius * 0.9, 0)], radius * 0.2))


def plated_bananas(at: Array, count: int, size: float, seed: int, tint: str | None = None) -> list[Solid]:
    """A fan of small bananas beside a scoop, with berries and mint: a dessert for `at`, the middle of a plate."""
    from impasto.painter.noise import chance_of

    chance = chance_of(seed, "dish")
    solids: list[Solid] = []
    length = 1.04 * size
    for index in range(count):
        layer, place_in_layer = divmod(index, 6)
        share = place_in_layer / max(min(count, 6) - 1, 1)
        yaw = 0.62 - 1.15 * share + chance.uniform(-0.05, 0.05)
        place = at + vector(-0.30 + 0.17 * share, 0.1 + 0.1 * share * (1 - share) + 0.17 * layer, -0.30 + 0.56 * share)
        solids.append(banana(place, turned(yaw, -0.92 + 0.1 * share, 0.0), length, seed + index, 0.4))
    return solids if tint is None else [_dyed(solid, tint) for solid in solids]


def _dyed(solid: Solid, tint: str) -> Solid:
    made_of = replace(solid.material, colour=plain(linear(tint)))
    return replace(solid, material=made_of)
