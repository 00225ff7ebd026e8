"""What rotator had revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_revocations"),
    )
    op.create_index("ix_revocations_certificate", "revocations", ["certificate"])
