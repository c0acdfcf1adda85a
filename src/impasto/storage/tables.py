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
end of the secret. `scopes`, `models` and `default_tags` are JSON."""

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
    Index("generations_answered", "ended_ms", sqlite_where=text("answer IS NOT NULL"),
          postgresql_where=text("answer IS NOT NULL")),
)  # fmt: skip
"""`owner` is the process that makes the calls, `deliverer` the one whose caller waits for the answer."""

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
    Column("sha256", String(64), nullable=False, index=True),
    Column("media_type", String(40), nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("created_ms", BigInteger, nullable=False),
    Index("images_by_key", "key_id", "created_ms"),
)

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
