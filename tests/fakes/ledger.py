"""A ledger in memory: everything may begin, what was made before is found again, and what it came to is remembered.

Rule: it decides as the real one does, without money.
"""

import asyncio
from dataclasses import dataclass, field, replace

from impasto.domain.errors import Code, Failure
from impasto.domain.ledger import (
    Beginning,
    Begun,
    Closing,
    Delivery,
    Earlier,
    Generation,
    Opening,
    Outcome,
    Posted,
    Resolution,
    State,
    Undecided,
)

BEGUN_MS, ENDED_MS = 1_769_000_000_500, 1_769_000_001_500


@dataclass(slots=True)
class MemoryLedger:
    """`answers` are what `begin` gives first, before it decides; `down` is what every method raises, `unread` what
    `find` does once it was asked `finds_before` times.

    Every method lets others run, as a database does.
    """

    answers: list[Beginning | Failure] = field(default_factory=list)
    down: Failure | None = None
    unread: Failure | None = None
    finds_before: int = 0
    openings: list[Opening] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    deliveries: list[tuple[str, int, Delivery]] = field(default_factory=list)
    generations: dict[str, Generation] = field(default_factory=dict)
    begun: dict[str, Opening] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)

    async def begin(self, opening: Opening) -> Beginning:
        await self._reached()
        self.openings.append(opening)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Failure):
                raise answer
            return answer
        earlier = self._earlier(opening)
        if earlier is None and opening.refusal is not None:
            raise opening.refusal
        return earlier or self._add(opening)

    async def mark_sent(self, generation_id: str) -> None:
        await self._reached()
        self.generations[generation_id] = replace(self.generations[generation_id], sent=True)

    async def close(self, closing: Closing) -> None:
        await self._reached()
        self.closings.append(closing)
        generation = self.generations[closing.generation_id]
        posted = {call.call: call for call in generation.calls}
        for each in closing.resolutions:
            posted[each.call] = _resolved(posted[each.call], each)
        generation = replace(generation, calls=tuple(posted.values()))
        if closing.ending is not None and generation.state in (State.RUNNING, State.UNKNOWN):
            ending = closing.ending
            generation = replace(
                generation,
                state=ending.state,
                answer=ending.answer,
                answer_sha256=ending.answer_sha256,
                ended_ms=ENDED_MS,
            )
        self.generations[closing.generation_id] = generation

    async def note_delivery(self, generation_id: str, claim: int, delivery: Delivery) -> None:
        await self._reached()
        self.deliveries.append((generation_id, claim, delivery))
        if claim == self.claims[generation_id]:
            self.generations[generation_id] = replace(self.generations[generation_id], delivery=delivery)

    async def find(self, generation_id: str) -> Generation | None:
        await self._reached()
        if self.unread is not None:
            if not self.finds_before:
                raise self.unread
            self.finds_before -= 1
        return self.generations.get(generation_id)

    async def _reached(self) -> None:
        await asyncio.sleep(0)
        if self.down is not None:
            raise self.down

    def _earlier(self, opening: Opening) -> Earlier | Undecided | None:
        if opening.idempotency_hash is not None:
            return self._earlier_by_name(opening)
        if opening.retry is not None:
            return self._earlier_by_text(opening)
        return None

    def _earlier_by_name(self, opening: Opening) -> Earlier | None:
        for found in self.begun.values():
            same_name = (found.key.id, found.idempotency_hash) == (opening.key.id, opening.idempotency_hash)
            if not same_name or self.generations[found.generation_id].state is State.REFUSED:
                continue
            if found.request_hash != opening.request_hash:
                raise Failure(Code.IDEMPOTENCY_KEY_REUSED, "This key stands for another request.")
            return Earlier(found.generation_id)
        return None

    def _earlier_by_text(self, opening: Opening) -> Earlier | Undecided | None:
        for delivery in (Delivery.LOST, Delivery.OPEN):
            for found in self.begun.values():
                generation = self.generations[found.generation_id]
                same_text = (found.key.id, found.request_hash) == (opening.key.id, opening.request_hash)
                if not same_text or found.idempotency_hash or generation.delivery is not delivery:
                    continue
                if delivery is Delivery.OPEN and opening.retry != "open":
                    return Undecided(found.generation_id) if opening.retry == "wait" else None
                was_refused = generation.state is State.REFUSED
                now = Delivery.DELIVERED if was_refused else Delivery.OPEN
                self.generations[found.generation_id] = replace(generation, delivery=now)
                self.claims[found.generation_id] += 1
                return None if was_refused else Earlier(found.generation_id, self.claims[found.generation_id])
        answered = self.generations.get(opening.was_open or "")
        if opening.was_open is None or answered is None or answered.state is State.REFUSED:
            return None
        self.claims[opening.was_open] += 1
        return Earlier(opening.was_open, self.claims[opening.was_open])

    def _add(self, opening: Opening) -> Begun:
        self.begun[opening.generation_id] = opening
        self.claims[opening.generation_id] = 0
        self.generations[opening.generation_id] = Generation(
            id=opening.generation_id,
            key_id=opening.key.id,
            account_id=opening.key.account_id,
            model=opening.model,
            state=State.RUNNING,
            delivery=Delivery.OPEN,
            created_ms=BEGUN_MS,
            ended_ms=None,
            request=opening.request,
            answer=None,
            answer_sha256=None,
            tags=opening.tags,
            calls=tuple(Posted(call, hold, BEGUN_MS) for call, hold in enumerate(opening.holds)),
            sent=opening.sent,
            session_id=opening.session_id,
            end_user=opening.end_user,
            keeps=opening.keeps,
        )
        return Begun()


def _resolved(posted: Posted, each: Resolution) -> Posted:
    """A call is resolved once; what was unknown may be known later."""
    if posted.outcome not in (None, Outcome.UNKNOWN):
        return posted
    return replace(posted, outcome=each.outcome, cost_nano=each.cost_nano, model=each.model, facts=each.facts)
