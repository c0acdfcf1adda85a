"""An answer as it is kept, and back.

Rule: what is kept holds no bytes of a picture: it names them by their hash. It says all that an
answer says, so that the same answer can be given again after a restart, by another process, and
when the catalogue has changed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from impasto.completions.answer import Answers, Asking, Bill, Completion, Item, Picture, ServedBy, SignedPieces, Words
from impasto.completions.ports import BlobStore
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Finished
from impasto.domain.image import Dimensions, ImageConfig
from impasto.domain.ledger import Closing, Ending, Generation, ImageRow, Making, Outcome, Resolution, State
from impasto.domain.retention import Keeps
from impasto.domain.tools import ToolCall

LONGEST_IN_A_ROW = 4096
"""Bytes of an answer that a row takes; a longer one is a blob."""


class KeptSignature(msgspec.Struct, frozen=True):
    """Of the pieces from `start` up to `end` of a run of words."""

    start: int
    end: int
    sha256: str
    byte_count: int


class KeptWords(msgspec.Struct, frozen=True, tag="words"):
    """A run of words, as `Words`."""

    pieces: tuple[str, ...]
    signed: tuple[KeptSignature, ...] = ()


class KeptPicture(msgspec.Struct, frozen=True, tag="picture"):
    """A picture, as `Picture`."""

    id: str
    sha256: str
    byte_count: int
    media_type: str
    dimensions: Dimensions | None
    signature_sha256: str
    signature_byte_count: int = 0
    provenance: dict[str, Any] = {}


class _ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    call: ToolCall


class KeptCompletion(msgspec.Struct, frozen=True):
    """One completion without its bytes."""

    call: int
    served_by: ServedBy
    stood_in: bool
    sent: ImageConfig
    items: tuple[KeptWords | KeptPicture | _ToolCall, ...]
    bill: Bill
    finish: Finished
    facts: dict[str, Any]
    without_gps: tuple[str, ...] = ()
    signatures_refused: bool = False


class KeptFailure(msgspec.Struct, frozen=True):
    """Why a call has no completion."""

    call: int
    code: Code
    message: str
    param: str | None
    retry_helps: bool = False


class KeptAnswers(msgspec.Struct, frozen=True):
    """All that came of a generation."""

    completions: tuple[KeptCompletion, ...] = ()
    failures: tuple[KeptFailure, ...] = ()


class Note(msgspec.Struct, frozen=True):
    """What is noted of a call between its answer and its posting: enough to post it after a crash."""

    resolution: Resolution
    completion: KeptCompletion
    making: Making | None = None


_answers = msgspec.json.Decoder(KeptAnswers)
_asking = msgspec.json.Decoder(Asking)
_note = msgspec.json.Decoder(Note)

encode = msgspec.json.encode

_NOT_KEPT = "This request failed. Why was told once and not kept, as its retention ({}) asked."


def kept_completion(call: int, completion: Completion) -> KeptCompletion:
    """`completion`, whose pictures are in the store, as it is kept. Drafts are not: nobody was to see them."""
    return KeptCompletion(
        call=call,
        served_by=completion.served_by,
        stood_in=completion.stood_in,
        sent=completion.sent,
        items=tuple(_kept_item(item) for item in completion.shown_items),
        bill=completion.bill,
        finish=completion.finish,
        facts=dict(completion.facts),
        without_gps=completion.without_gps,
        signatures_refused=completion.signatures_refused,
    )


def kept_failure(call: int, failure: Failure, keeps: Keeps = Keeps.ALL) -> KeptFailure:
    """`failure` as it is kept: under anything but `all` without its words, which may be those of the request."""
    if keeps is Keeps.ALL:
        return KeptFailure(call, failure.code, failure.message, failure.param, failure.retry_helps)
    return KeptFailure(call, failure.code, _NOT_KEPT.format(keeps), None, failure.retry_helps)


def state_of(answers: KeptAnswers, resolutions: Mapping[int, Outcome]) -> State:
    """How a generation ended whose calls came to `resolutions`."""
    if answers.completions:
        return State.DONE
    outcomes = set(resolutions.values())
    if Outcome.UNKNOWN in outcomes:
        return State.UNKNOWN
    return State.FAILED if Outcome.SETTLED in outcomes else State.REFUSED


def ending_of(
    answers: KeptAnswers, text: bytes, sha256: str | None, state: State, making: Making | None = None
) -> Ending:
    """The end of a generation; `text` is `answers` encoded, which is the blob `sha256` where it is long. `making` is
    what its pictures were made of."""
    images = tuple(
        _image_row(completion, item)
        for completion in answers.completions
        for item in completion.items
        if isinstance(item, KeptPicture)
    )
    blobs = dict(blob for completion in answers.completions for item in completion.items for blob in _blobs_of(item))
    if sha256:
        blobs[sha256] = len(text)
    return Ending(state, None if sha256 else text.decode(), sha256, images, blobs, making if images else None)


def without_content(answers: KeptAnswers, state: State) -> Ending:
    """The end of a generation of which nothing is kept: but for whose fault it was that there is no answer, which its
    failures say without words."""
    is_failed = not answers.completions
    return Ending(state, encode(KeptAnswers((), answers.failures)).decode() if is_failed else None)


def _blobs_of(item: "KeptWords | KeptPicture | _ToolCall") -> Iterator[tuple[str, int]]:
    match item:
        case KeptWords(signed=signed):
            yield from ((each.sha256, each.byte_count) for each in signed)
        case KeptPicture():
            yield item.sha256, item.byte_count
            if item.signature_sha256:
                yield item.signature_sha256, item.signature_byte_count


async def keep_long(text: bytes, store: BlobStore) -> str | None:
    """The hash under which a long answer was kept; `None` for one that a row takes."""
    if len(text) <= LONGEST_IN_A_ROW:
        return None
    blob = store.open()
    try:
        blob.write(text)
        return await store.keep(blob)
    finally:
        blob.close()


def asking_of(generation: Generation) -> Asking:
    """How the request of a kept generation asked."""
    return _asking.decode(generation.request)


async def answers_of(generation: Generation, store: BlobStore) -> Answers:
    """The answers of a generation that has ended. Raises the failure that it ended with, and `answer_gone`."""
    if generation.answer is None and generation.answer_sha256 is None and generation.state is not State.REFUSED:
        raise _gone(asking_of(generation))
    kept = await kept_answers_of(generation, store)
    failures = {failure.call: _failure(failure) for failure in kept.failures}
    if not kept.completions:
        if failures:
            raise failures[min(failures)]
        raise _never_sent() if generation.state is State.REFUSED else broke_off()
    asking = asking_of(generation)
    completions: dict[int, Completion] = {}
    try:
        for completion in kept.completions:
            completions[completion.call] = await _completion(generation.id, asking, completion, store)
    except BaseException:
        for opened in completions.values():
            opened.close()
        raise
    return Answers(generation.id, asking, completions, failures)


def _gone(asking: Asking) -> Failure:
    if asking.keeps is Keeps.NONE:
        return Failure(
            Code.ANSWER_GONE,
            "The answer was made and charged, and nothing of it was kept, as its retention (none) asked. A new request "
            "makes, and charges, a new one.",
        )
    return Failure(
        Code.ANSWER_GONE,
        "The answer was made and charged, and is no longer kept: it was older than IMPASTO_RETENTION allows, or "
        "somebody had it deleted.",
    )


def broke_off() -> Failure:
    """What is said of a call whose outcome nobody knows."""
    return Failure(
        Code.PROVIDER_BROKE_OFF,
        "This request was sent to the provider, and its answer was lost on the way. The provider may bill for it: its "
        "cost is held as unknown. It is not sent again by itself.",
    )


def note_name(generation_id: str, call: int) -> str:
    """Under what a call's note is kept."""
    return f"{generation_id}.{call}"


