"""Puts load on a target, from the core that the target does not have.

Rule: many small answers come through wrk, few large ones through readers that count
every answer to its end; both say the same figures.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cases import Case
from bench.readers import Job
from bench.servers import LOAD_CORE
from bench.targets import Running

_SCRIPT = Path(__file__).with_name("wrk.lua")
_PATIENCE_SECONDS = 300


class LoadError(RuntimeError):
    """Answers that did not come."""


@dataclass(frozen=True, slots=True)
class Load:
    """Milliseconds; `first_byte` is the middle one of all first picture bytes, `None` where there is no picture."""

    requests: int
    seconds: float
    p50: float
    p99: float
    first_byte: float | None


def put_load(case: Case, target: Running, body: Path, seconds: float, certificate: Path) -> Load:
    """Ask as `case` says. Raises `LoadError` where any answer did not come."""
    put = _through_wrk if case.load == "wrk" else _through_readers
    return put(case, target, body, seconds, certificate)


def _through_wrk(case: Case, target: Running, body: Path, seconds: float, _: Path) -> Load:
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{max(1, round(seconds))}s", "-s", str(_SCRIPT), target.url]
    environment = {"BENCH_BODY": str(body), "BENCH_AUTHORIZATION": target.headers["Authorization"]}
    seen = json.loads(_run(command, environment).splitlines()[-1])
    if seen["errors"] or not seen["requests"]:
        raise LoadError(f"{seen['errors']} of {seen['requests']} requests failed")
    return Load(seen["requests"], seen["seconds"], seen["p50"], seen["p99"], None)


def _through_readers(case: Case, target: Running, body: Path, seconds: float, certificate: Path) -> Load:
    job = Job(target.url, target.headers, str(body), case.connections, seconds, case.reader_pace, str(certificate))
    seen: dict[str, Any] = json.loads(_run([sys.executable, "-m", "bench.readers", json.dumps(asdict(job))], {}))
    if seen["errors"]:
        raise LoadError(seen["errors"][0])
    answers, first_bytes = seen["answers"], seen["first_bytes"]
    first_byte = quantile(first_bytes, 0.5) * 1e3 if first_bytes else None
    return Load(
        len(answers), seen["elapsed"], quantile(answers, 0.5) * 1e3, quantile(answers, 0.99) * 1e3, first_byte
    )  # fmt: skip


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, *command],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LoadError((done.stderr or done.stdout)[-300:])
    return done.stdout
