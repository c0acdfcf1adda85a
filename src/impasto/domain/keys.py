"""Who is calling.

Rule: a virtual key is known by what it may do; its secret is not kept here.
"""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["public", "generate", "read", "manage"]
"""What a route asks of a key. `public` asks for none."""


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A caller's key: `scopes` is what it may do, `image_output` its default shape of answers (`None`: the path's)."""

    name: str
    scopes: frozenset[Scope]
    image_output: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope == "public" or scope in self.scopes
