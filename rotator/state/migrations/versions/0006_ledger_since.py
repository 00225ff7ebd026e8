"""When the state's first plan was kept: since then its ledger tells of every order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plans", sa.Column("began", sa.DateTime(timezone=True)))
    # What was in use before is as old as the first thing that it wrote down.
    op.execute("UPDATE plans SET began = COALESCE((SELECT MIN(at) FROM audit), at)")
