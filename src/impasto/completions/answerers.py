"""Who answers for a model: an engine in this process, or its provider over HTTP.

Rule: the model's provider names its adapter, and an engine goes by the same name.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from impasto.completions.ports import Answerers
from impasto.domain.chat import ModelCall
from impasto.domain.events import Event


@dataclass(frozen=True, slots=True)
class AnswererTable:
    """`engines` by adapter name; everything else goes to `remote`."""

    engines: Mapping[str, Answerers]
    remote: Answerers

    def check_ready(self, call: ModelCall) -> None:
        self._of(call).check_ready(call)

    def answer(self, call: ModelCall) -> AsyncGenerator[Event, None]:
        return self._of(call).answer(call)

    def _of(self, call: ModelCall) -> Answerers:
        return self.engines.get(call.model.provider.adapter, self.remote)
