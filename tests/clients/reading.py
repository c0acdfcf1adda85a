"""What a client's script is told, and what it says of every answer that it read: lines of JSON.

Rule: a script takes the answer through its client's own interface and hands over what it found there,
place by place; whether those are the right bytes is judged elsewhere.
"""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "content": ("v3", {"image_output": "content"}),
    "images": ("v3", {"image_output": "images"}),
    "both": ("v3", {"image_output": "both"}),
    "parts": ("v3", {"image_output": "parts"}),
    "markdown": ("v3", {"image_output": "markdown"}),
    "/v1": ("v1", {}),
    "modalities": ("v3", {"modalities": ["text", "image"]}),
}
"""Ways to ask: the version in the base URL, and the fields beside model, messages and n."""

_DATA_URL = re.compile(r"data:image/\w+;base64,([A-Za-z0-9+/]+={0,2})")

Places = Mapping[str, Any]
"""What one choice of an answer holds, under the name of the place where the client has it; best places first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to be made. `fields` belong into its body."""

    base_url: str
    key: str
    model: str
    prompt: str
    n: int
    fields: dict[str, Any]

    @property
    def messages(self) -> list[Any]:
        return [{"role": "user", "content": self.prompt}]


@dataclass(frozen=True, slots=True)
class Read:
    """What a client made of an answer: its choices, and the cost if it shows one."""

    choices: Sequence[Places]
    cost: float | None = None


Reader = Callable[[Asked], Read]


def tell(client: str, version: str, readers: Mapping[str, Reader]) -> None:
    """Read every answer of the work that stands in the first argument; `readers` by mode, `whole` and `streamed`."""
    for task in json.loads(sys.argv[1]):
        for way, (api, fields) in REQUESTS.items():
            for mode in task["modes"]:
                if mode in readers:
                    asked = Asked(f"{task['url']}/{api}", task["key"], task["model"], task["prompt"], task["n"], fields)
                    line = {"client": client, "version": version, "task": task["name"], "way": way, "mode": mode}
                    sys.stdout.write(json.dumps(line | _found(readers[mode], asked)) + "\n")


def _found(reader: Reader, asked: Asked) -> dict[str, Any]:
    try:
        read = reader(asked)
    except Exception as error:  # whatever a client raises is its answer
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    return {"choices": [_described(places) for places in read.choices], "cost": read.cost}


def _described(places: Places) -> dict[str, Any]:
    texts = {place: json.dumps(value) for place, value in places.items()}
    words = _DATA_URL.sub("", " ".join(texts.values()))
    for place, text in texts.items():
        if found := _DATA_URL.findall(text):
            digests = [hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest() for data in found]
            return {"place": place, "pictures": digests, "words": words}
    return {"place": None, "pictures": [], "words": words}
