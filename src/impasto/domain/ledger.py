"""What is written of money: reservations, what they came to, and the requests they were made for.

Rule: a reservation is durable before anything is sent and is resolved exactly once: settled with
what the call cost, void where nothing was spent, or of unknown outcome, which holds its amount
until somebody knows. What was unknown may be settled or made void once, later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from impasto.domain.errors import Failure
from impasto.domain.keys import VirtualKey
from impasto.domain.retention import Keeps


class Outcome(StrEnum):
    """How a reservation ended."""

    SETTLED = "settled"
    VOID = "void"
    UNKNOWN = "unknown"


class State(StrEnum):
    """How far a generation is. `REFUSED`: nothing was spent; `FAILED`: spent, and no answer came of it."""

    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Delivery(StrEnum):
    """Whether a caller got the answer: one waits for it, its line was lost, or it has it."""

    OPEN = "open"
    LOST = "lost"
    DELIVERED = "delivered"


RetryReach = Literal["lost", "wait", "open"]
"""How far a repeat without a key of its own may reach for an earlier request: to those whose line was lost; or,
where none was, to be told that some are still open; or to the oldest of these as well."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A request that wants to begin.

    `holds` is what each of its calls can cost at most, in nano-dollars; `None` where that is unknown. `model` is
    the id that it is billed under. `request` is JSON text of what its answer needs to be shown again, a few hundred
    bytes. `sent`: the first call follows at once. `request_hash` and `idempotency_hash` make it recognisable;
    `retry` is set where it says of itself that it is a repeat, and `was_open` names the one that was open when it came.
    `session_id` and `end_user` are the caller's names for a conversation and for a person. `refusal` is why it may not
    begin, where it can only be a repeat.
    """

    generation_id: str
    key: VirtualKey
    model: str
    holds: tuple[int | None, ...]
    request: str
    sent: bool = True
    request_hash: bytes | None = None
    idempotency_hash: bytes | None = None
    retry: RetryReach | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    was_open: str | None = None
    session_id: str | None = None
    end_user: str | None = None
    keeps: Keeps = Keeps.ALL
    refusal: Failure | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """The request may be made: its money is held."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """This request was made before, under `generation_id`; it is not made again. `claim` counts its attachments."""

    generation_id: str
    claim: int = 0


@dataclass(frozen=True, slots=True)
class Undecided:
    """`generation_id`, a request of the same text, is still open; its line may just have been lost. Nothing was
    begun."""

    generation_id: str


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """The key is another than the caller knew: `key` is what it is now. Nothing was begun."""

    key: VirtualKey


Beginning = Begun | Earlier | Undecided | KeyChanged


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one call of a generation came to.

    `cost_nano` is what it cost (`None`: no price is known). `model` is who served. `facts` is JSON text of the
    receipt: usage, price and how far the cost can be trusted.
    """

    call: int
    outcome: Outcome
    cost_nano: int | None = None
    model: str = ""
    facts: str = "{}"


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A delivered picture: the short id that a caller may cite, and the blob it stands for. `model` made it; `facts`
    is JSON text of what was sent for it and of what its bytes say of themselves."""

    id: str
    choice: int
    sha256: str
    media_type: str
    byte_count: int
    width: int | None
    height: int | None
    model: str = ""
    facts: str = "{}"


@dataclass(frozen=True, slots=True)
class Parent:
    """What a picture was made from: a picture that was made here (`image`) or uploaded (`file`), whose id is `ref`, or
    any other (`photo`), of which only the hash is known."""

    kind: Literal["image", "file", "photo"]
    ref: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Making:
    """What pictures were made of: the words, of which `prompt` holds at most the first thousands, and the pictures."""

    prompt: str
    characters: int
    parents: tuple[Parent, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a generation: the JSON text of its answer, of a few kilobytes, or the blob that holds a longer one;
    its pictures and what they were made of; and every blob that the answer needs, by hash, with its size."""

    state: State
    answer: str | None = None
    answer_sha256: str | None = None
    images: tuple[ImageRow, ...] = ()
    blobs: Mapping[str, int] = field(default_factory=dict)
    making: Making | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """Calls of a generation that have ended, and the end of the generation itself where this was the last.

    `unless_sent`: nothing happens if something may have been sent for it meanwhile.
    """

    generation_id: str
    resolutions: tuple[Resolution, ...]
    ending: Ending | None = None
    unless_sent: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """One resolution as the ledger holds it: nano-dollars, and milliseconds since the epoch."""

    call: int
    reserved_nano: int | None
    reserved_ms: int
    outcome: Outcome | None = None
    cost_nano: int | None = None
    model: str = ""
    facts: str = "{}"
    overrun: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation as it is kept."""

    id: str
    key_id: str
    account_id: str
    model: str
    state: State
    delivery: Delivery
    created_ms: int
    ended_ms: int | None
    request: str
    answer: str | None
    answer_sha256: str | None
    tags: Mapping[str, str]
    calls: tuple[Posted, ...]
    sent: bool
    session_id: str | None = None
    end_user: str | None = None
    keeps: Keeps = Keeps.ALL
