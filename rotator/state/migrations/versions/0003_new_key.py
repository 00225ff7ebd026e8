"""A person may ask for a new key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("standing", sa.Column("ask_new_key", sa.Boolean))
