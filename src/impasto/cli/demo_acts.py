"""The three acts of the demo: impasto under two cuts, a naive gateway under the same, and the honest one.

Rule: nothing is said that was not seen, at the line, at the provider or in the ledger.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from hashlib import sha256
from operator import ne
from typing import Any

import pybase64

from impasto.cli.demo_client import Client, Got
from impasto.cli.demo_line import Answered, Cut, Fate, Line, Slow
from impasto.cli.demo_screen import Screen
from impasto.cli.demo_stage import MODEL, Gateway, Stage
from impasto.simulator.server import Call

DUSK = "a lighthouse at dusk"
DAWN = "a lighthouse at dawn"
KILLED_AT = 0.4
"""The share of the picture that has arrived when the gateway is killed."""

_TROUBLE = "bold red"
_SHORT = 12


@dataclass(slots=True)
class Watching:
    """What was seen on the line, told to the screen at once."""

    screen: Screen
    gateway: str
    prompt: str
    attempts: int = 0
    answers: list[Answered] = field(default_factory=list)
    is_half_way: asyncio.Event = field(default_factory=asyncio.Event)

    def asked(self, retry_count: int) -> None:
        self.attempts += 1
        if self.attempts == 1:
            self.screen.say("client", f'asks for a picture, "{self.prompt}"')
        else:
            self.screen.say("client", f"asks again by itself (x-stainless-retry-count: {retry_count})")

    def was_cut(self) -> None:
        self.screen.say("line", "CUT. The client hears nothing any more", _TROUBLE)

    def answered(self, answer: Answered) -> None:
        self.answers.append(answer)
        name = f" of {_shortened(answer.generation)}" if answer.generation else ""
        if answer.status == 200:
            self.screen.say(self.gateway, f"sends the picture{name}")
            self.screen.doing("the picture is on its way", 0.0)
        else:
            self.screen.say(self.gateway, f"answers {answer.status} for {_shortened(answer.generation)}")
            self.screen.doing("")

    def passed(self, share: float) -> None:
        if self.answers[-1].status != 200 or (self.is_half_way.is_set() and len(self.answers) == 1):
            return  # what comes of the first picture after the kill, the system had taken ahead
        self.screen.doing("the picture is on its way" if share < 1 else "", share)
        if share >= KILLED_AT:
            self.is_half_way.set()


@dataclass(frozen=True, slots=True)
class Played:
    """How the two cuts ended. `billed` is what the provider asks; `charged` what the ledger says, or the bill where
    there is none. `made` and `got` are SHA-256 of the picture as the provider made it and as the client has it;
    `generations` those that the answers named."""

    attempts: int
    provider_calls: int
    billed: Decimal
    charged: Decimal
    made: str
    got: str
    generations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unknown:
    """How the kill in the middle of the provider's work ended, by the client and by the ledger."""

    attempts: int
    provider_calls: int
    http_status: int
    code: str
    should_retry: str
    status: str
    outcome: str
    held: Decimal | None
    charged: Decimal | None
    in_usage: Decimal


async def play_cuts(stage: Stage, screen: Screen, client: Client, gateway: Gateway) -> Played:
    """The line is cut while the provider works; then the gateway is killed with the picture on its way."""
    first, pace = len(stage.provider.calls), stage.pace
    watching = Watching(screen, gateway.name, DUSK)
    fates: list[Fate] = [Cut(pace.cut), Slow(pace.bytes_per_second), None]
    async with _asking(stage, screen, client, gateway, watching, fates) as asking:
        half_way = asyncio.create_task(watching.is_half_way.wait())
        await asyncio.wait({asking, half_way}, return_when=asyncio.FIRST_COMPLETED)
        half_way.cancel()
        if watching.is_half_way.is_set():
            await _kill_and_start(screen, gateway, f"with {KILLED_AT:.0%} of the picture at the client")
        got = await asking
    screen.say("client", _ending_of(got))
    calls = stage.provider.calls[first:]
    billed = sum(map(stage.bill_of, calls), Decimal(0))
    return Played(
        attempts=watching.attempts,
        provider_calls=len(calls),
        billed=billed,
        charged=billed,
        made=_made(stage, calls),
        got=got.sha256,
        generations=frozenset(answer.generation for answer in watching.answers if answer.generation),
    )


async def charged_by_ledger(stage: Stage, screen: Screen, played: Played) -> Played:
    """The same, with what all of impasto's ledger adds up to."""
    total = (await stage.books("/v3/usage"))["total"]
    screen.say("ledger", f"{total['requests']} request, {total['calls']} call, charged {dollars(total['cost'])}")
    return replace(played, charged=total["cost"])


