"""Measures one case: all its targets side by side, in turns, each alone under load.

Rule: a target is fresh for each case, and what it used is read from the kernel before
and after its turn.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.answers import Folder
from bench.cases import Case, Metric
from bench.checking import why_not
from bench.load import LoadError, put_load
from bench.process_tree import cpu_milliseconds, peak_megabytes, reset_peak
from bench.provider import Provider, paced_provider
from bench.servers import NotReadyError
from bench.targets import Running, Target, Upstream

Figures = Mapping[Metric, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of each target, and why some were not."""

    case: Case
    figures: dict[str, Figures] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """`repeat` turns of `seconds` for every target; `say` tells what happens."""

    folder: Folder
    provider: Provider
    seconds: float
    repeat: int
    say: Callable[[str], None]

    def measure(self, case: Case, targets: Iterable[Target]) -> Result:
        """Medians over the turns; of the memory the largest."""
        result, turns = Result(case), dict[str, list[Figures]]()
        with ExitStack() as stack:
            source = stack.enter_context(self._source(case))
            running = self._start(case, targets, source, stack, result)
            turn_count = min(self.repeat, case.max_turns)
            for turn in range(1, turn_count + 1):
                for target in [target for target in running if target.name not in result.notes]:
                    self.say(f"{case.name}: {target.name}, turn {turn} of {turn_count}")
                    try:
                        turns.setdefault(target.name, []).append(self._turn(case, target, running[target], source))
                    except LoadError as error:
                        result.notes[target.name] = str(error)
        result.figures.update((name, _middle(figures)) for name, figures in turns.items() if name not in result.notes)
        return result

    @contextmanager
    def _source(self, case: Case) -> Iterator[Provider]:
        if not case.provider_pace:
            yield self.provider
            return
        certificate = self.provider.certificate
        with paced_provider(self.folder, case.answer, case.provider_pace, certificate) as source:
            yield source

    def _start(
        self, case: Case, targets: Iterable[Target], source: Provider, stack: ExitStack, result: Result
    ) -> dict[Target, Running]:
        running = {}
        for target in targets:
            home = self.folder.path / f"{case.name}-{target.name}"
            home.mkdir()
            base_url = source.base_url(case.answer, tls=case.tls, photo=case.request == "edit")
            upstream = Upstream(base_url, source.certificate, home)
            reason = target.missing()
            if reason is None:
                self.say(f"{case.name}: starting {target.name}")
                try:
                    running[target] = stack.enter_context(target.start(upstream, case.model))
                    reason = self._why_not(case, target, running[target])
                except NotReadyError as error:
                    reason = str(error)
            if reason:
                result.notes[target.name] = reason
        return running

    def _why_not(self, case: Case, target: Target, running: Running) -> str | None:
        body = self.folder.body(target.dialect, case.request)
        return why_not(running, body, self.folder.answer(case.answer, "json"), self.provider.certificate)

    def _turn(self, case: Case, target: Target, running: Running, source: Provider) -> Figures:
        process, body = running.process, self.folder.body(target.dialect, case.request)
        if process:
            reset_peak(process)
        before = cpu_milliseconds(process) if process else 0
        load = put_load(case, running, body, self.seconds, source.certificate)
        figures: dict[Metric, float] = {
            "requests_per_second": load.requests / load.seconds,
            "p50": load.p50,
            "p99": load.p99,
        }
        if load.first_byte is not None:
            figures["first_byte"] = load.first_byte
        if process:
            figures["cpu"] = (cpu_milliseconds(process) - before) / load.requests
            figures["peak"] = peak_megabytes(process)
        return figures


def _middle(turns: list[Figures]) -> Figures:
    return {
        metric: max(turn[metric] for turn in turns)
        if metric == "peak"
        else statistics.median(turn[metric] for turn in turns)
        for metric in turns[0]
    }
