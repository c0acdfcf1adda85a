"""requests, and the two lines that people copy: the content is matched against a data URL and decoded."""

import json
import re
from typing import Any

import requests

from tests.clients.reading import Asked, Places, Read, tell


def whole(asked: Asked) -> Read:
    body = _post(asked, stream=False).json()
    return Read([_picture_of(choice["message"]["content"]) for choice in body["choices"]], body["cost"])


def streamed(asked: Asked) -> Read:
    contents = [""] * asked.n
    cost = None
    for line in _post(asked, stream=True).iter_lines(chunk_size=None):
        if line.startswith(b"data: {"):
            chunk = json.loads(line[6:])
            for choice in chunk["choices"]:
                contents[choice["index"]] += choice["delta"].get("content") or ""
            cost = chunk.get("cost", cost)
    return Read([_picture_of(content) for content in contents], cost)


def _post(asked: Asked, *, stream: bool) -> requests.Response:
    body = {"model": asked.model, "messages": asked.messages, "n": asked.n, "stream": stream} | asked.fields
    headers = {"Authorization": f"Bearer {asked.key}"}
    response = requests.post(
        f"{asked.base_url}/chat/completions", json=body, headers=headers, stream=stream, timeout=60
    )
    response.raise_for_status()
    return response


def _picture_of(content: Any) -> Places:
    """What the two lines cannot match is no picture to them, whatever it holds."""
    match = re.match(r"data:image/\w+;base64,(.*)", content) if isinstance(content, str) else None
    if match:
        return {"content": content}
    return {"words": re.sub(r"data:image/[^\")]*", "", json.dumps(content))}


if __name__ == "__main__":
    tell("requests and the two lines", requests.__version__, {"whole": whole, "streamed": streamed})
