"""Handles and lineage: sessions, prompts, parents, uploads, and what each blob is kept for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_HAS_SESSION = sa.text("session_id IS NOT NULL")
_HAS_USER = sa.text("end_user IS NOT NULL")


def upgrade() -> None:
    op.add_column("keys", sa.Column("retention", sa.String(length=10), nullable=True))
    op.add_column("generations", sa.Column("session_id", sa.String(length=200), nullable=True))
    op.add_column("generations", sa.Column("end_user", sa.String(length=200), nullable=True))
    op.add_column("generations", sa.Column("retention", sa.String(length=10), server_default="all", nullable=False))
    op.create_index(
        "generations_by_session", "generations", ["key_id", "session_id", "created_ms"],
        sqlite_where=_HAS_SESSION, postgresql_where=_HAS_SESSION,
    )  # fmt: skip
    op.create_index(
        "generations_by_user", "generations", ["end_user"], sqlite_where=_HAS_USER, postgresql_where=_HAS_USER
    )
    op.add_column("images", sa.Column("model", sa.String(length=200), server_default="", nullable=False))
    op.add_column("images", sa.Column("facts", sa.Text(), server_default="{}", nullable=False))
    op.add_column("images", sa.Column("gone_ms", sa.BigInteger(), nullable=True))
    _create_lineage()
    _create_uploads()
    # What was kept before is kept for the generation that made it; its signatures go when they are old.
    op.execute("INSERT INTO blob_owners (sha256, owner) SELECT DISTINCT sha256, generation_id FROM images")
    op.execute(
        "INSERT INTO blob_owners (sha256, owner) SELECT answer_sha256, id FROM generations "
        "WHERE answer_sha256 IS NOT NULL"
    )
    op.execute(
        "UPDATE images SET gone_ms = created_ms WHERE NOT EXISTS "
        "(SELECT 1 FROM blobs WHERE blobs.sha256 = images.sha256)"
    )


def _create_lineage() -> None:
    op.create_table(
        "prompts",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("generation_id", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("generation_id"),
    )
    op.create_index("prompts_by_time", "prompts", ["created_ms"])
    op.create_table(
        "parents",
        sa.Column("generation_id", sa.String(length=80), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("ref", sa.String(length=80), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"]),
        sa.PrimaryKeyConstraint("generation_id", "place"),
    )
    op.create_index("ix_parents_ref", "parents", ["ref"])


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(length=50), nullable=False),
        sa.Column("end_user", sa.String(length=200), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_uploads_sha256", "uploads", ["sha256"])
    op.create_index("uploads_by_key", "uploads", ["key_id", "created_ms"])
    op.create_index("uploads_by_expiry", "uploads", ["expires_ms"])
    op.create_table(
        "blob_owners",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "owner"),
    )
    op.create_index("blob_owners_by_owner", "blob_owners", ["owner"])


def downgrade() -> None:
    for table in ("blob_owners", "uploads", "parents", "prompts"):
        op.drop_table(table)
    op.drop_index("generations_by_user", "generations")
    op.drop_index("generations_by_session", "generations")
    for column in ("gone_ms", "facts", "model"):
        op.drop_column("images", column)
    for column in ("retention", "end_user", "session_id"):
        op.drop_column("generations", column)
    op.drop_column("keys", "retention")
