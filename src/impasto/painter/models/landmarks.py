"""Things to stand in a scene, as solids: lighthouse, balloon, windmill, boat, snowman and the like.

Rule: a model is about one unit tall, stands on y = 0 at `MIDDLE` and has a plain colour
of its own; the scene's light comes later.
"""

from collections.abc import Callable

import numpy as np

from impasto.painter.colour import Array, linear, mix, smoothstep
from impasto.painter.models.food import banana
from impasto.painter.models.tableware import candle, plate
from impasto.painter.noise import sample, tile
from impasto.painter.shapes import ball, box, ellipsoid, lathe, placed, rod, smoothed, together, turned, turnery, vector
from impasto.painter.solids import Colouring, Distance, Material, Solid, plain

MIDDLE = vector(0, 0, 9)
"""Where a model stands before its own camera."""

Model = Callable[[str | None], list[Solid]]
"""A tint (a colour asked for, or None) to solids."""


def _solid(shape: Distance, middle: tuple[float, float, float], radius: float, colour: str | Colouring) -> Solid:
    skin = plain(linear(colour)) if isinstance(colour, str) else colour
    return Solid(placed(shape, MIDDLE), MIDDLE + vector(*middle), radius, Material(skin))


def _bands(first: str, second: str, count: float, axis: int = 1, start: float = 0.0) -> Colouring:
    one, other = linear(first), linear(second)

    def colour(points: Array, _: Array) -> Array:
        place = (points[:, axis] - MIDDLE[axis]) * count + start
        return mix(one, other, (np.mod(np.floor(place), 2))[:, None])

    return colour


def lighthouse(tint: str | None) -> list[Solid]:
    """A striped tower with a gallery and a lantern, on a rock."""
    tower = turnery([(0.118, 0.06), (0.108, 0.12), (0.072, 0.76), (0.070, 0.765)])
    gallery = turnery([(0.075, 0.755), (0.108, 0.775), (0.108, 0.792), (0.06, 0.80)])
    rail = together(*(placed(lathe([(0.102, h), (0.102, h + 0.001)], 0.006), vector(0, 0, 0)) for h in (0.812, 0.83)))
    lantern = turnery([(0.052, 0.79), (0.052, 0.875)])
    roof = turnery(
        smoothed([(0.074, 0.872), (0.066, 0.89), (0.030, 0.935), (0.012, 0.95), (0.010, 0.99), (0.002, 1.0)], 2)
    )
    door = placed(box(vector(0.024, 0.045, 0.02), 0.006), vector(0, 0.105, -0.10))
    windows = together(
        *(placed(box(vector(0.012, 0.02, 0.02), 0.004), vector(0.0, h, -0.105 + 0.045 * h)) for h in (0.30, 0.48, 0.65))
    )
    texture = tile(7, "rock", 5)

    def rocky(points: Array) -> Array:
        rough = sample(texture, points[:, 0] * 0.9, points[:, 1] * 0.9 + points[:, 2] * 0.8)
        return np.asarray((ellipsoid(vector(0.27, 0.085, 0.22))(points) - 0.016 * rough) * 0.7, np.float32)

    return [
        _solid(rocky, (0, 0, 0), 0.34, "#55504c"),
        _solid(tower, (0, 0.41, 0), 0.42, _bands(tint or "#c8242c", "#f1ece2", 7.2, start=-0.45)),
        _solid(gallery, (0, 0.78, 0), 0.13, "#2f3338"),
        _solid(rail, (0, 0.82, 0), 0.13, "#2f3338"),
        _solid(lantern, (0, 0.83, 0), 0.08, "#ffe9a8"),
        _solid(roof, (0, 0.93, 0), 0.12, tint or "#b01f28"),
        _solid(together(door, windows), (0, 0.35, -0.06), 0.42, "#3a2c26"),
    ]


