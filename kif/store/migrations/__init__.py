"""The schema's history; Alembic runs it from :meth:`kif.store.engine.Store.migrate`."""
