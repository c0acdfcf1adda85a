"""A ledger in memory: it lets everything begin, and remembers what it came to."""

from dataclasses import dataclass, field, replace

from impasto.domain.errors import Failure
from impasto.domain.ledger import (
    Beginning,
    Begun,
    Closing,
    Delivery,
    Generation,
    Opening,
    Posted,
    State,
)


@dataclass(slots=True)
class MemoryLedger:
    """`answers` are what `begin` gives first, before it lets a request begin; `down` is what every method raises."""

    answers: list[Beginning | Failure] = field(default_factory=list)
    down: Failure | None = None
    openings: list[Opening] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    deliveries: list[tuple[str, int, Delivery]] = field(default_factory=list)
    generations: dict[str, Generation] = field(default_factory=dict)

    async def begin(self, opening: Opening) -> Beginning:
        self._check_up()
        self.openings.append(opening)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Failure):
                raise answer
            return answer
        self.generations[opening.generation_id] = Generation(
            id=opening.generation_id,
            key_id=opening.key.id,
            account_id=opening.key.account_id,
            model=opening.model,
            state=State.RUNNING,
            delivery=Delivery.OPEN,
            created_ms=1_769_000_000_500,
            ended_ms=None,
            request=opening.request,
            answer=None,
            answer_sha256=None,
            tags=opening.tags,
            calls=tuple(Posted(call, hold, 1_769_000_000_500) for call, hold in enumerate(opening.holds)),
            sent=opening.sent,
        )
        return Begun()

    async def mark_sent(self, generation_id: str) -> None:
        self._check_up()
        self.generations[generation_id] = replace(self.generations[generation_id], sent=True)

    async def close(self, closing: Closing) -> None:
        self._check_up()
        self.closings.append(closing)
        generation = self.generations[closing.generation_id]
        posted = {call.call: call for call in generation.calls}
        for each in closing.resolutions:
            posted[each.call] = replace(
                posted[each.call], outcome=each.outcome, cost_nano=each.cost_nano, model=each.model, facts=each.facts
            )
        generation = replace(generation, calls=tuple(posted.values()))
        if closing.ending is not None:
            generation = replace(
                generation,
                state=closing.ending.state,
                answer=closing.ending.answer,
                answer_sha256=closing.ending.answer_sha256,
                ended_ms=1_769_000_001_500,
            )
        self.generations[closing.generation_id] = generation

    async def note_delivery(self, generation_id: str, claim: int, delivery: Delivery) -> None:
        self.deliveries.append((generation_id, claim, delivery))

    async def find(self, generation_id: str) -> Generation | None:
        return self.generations.get(generation_id)

    def _check_up(self) -> None:
        if self.down is not None:
            raise self.down