def hot_air_balloon(tint: str | None) -> list[Solid]:
    """A balloon of coloured gores with its basket."""
    envelope = turnery(
        smoothed(
            [
                (0.055, 0.235),
                (0.075, 0.25),
                (0.20, 0.42),
                (0.31, 0.60),
                (0.335, 0.72),
                (0.29, 0.87),
                (0.17, 0.965),
                (0.01, 1.0),
            ],
            3,
        )
    )
    colours = [
        linear(colour)
        for colour in ((tint, "#f6efe0", tint, "#fdf9f0") if tint else ("#d8322e", "#f4c430", "#2f7fc4", "#f3ece0"))
    ]

    def gores(points: Array, _: Array) -> Array:
        turn_by = np.arctan2(points[:, 0] - MIDDLE[0], points[:, 2] - MIDDLE[2])
        gore = np.mod(np.floor(turn_by / (2 * np.pi) * 16), 4).astype(int)
        seam = smoothstep(0.90, 1.0, np.abs(np.cos(turn_by * 8)))
        skin = np.stack(colours)[gore]
        band = smoothstep(0.052, 0.045, np.abs(points[:, 1] - 0.62))
        skin = mix(skin, colours[1] * 0.95, (band * 0.85)[:, None])
        return skin * (1 - 0.22 * seam)[:, None]

    basket = turnery([(0.048, 0.0), (0.052, 0.01), (0.060, 0.085), (0.064, 0.09)])
    ropes = together(
        *(
            rod(vector(0.055 * a, 0.085, 0.04 * b), vector(0.085 * a, 0.27, 0.06 * b), 0.0035)
            for a in (-1, 1)
            for b in (-1, 1)
        )
    )
    return [
        _solid(envelope, (0, 0.62, 0), 0.44, gores),
        _solid(ropes, (0, 0.18, 0), 0.16, "#4a3826"),
        _solid(basket, (0, 0.05, 0), 0.09, _bands("#8a5a2c", "#6e4520", 70)),
    ]


def windmill(tint: str | None) -> list[Solid]:
    """A Dutch windmill."""
    tower = turnery([(0.17, 0.0), (0.15, 0.2), (0.105, 0.60), (0.10, 0.62)])
    cap = turnery(smoothed([(0.125, 0.61), (0.12, 0.65), (0.08, 0.72), (0.005, 0.745)], 2))
    arms = []
    for index in range(4):
        turn = turned(0, 0, np.pi / 4 + 0.25 + index * np.pi / 2)
        arms.append(placed(rod(vector(0, 0, 0), vector(0, 0.38, 0), 0.008), vector(0, 0.655, -0.16), turn))
        arms.append(
            placed(
                placed(box(vector(0.033, 0.135, 0.004), 0.003), vector(0.037, 0.235, 0)), vector(0, 0.655, -0.16), turn
            )
        )
    door = placed(box(vector(0.035, 0.06, 0.02), 0.01), vector(0, 0.06, -0.155))
    return [
        _solid(tower, (0, 0.3, 0), 0.37, tint or "#efe6d4"),
        _solid(cap, (0, 0.67, 0), 0.16, "#7a3a2a"),
        _solid(door, (0, 0.06, -0.15), 0.09, "#4a2f22"),
        _solid(together(*arms), (0, 0.655, -0.16), 0.41, "#8a6a4a"),
    ]


def pyramid(tint: str | None) -> list[Solid]:
    """A pyramid of stone courses."""
    base, stone = 0.72, linear(tint or "#d9b478")
    texture = tile(3, "stones", 5)

    def shape(points: Array) -> Array:
        turn = turned(0.5)
        local = points @ turn
        side = np.maximum(np.abs(local[:, 0]), np.abs(local[:, 2]))
        return np.asarray(
            np.maximum((side + points[:, 1] * base - base) / np.sqrt(1 + base * base), -points[:, 1]), np.float32
        )

    def courses(points: Array, _: Array) -> Array:
        joint = smoothstep(0.80, 1.0, np.abs(np.cos(points[:, 1] * 75)))
        rough = sample(texture, points[:, 0] * 0.9, points[:, 1] * 2 + points[:, 2])
        return stone * (1 - 0.22 * joint + 0.10 * rough)[:, None]

    return [_solid(shape, (0, 0.4, 0), 1.12, courses)]


