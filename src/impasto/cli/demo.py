"""`impasto demo`: a line that is cut, a gateway that is killed, and a picture that is paid for once.

Rule: everything is real but the provider, and where what the demo claims was not so, it says so and
exits 1.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

import click
import msgspec
from aiohttp import ClientError

from impasto.api.money import json_number
from impasto.cli.demo_acts import Played, Unknown, charged_by_ledger, dollars, play_cuts, play_kill
from impasto.cli.demo_client import RETRIES, Client, find_client
from impasto.cli.demo_screen import WIDTH, Screen
from impasto.cli.demo_stage import FAST, FILMED, MODEL, Pace, Stage, set_stage
from impasto.cli.options import json_option

LONGEST_SECONDS = 120.0
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Seen:
    """All that came of the demo."""

    client: str
    impasto: Played
    naive: Played
    unknown: Unknown
    seconds: float


@click.command()
@click.option("--fast", is_flag=True, help="Without the pauses for reading, and with a quicker provider.")
@json_option
def command(fast: bool, as_json: bool) -> None:
    """Thirty seconds that show why no picture is paid for twice.

    An ordinary OpenAI client asks for a picture. Its line is cut while the provider works, then the gateway is killed
    while the picture is on its way, and started again. The same is done to a gateway that passes requests on. Last,
    honestly, what nobody can mend: the gateway is killed while the provider works.

    It needs no key and no network, costs nothing, and leaves nothing behind: the provider is the simulator, the
    gateways run on free ports of this machine, in a temporary folder. With --json the story goes to standard error.
    Exits 1 if a claim did not hold.
    """
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    with Screen(console) as screen:
        seen = _play(screen, FAST if fast else FILMED)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(facts_of(seen)), indent=2))
    broken = list(broken_claims(seen))
    for sentence in broken:
        click.echo(f"NOT SO: {sentence}", err=True)
    if broken:
        raise SystemExit(1)


def facts_of(seen: Seen) -> dict[str, object]:
    """What was seen, as JSON has it."""
    return {
        "client": seen.client,
        "model": MODEL,
        "impasto": _played_facts(seen.impasto),
        "naive": _played_facts(seen.naive),
        "killed_while_the_provider_works": {
            "attempts": seen.unknown.attempts,
            "provider_calls": seen.unknown.provider_calls,
            "http_status": seen.unknown.http_status,
            "code": seen.unknown.code,
            "x-should-retry": seen.unknown.should_retry,
            "status": seen.unknown.status,
            "outcome": seen.unknown.outcome,
            "held": json_number(seen.unknown.held),
            "charged": json_number(seen.unknown.charged),
        },
        "claims_hold": not list(broken_claims(seen)),
        "seconds": round(seen.seconds, 1),
    }


def _played_facts(played: Played) -> dict[str, object]:
    return {
        "attempts": played.attempts,
        "provider_calls": played.provider_calls,
        "billed": json_number(played.billed),
        "charged": json_number(played.charged),
        "sha256_of_provider": played.made,
        "sha256_of_client": played.got,
        "generations": sorted(played.generations),
    }


def broken_claims(seen: Seen) -> Iterator[str]:
    """What the demo claims and was not seen; nothing, if all is well."""
    ours, theirs, unknown = seen.impasto, seen.naive, seen.unknown
    claims = {
        "Both cuts hit impasto's client, who asked three times.": ours.attempts == RETRIES + 1,
        "impasto called the provider once.": ours.provider_calls == 1,
        "impasto's client has the provider's picture, bit for bit.": ours.got == ours.made != "",
        "impasto's ledger has what the provider asks.": ours.charged == ours.billed > 0,
        "impasto's answers named one generation.": len(ours.generations) == 1,
        "The naive gateway's client asked three times.": theirs.attempts == RETRIES + 1,
        "The naive gateway called the provider three times.": theirs.provider_calls == RETRIES + 1,
        "The naive gateway's client has the picture.": theirs.got == theirs.made != "",
        "A call of unknown outcome was made once, and not again.": unknown.provider_calls == 1,
        "Its client was told to stop, and did.": (unknown.attempts, unknown.http_status, unknown.code,
            unknown.should_retry) == (2, 502, "provider_broke_off", "false"),
        "The ledger shows it as unknown.": (unknown.status, unknown.outcome) == ("unknown", "unknown"),
        "The ledger holds the most it can have cost.": unknown.charged is None
            and unknown.held == unknown.in_usage >= ours.billed,
    }  # fmt: skip
    return (sentence for sentence, holds in claims.items() if not holds)


def _play(screen: Screen, pace: Pace) -> Seen:
    try:
        return asyncio.run(_play_all(screen, pace))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except ClientError as error:
        raise click.ClickException(f"The demo's gateway did not say what the demo has to know: {error}.") from error
    except TimeoutError:
        raise click.ClickException(f"The demo did not come to its end in {LONGEST_SECONDS:g} seconds.") from None


async def _play_all(screen: Screen, pace: Pace) -> Seen:
    _end_on_signals()
    began = time.monotonic()
    screen.write("impasto demo: no picture is paid for twice", "bold")
    client = find_client()
    _introduce(screen, client, pace)
    async with asyncio.timeout(LONGEST_SECONDS):
        screen.doing("the gateways start")
        async with set_stage(pace, os.environ) as stage:
            screen.doing("")
            seen = await _play_acts(stage, screen, client, began)
        _conclude(screen, seen)
        return seen


async def _play_acts(stage: Stage, screen: Screen, client: Client, began: float) -> Seen:
    await asyncio.sleep(stage.pace.reading)
    screen.act("1  impasto: the line is cut, the gateway is killed")
    ours = await charged_by_ledger(stage, screen, await play_cuts(stage, screen, client, stage.impasto))
    await asyncio.sleep(stage.pace.reading)
    screen.act("2  A gateway that passes every request on, under the same cuts")
    theirs = await play_cuts(stage, screen, client, stage.naive)
    await asyncio.sleep(stage.pace.reading)
    screen.act("3  What nobody can mend: impasto is killed while the provider works")
    unknown = await play_kill(stage, screen, client)
    await asyncio.sleep(stage.pace.reading)
    return Seen(client.name, ours, theirs, unknown, time.monotonic() - began)


def _introduce(screen: Screen, client: Client, pace: Pace) -> None:
    screen.introduce("client", client.name)
    screen.introduce("line", "a TCP proxy, told when to be cut")
    screen.introduce("impasto", "impasto serve with SQLite, a process of its own")
    screen.introduce("naive", "a gateway that passes every request on, likewise")
    screen.introduce("provider", f"impasto simulate, in Google's place: {pace.picture:g} s for a picture")


def _conclude(screen: Screen, seen: Seen) -> None:
    ours, theirs, unknown = seen.impasto, seen.naive, seen.unknown
    screen.compare(
        ("the same two cuts", "impasto", "a naive gateway"),
        [
            ("SHA-256 of the provider's picture", ours.made[:_SHORT], theirs.made[:_SHORT]),
            ("SHA-256 of the client's picture", ours.got[:_SHORT], theirs.got[:_SHORT]),
            ("provider called", f"{ours.provider_calls}×", f"{theirs.provider_calls}×"),
            ("charged", dollars(ours.charged), dollars(theirs.charged)),
        ],
    )
    screen.write()
    screen.write(
        f"Killed while the provider works: called {unknown.provider_calls}×, {unknown.status} outcome, "
        f"{dollars(unknown.held or Decimal(0))} held.",
        "bold",
    )
    screen.write(
        "Nobody here can know whether it was charged. So it is not zero: the most it can\n"
        "cost counts against the budget. The operator looks for it on the provider's bill\n"
        "(impasto usage --unknown says which call). Who asks anew, on purpose, pays anew."
    )


def _end_on_signals() -> None:
    """A closed terminal and SIGTERM do what Ctrl-C does: the processes that were started are ended as well."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is called from one
    for name in ("SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), task.cancel)
