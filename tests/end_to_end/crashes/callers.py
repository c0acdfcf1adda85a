"""Callers who want their pictures: they ask, are cut off, ask again, and hang up now and then.

Rule: they do what real clients do. What they hear is compared at once: two answers to one wish are
the same bytes, and what was cut off is the beginning of what came whole.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

import aiohttp

from impasto.domain.retention import Keeps
from tests.end_to_end.crashes.belongings import Belongings, Picture, pictures_in
from tests.end_to_end.crashes.errands import Errands
from tests.end_to_end.crashes.provider import Provider
from tests.end_to_end.crashes.wishes import Wish, Wishes

PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 60.0
ERRANDS = 0.3
"""Of all that a caller does, how much is an errand."""
TURNS = 10
"""Of the event loop, in which what has come in reaches whoever waits for it."""
MOST_REFUSALS = 2
"""As many as OpenAI's client takes before it gives up. Lines that are cut count for nothing here."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one attempt; `status` is `None` where the line was cut before it, `is_whole`: it came to its end."""

    status: int | None = None
    generation_id: str = ""
    image_ids: str | None = None
    cost: Decimal | None = None
    content: bytes = b""
    is_whole: bool = False
    error: str | None = None
    may_retry: bool = True

    @property
    def is_answer(self) -> bool:
        return self.status == 200 and self.is_whole and self.error is None

    @property
    def is_refusal(self) -> bool:
        return self.is_whole and not self.is_answer and self.may_retry


@dataclass(frozen=True, slots=True)
class Told:
    """A wish that has come to its end, and the last thing that was heard of it."""

    token: str
    manner: str
    count: int
    is_harmed: bool
    heard: Heard
    cites: bool
    keeps: Keeps
    pictures: tuple[Picture, ...] = ()