def sailboat(tint: str | None) -> list[Solid]:
    """A small yacht with two sails."""

    def hull(points: Array) -> Array:
        body = ellipsoid(vector(0.36, 0.15, 0.13))(points - vector(0, 0.115, 0))
        return np.asarray(np.maximum(body, points[:, 1] - 0.115 - 0.05 * points[:, 0] ** 2), np.float32)

    def sail(corner: float, top: float, foot: float) -> Distance:
        def shape(points: Array) -> Array:
            bulge = points[:, 2] + 0.25 * (points[:, 0] ** 2)
            share = np.clip((points[:, 1] - foot) / (top - foot), 0, 1)
            edge = 0.012 if corner > 0 else -0.012
            inside = np.maximum(
                (points[:, 0] - edge) * np.sign(corner) - (abs(corner) * (1 - share)),
                -(points[:, 0] - edge) * np.sign(corner),
            )
            flat = np.maximum(np.maximum(inside, foot - points[:, 1]), points[:, 1] - top)
            return np.asarray(np.maximum(flat * 0.85, np.abs(bulge) - 0.006), np.float32)

        return shape

    mast = rod(vector(0, 0.1, 0), vector(0, 1.0, 0), 0.010, 0.006)
    boom = rod(vector(0, 0.2, 0), vector(0.33, 0.2, 0), 0.008)
    return [
        _solid(hull, (0, 0.1, 0), 0.38, _bands("#f4f0e8", tint or "#b02a30", 20, start=0.15)),
        _solid(together(mast, boom), (0.1, 0.55, 0), 0.55, "#6a4a2e"),
        _solid(sail(0.31, 0.96, 0.215), (0.15, 0.58, 0), 0.45, "#fbf7ee"),
        _solid(sail(-0.26, 0.86, 0.18), (-0.12, 0.5, 0), 0.42, "#efe7d8"),
    ]


def snowman(_: str | None) -> list[Solid]:
    """Three balls of snow, a carrot, coal, a hat and a scarf."""
    body = together(
        placed(ball(0.25), vector(0, 0.22, 0)),
        placed(ball(0.185), vector(0, 0.52, 0)),
        placed(ball(0.135), vector(0, 0.755, 0)),
    )
    coal = together(
        *(
            placed(ball(0.019), vector(*at))
            for at in (
                (-0.05, 0.79, -0.122),
                (0.05, 0.79, -0.122),
                (0, 0.60, -0.168),
                (0, 0.51, -0.185),
                (0, 0.42, -0.16),
            )
        )
    )
    nose = rod(vector(0, 0.755, -0.12), vector(0.015, 0.745, -0.27), 0.025, 0.004)
    hat = turnery([(0.155, 0.855), (0.155, 0.87), (0.10, 0.872), (0.105, 1.0), (0.10, 1.005)])
    scarf = together(
        lathe([(0.125, 0.645), (0.13, 0.66)], 0.055), rod(vector(0.06, 0.63, -0.13), vector(0.10, 0.45, -0.19), 0.03)
    )
    arms = together(
        *(rod(vector(0.15 * s, 0.55, 0), vector(0.38 * s, 0.70, -0.04), 0.011, 0.007) for s in (-1, 1)),
        *(rod(vector(0.31 * s, 0.655, -0.03), vector(0.36 * s, 0.61, -0.05), 0.007) for s in (-1, 1)),
    )
    return [
        _solid(body, (0, 0.42, 0), 0.5, "#eef3fa"),
        _solid(coal, (0, 0.6, -0.15), 0.25, "#1c1d20"),
        _solid(nose, (0, 0.75, -0.19), 0.11, "#e8781e"),
        _solid(hat, (0, 0.93, 0), 0.19, "#23242a"),
        _solid(scarf, (0.03, 0.57, -0.05), 0.26, "#c4262e"),
        _solid(arms, (0, 0.62, 0), 0.42, "#5a3d26"),
    ]


