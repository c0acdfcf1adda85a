"""Pictures as rows: those that were made here, by their ids, and those that were uploaded.

Rule: a row says whose a picture is and where its bytes are; what a row is, is said here alone.
"""

import json

from sqlalchemy import RowMapping, bindparam, select

from impasto.domain.image import Dimensions
from impasto.domain.stored_image import StoredImage, Upload
from impasto.storage.database import Database
from impasto.storage.tables import images

_IMAGE = select(images).where(images.c.id == bindparam("id"))


async def find_image(database: Database, image_id: str) -> StoredImage | None:
    """The picture with this id, whoever made it. Raises `ledger_unavailable`."""
    row = await database.read(lambda connection: connection.execute(_IMAGE, {"id": image_id}).mappings().first())
    return None if row is None else image_of(row)


def image_of(row: RowMapping) -> StoredImage:
    """The picture that a row of `images` stands for."""
    return StoredImage(
        id=row["id"],
        generation_id=row["generation_id"],
        key_id=row["key_id"],
        sha256=row["sha256"],
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        dimensions=_dimensions(row),
        created_ms=row["created_ms"],
        choice=row["choice"],
        model=row["model"],
        facts=json.loads(row["facts"]),
        gone_ms=row["gone_ms"],
    )


def upload_of(row: RowMapping) -> Upload:
    """The upload that a row of `uploads` stands for."""
    return Upload(
        id=row["id"],
        key_id=row["key_id"],
        sha256=row["sha256"],
        file_name=row["file_name"],
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        dimensions=_dimensions(row),
        purpose=row["purpose"],
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
        end_user=row["end_user"],
    )


def _dimensions(row: RowMapping) -> Dimensions | None:
    is_known = row["width"] is not None and row["height"] is not None
    return Dimensions(row["width"], row["height"]) if is_known else None
