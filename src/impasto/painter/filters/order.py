"""What a filter is told, and the shape all filters share.

Rule: chance comes from the order's seed and a name, so that two sources of chance in
one filter never depend on the order in which they are asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
"""Height x width x 3, RGB, 0 to 1."""

Plane = NDArray[np.float32]
"""Height x width."""


@dataclass(frozen=True, slots=True)
class Order:
    """One edit: the seed, how strongly (1 is usual), which kind of it (a colour, a side), a figure (degrees)."""

    seed: int = 0
    amount: float = 1.0
    option: str = ""
    number: float | None = None

    def chance(self, name: str) -> np.random.Generator:
        """The source of chance called `name`."""
        return np.random.default_rng([self.seed & (2**64 - 1), crc32(name.encode())])


Filter = Callable[[Canvas, Order], Canvas]
