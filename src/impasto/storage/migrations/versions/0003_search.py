"""Search: the order of the pictures of one generation, and indexes to find pictures by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("images", sa.Column("place", sa.Integer(), server_default="0", nullable=False))
    op.create_index("images_by_hash", "images", ["sha256", "key_id", "created_ms"])
    op.drop_index("ix_images_sha256", "images")


def downgrade() -> None:
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.drop_index("images_by_hash", "images")
    op.drop_column("images", "place")
