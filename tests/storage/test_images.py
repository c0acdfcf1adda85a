"""Pictures found by their ids."""

import pytest
from sqlalchemy import Connection, insert

from impasto.domain.image import Dimensions
from impasto.domain.stored_image import StoredImage
from impasto.storage.database import Database
from impasto.storage.images import find_image
from impasto.storage.tables import accounts, generations, images, keys


def _made(width: int | None, height: int | None, connection: Connection) -> None:
    """A picture of these dimensions, and whose it is."""
    connection.execute(insert(accounts).values(id="account-1", name="Team A", created_ms=1))
    connection.execute(insert(keys).values(id="key-1", account_id="account-1", name="A", scopes="[]", created_ms=1))
    connection.execute(
        insert(generations).values(
            id="chatcmpl-1", key_id="key-1", account_id="account-1", model="maker/brush", state="done", sent=True,
            owner="p", delivery="delivered", deliverer="p", request="{}", created_ms=1,
        )
    )  # fmt: skip
    connection.execute(
        insert(images).values(
            id="img-1", generation_id="chatcmpl-1", key_id="key-1", choice=0, sha256="ab" * 32, media_type="image/png",
            byte_count=30_000_000_000, width=width, height=height, created_ms=1_769_000_000_000,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "dimensions"), [(4096, 2304, Dimensions(4096, 2304)), (None, None, None), (7, None, None)]
)
async def test_a_picture_is_found_with_whose_it_is_and_where_its_bytes_are(
    width: int | None, height: int | None, dimensions: Dimensions | None, database: Database
) -> None:
    await database.write(lambda connection: _made(width, height, connection))
    assert await find_image(database, "img-1") == StoredImage(
        id="img-1",
        generation_id="chatcmpl-1",
        key_id="key-1",
        sha256="ab" * 32,
        media_type="image/png",
        byte_count=30_000_000_000,
        dimensions=dimensions,
        created_ms=1_769_000_000_000,
    )


@pytest.mark.parametrize("image_id", ["img-2", "", "IMG-1", "img-1 ", "img-1' OR '1'='1", "%"])
async def test_an_id_that_nobody_has_finds_nothing(image_id: str, database: Database) -> None:
    await database.write(lambda connection: _made(1, 1, connection))
    assert await find_image(database, image_id) is None
