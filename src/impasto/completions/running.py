"""One generation while it runs in this process: its calls, and those who wait for them.

Rule: it goes on whoever leaves, and it ends in the ledger: only then does anybody hear that it is
whole. Nobody who waits can stop it but by giving it up.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from impasto.completions.answer import Answers, Asking
from impasto.completions.call import Serving
from impasto.completions.calling import Calling, Ended
from impasto.completions.ingredients import Ingredients
from impasto.completions.inline import Inlined
from impasto.completions.journal import Journal
from impasto.completions.kept import (
    KeptAnswers,
    broke_off,
    encode,
    ending_of,
    keep_long,
    kept_completion,
    kept_failure,
    note_name,
    state_of,
    without_content,
)
from impasto.completions.ports import Ledger
from impasto.domain.errors import Code, Failure
from impasto.domain.events import Event
from impasto.domain.ledger import Closing, Ending, Outcome, Resolution, State
from impasto.domain.limits import check_pictures
from impasto.domain.retention import Keeps


@dataclass(slots=True)
class Running:
    """One generation. `inputs` is `None` while its pictures have to be brought to hand by `bring` first; `ingredients`
    are what its pictures are made of, where that is kept."""

    asking: Asking
    inputs: Inlined | None
    bring: Callable[[], Awaitable[Inlined]]
    ingredients: Ingredients | None
    calling: Calling
    ledger: Ledger
    journals: tuple[Journal, ...]
    _users: int = 0
    _left: int = 0
    _answers: asyncio.Future[Answers] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def id(self) -> str:
        return self.calling.id

    async def run(self) -> None:
        """Bring it to its end. What it came to is in `answers`."""
        try:
            answers = await self._come_to()
        except Failure as failure:
            self._fail(failure)
        except Exception as error:
            try:
                await self._close_broken()
            finally:
                self._fail(error)
            if not self._users:
                raise  # nobody else will tell of it
        except BaseException as error:  # this process ends; what it leaves is resolved by the next
            self._fail(Failure(Code.OVERLOADED, "This gateway is shutting down."))
            raise error from None
        else:
            self._answers.set_result(answers)
            self._let_go()

    async def answers(self) -> Answers:
        """All answers, whole, settled and kept. Raises the failure where there is none."""
        return await asyncio.shield(self._answers)

    def follow(self) -> AsyncGenerator[Serving | Event, None]:
        """The first answer as it comes."""
        return self.journals[0].follow()

    def attach(self) -> bool:
        """Somebody waits for it; `detach` when he has it or has left. `False`: it is over, and its pictures are gone
        from here."""
        if self._answers.done() and not self._users:
            return False
        self._users += 1
        return True

    def detach(self, *, had_left: bool = False) -> None:
        self._users -= 1
        self._left -= had_left
        self._end_if_all_left()
        self._let_go()

    def leave(self) -> None:
        """One of those who wait has left, and only stays until it has ended. When all have left it ends at once,
        whatever it has cost."""
        self._left += 1
        self._end_if_all_left()

    def _end_if_all_left(self) -> None:
        if self._left and self._left == self._users:
            self.calling.give_up()

    async def _come_to(self) -> Answers:
        try:
            inputs = self.inputs if self.inputs is not None else await self._fetch()
        except Failure as failure:
            return await self._refuse(failure)
        try:
            if self.ingredients is not None:
                self.calling.making = self.ingredients.making(inputs)
            ended = await self._call_all(inputs)
        finally:
            inputs.close()
        return await self._close(ended)

    async def _fetch(self) -> Inlined:
        """The turns with their pictures; then something may be sent."""
        calling = self.calling
        try:
            async with calling.in_time():
                inputs = await self.bring()
        except TimeoutError:
            raise Failure(
                Code.DEADLINE_EXCEEDED,
                f"The pictures of the request did not come within {calling.deadline_seconds:g} seconds, or the caller "
                "left before. Nothing was sent.",
            ) from None
        try:
            check_pictures(calling.prepared.route.model, inputs.turns)
            calling.passing("inlined")
            await self.ledger.mark_sent(self.id)
        except BaseException:
            inputs.close()
            raise
        calling.passing("marked")
        return inputs

    async def _refuse(self, failure: Failure) -> Answers:
        void = [Ended(call, Resolution(call, Outcome.VOID), failure=failure) for call in range(len(self.journals))]
        for journal in self.journals:
            journal.end(failure)
        return await self._close(void)

    async def _call_all(self, inputs: Inlined) -> list[Ended]:
        if len(self.journals) == 1:
            return [await self.calling.resolved(0, inputs, self.journals[0])]
        each = [self._call_one(call, inputs, journal) for call, journal in enumerate(self.journals)]
        ended: list[Ended] = []
        # Where one breaks, the others come to their end before anybody hears of it: they are paid for.
        for outcome in await asyncio.gather(*each, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            ended.append(outcome)
        return ended

    async def _call_one(self, call: int, inputs: Inlined, journal: Journal) -> Ended:
        """One of several: what it came to is posted at once, the others may take longer."""
        ended = await self.calling.resolved(call, inputs, journal)
        await self.ledger.close(Closing(self.id, (ended.resolution,)))
        return ended

    async def _close(self, ended: list[Ended]) -> Answers:
        noted = [each.call for each in ended if each.completion and self.calling.is_noted(each.completion)]
        ended, ending = await self._ending(ended)
        await self.ledger.close(Closing(self.id, tuple(each.resolution for each in ended), ending))
        self.calling.passing("settled")
        with suppress(Failure):  # a note that stays behind says what the ledger knows
            for call in noted:
                await self.calling.store.note(note_name(self.id, call), None)
        return self._answers_of(ended)

    async def _ending(self, ended: list[Ended]) -> tuple[list[Ended], Ending]:
        """What is kept of them, and what they are then: where it cannot be kept there is no answer."""
        keeps = self.asking.keeps
        kept = _kept(ended, keeps)
        outcomes = {each.call: each.resolution.outcome for each in ended}
        if not self.calling.is_kept:
            return ended, without_content(kept, state_of(kept, outcomes))
        text = encode(kept)
        sha256: str | None = None
        try:
            sha256 = await keep_long(text, self.calling.store)
        except Failure as failure:  # what was spent is posted all the same
            ended = [replace(each, completion=None, failure=each.failure or failure) for each in ended]
            kept = _kept(ended, keeps)
            text = encode(kept)
        return ended, ending_of(kept, text, sha256, state_of(kept, outcomes), self.calling.making)

    async def _close_broken(self) -> None:
        calls = range(len(self.journals))
        failures = KeptAnswers((), tuple(kept_failure(call, broke_off()) for call in calls))
        unknown = tuple(Resolution(call, Outcome.UNKNOWN) for call in calls)
        ending = ending_of(failures, encode(failures), None, State.UNKNOWN)
        await self.ledger.close(Closing(self.id, unknown, ending))

    def _answers_of(self, ended: list[Ended]) -> Answers:
        completions = {each.call: each.completion for each in ended if each.completion}
        failures = {each.call: each.failure for each in ended if each.failure}
        for journal, each in zip(self.journals, ended, strict=True):
            journal.end(each.failure)
        if not completions:
            raise failures[min(failures)]
        return Answers(self.id, self.asking, completions, failures)

    def _fail(self, error: Exception) -> None:
        failure = error if isinstance(error, Failure) else Failure(Code.INTERNAL, "Something broke in this gateway.")
        for journal in self.journals:
            journal.end(failure)
        if not self._answers.done():
            self._answers.set_exception(error)
            self._answers.exception()  # it may be that nobody waits any more
        self._let_go()

    def _let_go(self) -> None:
        if self._answers.done() and not self._users:
            for journal in self.journals:
                journal.close()


def _kept(ended: list[Ended], keeps: Keeps) -> KeptAnswers:
    return KeptAnswers(
        tuple(kept_completion(each.call, each.completion) for each in ended if each.completion),
        tuple(kept_failure(each.call, each.failure, keeps) for each in ended if each.failure),
    )
