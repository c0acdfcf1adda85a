"""The demo, played for real, and what it says when a claim does not hold."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from impasto.cli.demo import Seen, broken_claims
from impasto.cli.demo_acts import Played, Unknown

SECONDS = 100.0
PRICE = Decimal("0.0672025")
OURS = Played(3, 1, PRICE, PRICE, "ab12", "ab12", frozenset({"chatcmpl-1"}))
THEIRS = Played(3, 3, 3 * PRICE, 3 * PRICE, "ab12", "ab12", frozenset())
UNKNOWN = Unknown(
    attempts=2,
    provider_calls=1,
    http_status=502,
    code="provider_broke_off",
    should_retry="false",
    status="unknown",
    outcome="unknown",
    held=Decimal("0.0734"),
    charged=None,
    in_usage=Decimal("0.0734"),
)
SEEN = Seen("a client", OURS, THEIRS, UNKNOWN, 30.0)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The demo, with what it makes in `folder`; a gateway of the caller's own is none of its business."""
    environment = os.environ | {"TMPDIR": str(folder), "IMPASTO_PORT": "none", "GEMINI_API_KEY": "the caller's own"}
    return subprocess.Popen(
        [sys.executable, "-m", "impasto", "demo", "--fast", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(folder: Path) -> list[str]:
    """Files in `folder`, and processes that know of it."""
    mark = f"TMPDIR={folder}".encode()
    left = [str(path) for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            left += [str(process)] if mark in process.read_bytes().split(b"\0") else []
        except OSError:
            continue
    return left


@pytest.mark.slow
def test_it_shows_what_it_claims_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = start(tmp_path, "--json")
    printed, told = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, told
    facts = json.loads(printed, parse_float=Decimal)
    ours, theirs, unknown = facts["impasto"], facts["naive"], facts["killed_while_the_provider_works"]
    assert (ours["attempts"], ours["provider_calls"], ours["charged"]) == (3, 1, PRICE)
    assert (theirs["attempts"], theirs["provider_calls"], theirs["charged"]) == (3, 3, 3 * PRICE)
    hashes = {side[name] for side in (ours, theirs) for name in ("sha256_of_provider", "sha256_of_client")}
    assert len(hashes) == 1
    assert (unknown["provider_calls"], unknown["status"], unknown["charged"]) == (1, "unknown", None)
    assert unknown["held"] > PRICE
    assert facts["claims_hold"]
    assert told.count("KILLED (kill -9)") == 3
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 80
    assert left_behind(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_all_of_it(name: str, tmp_path: Path) -> None:
    demo = start(tmp_path)
    assert demo.stdout
    while "takes call 1" not in (line := demo.stdout.readline()):
        assert line, "it ended before"
    demo.send_signal(getattr(signal, name))
    _, told = demo.communicate(timeout=SECONDS)
    assert (demo.returncode, told) == (130, "Stopped.\n")
    assert left_behind(tmp_path) == []


def test_claims_that_hold() -> None:
    assert list(broken_claims(SEEN)) == []


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        (replace(SEEN, impasto=replace(OURS, provider_calls=2)), "called the provider once"),
        (replace(SEEN, impasto=replace(OURS, got="cd34")), "bit for bit"),
        (replace(SEEN, impasto=replace(OURS, got="", made="")), "bit for bit"),
        (replace(SEEN, impasto=replace(OURS, charged=2 * PRICE)), "what the provider asks"),
        (replace(SEEN, impasto=replace(OURS, attempts=2)), "Both cuts"),
        (replace(SEEN, naive=replace(THEIRS, provider_calls=2)), "three times"),
        (replace(SEEN, unknown=replace(UNKNOWN, should_retry="")), "told to stop"),
        (replace(SEEN, unknown=replace(UNKNOWN, status="failed")), "shows it as unknown"),
        (replace(SEEN, unknown=replace(UNKNOWN, charged=Decimal(0))), "the most it can have cost"),
        (replace(SEEN, unknown=replace(UNKNOWN, held=Decimal("0.01"))), "the most it can have cost"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(seen: Seen, part: str) -> None:
    (sentence,) = broken_claims(seen)
    assert part in sentence
