"""The database: SQLAlchemy models, their migrations, and the tables that the ledger lives in."""
