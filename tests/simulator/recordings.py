"""The requests in recordings of real traffic, where they are at hand."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

FOLDER = Path(__file__).parents[3] / "shared" / "recorded"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def files(folder: str) -> list[Path]:
    return sorted((FOLDER / folder).glob("*.y*ml*"))


def exchanges(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """Path and JSON of each request for content, and the answer's JSON (`None` for a stream)."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    document = yaml.load(text, Loader=Loader)  # noqa: S506 - the loader is a safe one
    if "when" in document:
        yield document["when"]["path"], _json(document["when"]["body"]), _json(document["then"]["body"])
        return
    for each in document.get("http_interactions") or document.get("interactions"):
        request, response = each["request"], each["response"]
        asked = request.get("parsed_body") or _json(request["body"])
        answered = response.get("parsed_body") or _json(response["body"])
        if "enerateContent" in request["uri"]:
            yield request["uri"], asked, answered


def _json(body: Any) -> Any:
    text = body.get("string") if isinstance(body, dict) else body
    return None if not text or text.startswith("data:") else msgspec.json.decode(text)
