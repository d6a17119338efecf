"""Alembic's entry: it runs on the connection, and in the transaction, that it is handed."""

from alembic import context

from kif.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
