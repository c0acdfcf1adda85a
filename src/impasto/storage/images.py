"""The pictures that were made, by their ids.

Rule: a row says whose a picture is and where its bytes are; whether they are still kept, the store knows.
"""

from sqlalchemy import Connection, bindparam, select

from impasto.domain.image import Dimensions
from impasto.domain.stored_image import StoredImage
from impasto.storage.database import Database
from impasto.storage.tables import images

_IMAGE = select(images).where(images.c.id == bindparam("id"))


async def find_image(database: Database, image_id: str) -> StoredImage | None:
    """The picture with this id, whoever made it. Raises `ledger_unavailable`."""
    return await database.read(lambda connection: _found(connection, image_id))


def _found(connection: Connection, image_id: str) -> StoredImage | None:
    row = connection.execute(_IMAGE, {"id": image_id}).mappings().first()
    if row is None:
        return None
    has_dimensions = row["width"] is not None and row["height"] is not None
    return StoredImage(
        id=row["id"],
        generation_id=row["generation_id"],
        key_id=row["key_id"],
        sha256=row["sha256"],
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        dimensions=Dimensions(row["width"], row["height"]) if has_dimensions else None,
        created_ms=row["created_ms"],
    )
