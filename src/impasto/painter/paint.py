"""Words to a picture.

Rule: the same prompt, dimensions and seed give the same bytes, and the words never
claim what was not drawn.
"""

import numpy as np

from impasto.painter.compose import USUAL_TIME, compose
from impasto.painter.daylight import time_of
from impasto.painter.finish import FILTERS, styled
from impasto.painter.grade import develop, to_bytes
from impasto.painter.painting import Painting
from impasto.painter.prompt import read_prompt
from impasto.painter.scenes.choice import fitted, scene_of, unfit
from impasto.painter.telling import report_of, words_of

WORKING_PIXELS = 1_600_000
"""Scenes are composed at no more than this, and enlarged."""

GRAIN = 0.013


LEAST_SIDE = 48
"""Below this nothing can be composed; smaller pictures are shrunk from it."""


def working_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns to compose at: the picture's own, or fewer (or, for tiny ones, more) in the same proportion."""
    scale = min(1.0, float(np.sqrt(WORKING_PIXELS / (height * width))))
    scale = max(scale, LEAST_SIDE / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def paint(prompt: str, *, width: int, height: int, seed: int) -> Painting:
    """Paint what `prompt` says; what is not understood is not drawn, and the words say so.

    Any text will do, in any language; dimensions are in pixels.
    """
    brief = read_prompt(prompt)
    scene = scene_of(brief)
    brief = fitted(brief, scene)
    rows, columns = working_size(height, width)
    composition = compose(scene, brief, rows, columns, seed)
    shown = styled(develop(composition.light, composition.grade), brief.style, seed)
    grain = 0.004 if brief.style in FILTERS else GRAIN
    grain *= float(np.clip(np.sqrt(width * height) / 1000, 0.4, 1.0))
    pixels = to_bytes(shown, width, height, grain, seed, blocks=brief.style == "pixel")
    ignored = (*brief.ignored, *unfit(brief, scene))
    time = time_of(brief, USUAL_TIME.get(scene, "day"))
    return Painting(pixels, words_of(brief, scene, time, ignored), report_of(brief, scene, ignored))
