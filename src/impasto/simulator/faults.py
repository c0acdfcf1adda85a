"""Everything that can go wrong on demand, and the three ways to ask for it.

Rule: a fault is a value. Python code makes one, JSON over HTTP says `{"kind": "refuse", ...}`, and a
person writes `[[fault:refuse IMAGE_SAFETY]]` into the prompt; all three come out as the same.
"""

import re
import shlex
from typing import Any, Literal

import msgspec

from impasto.simulator.wire_schema import snake_case

Phase = Literal["arrival", "before_headers", "after_headers", "mid_body", "before_end"]
"""When: before the request's body is read; before the status line; before the first byte of the answer;
within it (`after_bytes`, else in the middle); when all but the end of the answer was sent."""


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=snake_case):
    """What all faults share: their kind is their name."""


# --- how the bytes travel ---


class Reset(_Fault, frozen=True):
    """The connection is torn down (RST)."""

    phase: Phase = "mid_body"
    after_bytes: int | None = None


class Cut(_Fault, frozen=True):
    """The connection is closed politely (FIN) before the answer is whole.

    `none` frames the body by nothing but the end of the connection, so that the cut cannot be seen.
    """

    framing: Literal["chunked", "length", "none"] = "chunked"
    after_bytes: int | None = None


class Stall(_Fault, frozen=True):
    """Nothing happens for a while."""

    seconds: float = 3600
    phase: Phase = "before_headers"
    after_bytes: int | None = None


class Drip(_Fault, frozen=True):
    """A few bytes at a time."""

    count: int = 1
    delay_seconds: float = 0.01


class Pace(_Fault, frozen=True):
    """No faster than that."""

    bytes_per_second: float = 1_000_000


class KeepAlive(_Fault, frozen=True):
    """Comments (in a stream) or white space (in JSON) come before the answer."""

    seconds: float = 3600
    every_seconds: float = 1


class Garbage(_Fault, frozen=True):
    """What arrives is no HTTP at all."""


class LongHeader(_Fault, frozen=True):
    """A header of that many bytes."""

    count: int = 200_000


# --- another answer altogether ---


class Status(_Fault, frozen=True):
    """An error. For 429, `limit` 0 says that the key has no quota at all; `as_list` is the body as `[{…}]`."""

    code: int = 503
    message: str = ""
    limit: int = 1000
    retry_delay: str = "34.4s"
    retry_after: str = ""
    as_list: bool = False


class Html(_Fault, frozen=True):
    """A page of some proxy."""

    code: int = 502


class Redirect(_Fault, frozen=True):
    location: str = "http://127.0.0.1:9/elsewhere"
    code: int = 302


class Gzip(_Fault, frozen=True):
    """A body that claims to be compressed: broken, or `megabytes` of zeros."""

    content: Literal["broken", "bomb"] = "broken"
    megabytes: int = 64


class Truncate(_Fault, frozen=True):
    """The JSON stops; the HTTP around it is complete."""

    after_bytes: int | None = None


class WrongShape(_Fault, frozen=True):
    """Valid JSON, but not that of an answer."""

    shape: Literal["list", "string", "no_candidates", "candidates_object", "parts_string", "text_number"] = "list"


class StreamError(_Fault, frozen=True):
    """An error inside a stream, after so many of its events."""

    code: int = 500
    after_events: int = 1


# --- another content ---


class Refuse(_Fault, frozen=True):
    """No picture, with this finish reason; `content` is what stands where the parts would be."""

    reason: str = "IMAGE_SAFETY"
    content: Literal["absent", "empty", "role", "null_parts", "no_parts"] = "absent"
    message: str = "Unable to show the generated image. The model could not generate the image."


class Block(_Fault, frozen=True):
    """The prompt itself is refused: no candidate at all."""

    reason: str = "PROHIBITED_CONTENT"


class Words(_Fault, frozen=True):
    """The model answers in words only, and stops."""

    text: str = "Which style would you like?"


