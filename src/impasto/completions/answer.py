"""A whole answer: what came back, what it cost, where its pictures are.

Rule: inside, an answer is a sequence of items in the model's order; how a caller sees it is
decided at the edge, once, and is kept with it, so that it is the same when it is asked for again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from impasto.completions.ports import Blob
from impasto.domain.errors import Failure
from impasto.domain.events import Finished
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.model import Model
from impasto.domain.retention import Keeps
from impasto.domain.tools import ToolCall
from impasto.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class SignedPieces:
    """The pieces of a run of words from `start` up to `end`, which are one part of the provider's with a signature of
    its own: `data` until it is kept, then the blob `sha256`."""

    start: int
    end: int
    data: bytes = b""
    sha256: str = ""
    byte_count: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """A run of words between pictures, in the pieces that it came in, and which of these are signed."""

    pieces: tuple[str, ...]
    signed: tuple[SignedPieces, ...] = ()

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: its bytes in `blob`, and the type and dimensions they show.

    `id` is what a caller may call it. `sha256` names its bytes in the store, and `signature_sha256` the signature that
    the provider wants back with it; they are empty until they are kept, and stay so where nothing is kept: then the
    `signature` is at hand, and `sha256` known where the caller asked for it. `provenance` is what the bytes say of
    their origin.
    """

    blob: Blob
    byte_count: int
    media_type: str
    dimensions: Dimensions | None
    id: str = ""
    sha256: str = ""
    signature_sha256: str = ""
    signature_byte_count: int = 0
    signature: bytes = field(default=b"", repr=False)
    provenance: Mapping[str, object] = field(default_factory=dict)

    def read(self, offset: int, count: int) -> bytes:
        return self.blob.read(offset, max(0, min(count, self.byte_count - offset)))


Part = Words | Picture
Item = Words | Picture | ToolCall


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
class ServedBy:
    """What an answer has to say of the model that gave it."""

    id: str
    provider: str
    provider_name: str
    makes_images: bool
    has_drafts: bool

    @classmethod
    def of(cls, model: Model) -> "ServedBy":
        drafts = bool(model.images and model.images.drafts)
        return cls(model.id, model.provider.id, model.provider.name, model.makes_images, drafts)


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is to be shown. `waits`: a stream of it begins only when it is whole. `version` is the gateway's
    that made it. `sandbox`: no provider was asked. `signatures`: they go with the answer, for its caller to carry."""

    shape: str = "content"
    delivery: str = "inline"
    streamed: bool = False
    waits: bool = False
    ignored: tuple[str, ...] = ()
    version: str = ""
    sandbox: bool = False
    signatures: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """What an answer has to say of its request: when it was made, for which model by what name, how many answers of
    which pictures it wanted, and how much of it is kept."""

    created: int
    model: str
    image_config: ImageConfig
    count: int
    manner: Manner
    keeps: Keeps = Keeps.ALL


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `stood_in`: another model than the one that was asked for gave it. `without_gps` are the places of
    the photos whose position was taken out before they were sent. `signatures_refused`: the provider did not take back
    what it had signed before."""

    id: str
    asking: Asking
    served_by: ServedBy
    stood_in: bool
    sent: ImageConfig
    items: tuple[Item, ...]
    bill: Bill
    finish: Finished
    facts: Mapping[str, object]
    without_gps: tuple[str, ...] = ()
    signatures_refused: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """Words and pictures in the model's order; calls do not part words."""
        return _joined(item for item in self.items if isinstance(item, Words | Picture))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(item for item in self.items if isinstance(item, ToolCall))

    @property
    def text(self) -> str:
        """All words, in order."""
        return "".join(item.text for item in self.items if isinstance(item, Words))

    @property
    def results(self) -> tuple[Picture, ...]:
        """The pictures that were asked for: drafts on the way to them are left out."""
        return results_of(self.parts, drafts=self.served_by.has_drafts)

    @property
    def shown_parts(self) -> tuple[Part, ...]:
        """The parts in the model's order, without drafts."""
        results = self.results
        return _joined(part for part in self.parts if isinstance(part, Words) or part in results)

    @property
    def shown_items(self) -> tuple[Item, ...]:
        """All items in the model's order, without drafts."""
        results = self.results
        return tuple(item for item in self.items if not isinstance(item, Picture) or item in results)

    def close(self) -> None:
        """Let go of the pictures."""
        for item in self.items:
            if isinstance(item, Picture):
                item.blob.close()


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of one request: completions by the index that they were asked under, and the failures among them.

    At least one completion is there. Whoever has them closes them.
    """

    id: str
    asking: Asking
    completions: dict[int, Completion]
    failures: dict[int, Failure] = field(default_factory=dict)

    @property
    def first(self) -> Completion:
        return self.completions[min(self.completions)]

    @property
    def bill(self) -> Bill:
        return total_of([completion.bill for completion in self.completions.values()])

    def close(self) -> None:
        """Let go of the pictures."""
        for completion in self.completions.values():
            completion.close()


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """`parts`, words that stand side by side as one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Words) and isinstance(last, Words):
            joined[-1] = Words((*last.pieces, *part.pieces))
        else:
            joined.append(part)
    return tuple(joined)


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
