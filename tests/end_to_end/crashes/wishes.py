"""What callers wish for: many kinds of requests, each with a token of its own that shows up wherever it went.

Rule: the token is in the prompt, so that the provider's calls show it, and in a tag, so that the ledger does.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from impasto.domain.retention import Keeps
from impasto.simulator.pictures import png
from tests.end_to_end.crashes.belongings import Belongings

MODEL = "google/gemini-3.1-flash-image"
TAG = "token"

Manner = Literal["plain", "named", "counted"]
"""How it is asked again: not at all, with an Idempotency-Key, or as OpenAI's client does, which counts its attempts."""

HARMLESS = ("words", "refuse", "refuse MALFORMED_FUNCTION_CALL")
"""Answers without a picture, and paid for."""
HARMFUL = ("status 503", "status 429", "cut", "reset phase=mid_body")
"""The provider refuses, or breaks off: then reservations may be void or of unknown outcome without any crash."""
SESSIONS = 8
"""Conversations of one key: few, so that many talk in the same one at once."""
KEEPS = (Keeps.ALL, Keeps.ALL, Keeps.ALL, Keeps.ALL, Keeps.ALL, Keeps.ALL, Keeps.PICTURES, Keeps.NONE)


@dataclass(frozen=True, slots=True)
class Wish:
    """One logical request, for `count` pictures, however often it is asked.

    `leaves` is when its caller hangs up for the first time: after so many seconds, or as soon as the provider works.
    """

    token: str
    manner: Manner
    secret: str
    path: str
    body: bytes
    count: int
    streamed: bool
    is_harmed: bool
    leaves: float | Literal["when it was called"] | None
    is_checked: bool
    """Whether it is asked once more when it is answered."""
    cites: bool
    """Whether it names a picture or a file that may be gone, or a conversation that may have none."""
    keeps: Keeps

    def headers_of(self, attempt: int) -> dict[str, str]:
        """What goes with the attempt of this number, the first of them 0."""
        headers = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        match self.manner:
            case "named":
                return headers | {"idempotency-key": f'"{self.token}"'}
            case "counted":
                return headers | {"x-stainless-retry-count": str(attempt)}
            case _:
                return headers


class Wishes:
    """Wishes without an end. `belongings` are those of the keys that callers hold, `picture_url` is a picture to be
    fetched."""

    def __init__(self, chance: Random, belongings: Mapping[str, Belongings], picture_url: str) -> None:
        self._chance = chance
        self._belongings = belongings
        self._picture_url = picture_url
        self._numbers = itertools.count(1)
        self._photo = "data:image/png;base64," + base64.b64encode(png("a photo", 24, 16)).decode()

    def next(self) -> Wish:
        chance = self._chance
        token = f"t{next(self._numbers)}x"
        manner: Manner = chance.choice(("plain", "named", "named", "counted", "counted"))
        faults = list(self._faults())
        count = 2 if chance.random() < 0.2 else 1
        streamed = chance.random() < 0.35
        secret = chance.choice(list(self._belongings))
        messages, cites = self._messages(self._content(token, faults), self._belongings[secret])
        keeps = chance.choice(KEEPS)
        body: dict[str, Any] = {
            "model": MODEL,
            "messages": messages,
            "image_config": {"image_size": "512"},
            "tags": {TAG: token},
        }
        body |= ({"n": count} if count > 1 else {}) | ({"stream": True} if streamed else {})
        body |= {} if keeps is Keeps.ALL else {"retention": keeps}
        body |= {"session_id": f"talk {chance.randint(1, SESSIONS)}"} if cites or chance.random() < 0.3 else {}
        return Wish(
            token=token,
            manner=manner,
            secret=secret,
            path=chance.choice(("/v3/chat/completions", "/v1/chat/completions")),
            body=json.dumps(body).encode(),
            count=count,
            streamed=streamed,
            is_harmed=any(fault in HARMFUL for fault in faults),
            leaves=self._leaves(manner),
            is_checked=manner == "named" and keeps is not Keeps.NONE and chance.random() < 0.3,
            cites=cites,
            keeps=keeps,
        )

    def _faults(self) -> Iterator[str]:
        chance = self._chance
        yield f"stall {chance.uniform(0.0, 0.06):.3f}"
        if chance.random() < 0.1:
            yield chance.choice(HARMLESS)
        elif chance.random() < 0.1:
            yield chance.choice(HARMFUL)

    def _content(self, token: str, faults: list[str]) -> list[Mapping[str, Any]]:
        words = " ".join([token, *(f"[[fault:{fault}]]" for fault in faults)])
        kind = self._chance.random()
        if kind < 0.5:
            return [{"type": "text", "text": words}]
        return [{"type": "text", "text": words}, _image(self._photo if kind < 0.65 else f"{self._picture_url}?{token}")]

    def _messages(self, content: list[Mapping[str, Any]], mine: Belongings) -> tuple[list[Mapping[str, Any]], bool]:
        """The conversation that ends with `content`, and whether it cites what may not be there."""
        chance = self._chance
        match chance.choice(("new", "new", "new", "previous", "file", "handle", "turn by handle", "turn")):
            case "previous":
                return [_turn("user", [*content, _image("impasto:image/previous")])], True
            case "file" if mine.files:
                file = {"type": "file", "file": {"file_id": chance.choice(list(mine.files))}}
                return [_turn("user", [*content, file])], True
            case "handle" if mine.pictures:
                handle = f"impasto:image/{chance.choice(mine.pictures).id}"
                return [_turn("user", [*content, _image(handle)])], True
            case "turn by handle" if mine.pictures:
                handle = f"impasto:image/{chance.choice(mine.pictures).id}"
                return [_turn("user", "before"), _turn("assistant", handle), _turn("user", content)], True
            case "turn" if mine.pictures:
                url = chance.choice(mine.pictures).data_url
                return [_turn("user", "before"), _turn("assistant", url), _turn("user", content)], False
            case _:
                return [_turn("user", content)], False

    def _leaves(self, manner: Manner) -> float | Literal["when it was called"] | None:
        if self._chance.random() > 0.12:
            return None
        # Who counts his attempts and leaves while his answer is sent may have had it: no server can know.
        return "when it was called" if manner == "counted" else self._chance.uniform(0.0, 0.08)


def _turn(role: str, content: str | list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"role": role, "content": content}


def _image(url: str) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def token_of(words: str) -> str | None:
    """The token in a prompt."""
    first = words.split(maxsplit=1)[0] if words else ""
    return first if first.startswith("t") and first.endswith("x") else None
