"""What of an order its CA counts: renewals, successors, failed validations, refusals by a limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What is not known of the orders of the past counts in full.
    op.add_column("orders", sa.Column("renewal", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("exempt", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("failed_names", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("orders", sa.Column("limited", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("orders", sa.Column("retry_at", sa.DateTime(timezone=True)))
