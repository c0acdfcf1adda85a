"""Pictures in the books: rows as the end of a generation writes them, made by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert

from impasto.domain.ledger import Parent
from impasto.storage.database import Database
from impasto.storage.tables import generations, images, parents, prompts, uploads

START_MS = 1_795_000_000_000
"""A moment in November 2026."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture. Without an id of its own it gets one from its generation and place."""

    sha256: str = "ab" * 32
    id: str = ""
    choice: int = 0
    model: str = "google/painting-model"
    gone_ms: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    media_type: str = "image/png"
    byte_count: int = 1000
    width: int | None = 1024
    height: int | None = 576


@dataclass(frozen=True, slots=True)
class Drawing:
    """A generation that made pictures: begun and ended at seconds after `START_MS`, for `key`, of an account of the
    same name."""

    id: str
    images: Sequence[Drawn] = (Drawn(),)
    key: str = "ann"
    begun: float = 0
    ended: float | None = None
    model: str = "google/painting-model"
    session_id: str | None = None
    end_user: str | None = None
    prompt: str | None = None
    characters: int | None = None
    parents: Sequence[Parent] = ()
    request: str = "{}"
    tags: Mapping[str, str] = field(default_factory=dict)
    retention: str = "all"


async def draw(database: Database, *drawings: Drawing) -> None:
    """Put `drawings` into the books; their keys are there."""

    def write(connection: Connection) -> None:
        for drawing in drawings:
            _draw(connection, drawing)

    await database.write(write)


async def upload(database: Database, upload_id: str, key: str = "ann", sha256: str = "cd" * 32, **of: object) -> None:
    """Put an upload into the books, which never expires unless `of` says when."""
    row = {
        "id": upload_id, "key_id": key, "sha256": sha256, "file_name": "cat.png", "media_type": "image/png",
        "byte_count": 2000, "width": 64, "height": 48, "purpose": "vision", "end_user": None,
        "created_ms": START_MS, "expires_ms": 1 << 52,
    }  # fmt: skip
    await database.write(lambda connection: connection.execute(insert(uploads).values(row | of)))


def _draw(connection: Connection, drawing: Drawing) -> None:
    ended_ms = _ms(drawing.begun if drawing.ended is None else drawing.ended)
    row = {
        "id": drawing.id, "key_id": drawing.key, "account_id": drawing.key, "model": drawing.model, "state": "done",
        "sent": True, "owner": "p", "delivery": "delivered", "deliverer": "p", "request": drawing.request,
        "tags": json.dumps(drawing.tags), "session_id": drawing.session_id, "end_user": drawing.end_user,
        "retention": drawing.retention, "created_ms": _ms(drawing.begun), "ended_ms": ended_ms,
    }  # fmt: skip
    connection.execute(insert(generations).values(row))
    for place, drawn in enumerate(drawing.images):
        connection.execute(insert(images).values(_image(drawing, place, drawn, ended_ms)))
    if drawing.prompt is not None:
        text = drawing.prompt
        characters = len(text) if drawing.characters is None else drawing.characters
        words = {"generation_id": drawing.id, "text": text, "characters": characters, "created_ms": ended_ms}
        connection.execute(insert(prompts).values(words))
    for place, parent in enumerate(drawing.parents):
        made_from = {"kind": parent.kind, "ref": parent.ref, "sha256": parent.sha256}
        connection.execute(insert(parents).values(generation_id=drawing.id, place=place, **made_from))


def _image(drawing: Drawing, place: int, drawn: Drawn, created_ms: int) -> dict[str, object]:
    return {
        "id": drawn.id or f"img_{drawing.id}_{place}", "generation_id": drawing.id, "key_id": drawing.key,
        "choice": drawn.choice, "place": place, "sha256": drawn.sha256, "media_type": drawn.media_type,
        "byte_count": drawn.byte_count, "width": drawn.width, "height": drawn.height, "model": drawn.model,
        "facts": json.dumps(drawn.facts), "created_ms": created_ms, "gone_ms": drawn.gone_ms,
    }  # fmt: skip


def _ms(seconds: float) -> int:
    return START_MS + int(seconds * 1000)
