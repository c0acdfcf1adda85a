"""Results as Markdown: a table per case, and what was to be reached.

Rule: what was not measured says so; nothing is left out in silence.
"""

from collections.abc import Iterable, Iterator

from bench.cases import NGINX, UNITS, Bound
from bench.measure import Figures, Result

_HEADS = ("target", "requests/s", "p50 ms", "p99 ms", "first picture byte ms", "CPU ms", "× nginx", "peak MB")


def case_table(result: Result) -> Iterator[str]:
    """The lines of one case."""
    yield f"### {result.case.title}"
    yield ""
    yield _row(_HEADS)
    yield _row(["---", *["---:"] * (len(_HEADS) - 1)])
    nginx_cpu = result.figures.get(NGINX, {}).get("cpu", 0)
    for name, figures in result.figures.items():
        yield _row([name, *_cells(figures, nginx_cpu)])
    yield ""
    if result.notes:
        yield from (f"Not measured: {name} ({' '.join(note.split())})." for name, note in result.notes.items())
        yield ""


def bounds_table(bounds: Iterable[Bound], results: dict[str, Result]) -> Iterator[str]:
    """Every bound of the cases that ran, with its figure and whether it is met."""
    yield _row(("case", "figure", "to reach", "measured", ""))
    yield _row(("---", "---", "---:", "---:", "---"))
    for bound in bounds:
        if bound.case in results:
            measured = _measured(bound, results[bound.case].figures)
            verdict = "not measured" if measured is None else "met" if _is_met(bound, measured) else "**not met**"
            shown = "" if measured is None else _number(measured)
            yield _row((bound.case, _words_of(bound), f"{bound.limit} {bound.value:g}", shown, verdict))
    yield ""


def _cells(figures: Figures, nginx_cpu: float) -> Iterator[str]:
    for metric in ("requests_per_second", "p50", "p99", "first_byte", "cpu"):
        yield _number(figures[metric]) if metric in figures else "–"
    yield _number(figures["cpu"] / nginx_cpu) if nginx_cpu and "cpu" in figures else "–"
    yield _number(figures["peak"]) if "peak" in figures else "–"


def _measured(bound: Bound, figures: dict[str, Figures]) -> float | None:
    own = figures.get(bound.target, {}).get(bound.metric)
    if own is None or bound.relation == "alone":
        return own
    other = figures.get(bound.against, {}).get(bound.metric)
    if not other:
        return None
    return own / other if bound.relation == "times" else own - other


def _is_met(bound: Bound, measured: float) -> bool:
    return measured <= bound.value if bound.limit == "at most" else measured >= bound.value


def _words_of(bound: Bound) -> str:
    unit = UNITS[bound.metric]
    match bound.relation:
        case "alone":
            return f"{bound.target}: {unit}"
        case "times":
            return f"{bound.target}: {unit}, times {bound.against}"
        case "more than":
            return f"{bound.target}: {unit}, more than {bound.against}"


def _number(value: float) -> str:
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
