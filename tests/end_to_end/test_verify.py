"""`impasto verify --live` as a process, with the simulator where a provider would be."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from impasto.simulator import faults
from impasto.simulator.models import MODELS, RETIRED
from impasto.simulator.server import GeminiSimulator

FLASH = "google/gemini-3.1-flash-image"
LITE = "google/gemini-3.1-flash-lite-image"
FIRST = "google/gemini-2.5-flash-image"
KEY = "a_key_of_googles_that_nobody_may_see"
SECONDS = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
async def google() -> AsyncIterator[GeminiSimulator]:
    async with GeminiSimulator(key=KEY, signature_characters=4000) as simulator:
        yield simulator


def arguments_of(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "impasto", "verify", "--live", *arguments]


def environment_for(google: GeminiSimulator, **more: str) -> dict[str, str]:
    inherited = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "COLUMNS": "200"}
    return inherited | {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": google.base_url} | more


async def verify(
    google: GeminiSimulator, folder: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        arguments_of(*arguments),
        cwd=folder,
        env=environment_for(google, **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


async def checks_of(google: GeminiSimulator, folder: Path, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """What `--json` says of each check; the exit code is what the verdicts say."""
    done = await verify(google, folder, "--json", *arguments, **environment)
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    is_bad = any(check["verdict"] in ("differs", "failed") for check in checks)
    assert done.returncode == int(is_bad), done.stderr
    return checks


def reports_in(folder: Path) -> list[Path]:
    return list(folder.glob("impasto-verify-*.md"))


async def test_everything_is_as_claimed_and_within_what_is_allowed(google: GeminiSimulator, tmp_path: Path) -> None:
    done = await verify(google, tmp_path, "--json", "--max-cost", "12")
    assert done.returncode == 0, done.stdout
    facts = json.loads(done.stdout)
    assert {check["verdict"] for check in facts["checks"]} == {"ok"}
    assert len(google.calls) == len(facts["checks"])
    assert Decimal(facts["spent"]) == sum(Decimal(check["cost"]) for check in facts["checks"])
    assert all(Decimal(check["cost"]) <= Decimal(check["most"]) for check in facts["checks"])
    assert [line.split(" ", 1)[0] for line in done.stderr.splitlines()] == [
        f"{number}/{len(google.calls)}" for number in range(1, len(google.calls) + 1)
    ]
    seed, edit = (call.body for call in google.calls[:2])
    assert seed["generationConfig"]["imageConfig"] == {"aspectRatio": "16:9", "imageSize": "2K"}
    assert edit["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1", "imageSize": "2K"}


async def test_the_report_can_be_posted(google: GeminiSimulator, tmp_path: Path) -> None:
    google.next(None, faults.Words(text="Which one?"))
    done = await verify(google, tmp_path, "-m", LITE)
    assert done.returncode == 1
    [report] = reports_in(tmp_path)
    text = report.read_text()
    assert done.stdout.endswith(f"The report: {report.name}\n")
    assert report.name == f"impasto-verify-{date.today().isoformat()}.md"  # noqa: DTZ011 - as the command names it
    assert "- Google, at another address than its own (GOOGLE_GEMINI_BASE_URL): not the live service" in text
    assert f"| 1 | {LITE} | picture, 4:3, 1K | 1200×896, image/jpeg, 1120 tokens, stop | ok | $0.0342 |" in text
    assert "2. **failed** The model answered in words, $0.0" in text
    assert "Which one?" in text
    assert "1 ok, 0 differs, 1 failed, 0 skipped." in text
    for secret in (KEY, google.base_url, "base64", (tmp_path / "impasto-data" / "first-key").read_text().strip()):
        assert secret not in text + done.stdout + done.stderr


async def test_an_earlier_report_is_kept_and_a_named_one_is_where_it_was_asked_for(
    google: GeminiSimulator, tmp_path: Path
) -> None:
    for _ in range(2):
        assert (await verify(google, tmp_path, "-m", FIRST)).returncode == 0
    assert len(reports_in(tmp_path)) == 2
    assert (await verify(google, tmp_path, "-m", FIRST, "--report", "mine.md")).returncode == 0
    assert (tmp_path / "mine.md").read_text().startswith("# impasto verify\n")


@pytest.mark.parametrize(
    ("fault", "verdict", "sentence", "has_cost"),
    [
        (faults.WrongMime("image/webp"), "ok", "media type image/png", True),
        (faults.Words(), "failed", "The model answered in words", True),
        (faults.Refuse(), "failed", "Refused: ", True),
        (faults.Block(), "failed", "Refused: ", True),
        (faults.Usage("missing"), "differs", "tokens per picture: 1290 claimed, no count by the provider came", True),
        (faults.Status(404), "differs", "service: served as gemini-2.5-flash-image claimed, ", True),
        (faults.Status(429), "failed", "Google limits how much this gateway may ask", True),
        (faults.Status(500), "failed", "Google ", False),
        (faults.Cut(), "failed", "Google broke off its answer.", False),
        (faults.EmptyCandidates(), "failed", "", False),
    ],
    ids=repr,
)
async def test_a_fault_is_told(
    google: GeminiSimulator, tmp_path: Path, fault: faults.Fault, verdict: str, sentence: str, has_cost: bool
) -> None:
    google.next(fault)
    [check] = await checks_of(google, tmp_path, "-m", FIRST)
    assert check["verdict"] == verdict
    assert sentence in check["sentence"]
    assert (check["cost"] is not None) is has_cost
    assert (check["may_cost"] is None) is has_cost


async def test_a_retired_model_is_told_by_whoever_stood_in(tmp_path: Path) -> None:
    async with GeminiSimulator(retired={*RETIRED, "gemini-2.5-flash-image"}, signature_characters=4000) as google:
        [check] = await checks_of(google, tmp_path, "-m", FIRST)
        assert check["verdict"] == "differs"
        assert "an answer of google/gemini-nano-banana-2.1 in its place came" in check["sentence"]
        assert check["cost"] is not None


async def test_a_retired_model_without_a_replacement_skips_its_second_turn(tmp_path: Path) -> None:
    async with GeminiSimulator(retired={*RETIRED, "gemini-3.1-flash-lite-image"}) as google:
        first, second = await checks_of(google, tmp_path, "-m", LITE)
    assert (first["verdict"], first["got"], first["cost"]) == ("differs", "status 410", "0")
    assert second["verdict"] == "skipped"


async def test_a_retirement_that_the_catalogue_knows_is_as_claimed(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[models."google/gemini-3.1-flash-image-preview"]\n'
        'input = ["text", "image"]\noutput = ["text", "image"]\nknown_by = "documentation"\n'
        'description = "Gone."\naspect_ratios = ["1:1", "16:9"]\nimage_sizes = ["1K", "2K"]\n'
        'default_image_size = "1K"\ntokens_per_image = { "1K" = 1120, "2K" = 1680 }\nreserve_other_tokens = 2048\n'
        "retired = 2026-06-25\n"
        '[models."google/gemini-3.1-flash-image-preview".price]\nunit = "US dollars per million tokens"\n'
        'input = "0.50"\noutput_text = "3.00"\noutput_image = "60.00"\nchecked = 2026-11-22\nsource = "here"\n'
    )
    async with GeminiSimulator() as google:
        checks = await checks_of(google, tmp_path, "-m", f"{FLASH}-preview", "--config", "c.toml")
    assert [(check["verdict"], check["got"]) for check in checks] == [("ok", "status 410")] * 3
    [report] = reports_in(tmp_path)
    assert "The catalogue holds entries of the operator's own." in report.read_text()


async def test_a_provider_that_is_too_slow_failed_and_may_bill(google: GeminiSimulator, tmp_path: Path) -> None:
    google.next(faults.Stall(30))
    [check] = await checks_of(google, tmp_path, "-m", FIRST, IMPASTO_DEADLINE_SECONDS="1")
    assert check["verdict"] == "failed"
    assert "No whole answer within 1 seconds" in check["sentence"]
    assert check["may_cost"] == check["most"]


async def test_a_provider_that_is_not_there_failed_and_its_address_is_not_told(
    google: GeminiSimulator, tmp_path: Path
) -> None:
    done = await verify(google, tmp_path, "-m", FIRST, GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "failed: google/gemini-2.5-flash-image, picture, 4:3, 1K: " in done.stdout
    assert "127.0.0.1" not in done.stdout + done.stderr + reports_in(tmp_path)[0].read_text()


async def test_other_pixels_than_the_catalogues_are_told(tmp_path: Path) -> None:
    old = MODELS[0]
    other = replace(old, dimensions_1k=dict(old.dimensions_1k) | {"4:3": (1200, 864)})
    async with GeminiSimulator(models=[other]) as google:
        [check] = await checks_of(google, tmp_path, "-m", FIRST)
    assert check["verdict"] == "differs"
    assert check["sentence"] == "pixels: 1184×864 claimed, 1200×864 (differs by +16 and +0) came."
    assert check["got"].startswith("1200×864, image/png, 1290 tokens")


async def test_what_does_not_fit_is_skipped_and_not_sent(google: GeminiSimulator, tmp_path: Path) -> None:
    first, second = await checks_of(google, tmp_path, "-m", FLASH, "--max-cost", "0.06")
    assert (first["verdict"], second["verdict"]) == ("ok", "skipped")
    assert second["sentence"] == (
        "It can cost up to $0.0544, and what came before up to $0.0510: together more than --max-cost $0.06."
    )
    assert len(google.calls) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_what_it_has(
    google: GeminiSimulator, tmp_path: Path, number: signal.Signals
) -> None:
    google.next(None, faults.Stall(300))
    process = await asyncio.create_subprocess_exec(
        *arguments_of("-m", LITE, "-m", FIRST, "--json"),
        cwd=tmp_path,
        env=environment_for(google),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    await google.until(lambda calls: len(calls) == 2)
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 130, err
    facts = json.loads(out)
    assert facts["stopped"] is True
    assert [check["verdict"] for check in facts["checks"]] == ["ok", "failed", "skipped"]
    assert Decimal(facts["may_have_spent"]) == Decimal(facts["checks"][1]["most"])
    assert b"Traceback" not in err
    [report] = reports_in(tmp_path)
    assert "Stopped by Ctrl-C." in report.read_text()
