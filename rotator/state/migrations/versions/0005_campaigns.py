"""Campaigns, their members, and what each replaces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("match", sa.String, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("began", MOMENT, nullable=False),
        sa.Column("away", sa.Boolean, nullable=False),
        sa.Column("revoke", sa.Boolean, nullable=False),
        sa.Column("revoke_unproved", sa.Boolean, nullable=False),
        sa.Column("deadline", MOMENT),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("ended", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
    )
    op.create_table(
        "members",
        sa.Column("campaign", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("asked_at", MOMENT),
        sa.Column("since", MOMENT),
        sa.PrimaryKeyConstraint("campaign", "certificate", name="pk_members"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_members_campaigns", ondelete="CASCADE"),
    )
    op.create_table(
        "replaced",
        sa.Column("campaign", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("retry_at", MOMENT),
        sa.PrimaryKeyConstraint("campaign", "certificate", "fingerprint", name="pk_replaced"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_replaced_campaigns", ondelete="CASCADE"),
    )
