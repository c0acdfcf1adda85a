"""Answerers that play a script: events in their order, and a failure where one stands."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from impasto.domain.chat import ModelCall
from impasto.domain.events import Event

Script = Sequence[Event | BaseException]


@dataclass(slots=True)
class FakeAnswerers:
    """Plays `script` for every call, or `by_model[model.id]` where that is there, or what `by_call` says.

    `calls` are those that were made.

    An exception in a script is raised when its turn comes; `not_ready` is raised by `check_ready`.
    With `hangs`, an answer never ends after its script. `pause_seconds` is how long each event lets wait for itself.
    """

    script: Script = ()
    by_model: dict[str, Script] = field(default_factory=dict)
    by_call: Callable[[ModelCall], Script] | None = None
    not_ready: Exception | None = None
    hangs: bool = False
    pause_seconds: float = 0
    calls: list[ModelCall] = field(default_factory=list)

    def check_ready(self, call: ModelCall) -> None:
        if self.not_ready is not None:
            raise self.not_ready

    async def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        script = self.by_call(call) if self.by_call else self.by_model.get(call.model.id, self.script)
        for step in script:
            await asyncio.sleep(self.pause_seconds)
            if isinstance(step, BaseException):
                raise step
            yield step
        if self.hangs:
            await asyncio.Event().wait()
