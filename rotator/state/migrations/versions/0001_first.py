"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _certificates()
    _joins_and_seen()
    _issuing()
    _bundles()
    _deploying()
    _recording()
    _append_only("audit")
    _planning()
    _people()
    _telling()


def _certificates() -> None:
    op.create_table(
        "locks",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("store", sa.String(32), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("born", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("certificate", name="pk_locks"),
    )
    op.create_table(
        "standing",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("pinned_root", sa.String(64)),
        sa.Column("pinned_at", MOMENT),
        sa.Column("held_by_hand", sa.Text),
        sa.Column("held_at", MOMENT),
        sa.Column("asked_at", MOMENT),
        sa.Column("ask_force", sa.Boolean),
        sa.Column("ask_reason", sa.Text),
        sa.Column("foreseen_at", MOMENT),
        sa.PrimaryKeyConstraint("certificate", name="pk_standing"),
    )
    op.create_table(
        "adopted",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("retired_at", MOMENT),
        sa.PrimaryKeyConstraint("certificate", name="pk_adopted"),
    )


def _joins_and_seen() -> None:
    op.create_table(
        "joins",
        sa.Column("host", sa.String, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("server_name", sa.String, nullable=False),
        sa.Column("starttls", sa.String(32), nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("host", "port", "server_name", "starttls", name="pk_joins"),
    )
    op.create_index("ix_joins_certificate", "joins", ["certificate"])
    op.create_table(
        "seen",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("certificate", "reason", name="pk_seen"),
    )


def _issuing() -> None:
    op.create_table(
        "pending",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("csr", sa.LargeBinary, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("checkpoint", sa.Text),
        sa.Column("started", MOMENT),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.PrimaryKeyConstraint("certificate", name="pk_pending"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("names", sa.JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("permanent", sa.Boolean, nullable=False),
        sa.Column("skipped_gap", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_index("ix_orders_at", "orders", ["at"])
    op.create_index("ix_orders_certificate_result", "orders", ["certificate", "result"])


def _bundles() -> None:
    op.create_table(
        "bundles",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("chain", sa.JSON, nullable=False),
        sa.Column("ends", MOMENT, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_bundles"),
        sa.UniqueConstraint("certificate", "fingerprint", name="uq_bundles_certificate_fingerprint"),
    )


def _deploying() -> None:
    op.create_table(
        "progress",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("started", MOMENT, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("undoing", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("certificate", name="pk_progress"),
    )
    op.create_table(
        "snapshots",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("system", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("observation", sa.JSON, nullable=False),
        sa.Column("written", sa.Integer),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.ForeignKeyConstraint(
            ["certificate"], ["progress.certificate"], name="fk_snapshots_progress", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("certificate", "system", "address", name="pk_snapshots"),
    )
    op.create_table(
        "quarantines",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("system", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("by_hand", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("certificate", "system", "address", "fingerprint", name="pk_quarantines"),
    )


def _recording() -> None:
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(32)),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("issued", sa.Boolean, nullable=False),
        sa.Column("permanent", sa.Boolean, nullable=False),
        sa.Column("retry_at", MOMENT),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("finished", MOMENT, nullable=False),
        sa.Column("violations", sa.JSON, nullable=False),
        sa.Column("redeployed", sa.JSON, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outcomes"),
    )
    op.create_index("ix_outcomes_certificate_finished", "outcomes", ["certificate", "finished"])
    op.create_index("ix_outcomes_finished", "outcomes", ["finished"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def _planning() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("first", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
    )
    op.create_table(
        "decisions",
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_decisions"),
    )
    op.create_index("ix_decisions_certificate", "decisions", ["certificate"])
    op.create_table(
        "looks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
    )


def _people() -> None:
    op.create_table(
        "approvals",
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.PrimaryKeyConstraint("certificate", "reason", name="pk_approvals"),
    )
    op.create_table(
        "pauses",
        sa.Column("match", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.PrimaryKeyConstraint("match", name="pk_pauses"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("verb", sa.String(64), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("finished", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )


def _telling() -> None:
    op.create_table(
        "notices",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("notice", sa.JSON, nullable=False),
        sa.Column("first_sent", MOMENT),
        sa.Column("last_sent", MOMENT),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("receipts", sa.JSON, nullable=False),
        sa.Column("undelivered", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_notices"),
    )
    op.create_table(
        "drawers",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.PrimaryKeyConstraint("key", name="pk_drawers"),
    )


def _append_only(table: str) -> None:
    """Refuse to rewrite what was written, whoever tries (triggers as SQLite writes them)."""
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the {table} is append-only'); END"
        )
