"""One call, from its first byte to what it came to.

Rule: whatever happens, there is a resolution: settled where the bill is known, void where the
provider said that it refused or was never reached, and else of unknown outcome. What is good is
kept before anybody hears of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from impasto.completions.answer import (
    Asking,
    Bill,
    Completion,
    CostStatus,
    Item,
    Picture,
    ServedBy,
    SignedPieces,
    Words,
)
from impasto.completions.call import answer_to
from impasto.completions.carried import hash_of
from impasto.completions.inline import Inlined
from impasto.completions.intake import PictureIntake
from impasto.completions.journal import Journal
from impasto.completions.kept import Note, encode, kept_completion, note_name
from impasto.completions.ports import Answerers, BlobStore
from impasto.completions.prepare import Prepared, calls_of
from impasto.completions.settle import bill_for
from impasto.domain.chat import Turn
from impasto.domain.errors import MAY_HAVE_SPENT, Code, Failure
from impasto.domain.events import Finished, FinishReason
from impasto.domain.ledger import Making, Outcome, Resolution
from impasto.domain.limits import image_config_to_send
from impasto.domain.money import nano_of
from impasto.domain.provenance import provenance_of
from impasto.domain.receipt import facts_of
from impasto.domain.retention import Keeps

Result = TypeVar("Result")

Passing = Callable[[str], None]
"""Hears the name of each step of a request as it is passed: for those who want to see what happens if it ends there."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a call came to: a completion or a failure, and what is posted of it."""

    call: int
    resolution: Resolution
    completion: Completion | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class Calling:
    """Makes the calls of one generation, `id`. `deadline` is when they are given up, on the loop's clock; `making` is
    what its pictures are made of, where that is kept."""

    id: str
    prepared: Prepared
    asking: Asking
    answerers: Answerers
    store: BlobStore
    new_id: Callable[[], str]
    passing: Passing
    deadline: float
    deadline_seconds: float
    making: Making | None = None
    _timeouts: set[asyncio.Timeout] = field(default_factory=set)
    _given_up: bool = False

    async def resolved(self, call: int, inputs: Inlined, journal: Journal) -> Ended:
        """Make the call with this number, taking what comes into `journal`. Raises no `Failure`."""
        try:
            await self._record(inputs.turns, journal)
            finish = _finish_of(journal)
            self.passing("answered")
            completion = await self._kept(self._completed(journal, finish, inputs))
        except Failure as failure:
            return Ended(call, self._resolution_of(call, journal, failure), failure=failure)
        ended = Ended(call, self._settled(call, journal, completion.bill), completion)
        if self.is_noted(completion):
            self.passing("kept")
            with suppress(Failure):  # without it a crash before the posting would leave the outcome unknown, no more
                await self.store.note(note_name(self.id, call), encode(self._note_of(ended, completion)))
            self.passing("noted")
        return ended

    def is_noted(self, completion: Completion) -> bool:
        """Whether a note of it is kept until it is posted: where a picture is lost otherwise, or others take longer."""
        return self.is_kept and (bool(completion.results) or self.asking.count > 1)

    @property
    def is_kept(self) -> bool:
        """Whether anything of the answers outlives the request."""
        return self.asking.keeps is not Keeps.NONE

    def give_up(self) -> None:
        """End the calls at once; what was spent is unknown then."""
        self._given_up = True
        now = asyncio.get_running_loop().time()
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(now)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Until the deadline, or until it is given up: then `TimeoutError`."""
        if self._given_up:
            raise TimeoutError
        async with asyncio.timeout_at(self.deadline) as timeout:
            self._timeouts.add(timeout)
            try:
                yield
            finally:
                self._timeouts.discard(timeout)

    async def _record(self, turns: tuple[Turn, ...], journal: Journal) -> None:
        calls = calls_of(self.prepared, turns, self.answerers)
        try:
            async with self.in_time():
                await journal.record(answer_to(calls, self.prepared.route, self.answerers))
        except TimeoutError:
            raise self._too_late() from None

    def _too_late(self) -> Failure:
        if self._given_up:
            return Failure(
                Code.PROVIDER_BROKE_OFF,
                "The caller left, and this gateway gives up such calls. The provider may bill for it all the same.",
            )
        return Failure(
            Code.DEADLINE_EXCEEDED,
            f"No whole answer within {self.deadline_seconds:g} seconds. The provider may bill for it all the same.",
        )

    def _completed(self, journal: Journal, finish: Finished, inputs: Inlined) -> Completion:
        served_by = journal.served_by or self.prepared.route.model
        return Completion(
            id=self.id,
            asking=self.asking,
            served_by=ServedBy.of(served_by),
            stood_in=served_by is not self.prepared.route.model,
            sent=image_config_to_send(served_by, self.prepared.request.image_config),
            items=tuple(_with_signature(item) for item in journal.items),
            bill=self._bill(journal),
            finish=finish,
            facts=journal.facts,
            without_gps=inputs.without_gps,
            signatures_refused=journal.signatures_refused,
        )

    async def _kept(self, completion: Completion) -> Completion:
        """The completion with its results in the store, all of them at once: a disk confirms together what waits
        together."""
        completion = replace(completion, items=tuple(_with_provenance(item) for item in completion.items))
        results = completion.results
        shown = [isinstance(item, Words) or item in results for item in completion.items]
        items = await _all(
            [
                self._kept_item(item) if is_shown else _as_it_is(item)
                for item, is_shown in zip(completion.items, shown, strict=True)
            ]
        )
        return replace(completion, items=tuple(items))

    async def _kept_item(self, item: Item) -> Item:
        match item:
            case Picture() if self.is_kept:
                return await self._kept_picture(item)
            case Picture() if self.asking.manner.signatures and item.signature:
                return replace(item, sha256=await asyncio.to_thread(hash_of, item))
            case Words() if self.is_kept and item.signed:
                return replace(item, signed=tuple(await _all([self._kept_pieces(each) for each in item.signed])))
            case _:
                return item

    async def _kept_picture(self, picture: Picture) -> Picture:
        sha256, signature = await _all([self.store.keep(picture.blob), self._kept_bytes(picture.signature)])
        return replace(
            picture,
            id=f"img_{self.new_id()}",
            sha256=sha256,
            signature_sha256=signature,
            signature_byte_count=len(picture.signature),
            signature=b"",
        )

    async def _kept_pieces(self, pieces: SignedPieces) -> SignedPieces:
        return replace(pieces, data=b"", sha256=await self._kept_bytes(pieces.data), byte_count=len(pieces.data))

    async def _kept_bytes(self, data: bytes) -> str:
        if not data:
            return ""
        blob = self.store.open()
        try:
            blob.write(data)
            return await self.store.keep(blob)
        finally:
            blob.close()

    def _note_of(self, ended: Ended, completion: Completion) -> Note:
        return Note(ended.resolution, kept_completion(ended.call, completion), self.making)

    def _bill(self, journal: Journal) -> Bill:
        model = journal.served_by or self.prepared.route.model
        sent = image_config_to_send(model, self.prepared.request.image_config)
        bill = bill_for(model, sent, journal)
        return replace(bill, cost=Decimal(0), status=CostStatus.EXACT) if self.prepared.sandbox else bill

    def _resolution_of(self, call: int, journal: Journal, failure: Failure) -> Resolution:
        """Of a call that failed. One whose answer came to its end has its bill, whatever it was worth."""
        if failure.code not in MAY_HAVE_SPENT and not journal.marks:
            return Resolution(call, Outcome.VOID)
        if journal.finish is not None and journal.usage is not None:
            return self._settled(call, journal, self._bill(journal))
        return self._posted(call, journal, Outcome.UNKNOWN, self._bill(journal))

    def _settled(self, call: int, journal: Journal, bill: Bill) -> Resolution:
        if bill.cost is None and self.prepared.hold is not None:
            # It has a price, and the provider did not say what it took: never silently nothing.
            return self._posted(call, journal, Outcome.UNKNOWN, bill)
        return self._posted(call, journal, Outcome.SETTLED, bill)

    def _posted(self, call: int, journal: Journal, outcome: Outcome, bill: Bill) -> Resolution:
        model = journal.served_by or self.prepared.route.model
        price = None if self.prepared.sandbox else model.price
        facts = facts_of(bill.usage, price, bill.status)
        cost = nano_of(bill.cost) if bill.cost is not None and outcome is Outcome.SETTLED else None
        return Resolution(call, outcome, cost, model.id, facts)


def _with_signature(item: Item | PictureIntake) -> Item:
    return replace(item.picture(), signature=item.signature) if isinstance(item, PictureIntake) else item


def _with_provenance(item: Item) -> Item:
    if not isinstance(item, Picture):
        return item
    return replace(item, provenance=provenance_of(item.read, item.byte_count, item.media_type).facts())


async def _as_it_is(item: Item) -> Item:
    return item


async def _all(works: Sequence[Awaitable[Result]]) -> list[Result]:
    """What all of them come to. Where one fails the others come to their end before its failure is raised."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _finish_of(journal: Journal) -> Finished:
    """Why it ended. Raises `provider_wrong` for an answer with nothing in it that calls itself a success."""
    finish = journal.finish
    if finish is None:
        raise Failure(Code.PROVIDER_BROKE_OFF, "The provider's answer ended without saying why.")
    if finish.reason is FinishReason.STOP and not journal.items:
        raise Failure(
            Code.PROVIDER_WRONG,
            f"The provider ended its answer ({finish.native}) with neither a picture nor words in it. "
            "It may bill for the call.",
        )
    return finish