def street_lamp(_: str | None) -> list[Solid]:
    """A cast-iron lamp post."""
    post = turnery(smoothed([(0.055, 0.0), (0.05, 0.05), (0.022, 0.09), (0.016, 0.3), (0.013, 0.78), (0.03, 0.80)], 2))
    glass = turnery([(0.032, 0.81), (0.058, 0.905)])
    roof = turnery(smoothed([(0.072, 0.905), (0.05, 0.935), (0.012, 0.965), (0.004, 1.0)], 2))
    return [_solid(together(post, roof), (0, 0.5, 0), 0.53, "#2a2d30"), _solid(glass, (0, 0.86, 0), 0.09, "#ffe6a8")]


def one_banana(tint: str | None) -> list[Solid]:
    """A banana that lies as it was put down."""
    fruit = banana(MIDDLE + vector(0, 0.12, 0), turned(0.25, -0.35, np.pi), 0.95, 5, 0.4)
    return [fruit if tint is None else Solid(fruit.distance, fruit.centre, fruit.radius, Material(plain(linear(tint))))]


def one_plate(_: str | None) -> list[Solid]:
    """An empty plate."""
    return [plate(MIDDLE, 0.5, 1, sauce=None)]


def one_candle(_: str | None) -> list[Solid]:
    """A candle without its flame."""
    return candle(MIDDLE, 0.9, 0.085)


COATS: dict[str, tuple[str, str, str]] = {
    "fox": ("1f98a", "#e87722", "#f8e6d2"),
    "wolf": ("1f43a", "#7d858e", "#d8dade"),
    "bear": ("1f43b", "#8a5530", "#b98a5e"),
    "polar bear": ("1f43b-200d-2744-fe0f", "#e8edf2", "#f8fafc"),
    "panda": ("1f43c", "#26262a", "#f2f2ee"),
    "lion": ("1f981", "#e0a040", "#f2cf8a"),
    "raccoon": ("1f99d", "#76787e", "#b8b8bc"),
    "koala": ("1f428", "#98a0aa", "#dcdfe4"),
    "unicorn": ("1f984", "#ece6f4", "#faf6fc"),
    "hamster": ("1f439", "#e2a868", "#f6e4cc"),
    "frog": ("1f438", "#5fae3e", "#cfe6a0"),
}
"""Animals whose packaged picture is a head: the head, the coat, the chest."""


def sitting_body(coat: str, chest: str) -> list[Solid]:
    """An animal that sits facing us, without its head: the head is laid over it."""
    fur, bib = linear(coat), linear(chest)

    def skin(points: Array, _: Array) -> Array:
        local = points - MIDDLE
        front = smoothstep(0.11, 0.07, np.hypot(local[:, 0], (local[:, 1] - 0.36) * 0.55)) * (local[:, 2] < 0)
        return mix(np.broadcast_to(fur, points.shape), bib, front[:, None])

    trunk = turnery(smoothed([(0.10, 0.0), (0.235, 0.04), (0.25, 0.16), (0.20, 0.34), (0.15, 0.46), (0.11, 0.54)], 2))
    paws = together(
        *(rod(vector(0.075 * s, 0.30, -0.13), vector(0.085 * s, 0.05, -0.215), 0.05, 0.052) for s in (-1, 1)),
        *(placed(ellipsoid(vector(0.085, 0.055, 0.12)), vector(0.20 * s, 0.05, -0.15)) for s in (-1, 1)),
    )
    tail = rod(vector(0.2, 0.08, 0.08), vector(0.40, 0.22, 0.02), 0.055, 0.07)
    return [
        _solid(tail, (0.3, 0.15, 0.05), 0.26, coat),
        _solid(trunk, (0, 0.31, 0), 0.40, skin),
        _solid(paws, (0, 0.14, -0.16), 0.36, coat),
    ]


MODELS: dict[str, Model] = {
    "lighthouse": lighthouse,
    "hot air balloon": hot_air_balloon,
    "windmill": windmill,
    "pyramid": pyramid,
    "sailboat": sailboat,
    "snowman": snowman,
    "street lamp": street_lamp,
    "banana": one_banana,
    "plate": one_plate,
    "candle": one_candle,
}
