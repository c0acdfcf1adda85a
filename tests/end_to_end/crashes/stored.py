"""What has to hold of content when all is over: of pictures, signatures, uploads, prompts, and of the store itself.

Rule: what rows name is there whole, what is there is named, and what nobody was to keep is nowhere.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection, Row, select

from impasto.domain.retention import Keeps
from impasto.storage.store import Store
from impasto.storage.tables import blob_owners, blobs, generations, images, parents, prompts, uploads
from tests.end_to_end.crashes.belongings import Belongings
from tests.end_to_end.crashes.callers import Told


class Content(NamedTuple):
    """A blob as the store gives it."""

    byte_count: int
    is_whole: bool


async def contents_of(store: Store) -> dict[str, Content]:
    """All that the store has, read and hashed."""
    contents: dict[str, Content] = {}
    for listed in store.list_blobs():
        blob = await store.reader(listed.sha256)
        content = blob.read(0, blob.byte_count)
        blob.close()
        contents[listed.sha256] = Content(len(content), hashlib.sha256(content).hexdigest() == listed.sha256)
    return contents


@dataclass(frozen=True)
class StoredAudit:
    """The rows of `connection` beside what is in the store, and beside what callers were `told` and have."""

    connection: Connection
    contents: Mapping[str, Content]
    told: Sequence[Told]
    belongings: Collection[Belongings]

    def findings(self) -> Iterator[str]:
        """What should not be, in sentences."""
        yield from self._bytes()
        yield from self._owners()
        yield from self._pictures()
        yield from self._words()
        yield from self._kept_for_nobody()
        yield from self._given()
        yield from self._files()

    def sums(self) -> Counter[str]:
        """How much there is."""
        return Counter({
            "blobs": len(self.kept),
            "pictures": len(self.images),
            "uploads kept": len(self.uploads),
            "prompts": len(self.prompted),
            "orphans": len(self.contents.keys() - self.kept.keys()),
        })  # fmt: skip

    def _bytes(self) -> Iterator[str]:
        """What is named as a blob is in the store, whole, and is as heavy as is said, signatures too."""
        for sha256, byte_count in self.kept.items():
            content = self.contents.get(sha256)
            if content is None or not content.is_whole:
                yield f"{sha256} is {'spoiled' if content else 'lost'}"
            elif content.byte_count != byte_count:
                yield f"{sha256} has {content.byte_count} bytes, and its row says {byte_count}"
        yield from (f"{sha256} is spoiled, and no row names it" for sha256, each in self.contents.items()
                    if not each.is_whole)  # fmt: skip

    def _owners(self) -> Iterator[str]:
        """A blob is kept for something that is there, and what is kept for something is a blob."""
        known = self.generations.keys() | self.uploads.keys()
        owned = {row.sha256 for row in self.owners}
        yield from (f"{sha256} is kept for nothing" for sha256 in self.kept.keys() - owned)
        for row in self.owners:
            if row.owner not in known:
                yield f"{row.sha256} is kept for {row.owner}, which is not there"
            if row.sha256 not in self.kept:
                yield f"{row.sha256} is kept for {row.owner}, and is no blob"

    def _pictures(self) -> Iterator[str]:
        """The row of a picture has its bytes, and so has that of an upload and of a long answer."""
        owned = {(row.sha256, row.owner) for row in self.owners}
        for row in self.images.values():
            if row.gone_ms is not None:
                yield f"{row.id} is said to have been let go, and nobody did"
            elif row.sha256 not in self.kept or (row.sha256, row.generation_id) not in owned:
                yield f"{row.id} is said to be kept, and {row.sha256} is not kept for it"
            elif self.kept[row.sha256] != row.byte_count:
                yield f"{row.id} has {row.byte_count} bytes, and {self.kept[row.sha256]} are kept"
        for row in self.uploads.values():
            if self.kept.get(row.sha256) != row.byte_count or (row.sha256, row.id) not in owned:
                yield f"the upload {row.id} has no bytes"
        for row in self.generations.values():
            if row.answer_sha256 and (row.answer_sha256, row.id) not in owned:
                yield f"the answer of {row.id} is not kept for it"

    def _words(self) -> Iterator[str]:
        """What was asked for is kept beside pictures, where their callers agreed, and nowhere else."""
        makers = {row.generation_id for row in self.images.values()}
        yield from (f"{id_} has parents and no pictures" for id_ in self.parented - makers)
        yield from (f"{id_} has a prompt and no pictures" for id_ in self.prompted - makers)
        for id_ in makers:
            keeps = self.generations[id_].retention
            if (keeps == Keeps.ALL) != (id_ in self.prompted):
                yield f"{id_} keeps {keeps}, and its prompt is {'kept' if id_ in self.prompted else 'lost'}"

    def _kept_for_nobody(self) -> Iterator[str]:
        """Of what was to leave nothing there is nothing, not even bytes that wait for the sweep."""
        nothing = {row.id for row in self.generations.values() if row.retention == Keeps.NONE}
        left = self.parented | self.prompted | {row.owner for row in self.owners}
        left |= {row.generation_id for row in self.images.values()}
        yield from (f"{id_} was to leave nothing, and did" for id_ in nothing & left)
        for id_ in nothing:
            row = self.generations[id_]
            if row.answer_sha256 or row.session_id or 'completions":[{' in (row.answer or ""):
                yield f"{id_} was to leave nothing, and there is {row}"
        for told in self.told:
            if told.keeps is Keeps.NONE:
                yield from (f"{told.token} was to leave nothing, and {each.sha256} is in the store"
                            for each in told.pictures if each.sha256 in self.contents)  # fmt: skip

    def _given(self) -> Iterator[str]:
        """Who was given a picture has it, until somebody deletes it; then nobody has."""
        deleting = {id_ for mine in self.belongings for id_ in mine.deleting}
        deleted = {id_ for mine in self.belongings for id_ in mine.deleted}
        shown = {row.sha256 for row in self.images.values()}  # two pictures of one answer may be the same
        for picture in (picture for told in self.told for picture in told.pictures if picture.id):
            row = self.images.get(picture.id)
            if row is None and picture.id not in deleting:
                yield f"{picture.id} was given, and is not there"
            elif row is not None and picture.id in deleted:
                yield f"{picture.id} was deleted, and is there"
            elif row is not None and row.sha256 != picture.sha256:
                yield f"{picture.id} was given as {picture.sha256}, and is {row.sha256}"
            if picture.id in deleted and picture.sha256 in self.kept and picture.sha256 not in shown:
                yield f"{picture.id} was deleted, and {picture.sha256} is kept for {self._owners_of(picture.sha256)}"

    def _files(self) -> Iterator[str]:
        """As long as nobody deletes it, a file is there."""
        for mine in self.belongings:
            for id_, sha256 in mine.files.items():
                if id_ not in self.uploads or self.uploads[id_].sha256 != sha256:
                    yield f"the file {id_} was uploaded as {sha256}, and is {self.uploads.get(id_)}"
            yield from (f"the file {id_} was deleted, and is there" for id_ in mine.deleted & self.uploads.keys())

    def _owners_of(self, sha256: str) -> list[str]:
        return [row.owner for row in self.owners if row.sha256 == sha256]

    @cached_property
    def kept(self) -> dict[str, int]:
        """How heavy each blob is said to be."""
        return {row.sha256: row.byte_count for row in self.connection.execute(select(blobs))}

    @cached_property
    def owners(self) -> Sequence[Row[tuple[str, str]]]:
        return self.connection.execute(select(blob_owners)).all()

    @cached_property
    def generations(self) -> dict[str, Row[tuple[object, ...]]]:
        return {row.id: row for row in self.connection.execute(select(generations))}

    @cached_property
    def images(self) -> dict[str, Row[tuple[object, ...]]]:
        return {row.id: row for row in self.connection.execute(select(images))}

    @cached_property
    def uploads(self) -> dict[str, Row[tuple[object, ...]]]:
        return {row.id: row for row in self.connection.execute(select(uploads))}

    @cached_property
    def prompted(self) -> set[str]:
        return set(self.connection.scalars(select(prompts.c.generation_id)))

    @cached_property
    def parented(self) -> set[str]:
        return set(self.connection.scalars(select(parents.c.generation_id)))


def after_a_sweep(connection: Connection, before: Mapping[str, Content], after: Mapping[str, Content]) -> Iterator[str]:
    """Of what was there `before` all is there that a row names, and nothing else."""
    named = set(connection.scalars(select(blobs.c.sha256)))
    yield from (f"{sha256} is named and was swept" for sha256 in (named & before.keys()) - after.keys())
    yield from (f"{sha256} has no row and was not swept" for sha256 in after.keys() - named)
    yield from (f"{sha256} was spoiled by a sweep" for sha256, content in after.items() if not content.is_whole)
