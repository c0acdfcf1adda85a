"""What Alembic runs: the steps, on the connection that it is given (`storage/schema.py`)."""

from alembic import context

from impasto.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
