"""Is it the provider's picture that comes out of a target?

Rule: nothing is measured before one answer was read to its end and compared.
"""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.targets import Running

_CONTENT_KEYS = ("content", "data", "text", "url")
_PATIENCE_SECONDS = 120


def why_not(target: Running, body: Path, provider_answer: Path, certificate: Path) -> str | None:
    """Why `target` cannot be measured with this request; `None` where its answer holds what the provider sent last."""
    try:
        status, answer = _ask(target, body, certificate)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    if status != 200:
        return f"it answers {status}: {_message_in(answer)}"
    sent = json.loads(provider_answer.read_bytes())["candidates"][0]["content"]["parts"][-1]
    wanted = sent["inlineData"]["data"] if "inlineData" in sent else sent["text"]
    return None if wanted in _content_of(answer) else "its answer does not hold what the provider sent"


def _content_of(answer: bytes) -> str:
    """All words and pictures of a whole answer or of a stream, in any dialect, one after the other."""
    if answer.lstrip().startswith((b"{", b"[")):
        return "".join(_strings_in(json.loads(answer)))
    lines = (line.removeprefix(b"data: ") for line in answer.splitlines() if line.startswith(b"data: {"))
    return "".join(text for line in lines for text in _strings_in(json.loads(line)))


def _strings_in(value: Any, key: str = "") -> Iterator[str]:
    match value:
        case str() if key in _CONTENT_KEYS:
            yield value
        case dict():
            for name, child in value.items():
                yield from _strings_in(child, name)
        case list():
            for child in value:
                yield from _strings_in(child, key)


def _message_in(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"]["message"])[:200]
    except (ValueError, LookupError, TypeError):
        return answer[:200].decode(errors="replace")


def _ask(target: Running, body: Path, certificate: Path) -> tuple[int, bytes]:
    address = urlsplit(target.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=_PATIENCE_SECONDS)
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection(address.netloc, timeout=_PATIENCE_SECONDS, context=context)
    try:
        headers = {"Content-Type": "application/json", **target.headers}
        connection.request("POST", address.path, body.read_bytes(), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
