"""Asking one check after the other, and judging what comes.

Rule: the bound of a check is reserved before it is sent; what came back is never asked for twice.
"""

import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import click

from impasto.catalogue.catalogue import Catalogue
from impasto.cli.verify_compare import (
    claims_of,
    cost_of_answer,
    data_url_in,
    got_of,
    is_gone,
    retirement,
    sentence_of,
    what_came,
)
from impasto.cli.verify_plan import Check, Kind, Purse
from impasto.cli.verify_report import Outcome, Verdict

_LONGEST_SENTENCE = 600

Ask = Callable[[Mapping[str, object]], dict[str, Any]]
"""Sends a body to the gateway and returns its answer. Raises `click.ClickException`."""


@dataclass(slots=True)
class Verifier:
    """Asks one check after the other and keeps what came. `hidden` texts are taken out of every sentence."""

    catalogue: Catalogue
    purse: Purse
    hidden: tuple[str, ...] = ()
    now: Callable[[], float] = time.monotonic
    outcomes: list[Outcome] = field(default_factory=list)
    _sent: Check | None = None
    _pictures: dict[str, str] = field(default_factory=dict)

    def run(self, check: Check, ask: Ask) -> Outcome:
        """Ask, compare, remember."""
        outcome = self._outcome(check, ask)
        self.outcomes.append(outcome)
        return outcome

    def stop(self, checks: tuple[Check, ...]) -> None:
        """Say of the rest of `checks` that it was not asked, and of the one under way what it may have cost."""
        for check in checks[len(self.outcomes) :]:
            if check is self._sent:
                sentence = "Stopped by Ctrl-C while it was under way; its provider may bill for it all the same."
                self.outcomes.append(Outcome(check, Verdict.FAILED, sentence, may_cost=check.most))
            else:
                self.outcomes.append(Outcome(check, Verdict.SKIPPED, "Not asked: stopped by Ctrl-C."))

    def _outcome(self, check: Check, ask: Ask) -> Outcome:
        why_not = self._clean(self.purse.why_not(check))
        if why_not:
            return Outcome(check, Verdict.SKIPPED, why_not)
        earlier = self._pictures.pop(check.model.id, "") if check.kind is Kind.SECOND_TURN else ""
        if check.kind is Kind.SECOND_TURN and not earlier:
            return Outcome(check, Verdict.SKIPPED, "There is no picture of this model's own to go on from.")
        self.purse.reserve(check)
        self._sent = check
        started = self.now()
        return self._asked(check, ask, earlier).after(self.now() - started)

    def _asked(self, check: Check, ask: Ask, earlier: str) -> Outcome:
        try:
            answer = ask(check.body(earlier))
        except click.ClickException as error:
            return self._refused(check, error)
        self.purse.correct(check, cost_of_answer(answer))
        try:
            picture = what_came(check, answer)
        except click.ClickException as error:
            outcome = Outcome(check, Verdict.FAILED, self._clean(error.message), got_of(answer, None))
            return _billed(outcome, answer)
        if check.kind is Kind.PICTURE and not answer.get("served_by"):
            self._pictures[check.model.id] = data_url_in(answer)
        served_by = self.catalogue.find(str(answer.get("served_by"))) or check.model
        claims = claims_of(check, answer, served_by, picture)
        verdict = Verdict.OK if all(claim.agrees for claim in claims) else Verdict.DIFFERS
        return _billed(Outcome(check, verdict, sentence_of(claims), got_of(answer, picture), claims), answer)

    def _refused(self, check: Check, error: click.ClickException) -> Outcome:
        """The gateway's own error: a retired model, or something that failed."""
        cause = error.__cause__
        sentence = self._clean(error.message)
        if not isinstance(cause, urllib.error.HTTPError):
            return Outcome(check, Verdict.FAILED, sentence, may_cost=check.most)
        got = f"status {cause.code}"
        if cause.code == 410:
            claim = retirement(check.model)
            verdict = Verdict.OK if is_gone(check.model) else Verdict.DIFFERS
            return Outcome(check, verdict, f"{claim.sentence}. {sentence}", got, (claim,), cost=Decimal(0))
        may_cost = check.most if cause.headers.get("x-should-retry") else None
        cost = None if may_cost else Decimal(0)
        return Outcome(check, Verdict.FAILED, sentence, got, cost=cost, may_cost=may_cost)

    def _clean(self, text: str) -> str:
        for secret in self.hidden:
            text = text.replace(secret, "[hidden]")
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST_SENTENCE else f"{text[:_LONGEST_SENTENCE]} …"


def _billed(outcome: Outcome, answer: dict[str, Any]) -> Outcome:
    """With what it cost or, where the answer does not know, what it may have cost."""
    cost = cost_of_answer(answer)
    return replace(outcome, cost=cost, may_cost=outcome.check.most if cost is None else None)
