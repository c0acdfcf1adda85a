"""Words to a picture.

Rule: the same prompt, dimensions and seed give the same bytes, and the words never
claim what was not drawn.
"""

import numpy as np

from impasto.painter.grade import CINEMATIC, develop, to_bytes
from impasto.painter.painting import Painting
from impasto.painter.scenes.restaurant import paint_restaurant

WORKING_PIXELS = 1_200_000


def working_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns to compose at: the picture's own, or fewer in the same proportion."""
    shrink = min(1.0, float(np.sqrt(WORKING_PIXELS / (height * width))))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def paint(prompt: str, *, width: int, height: int, seed: int) -> Painting:
    """Paint what `prompt` says; what is not understood is not drawn, and the words say so."""
    canvas = paint_restaurant(*working_size(height, width), seed)
    pixels = to_bytes(develop(canvas.light, CINEMATIC), width, height, 0.018, seed)
    words = "A restaurant by candlelight with bananas on a plate."
    return Painting(pixels, words, {"scene": "restaurant", "drew": ["banana"], "ignored": []})
