"""What every wire format offers: render a call, parse an answer, read an error.

Rule: an adapter sees no key, opens no connection and knows no address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from impasto.domain.chat import Characters, ModelCall
from impasto.domain.errors import Failure
from impasto.domain.events import Event


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A POST to `path` below the provider's base URL. `body` is JSON in pieces: pictures are views, never copied,
    and what the store keeps is read while it is sent."""

    path: str
    body: tuple[Characters, ...]
    content_type: str = "application/json"

    @property
    def content_length(self) -> int:
        return sum(len(piece) for piece in self.body)


class AnswerParser(Protocol):
    """Turns a provider's bytes into events, however they are cut. Pure.

    `feed` and `finish` raise `Failure` (`provider_wrong`, `provider_broke_off`) when the bytes
    are no answer. `finish` is called once, after the last byte.
    """

    def feed(self, data: bytes) -> Sequence[Event]: ...

    def finish(self) -> Sequence[Event]: ...


class Adapter(Protocol):
    """One wire format."""

    def render(self, call: ModelCall) -> WireRequest:
        """The request that asks for `call`. Raises `Failure` where the wire cannot say it."""

    def parser(self, call: ModelCall) -> AnswerParser:
        """A fresh parser for the answer to `call`."""

    def failure_of(self, call: ModelCall, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Our failure for a provider's error: `body` is cut at some tens of kilobytes; header names are lower case."""
