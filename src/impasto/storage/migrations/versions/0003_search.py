"""Search: the words of prompts, the order of the pictures of one generation, and indexes to find pictures by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SQLITE = (
    """CREATE VIRTUAL TABLE prompts_search USING fts5(
        text, content='prompts', content_rowid='number', tokenize='unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER prompts_found AFTER INSERT ON prompts BEGIN
        INSERT INTO prompts_search (rowid, text) VALUES (new.number, new.text); END""",
    """CREATE TRIGGER prompts_forgotten AFTER DELETE ON prompts BEGIN
        INSERT INTO prompts_search (prompts_search, rowid, text) VALUES ('delete', old.number, old.text); END""",
    """CREATE TRIGGER prompts_changed AFTER UPDATE ON prompts BEGIN
        INSERT INTO prompts_search (prompts_search, rowid, text) VALUES ('delete', old.number, old.text);
        INSERT INTO prompts_search (rowid, text) VALUES (new.number, new.text); END""",
    "INSERT INTO prompts_search (prompts_search) VALUES ('rebuild')",
)

# Accents are all the same to who looks for a word. Neither function calls the other: where a backup is read back, its
# functions do not see each other by name.
_FUNCTION = """
CREATE FUNCTION {name}(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT {body} $$
"""
# PostgreSQL's reader of texts takes and/or for a path, <cat> for a tag and a.cat for a host: what parts words is a
# space before it reads.
_WORDS = r"regexp_replace({unaccented}, '[!-/:-@\[-`{{-~{other}]+', ' ', 'g')"
_NO_ACCENTS = r"regexp_replace(normalize(said, NFD), '[\u0300-\u036F]+', '', 'g')"
_OTHER = r"\u0080-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u3000-\u3003\u3008-\u3020"
# A column of its own: to read a text takes longer than to look whether a word is in it.
_POSTGRES = (
    """ALTER TABLE prompts
        ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', impasto_words(text))) STORED""",
    "CREATE INDEX prompts_by_words ON prompts USING gin (words)",
)


def upgrade() -> None:
    op.add_column("images", sa.Column("place", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE images SET model = (SELECT model FROM generations WHERE generations.id = images.generation_id) "
        "WHERE model = ''"
    )
    op.drop_index("ix_images_sha256", "images")
    op.drop_index("images_by_key", "images")
    op.create_index("images_by_hash", "images", ["sha256", "key_id", "created_ms"])
    op.create_index("images_by_key", "images", ["key_id", "created_ms", "gone_ms"])
    op.create_index("images_by_model", "images", ["key_id", "model", "created_ms", "gone_ms"])
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            connection.exec_driver_sql(statement)
        return
    # In another encoding, nothing can be said of accents.
    is_unicode = connection.exec_driver_sql("SHOW server_encoding").scalar() == "UTF8"
    unaccented, other = (_NO_ACCENTS, _OTHER) if is_unicode else ("said", "")
    words = _WORDS.format(unaccented=unaccented, other=other)
    for name, body in (("impasto_unaccented", unaccented), ("impasto_words", words)):
        connection.exec_driver_sql(_FUNCTION.format(name=name, body=body))
    for statement in _POSTGRES:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for trigger in ("prompts_found", "prompts_forgotten", "prompts_changed"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("DROP TABLE prompts_search")
    else:
        connection.exec_driver_sql("ALTER TABLE prompts DROP COLUMN words")
        connection.exec_driver_sql("DROP FUNCTION impasto_words(text)")
        connection.exec_driver_sql("DROP FUNCTION impasto_unaccented(text)")
    op.drop_index("images_by_model", "images")
    op.drop_index("images_by_key", "images")
    op.drop_index("images_by_hash", "images")
    op.create_index("images_by_key", "images", ["key_id", "created_ms"])
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.drop_column("images", "place")
