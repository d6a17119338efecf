"""The schema: tables that are a cache of the log, card data, and the log itself, append-only.

0001 was 0.1.0's, where rows decided; its homes are not taken over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = None

_APPEND_ONLY = ("ledger_entry", "ledger_checkpoint")


def upgrade() -> None:
    """Make every table, then the triggers."""
    _people_and_keys()
    _production()
    _ledger()
    for table in _APPEND_ONLY:
        _forbid_change(table)


def downgrade() -> None:
    """Drop everything; only an empty trial database is ever taken back past its first version."""
    for table in (
        "ledger_snapshot",
        "ledger_payload",
        "ledger_checkpoint",
        "ledger_entry",
        "approval",
        "card_job",
        "batch",
        "issuer",
        "key_record",
        "person",
        "site",
    ):
        op.drop_table(table)


def _people_and_keys() -> None:
    op.create_table(
        "site",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("ca_certificate", sa.Text, nullable=False),
        sa.Column("recipient_certificate", sa.Text, nullable=False),
        sa.Column("log_verifier", sa.Text, nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "person",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),
    )
    op.create_table(
        "key_record",
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("usage", sa.String(64), nullable=False),
        sa.Column("algorithm", sa.String(64), nullable=False),
        sa.Column("kcv", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
    )


def _production() -> None:
    op.create_table(
        "issuer",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("certificate", sa.Text),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("place", sa.Integer, nullable=False, unique=True),
        sa.Column("issuer", sa.String(64), sa.ForeignKey("issuer.name"), nullable=False),
        sa.Column("file_reference", sa.String(64), nullable=False),
        sa.Column("product", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("records", sa.String(64), nullable=False),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("scripts", sa.String(64), nullable=False),
        sa.Column("retention", sa.String(128), nullable=False),
        sa.Column("seed", sa.LargeBinary),
    )
    op.create_table(
        "approval",
        sa.Column("batch_id", sa.String(32), sa.ForeignKey("batch.id"), primary_key=True),
        sa.Column("person", sa.String(64), sa.ForeignKey("person.name"), primary_key=True),
        sa.Column("statement", sa.Text, nullable=False),
    )
    op.create_table(
        "card_job",
        sa.Column("batch_id", sa.String(32), sa.ForeignKey("batch.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("display", sa.String(32), nullable=False),
        sa.Column("pseudonym", sa.String(32), nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("script", sa.LargeBinary),
        sa.Column("script_digest", sa.LargeBinary),
        sa.Column("station", sa.String(64)),
        sa.Column("card_serial", sa.String(20)),
        sa.Column("reason", sa.Text),
    )
    op.create_index("ix_card_job_pseudonym", "card_job", ["pseudonym"])


def _ledger() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_payload",
        sa.Column("index", sa.Integer, sa.ForeignKey("ledger_entry.index"), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger_snapshot",
        sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )


def _forbid_change(table: str) -> None:
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