@dataclass(slots=True)
class Crowd:
    """Callers at `url`, all at once, until they are told to ask for nothing new.

    `findings` are sentences about what should not be; `counted` says how often what was heard.
    """

    url: str
    wishes: Wishes
    errands: Errands
    provider: Provider
    told: list[Told] = field(default_factory=list)
    _enough: bool = False
    _hearing: set[str] = field(default_factory=set)

    @property
    def findings(self) -> list[str]:
        return self.errands.findings

    @property
    def counted(self) -> Counter[str]:
        return self.errands.counted

    @property
    def belongings(self) -> Mapping[str, Belongings]:
        return self.errands.belongings

    @asynccontextmanager
    async def asking(self, callers: int) -> AsyncIterator[None]:
        """So many callers ask; the block ends when the last of them is content."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(self._ask_on(session))
            try:
                yield
            finally:
                self._enough = True

    async def _ask_on(self, session: aiohttp.ClientSession) -> None:
        while not self._enough:
            if self.errands.chance.random() < ERRANDS:
                await self.errands.run(session)
            else:
                await self._fulfil(session, self.wishes.next())

    async def _fulfil(self, session: aiohttp.ClientSession, wish: Wish) -> None:
        answer: Heard | None = None
        cut: list[Heard] = []
        refusals = attempt = 0
        while True:
            heard = await self._attempt(session, wish, attempt)
            attempt += 1
            refusals += heard.is_refusal
            self.counted["attempts"] += 1
            if not heard.is_whole:
                cut.append(heard)
            elif heard.is_answer and answer is None and wish.is_checked:
                answer = heard
                await asyncio.sleep(PAUSE_SECONDS * attempt)
                continue
            if heard.is_whole and (not heard.may_retry or heard.is_answer or refusals > MOST_REFUSALS):
                break
            if wish.manner == "plain":
                break
            await asyncio.sleep(PAUSE_SECONDS)
        self._compare(wish, cut, answer or heard, heard)

    async def _attempt(self, session: aiohttp.ClientSession, wish: Wish, attempt: int) -> Heard:
        if attempt or wish.leaves is None:
            return await self._heard(session, wish, attempt)
        asking = asyncio.create_task(self._heard(session, wish, attempt))
        leaving = asyncio.create_task(self._until_leaving(wish))
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if wish.manner == "counted":
            # What his program has taken in already is his: no server can know that nobody looked at it.
            for _ in range(TURNS):
                await asyncio.sleep(0)
        if asking.done() or (wish.manner == "counted" and wish.token in self._hearing):
            return await asking
        self.counted["callers who left"] += 1
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        return Heard()

    async def _until_leaving(self, wish: Wish) -> None:
        if isinstance(wish.leaves, float):
            await asyncio.sleep(wish.leaves)
        else:
            await self.provider.until_called(wish.token)

    async def _heard(self, session: aiohttp.ClientSession, wish: Wish, attempt: int) -> Heard:
        content = bytearray()
        heard = Heard()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                request = session.post(self.url + wish.path, data=wish.body, headers=wish.headers_of(attempt))
                async with request as response:
                    heard = _head_of(response)
                    self._hearing.add(wish.token)
                    async for piece in response.content.iter_any():
                        content += piece
                    is_whole = True
        except aiohttp.ClientError:
            is_whole = False
        except TimeoutError:
            self.findings.append(f"{wish.token} was not answered within {ANSWER_SECONDS:g} seconds")
            is_whole = False
        if wish.streamed and heard.status == 200:
            return _read_stream(heard, bytes(content))
        heard = replace(heard, content=bytes(content), is_whole=is_whole)
        return heard if heard.status == 200 or not is_whole else replace(heard, error=_code_in(content))

    def _compare(self, wish: Wish, cut: list[Heard], answer: Heard, last: Heard) -> None:
        """All that was heard of a wish is one answer."""
        self.counted["wishes"] += 1
        outcome = "answers" if answer.is_answer else f"errors {answer.error}" if answer.is_whole else "lines cut"
        self.counted[outcome] += 1
        if answer.is_answer:
            if (last.content, last.is_answer, last.generation_id) != (answer.content, True, answer.generation_id):
                self.findings.append(f"{wish.token} was answered twice, and not the same: {answer} and {last}")
            for piece in cut:
                if piece.status == 200 and not answer.content.startswith(piece.content):
                    self.findings.append(f"{wish.token} was cut off, and then answered otherwise than it had begun")
        pictures = self._pictures(wish, answer)
        self.told.append(Told(
            wish.token, wish.manner, wish.count, wish.is_harmed, replace(answer, content=b""), wish.cites, wish.keeps,
            tuple(replace(picture, data_url="") for picture in pictures),
        ))  # fmt: skip

    def _pictures(self, wish: Wish, answer: Heard) -> list[Picture]:
        """What the caller has now."""
        if not answer.is_answer:
            return []
        try:
            pictures = pictures_in(answer.content, streamed=wish.streamed)
        except (ValueError, KeyError) as error:
            self.findings.append(f"{wish.token} was answered by what cannot be: {error!r}")
            return []
        named = ", ".join(picture.id for picture in pictures if picture.id)
        if not wish.streamed and answer.image_ids != (named or None):
            self.findings.append(f"{wish.token} was given {named}, and its headers name {answer.image_ids}")
        for picture in pictures:
            if picture.id:
                self.belongings[wish.secret].add(picture)
        if any(bool(picture.id) == (wish.keeps is Keeps.NONE) for picture in pictures):
            self.findings.append(f"{wish.token} asked to keep {wish.keeps}, and was given {pictures}")
        return pictures


def _head_of(response: aiohttp.ClientResponse) -> Heard:
    headers = response.headers
    status, said = response.status, headers.get("x-should-retry")
    cost = headers.get("x-impasto-cost")
    return Heard(
        status=status,
        generation_id=headers.get("x-impasto-generation-id", ""),
        image_ids=headers.get("x-impasto-image-ids"),
        cost=None if cost is None else Decimal(cost),
        may_retry=(status in (408, 409, 429) or status >= 500) and said != "false",
    )


def _read_stream(heard: Heard, content: bytes) -> Heard:
    """A stream is its data events; the cost is in the last one but `[DONE]`."""
    events = [event for event in content.split(b"\n\n") if not event.startswith(b":")]
    data = b"\n\n".join(events)
    heard = replace(heard, content=data, is_whole=data.endswith(b"data: [DONE]\n\n"), may_retry=False)
    if not heard.is_whole:
        return heard
    last = json.loads(events[-3].removeprefix(b"data: "), parse_float=Decimal)
    if "error" in last:
        return replace(heard, error=str(last["error"]["code"]))
    return replace(heard, cost=None if last["cost"] is None else Decimal(last["cost"]))


def _code_in(content: bytearray) -> str:
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "none"
