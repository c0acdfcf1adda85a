"""What pictures were made from, and what was made from them, as the books have it.

Rule: whose pictures are asked for, whoever asks has decided. A page of pictures takes a fixed number of statements,
each on an index.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
)

from impasto.domain.ledger import Generation, Parent
from impasto.domain.lineage import Ancestor, Origin, PictureFacts, PictureQuestion, Sighting
from impasto.domain.stored_image import StoredImage
from impasto.storage.database import Database
from impasto.storage.images import image_of
from impasto.storage.ledger_reading import find_all
from impasto.storage.search import generations_with
from impasto.storage.tables import generations, images, keys, parents, prompts

MOST_CHILDREN = 100
"""How many of the pictures that were made from one are named."""
MOST_SIGHTINGS = 20
"""How many pictures of the same bytes are told of."""

_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_NEWEST_FIRST = (
    images.c.created_ms.desc(),
    images.c.generation_id.desc(),
    images.c.choice.desc(),
    images.c.place.desc(),
    images.c.id.desc(),
)
_IMAGES = select(images).where(images.c.id.in_(_IDS))
_KEY_NAMES = select(keys.c.id, keys.c.name).where(keys.c.id.in_(_IDS))
_PROMPTS = select(prompts).where(prompts.c.generation_id.in_(_IDS))
_PARENTS = select(parents).where(parents.c.generation_id.in_(_IDS)).order_by(parents.c.generation_id, parents.c.place)
_SIBLINGS = (
    select(images.c.generation_id, images.c.id, images.c.choice)
    .where(images.c.generation_id.in_(_IDS))
    .order_by(images.c.generation_id, images.c.choice, images.c.place, images.c.id)
)
_MADE_FROM = parents.join(images, images.c.generation_id == parents.c.generation_id)
_CHILD_COUNTS = (
    select(parents.c.ref, func.count(images.c.id.distinct()))
    .select_from(_MADE_FROM)
    .where(parents.c.ref.in_(_IDS))
    .group_by(parents.c.ref)
)
_CHILDREN = (
    select(images.c.id)
    .where(images.c.generation_id.in_(select(parents.c.generation_id).where(parents.c.ref == bindparam("id"))))
    .order_by(*_NEWEST_FIRST)
    .limit(MOST_CHILDREN)
)
_OF_HASH = images.c.sha256 == bindparam("sha256")
_FIRST_MS = select(func.min(images.c.created_ms)).where(_OF_HASH)
_TELLS_NO_PROMPT = and_(
    not_(images.c.model.startswith("local/")), ~exists().where(keys.c.id == images.c.key_id, keys.c.sandbox)
)
"""Engines and the sandbox make the same bytes of the same words: who could ask for those of others would learn their
prompts by trying."""
_FIRST_MODEL = select(images.c.model).where(_OF_HASH, images.c.created_ms == bindparam("created_ms")).limit(1)


@dataclass(frozen=True, slots=True)
class SqlLineage:
    """The lineage in the database."""

    database: Database

    async def page(self, question: PictureQuestion) -> tuple[int, list[PictureFacts]]:
        return await self.database.read(lambda connection: page_of(connection, question))

    async def picture(self, image_id: str) -> PictureFacts | None:
        return await self.database.read(lambda connection: picture_of(connection, image_id))

    async def origin(self, generation_id: str) -> Origin | None:
        return await self.database.read(lambda connection: _origins(connection, [generation_id]).get(generation_id))

    async def sighting(self, sha256: str, key_id: str | None) -> Sighting | None:
        return await self.database.read(lambda connection: _sighting(connection, sha256, key_id))


def page_of(connection: Connection, question: PictureQuestion) -> tuple[int, list[PictureFacts]]:
    """How many pictures are in question, and those of the page."""
    chosen = _conditions(question, connection.dialect.name)
    total = int(connection.scalar(select(func.count()).select_from(images).where(*chosen)) or 0)
    if question.offset >= total:
        return total, []
    newest = select(images).where(*chosen).order_by(*_NEWEST_FIRST).limit(question.limit).offset(question.offset)
    return total, _facts_of(connection, list(map(image_of, connection.execute(newest).mappings())))


def picture_of(connection: Connection, image_id: str) -> PictureFacts | None:
    """The picture with this id, whoever made it, with what was made from it."""
    found = _facts_of(connection, _images(connection, [image_id]).values())
    return _with_children(connection, found[0]) if found else None


def _sighting(connection: Connection, sha256: str, key_id: str | None) -> Sighting | None:
    seen = () if key_id is None else (or_(images.c.key_id == key_id, _TELLS_NO_PROMPT),)
    first_ms = connection.scalar(_FIRST_MS.where(*seen), {"sha256": sha256})
    if first_ms is None:
        return None
    model = connection.scalar(_FIRST_MODEL.where(*seen), {"sha256": sha256, "created_ms": first_ms})
    shown = [images.c.sha256 == sha256, *([images.c.key_id == key_id] if key_id is not None else [])]
    newest = select(images).where(*shown).order_by(*_NEWEST_FIRST).limit(MOST_SIGHTINGS)
    found = list(map(image_of, connection.execute(newest).mappings()))
    count = connection.scalar(select(func.count()).select_from(images).where(*shown)) if found else 0
    return Sighting(first_ms, model or "", count or 0, tuple(_facts_of(connection, found)))


def _conditions(question: PictureQuestion, dialect: str) -> list[ColumnElement[bool]]:
    chosen = list(_generations_of(question, dialect))
    conditions: list[ColumnElement[bool]] = [images.c.generation_id.in_(ids) for ids in chosen]
    key_id: ColumnElement[Any] = images.c.key_id
    if chosen and dialect == "sqlite":
        # SQLite would walk through all pictures of the key, where few of them are of the generations in question.
        key_id = key_id.concat("")
    conditions.append(key_id == question.key_id)
    if question.model is not None:
        conditions.append(images.c.model == question.model)
    if question.since_ms is not None:
        conditions.append(images.c.created_ms >= question.since_ms)
    if question.until_ms is not None:
        conditions.append(images.c.created_ms < question.until_ms)
    if not question.include_gone:
        conditions.append(images.c.gone_ms.is_(None))
    return conditions


def _generations_of(question: PictureQuestion, dialect: str) -> Iterator[Select[Any]]:
    """The generations in question, by each thing that says so."""
    if question.words:
        yield generations_with(dialect, question.words)
    if question.session_id is not None:
        of_session = generations.c.session_id == question.session_id
        yield select(generations.c.id).where(generations.c.key_id == question.key_id, of_session)
    if question.end_user is not None:
        yield select(generations.c.id).where(generations.c.end_user == question.end_user)
    if question.parent is not None:
        yield select(parents.c.generation_id).where(parents.c.ref == question.parent)


def _facts_of(connection: Connection, found: Collection[StoredImage]) -> list[PictureFacts]:
    if not found:
        return []
    origins = _origins(connection, {image.generation_id for image in found})
    counts: dict[str, int] = dict(connection.execute(_CHILD_COUNTS, {"ids": [image.id for image in found]}).all())
    return [PictureFacts(image, origins[image.generation_id], counts.get(image.id, 0)) for image in found]


def _with_children(connection: Connection, facts: PictureFacts) -> PictureFacts:
    if not facts.child_count:
        return facts
    ids = tuple(connection.scalars(_CHILDREN, {"id": facts.image.id}))
    return PictureFacts(facts.image, facts.origin, facts.child_count, ids)


def _origins(connection: Connection, ids: Collection[str]) -> dict[str, Origin]:
    found = find_all(connection, ids)
    if not found:
        return {}
    of = {"ids": list(found)}
    names = dict(connection.execute(_KEY_NAMES, {"ids": [made.key_id for made in found.values()]}).all())
    words = {row.generation_id: (row.text, row.characters) for row in connection.execute(_PROMPTS, of)}
    made_from = _ancestors(connection, found)
    siblings: dict[str, list[tuple[str, int]]] = {}
    for generation_id, image_id, choice in connection.execute(_SIBLINGS, of):
        siblings.setdefault(generation_id, []).append((image_id, choice))
    return {
        id_: Origin(
            generation,
            names.get(generation.key_id, ""),
            *words.get(id_, (None, 0)),
            tuple(made_from.get(id_, ())),
            tuple(siblings.get(id_, ())),
        )
        for id_, generation in found.items()
    }


def _ancestors(connection: Connection, found: dict[str, Generation]) -> dict[str, list[Ancestor]]:
    rows = connection.execute(_PARENTS, {"ids": list(found)}).all()
    made_here = _images(connection, {row.ref for row in rows if row.kind == "image"})
    ancestors: dict[str, list[Ancestor]] = {}
    for row in rows:
        image = made_here.get(row.ref) if row.kind == "image" else None
        is_own = image is not None and image.key_id == found[row.generation_id].key_id
        ancestor = Ancestor(Parent(row.kind, row.ref, row.sha256), image if is_own else None)
        ancestors.setdefault(row.generation_id, []).append(ancestor)
    return ancestors


def _images(connection: Connection, ids: Iterable[str]) -> dict[str, StoredImage]:
    wanted = list(ids)
    rows = connection.execute(_IMAGES, {"ids": wanted}).mappings() if wanted else ()
    return {row["id"]: image_of(row) for row in rows}
