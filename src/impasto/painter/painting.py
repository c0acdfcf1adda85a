"""What the painter hands back.

Rule: the painter is pure and deterministic: the same words, pictures, dimensions and
seed give the same pixels on every machine of one kind.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Height x width x 3, RGB, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Painting:
    """A finished picture: `words` say in a sentence or two what was drawn and what was not understood;
    `report` says the same as data, e.g. `{"scene": "restaurant", "drew": ["banana"], "ignored": ["waiter"]}`."""

    pixels: Pixels
    words: str
    report: dict[str, Any]


class CannotPaintError(ValueError):
    """An instruction outside what the painter can do. The message is shown to the caller and lists what it can do."""
