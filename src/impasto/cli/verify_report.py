"""What `impasto verify` found, as a table, as Markdown that can be posted, and as data.

Rule: a cost that is unknown is named with the most that it can be; it is never left out of the sum in silence.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from impasto import __version__
from impasto.cli.verify_compare import Claim
from impasto.cli.verify_plan import Check, dollars


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    DIFFERS = "differs"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check. `cost` in US dollars; `may_cost`: the most it can be where it is unknown."""

    check: Check
    verdict: Verdict
    sentence: str
    got: str = "-"
    claims: tuple[Claim, ...] = ()
    cost: Decimal | None = None
    may_cost: Decimal | None = None
    seconds: float = 0.0

    def after(self, seconds: float) -> "Outcome":
        return replace(self, seconds=seconds)

    @property
    def cost_text(self) -> str:
        if self.cost is not None:
            return dollars(self.cost)
        return "-" if self.may_cost is None else f"up to {dollars(self.may_cost)}"

    @property
    def line(self) -> str:
        """How it ended, behind a line that says what was asked."""
        if self.verdict is Verdict.SKIPPED:
            return f"skipped. {self.sentence}"
        return f"{self.verdict}, {self.got}, {self.cost_text}, {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Report:
    """All of a run. `notes` say who was asked; `is_stopped`: Ctrl-C ended it."""

    outcomes: tuple[Outcome, ...]
    max_cost: Decimal
    day: date
    notes: tuple[str, ...]
    is_stopped: bool = False

    @property
    def is_good(self) -> bool:
        return not any(outcome.verdict in (Verdict.DIFFERS, Verdict.FAILED) for outcome in self.outcomes)

    @property
    def spent(self) -> Decimal:
        return sum((outcome.cost for outcome in self.outcomes if outcome.cost is not None), Decimal(0))

    @property
    def may_have_spent(self) -> Decimal:
        """What can have been spent beside that, by answers that came without a bill."""
        return sum((outcome.may_cost for outcome in self.outcomes if outcome.may_cost is not None), Decimal(0))

    @property
    def spent_text(self) -> str:
        text = f"Spent: {dollars(self.spent)}"
        if self.may_have_spent:
            text += f", and up to {dollars(self.may_have_spent)} more for what came without a bill"
        return f"{text}; allowed: ${self.max_cost:f}."

    @property
    def summary(self) -> str:
        counts = [(sum(outcome.verdict is verdict for outcome in self.outcomes), verdict) for verdict in Verdict]
        stopped = " Stopped by Ctrl-C." if self.is_stopped else ""
        return f"{', '.join(f'{count} {verdict}' for count, verdict in counts)}.{stopped}"


def rows_of(report: Report) -> list[tuple[str, ...]]:
    """Model, what was asked, what came, verdict and cost, a check a row."""
    return [
        (outcome.check.model.id, outcome.check.asked, outcome.got, str(outcome.verdict), outcome.cost_text)
        for outcome in report.outcomes
    ]


def markdown_of(report: Report) -> str:
    """The report as it can be posted."""
    facts = [
        f"- impasto {__version__}, Python {platform.python_version()}, {report.day.isoformat()}",
        *(f"- {_plain(note)}" for note in report.notes),
        f"- {report.summary}",
        f"- {report.spent_text}",
    ]
    header = ("#", "model", "asked", "got", "verdict", "cost")
    rows = [(str(number), *row) for number, row in enumerate(rows_of(report), start=1)]
    sentences = [
        f"{number}. **{outcome.verdict}** {_plain(outcome.sentence)}"
        for number, outcome in enumerate(report.outcomes, start=1)
    ]
    table = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(["# impasto verify", "", *facts, "", *table, "", *sentences, ""])


def facts_of(report: Report) -> dict[str, Any]:
    """The same as data. Money is text, exact to the last digit."""
    return {
        "live": True,
        "version": __version__,
        "date": report.day.isoformat(),
        "notes": list(report.notes),
        "max_cost": f"{report.max_cost:f}",
        "spent": f"{report.spent:f}",
        "may_have_spent": f"{report.may_have_spent:f}",
        "stopped": report.is_stopped,
        "checks": [_facts(outcome) for outcome in report.outcomes],
    }


def _facts(outcome: Outcome) -> dict[str, Any]:
    check = outcome.check
    return {
        "check": str(check.kind),
        "model": check.model.id,
        "asked": check.asked,
        "got": outcome.got,
        "verdict": str(outcome.verdict),
        "sentence": outcome.sentence,
        "cost": None if outcome.cost is None else f"{outcome.cost:f}",
        "may_cost": None if outcome.may_cost is None else f"{outcome.may_cost:f}",
        "most": None if check.most is None else f"{check.most:f}",
        "seconds": round(outcome.seconds, 2),
        "claims": [
            {"what": claim.what, "claimed": claim.claimed, "got": claim.got, "agrees": claim.agrees}
            for claim in outcome.claims
        ],
    }


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(text: str) -> str:
    """Words of strangers as words: nothing in them is taken for HTML, or calls people by their names."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("@", "@\u200b")
