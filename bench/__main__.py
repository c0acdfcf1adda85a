"""`python -m bench`: measure, print tables.

Rule: tables go to standard output and everything else to standard error; what was
started is stopped, whatever happens.
"""

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.answers import write_all
from bench.cases import BOUNDS, CASES
from bench.measure import Bench, Result
from bench.provider import provider
from bench.tables import bounds_table, case_table
from bench.targets import TARGETS, programs_missing


def main() -> int:
    asked = _arguments().parse_args()
    missing = programs_missing()
    if missing:
        print(missing, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The load comes from here: what starts it must not stand in the way of the server that is measured.
    os.sched_setaffinity(0, {1})
    path = Path(tempfile.mkdtemp(prefix="impasto-bench-"))
    results: dict[str, Result] = {}
    busy = os.getloadavg()[0]
    try:
        _say("writing pictures")
        folder = write_all(path)
        with provider(folder) as upstream:
            bench = Bench(folder, upstream, asked.seconds, asked.repeat, _say)
            for case in (case for case in CASES if case.name in asked.cases):
                targets = [target for target in TARGETS if target.name in case.targets and target.name in asked.targets]
                results[case.name] = bench.measure(case, targets)
                print(*case_table(results[case.name]), sep="\n", flush=True)
    except KeyboardInterrupt:
        _say("stopped")
        return 130
    finally:
        shutil.rmtree(path, ignore_errors=True)
    print(*bounds_table(BOUNDS, results), sep="\n")
    print(f"Measured on {_machine()}, load {busy:.1f} before; up to {asked.repeat} turns of {asked.seconds:g} s.")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="impasto side by side with nginx and a peer.")
    cases, targets = [case.name for case in CASES], [target.name for target in TARGETS]
    parser.add_argument("--cases", type=_choice(cases), default=cases, metavar="A,B", help=f"of: {', '.join(cases)}")
    parser.add_argument(
        "--targets", type=_choice(targets), default=targets, metavar="A,B", help=f"of: {', '.join(targets)}"
    )
    parser.add_argument("--seconds", type=float, default=2, help="how long each turn lasts (2)")
    parser.add_argument("--repeat", type=int, default=3, help="turns of each target in each case (3)")
    return parser


def _choice(names: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",")]
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of: {', '.join(names)}")
        return chosen

    return parse


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
