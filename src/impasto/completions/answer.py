"""A whole answer: what came back, what it cost, where its pictures wait.

Rule: inside, an answer is a sequence of parts in the model's order; how a caller
sees it is decided at the edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from impasto.completions.ports import Spool
from impasto.domain.chat import ChatRequest
from impasto.domain.events import Finished
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import Model
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class Words:
    """A run of words between pictures."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the spool: `byte_count` decoded bytes from `offset`, and the type and dimensions they show."""

    offset: int
    byte_count: int
    media_type: str
    dimensions: Dimensions | None


Part = Words | Picture


class CostStatus(StrEnum):
    """How far a cost can be trusted."""

    EXACT = "exact"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a completion came to: `cost` in US dollars, `None` where no price is known."""

    usage: Usage
    cost: Decimal | None
    status: CostStatus


@dataclass(frozen=True, slots=True)
class Completion:
    """An answered request. `stood_in`: another model than the one that was asked for answered. `tool_calls`
    stand beside its parts, as they do in every chat API.

    Whoever asked for it closes the spool when the answer is sent.
    """

    id: str
    created: int
    request: ChatRequest
    served_by: Model
    stood_in: bool
    sent: ImageConfig
    parts: tuple[Part, ...]
    bill: Bill
    finish: Finished
    facts: Mapping[str, object]
    spool: Spool
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """All words, in order."""
        return "".join(part.text for part in self.parts if isinstance(part, Words))

    @property
    def results(self) -> tuple[Picture, ...]:
        """The pictures that were asked for: drafts on the way to them are left out."""
        limits = self.served_by.images
        return results_of(self.parts, drafts=bool(limits and limits.drafts))

    @property
    def shown_parts(self) -> tuple[Part, ...]:
        """The parts in the model's order, without drafts."""
        results = self.results
        return tuple(part for part in self.parts if isinstance(part, Words) or part in results)


def total_of(bills: Sequence[Bill]) -> Bill:
    """What several answers came to together: unknown if one of them is."""
    if len(bills) == 1:
        return bills[0]
    usage = Usage()
    for bill in bills:
        usage += bill.usage
    costs = [bill.cost for bill in bills if bill.cost is not None]
    cost = sum(costs, Decimal(0)) if len(costs) == len(bills) else None
    worst = max((bill.status for bill in bills), key=list(CostStatus).index)
    return Bill(usage, cost, worst)


def results_of(parts: Sequence[Part], *, drafts: bool) -> tuple[Picture, ...]:
    """The pictures among `parts` that are results.

    Of a model with `drafts`, pictures that follow each other with nothing said between them
    are tries, and the last is the result; pictures with words between them are all results.
    """
    results: list[Picture] = []
    previous: Part | None = None
    for part in parts:
        if isinstance(part, Picture):
            if drafts and isinstance(previous, Picture):
                results.pop()
            results.append(part)
        if isinstance(part, Picture) or part.text.strip():
            previous = part
    return tuple(results)
