"""Ask for one picture, show that it takes time, save it, say what came.

Rule: nothing is claimed about progress but how long it has taken.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from impasto.cli.answers import cost_text, picture_in
from impasto.cli.gateway import RemoteGateway
from impasto.cli.pictures import Saved, save_picture
from impasto.config import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """A saved picture and what its answer said."""

    saved: Saved
    answer: dict[str, Any]
    seconds: float


def ask_for_picture(
    gateway: RemoteGateway, settings: Settings, body: Mapping[str, object], output: Path, *, quiet: bool = False
) -> Outcome:
    """Send `body` to the gateway and save the picture that comes back. Raises `click.ClickException`."""
    started = time.monotonic()
    with _waiting(f"{body['model']} is at work", quiet=quiet):
        answer = gateway.ask("/v3/chat/completions", body, timeout_seconds=settings.deadline_seconds + 30)
    seconds = time.monotonic() - started
    return Outcome(save_picture(picture_in(answer), output), answer, seconds)


def show(outcome: Outcome) -> None:
    """Say what came, a fact a line."""
    saved, answer = outcome.saved, outcome.answer
    words = answer["choices"][0]["message"].get("text")
    size = f"{saved.dimensions.width}×{saved.dimensions.height}" if saved.dimensions else "unknown dimensions"
    click.echo(f"{saved.path}{f'  ({saved.note})' if saved.note else ''}")
    click.echo(f"  {size}, {saved.media_type}, {saved.byte_count / 1e6:.2f} MB")
    model = answer.get("served_by") or answer["model"]
    click.echo(f"  {model}, {outcome.seconds:.1f} s, {cost_text(answer)}")
    if words:
        click.echo(f"  {words}")


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """What came, as data for `--json`."""
    saved, answer = outcome.saved, outcome.answer
    return {
        "path": str(saved.path),
        "note": saved.note,
        "media_type": saved.media_type,
        "bytes": saved.byte_count,
        "width": saved.dimensions.width if saved.dimensions else None,
        "height": saved.dimensions.height if saved.dimensions else None,
        "model": answer["model"],
        "served_by": answer.get("served_by", answer["model"]),
        "cost": answer.get("cost"),
        "cost_status": answer.get("cost_status"),
        "usage": answer.get("usage"),
        "seconds": round(outcome.seconds, 2),
        "text": answer["choices"][0]["message"].get("text", ""),
    }


@contextmanager
def _waiting(words: str, *, quiet: bool) -> Iterator[None]:
    """A line on the terminal that counts the seconds; nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(words, total=None)
        yield
