"""Alembic's way in: the connection is handed over by `migrate.py`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="llmo_schema",
)
with context.begin_transaction():
    context.run_migrations()
