"""What openings were told that they attached to, until that is known to be durable.

Rule: of two openings that were told the same, the first one's transaction was not committed. Each
step here is one that threads cannot halve: openings are told in one and forgotten in another.
"""

from impasto.domain.ledger import Earlier, Opening


class Claims:
    """What each opening was told last, and of each thing told, who was told it last."""

    def __init__(self) -> None:
        self._told: dict[str, Earlier] = {}
        self._last: dict[Earlier, str] = {}

    def tell(self, opening: Opening, earlier: Earlier) -> None:
        self._told[opening.generation_id] = earlier
        self._last[earlier] = opening.generation_id

    def of(self, opening: Opening) -> Earlier | None:
        earlier = self._told.get(opening.generation_id)
        return None if earlier is None or self._last.get(earlier) != opening.generation_id else earlier

    def forget(self, opening: Opening) -> None:
        earlier = self._told.pop(opening.generation_id, None)
        if earlier is not None and self._last.get(earlier) == opening.generation_id:
            self._last.pop(earlier, None)