class Calls(_Fault, frozen=True):
    """The model calls so many functions at once, in the order in which they were declared and again from the first."""

    count: int = 1


class Drafts(_Fault, frozen=True):
    """Several pictures, the last one final; with `thought` the others are marked, unsigned and free."""

    count: int = 3
    thought: bool = False


class Interleave(_Fault, frozen=True):
    """So many pictures, each after some words."""

    count: int = 2


class EmptyCandidates(_Fault, frozen=True):
    """`"candidates": []`."""


class UnknownFinish(_Fault, frozen=True):
    """A finish reason that nobody has heard of, with a picture."""

    reason: str = "SUN_SPOTS"


class WrongMime(_Fault, frozen=True):
    """The picture is said to be of another type than it is."""

    media_type: str = "image/png"


class EmptyPicture(_Fault, frozen=True):
    """A picture of no bytes."""


class BrokenBase64(_Fault, frozen=True):
    """One character of the picture is none of base64."""

    at: int = 1000


class Usage(_Fault, frozen=True):
    """Counts that cannot be relied on."""

    counts: Literal["missing", "negative", "huge", "string", "no_details"] = "missing"


class Rename(_Fault, frozen=True):
    """Another model says that it answered."""

    model_version: str = "gemini-9-image"


class Escape(_Fault, frozen=True):
    r"""The JSON escapes what it need not: `\/` and `\u003d` in base64."""


class Pad(_Fault, frozen=True):
    """Pictures and signatures of this size, in bytes and in base64 characters; `None` leaves them."""

    picture_bytes: int | None = None
    signature_characters: int | None = None


Fault = (
    Reset | Cut | Stall | Drip | Pace | KeepAlive | Garbage | LongHeader
    | Status | Html | Redirect | Gzip | Truncate | WrongShape | StreamError
    | Refuse | Block | Words | Calls | Drafts | Interleave | EmptyCandidates | UnknownFinish | WrongMime | EmptyPicture
    | BrokenBase64 | Usage | Rename | Escape | Pad
)  # fmt: skip

KINDS: dict[str, type[Fault]] = {snake_case(kind.__name__): kind for kind in Fault.__args__}

_MAGIC = re.compile(r"\[\[fault:(.*?)\]\]", re.DOTALL)


class UnknownFault(ValueError):
    """A fault that was asked for in words and is none. The message says why."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faults as JSON has them: for each coming call one, a list of several, or null; and those of every call."""

    faults: list[Fault | list[Fault] | None] = []
    always: list[Fault] | None = None


def parse_plan(body: bytes) -> Plan:
    """Raises `UnknownFault`."""
    try:
        return msgspec.json.decode(body, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnknownFault(str(error)) from error


def split_prompt(prompt: str) -> tuple[str, tuple[Fault, ...]]:
    """The prompt without its magic words, and the faults that they name. Raises `UnknownFault`."""
    faults = tuple(_fault_in(found.group(1)) for found in _MAGIC.finditer(prompt))
    return (_MAGIC.sub("", prompt).strip() if faults else prompt), faults


def _fault_in(words: str) -> Fault:
    """`stall 3 phase=mid_body`: the kind, then its fields in their order or by name."""
    try:
        kind, *arguments = shlex.split(words) or [""]
    except ValueError as error:
        raise UnknownFault(f"{words!r}: {error}") from error
    if kind not in KINDS:
        raise UnknownFault(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    names = iter(msgspec.structs.fields(KINDS[kind]))
    fields: dict[str, Any] = {}
    for argument in arguments:
        name, is_named, value = argument.partition("=")
        if not is_named:
            following = next(names, None)
            if following is None:
                raise UnknownFault(f"The fault {kind!r} does not take as many values as in {words!r}.")
            name, value = following.name, argument
        fields[name] = value
    try:
        return msgspec.convert({"kind": kind, **fields}, KINDS[kind], strict=False)
    except msgspec.ValidationError as error:
        raise UnknownFault(f"{words!r}: {error}") from error