def is_note(text: bytes) -> bool:
    """Whether this version can read it: what another one noted may look otherwise."""
    try:
        _note.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def closing_after_crash(
    generation: Generation, notes: Mapping[int, bytes]
) -> tuple[Closing, KeptAnswers, Making | None]:
    """What a generation came to whose process died: posted where the answer is there, void where nothing was sent,
    and else of unknown outcome. The ending is still to be added: it takes the answers, and what they were made of."""
    making: Making | None = None
    resolutions: list[Resolution] = []
    completions: list[KeptCompletion] = []
    failures: list[KeptFailure] = []
    for call in generation.calls:
        if call.call in notes:
            note = _note.decode(notes[call.call])
            resolutions.append(note.resolution)
            completions.append(note.completion)
            making = note.making or making
            continue
        failures.append(kept_failure(call.call, broke_off() if generation.sent else _never_sent()))
        if call.outcome is None:
            outcome = Outcome.UNKNOWN if generation.sent else Outcome.VOID
            resolutions.append(Resolution(call.call, outcome))
        else:
            resolutions.append(Resolution(call.call, call.outcome, call.cost_nano, call.model, call.facts))
    return Closing(generation.id, tuple(resolutions)), KeptAnswers(tuple(completions), tuple(failures)), making


def _never_sent() -> Failure:
    return Failure(
        Code.OVERLOADED,
        "The gateway ended before it sent this request. Nothing was spent; try again.",
        retry_helps=True,
    )


