"""From a noun to a sprite: a packaged picture, a traced model, a tree, or an animal with a head.

Rule: every noun of the vocabulary has a figure; a sprite is cut to its outline, so that
its lowest row is where it stands.
"""

from functools import lru_cache

import numpy as np

from impasto.painter.camera import Camera
from impasto.painter.colour import Array
from impasto.painter.models.landmarks import COATS, MIDDLE, MODELS, sitting_body
from impasto.painter.plants import at_height, conifer, leafy
from impasto.painter.solids import Solid, openness, trace
from impasto.painter.sprites import Sprite, emoji
from impasto.painter.vocabulary import Noun

_STAND_INS = {"wine glass": "1f377"}
"""Models that need a scene of their own, and the packaged picture used elsewhere."""


_FLAT = {"banana": 2.2, "plate": 5.0, "pyramid": 1.3}
"""Models that are less tall than one unit, and by how much."""


@lru_cache(maxsize=12)
def figure(noun: Noun, height: int, tint: str | None, seed: int) -> Sprite:
    """The noun's sprite at a height in pixels."""
    height = max(6, height)
    kind, _, model = noun.picture.partition(":")
    if kind != "drawn":
        return emoji(noun.picture, height, tint)
    if model in _STAND_INS:
        return emoji(_STAND_INS[model], height, tint)
    if model == "pine":
        return conifer(seed, height)
    if model == "tree":
        return leafy(seed, height)
    if model in COATS:
        return _animal(model, height, tint)
    fineness = min(700, round(height * _FLAT.get(model, 1.0)))
    return at_height(traced(tuple(MODELS[model](tint)), fineness), height)


def traced(solids: tuple[Solid, ...], tall: int) -> Sprite:
    """Solids around `MIDDLE` as a sprite about `tall` pixels for one unit, cut to its outline."""
    wide = 2.4 if max(solid.radius for solid in solids) > 0.7 else 1.3
    distance = float(MIDDLE[2])
    rows, columns = round(tall * 1.12), round(tall * wide)
    camera = Camera(columns, rows, tall * distance, columns / 2, rows * 0.52, 0.50)
    colour, normal = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns, 3), np.float32)
    alpha, depth = np.zeros((rows, columns), np.float32), np.full((rows, columns), np.inf, np.float32)
    for solid in sorted(solids, key=lambda solid: -float(solid.centre[2])):
        hits = trace(solid, camera)
        if hits is None:
            continue
        top, bottom, left, right = hits.frame
        window = (slice(top, bottom), slice(left, right))
        seen = hits.cover > 0
        shade = openness(hits.points, hits.normals, solids, 0.12)[:, None]
        layer, facing = np.zeros((*seen.shape, 3), np.float32), np.zeros((*seen.shape, 3), np.float32)
        layer[seen] = solid.material.colour(hits.points, hits.normals) * (0.45 + 0.55 * shade)
        facing[seen] = hits.normals * np.array([1, 1, -1], np.float32)
        cover = np.where(hits.depth <= depth[window], hits.cover, 0)[..., None]
        # Colours stay straight under soft edges: the first layer is laid whole, later ones are mixed in.
        share = np.where(alpha[window][..., None] > 0, cover, cover > 0)
        colour[window] += (layer - colour[window]) * share
        normal[window] += (facing - normal[window]) * share
        alpha[window] = np.maximum(alpha[window], cover[..., 0])
        depth[window] = np.where(cover[..., 0] > 0.5, hits.depth, depth[window])
    return _cut_out(Sprite(colour, alpha, normal))


def _cut_out(sprite: Sprite) -> Sprite:
    rows, columns = np.nonzero(sprite.alpha > 0.1)
    if rows.size == 0:
        return sprite
    window = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return Sprite(sprite.colour[window], sprite.alpha[window], sprite.normal[window])


def _animal(name: str, height: int, tint: str | None) -> Sprite:
    """A traced body with the packaged head on it."""
    code, coat, chest = COATS[name]
    body = traced(tuple(sitting_body(tint or coat, chest)), round(height * 1.0))
    head = emoji(code, round(height * 0.57), tint)
    middle = _trunk_column(body)
    left = min(0, middle - head.width // 2)
    width = max(body.width, middle + head.width // 2 + 1) - left
    rows = height
    sheet = [
        np.zeros((rows, width, 3), np.float32),
        np.zeros((rows, width), np.float32),
        np.zeros((rows, width, 3), np.float32),
    ]
    _paste(sheet, body, rows - body.height, -left)
    _paste(sheet, head, 0, middle - head.width // 2 - left)
    return _cut_out(Sprite(sheet[0], sheet[1], sheet[2]))


def _trunk_column(body: Sprite) -> int:
    """The column in the middle of the body's upper part, where the neck is."""
    top = np.nonzero(body.alpha[: max(2, body.height // 8)].max(axis=0) > 0.5)[0]
    return int(top.mean()) if top.size else body.width // 2


def _paste(sheet: list[Array], sprite: Sprite, top: int, left: int) -> None:
    top, left = max(0, top), max(0, left)
    window = (slice(top, top + sprite.height), slice(left, left + sprite.width))
    room = sheet[1][window].shape
    alpha = sprite.alpha[: room[0], : room[1]]
    share = alpha[..., None]
    empty = (sheet[1][window] <= 0)[..., None]
    for index, layer in ((0, sprite.colour), (2, sprite.normal)):
        part = layer[: room[0], : room[1]]
        sheet[index][window] = np.where(
            empty & (share > 0), part, sheet[index][window] + (part - sheet[index][window]) * share
        )
    sheet[1][window] = np.maximum(sheet[1][window], alpha)
