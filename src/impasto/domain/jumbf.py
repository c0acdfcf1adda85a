"""JUMBF, the boxes with labels that content credentials are kept in. ISO/IEC 19566-5.

Rule: headers and descriptions are read, content is left to who asks for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from impasto.domain.containers import Reader, Span, boxes

_DESCRIPTION_BYTES = 512
_HAS_LABEL = 0x02


@dataclass(frozen=True, slots=True)
class Superbox:
    """A labelled box with boxes in it. `kind` are the four letters that its type begins with."""

    kind: bytes
    label: str
    content: Span

    @property
    def name(self) -> str:
        """The label without the number that tells boxes of one name apart."""
        return self.label.partition("__")[0]


def superboxes(read: Reader, span: Span) -> Iterator[Superbox]:
    """The labelled boxes in `span`; what else is there is passed over."""
    for kind, start, end in boxes(read, span):
        description = next(boxes(read, (start, end), 1), None) if kind == b"jumb" else None
        if description is None or description[0] != b"jumd":
            continue
        _, first, last = description
        said = read(first, min(last - first, _DESCRIPTION_BYTES))
        label = said[17:].partition(b"\0")[0] if said[16:17] and said[16] & _HAS_LABEL else b""
        yield Superbox(said[:4], label.decode("utf-8", "replace"), (last, end))