async def kept_answers_of(generation: Generation, store: BlobStore) -> KeptAnswers:
    """What is kept of the answers of a generation. Raises `answer_gone`."""
    if generation.answer_sha256 is None:
        return _answers.decode(generation.answer or b"{}")
    blob = await store.reader(generation.answer_sha256)
    try:
        return _answers.decode(blob.read(0, blob.byte_count))
    finally:
        blob.close()


async def _completion(generation_id: str, asking: Asking, kept: KeptCompletion, store: BlobStore) -> Completion:
    items: list[Item] = []
    try:
        for item in kept.items:
            items.append(await _item(item, store))  # noqa: PERF401 - what was opened before one fails is in `items`
    except BaseException:
        for opened in items:
            if isinstance(opened, Picture):
                opened.blob.close()
        raise
    return Completion(
        id=generation_id,
        asking=asking,
        served_by=kept.served_by,
        stood_in=kept.stood_in,
        sent=kept.sent,
        items=tuple(items),
        bill=kept.bill,
        finish=kept.finish,
        facts=kept.facts,
        without_gps=kept.without_gps,
        signatures_refused=kept.signatures_refused,
    )


def _kept_item(item: Item) -> KeptWords | KeptPicture | _ToolCall:
    match item:
        case Words(pieces, signed):
            return KeptWords(
                pieces, tuple(KeptSignature(each.start, each.end, each.sha256, each.byte_count) for each in signed)
            )
        case ToolCall():
            return _ToolCall(item)
        case Picture():
            return KeptPicture(
                item.id,
                item.sha256,
                item.byte_count,
                item.media_type,
                item.dimensions,
                item.signature_sha256,
                item.signature_byte_count,
                dict(item.provenance),
            )


async def _item(item: KeptWords | KeptPicture | _ToolCall, store: BlobStore) -> Item:
    match item:
        case KeptWords(pieces=pieces, signed=signed):
            return Words(
                pieces,
                tuple(SignedPieces(each.start, each.end, b"", each.sha256, each.byte_count) for each in signed),
            )
        case _ToolCall(call=call):
            return call
        case KeptPicture():
            blob = await store.reader(item.sha256)
            return Picture(
                blob, item.byte_count, item.media_type, item.dimensions, item.id, item.sha256,
                item.signature_sha256, item.signature_byte_count, provenance=item.provenance,
            )  # fmt: skip


def _failure(kept: KeptFailure) -> Failure:
    return Failure(kept.code, kept.message, param=kept.param, retry_helps=kept.retry_helps)


def _image_row(completion: KeptCompletion, picture: KeptPicture) -> ImageRow:
    dimensions = picture.dimensions
    facts: dict[str, object] = {"sent": completion.sent.asked()}
    if picture.provenance:
        facts["provenance"] = picture.provenance
    return ImageRow(
        id=picture.id,
        choice=completion.call,
        sha256=picture.sha256,
        media_type=picture.media_type,
        byte_count=picture.byte_count,
        width=dimensions.width if dimensions else None,
        height=dimensions.height if dimensions else None,
        model=completion.served_by.id,
        facts=encode(facts).decode(),
    )