async def play_kill(stage: Stage, screen: Screen, client: Client) -> Unknown:
    """The gateway is killed while the provider works: nobody here can know what became of the call."""
    first = len(stage.provider.calls)
    watching = Watching(screen, stage.impasto.name, DAWN)
    async with _asking(stage, screen, client, stage.impasto, watching, []) as asking:
        await stage.provider.until(lambda calls: len(calls) > first)
        await asyncio.sleep(stage.pace.cut)
        await _kill_and_start(screen, stage.impasto, "while the provider works")
        got = await asking
    screen.say("client", _ending_of(got))
    generation = await stage.books(f"/v3/generations/{got.generation}")
    total = (await stage.books("/v3/usage"))["total"]
    (receipt,) = generation["receipt"]
    screen.say("ledger", f"{generation['status']} outcome, {dollars(receipt['reserved'])} held: the most it can cost")
    return Unknown(
        attempts=watching.attempts,
        provider_calls=len(stage.provider.calls) - first,
        http_status=got.status,
        code=got.code,
        should_retry=got.should_retry,
        status=generation["status"],
        outcome=receipt["outcome"],
        held=receipt["reserved"],
        charged=receipt["settled"],
        in_usage=total["unknown"],
    )


@asynccontextmanager
async def _asking(
    stage: Stage, screen: Screen, client: Client, gateway: Gateway, watching: Watching, fates: Sequence[Fate]
) -> AsyncIterator[asyncio.Task[Got]]:
    """The client asks over a line with these fates; what the provider does is told meanwhile."""
    body: Mapping[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": watching.prompt}]}
    async with Line(gateway.port, deque(fates), watching) as line:
        telling = asyncio.create_task(_tell_of_provider(stage, screen))
        asking = asyncio.create_task(_ask(client, f"http://127.0.0.1:{line.port}/v3", stage.key, body))
        try:
            yield asking
        finally:
            screen.doing("")
            for task in (telling, asking):
                task.cancel()
            await asyncio.gather(telling, asking, return_exceptions=True)


async def _ask(client: Client, url: str, key: str, body: Mapping[str, Any]) -> Got:
    return await client.ask(url, key, body)


async def _tell_of_provider(stage: Stage, screen: Screen) -> None:
    first = len(stage.provider.calls)
    begun, ended = first, set[int]()
    while True:
        calls = stage.provider.calls
        for call in calls[begun:]:
            screen.say("provider", f"takes call {call.number - calls[first].number + 1}, and works")
            screen.doing("the provider works")
        begun = len(calls)
        for call in calls[first:]:
            if call.ended and call.number not in ended:
                ended.add(call.number)
                _tell_end(call, stage, screen, call.number - calls[first].number + 1)
        await stage.provider.until(partial(ne, calls))


def _tell_end(call: Call, stage: Stage, screen: Screen, number: int) -> None:
    if call.aborted:
        screen.say("provider", f"loses its caller in call {number}, and does not say what it bills")
    else:
        screen.say("provider", f"has answered call {number}: {dollars(stage.bill_of(call))}")
        screen.doing("")


async def _kill_and_start(screen: Screen, gateway: Gateway, when: str) -> None:
    gateway.kill()
    screen.say(gateway.name, f"KILLED (kill -9) {when}", _TROUBLE)
    screen.doing("the gateway starts again")
    await gateway.start()
    screen.say(gateway.name, "is back, on the same port and folder")
    screen.doing("")


def _ending_of(got: Got) -> str:
    if got.picture is not None:
        return f"has the picture: {len(got.picture):,} bytes, SHA-256 {got.sha256[:_SHORT]}"
    if got.should_retry == "false":
        return f"stops: {got.code}, x-should-retry: false"
    return f"gives up: {got.code or 'no answer'}"


def _made(stage: Stage, calls: Sequence[Call]) -> str:
    """The SHA-256 of the picture that the provider made in the last of `calls`."""
    if not calls:
        return ""
    (part,) = stage.provider.answer_to(calls[-1])["candidates"][0]["content"]["parts"]
    return sha256(pybase64.b64decode(part["inlineData"]["data"])).hexdigest()


def _shortened(generation: str) -> str:
    return f"{generation[:9]}…{generation[-6:]}"


def dollars(amount: Decimal) -> str:
    """To a hundredth of a cent."""
    return f"${amount:.4f}"
