"""Everything that stands around a request, over fakes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from impasto.completions.answer import Answers, Manner
from impasto.completions.create import Asked, Attached, Completions
from impasto.completions.recall import Recall
from impasto.domain.chat import ChatRequest, ImageLink, Message, TextPart
from impasto.domain.errors import Failure
from impasto.domain.events import Event, Finished, FinishReason, UsageSeen
from impasto.domain.keys import VirtualKey
from impasto.domain.ledger import Generation, Outcome
from impasto.domain.model import Model
from impasto.domain.usage import Usage
from tests.fakes.answerers import FakeAnswerers
from tests.fakes.blobs import MemoryStore
from tests.fakes.gallery import MemoryGallery
from tests.fakes.images import FakeImages
from tests.fakes.ledger import MemoryLedger
from tests.fakes.models import a_catalogue, a_model, a_request, retiring
from tests.fakes.pictures import picture_events, png

RED = png(3, 2)
STOP = Finished(FinishReason.STOP, "STOP")
USAGE = Usage(10, 0, 96, 1120, 179)
PAINTED: list[Event] = [*picture_events(RED), UsageSeen(USAGE), STOP]
COST_NANO = 68_030_000
URL = "https://example.com/a.png"
WITH_LINK = (Message("user", (TextPart("like this"), ImageLink(URL, "messages[0].content[1].image_url.url"))),)
KEY = VirtualKey("caller", frozenset({"generate"}), id="key-1", account_id="account-1")
SANDBOX_KEY = replace(KEY, sandbox=True)

NEW = a_model("new")
OLD = a_model("old", lifecycle=retiring(NEW.id))


@dataclass
class House:
    """`passed` are the steps that were passed; `keys_now` is what the key is each time that it is shown again."""

    answerers: FakeAnswerers = field(default_factory=lambda: FakeAnswerers(PAINTED))
    images: FakeImages = field(default_factory=FakeImages)
    store: MemoryStore = field(default_factory=MemoryStore)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    models: tuple[Model, ...] = (OLD, NEW, a_model())
    deadline_seconds: float = 5
    key: VirtualKey = KEY
    keys_now: list[VirtualKey] = field(default_factory=list)
    sandbox: FakeAnswerers = field(default_factory=lambda: FakeAnswerers(PAINTED))
    gallery: MemoryGallery = field(default_factory=MemoryGallery)
    passing: Callable[[str], None] | None = None
    passed: list[str] = field(default_factory=list)
    completions: Completions = field(init=False)

    def __post_init__(self) -> None:
        numbers = iter(range(1, 1000))
        self.completions = Completions(
            catalogue=a_catalogue(*self.models),
            answerers=self.answerers,
            sandbox=self.sandbox,
            images=self.images,
            store=self.store,
            ledger=self.ledger,
            recall=Recall(self.gallery, self.ledger, self.store, lambda _: None),
            now=lambda: 1_790_000_000.9,
            new_id=lambda: str(next(numbers)),
            deadline_seconds=self.deadline_seconds,
            passing=self.passing or self.passed.append,
        )

    async def open(self, request: ChatRequest | None = None, **asked: Any) -> Attached:
        """Ask, as `chatcmpl-1` where nothing else is said; whoever asks closes."""
        fields: dict[str, Any] = {"id": "chatcmpl-1", "key": self.key, "key_now": self._key_now, "manner": Manner()}
        fields |= asked
        return await self.completions.open(Asked(request=request or a_request(), **fields))

    async def _key_now(self) -> VirtualKey:
        return self.keys_now.pop(0)

    @asynccontextmanager
    async def asking(self, request: ChatRequest | None = None, **asked: Any) -> AsyncIterator[Attached]:
        """Ask and let go of it; at the end all is ended and nothing is open."""
        attached = await self.open(request, **asked)
        try:
            yield attached
        finally:
            attached.close()
            await self.completions.drain()
            assert self.store.open_blobs == []

    async def create(self, request: ChatRequest | None = None, **asked: Any) -> Answers:
        """All answers; what their pictures hold is in the store."""
        async with self.asking(request, **asked) as attached:
            return await attached.answers()

    async def failure_of(self, request: ChatRequest | None = None, **asked: Any) -> Failure:
        with pytest.raises(Failure) as raised:
            await self.create(request, **asked)
        assert self.store.open_blobs == []
        return raised.value

    @property
    def generation(self) -> Generation:
        """The only one."""
        (generation,) = self.ledger.generations.values()
        return generation

    @property
    def outcomes(self) -> list[Outcome | None]:
        """What became of the calls of the only generation."""
        return [call.outcome for call in self.generation.calls]

    def assert_untouched(self) -> None:
        assert self.ledger.openings == []
        assert self.images.fetched == []
        assert self.answerers.calls == []
        assert self.store.open_blobs == []
