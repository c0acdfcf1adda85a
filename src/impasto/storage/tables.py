"""The tables: what is kept of keys, money and answers.

Rule: amounts are whole nano-dollars, times are milliseconds since the epoch, and no row grows
beyond a few kilobytes: pictures and long answers are blobs, and rows hold their hashes. Rows of
`entries` are only ever added; the database refuses anything else.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What all processes of one gateway share: `secret` is a fingerprint of the secret that hashes its keys."""

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("budget_nano", BigInteger),
    Column("budget_period", String(10), nullable=False, server_default="none"),
    Column("created_ms", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(40), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("hash", LargeBinary(32), unique=True),
    Column("hint", String(8), nullable=False, server_default=""),
    Column("scopes", Text, nullable=False),
    Column("models", Text),
    Column("image_output", String(20)),
    Column("image_delivery", String(20)),
    Column("retention", String(10)),
    Column("requests_per_minute", Integer),
    Column("concurrent_requests", Integer),
    Column("default_tags", Text, nullable=False, server_default="{}"),
    Column("sandbox", Boolean, nullable=False, server_default=text("false")),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_ms", BigInteger, nullable=False),
)
"""`hash` is that of the secret, keyed; the operator's key has none, because its secret is a setting. `hint` is the
end of the secret. `scopes`, `models` and `default_tags` are JSON. `retention` is the most that may be kept."""

generations = Table(
    "generations",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("key_id", String(40), ForeignKey("keys.id"), nullable=False),
    Column("account_id", String(40), ForeignKey("accounts.id"), nullable=False),
    Column("model", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("owner", String(40), nullable=False),
    Column("delivery", String(10), nullable=False),
    Column("deliverer", String(40), nullable=False),
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("request_hash", LargeBinary(32)),
    Column("request", Text, nullable=False),
    Column("tags", Text, nullable=False, server_default="{}"),
    Column("session_id", String(200)),
    Column("end_user", String(200)),
    Column("retention", String(10), nullable=False, server_default="all"),
    Column("answer", Text),
    Column("answer_sha256", String(64)),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index("generations_running", "key_id", sqlite_where=text("state = 'running'"),
          postgresql_where=text("state = 'running'")),
    Index("generations_by_request", "key_id", "request_hash", sqlite_where=text("request_hash IS NOT NULL"),
          postgresql_where=text("request_hash IS NOT NULL")),
    Index("generations_by_key", "key_id", "created_ms"),
    Index("generations_by_time", "created_ms"),
    Index("generations_by_session", "key_id", "session_id", "created_ms",
          sqlite_where=text("session_id IS NOT NULL"), postgresql_where=text("session_id IS NOT NULL")),
    Index("generations_by_user", "end_user", sqlite_where=text("end_user IS NOT NULL"),
          postgresql_where=text("end_user IS NOT NULL")),
    Index("generations_answered", "ended_ms", sqlite_where=text("answer IS NOT NULL"),
          postgresql_where=text("answer IS NOT NULL")),
)  # fmt: skip
"""`owner` is the process that makes the calls, `deliverer` the one whose caller waits for the answer. `session_id` and
`end_user` are the caller's own names for a conversation and for a person."""

entries = Table(
    "entries",
    metadata,
    Column("generation_id", String(80), ForeignKey("generations.id"), primary_key=True),
    Column("call", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("account_id", String(40), nullable=False),
    Column("period", String(10), nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("cost_nano", BigInteger),
    Column("overrun", Boolean, nullable=False, server_default=text("false")),
    Column("model", String(200), nullable=False, server_default=""),
    Column("facts", Text, nullable=False, server_default="{}"),
    Column("at_ms", BigInteger, nullable=False),
    Index("entries_by_account", "account_id", "at_ms"),
    Index("entries_by_time", "at_ms"),
    Index("entries_overrun", "at_ms", sqlite_where=text("overrun"), postgresql_where=text("overrun")),
)
"""The ledger. Step 0 reserves, step 1 resolves, step 2 resolves what step 1 had to leave unknown: the primary key
lets each happen once. `held`, `unknown` and `spent` are changes, and what they add up to is the balance."""

balances = Table(
    "balances",
    metadata,
    Column("account_id", String(40), ForeignKey("accounts.id"), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("held", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
)
"""The sums of `entries`, kept in the same step."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_id", String(40), primary_key=True),
    Column("hash", LargeBinary(32), primary_key=True),
    Column("request_hash", LargeBinary(32), nullable=False),
    Column("generation_id", String(80), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("idempotency_keys_by_expiry", "expires_ms"),
)

tags = Table(
    "tags",
    metadata,
    Column("generation_id", String(80), ForeignKey("generations.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", String(128), nullable=False),
    Index("tags_by_name", "name", "value"),
)

images = Table(
    "images",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("generation_id", String(80), ForeignKey("generations.id"), nullable=False, index=True),
    Column("key_id", String(40), nullable=False),
    Column("choice", Integer, nullable=False),
    Column("place", Integer, nullable=False, server_default="0"),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("model", String(200), nullable=False, server_default=""),
    Column("facts", Text, nullable=False, server_default="{}"),
    Column("created_ms", BigInteger, nullable=False),
    Column("gone_ms", BigInteger),
    Index("images_by_key", "key_id", "created_ms", "gone_ms"),
    Index("images_by_model", "key_id", "model", "created_ms", "gone_ms"),
    Index("images_by_hash", "sha256", "key_id", "created_ms"),
)
"""A picture whose `gone_ms` is not set has its bytes in the store. `place` counts the pictures of its generation.
`model` is the one that made it; `facts` is JSON of what was sent and what its bytes say of themselves. The row
of one that was let go stays: it holds nothing of its content. The row of one that somebody had deleted goes."""

prompts = Table(
    "prompts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("generation_id", String(80), ForeignKey("generations.id"), nullable=False, unique=True),
    Column("text", Text, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("prompts_by_time", "created_ms"),
)
"""What was asked for, of generations that made pictures: the first thousands of its `characters`."""

parents = Table(
    "parents",
    metadata,
    Column("generation_id", String(80), ForeignKey("generations.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("ref", String(80), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
)
"""What pictures were made from, in order: `kind` is `image` for one that was made here, `file` for an upload, whose ids
are in `ref`, or `photo` for any other, of which only the hash is known."""

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("key_id", String(40), ForeignKey("keys.id"), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("file_name", String(255), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("purpose", String(50), nullable=False),
    Column("end_user", String(200)),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("uploads_by_key", "key_id", "created_ms"),
    Index("uploads_by_expiry", "expires_ms"),
)

blob_owners = Table(
    "blob_owners",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("owner", String(80), primary_key=True),
    Index("blob_owners_by_owner", "owner"),
)
"""What each blob is kept for: the ids of generations and uploads. Who deletes one of them deletes the blobs that are
kept for nothing else."""

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("byte_count", BigInteger, nullable=False),
    Column("kept_ms", BigInteger, nullable=False),
    Index("blobs_by_time", "kept_ms"),
)
"""What the store keeps, so that the oldest can be let go; the bytes were there before the row."""

processes = Table(
    "processes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
)
"""The living processes of this gateway; each counts up its `beat`."""
