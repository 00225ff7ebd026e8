"""A new key that was asked for has a moment, so that a later `rotate` neither forgets it nor asks for another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("standing", sa.Column("ask_key_after", sa.DateTime(timezone=True)))
    op.execute("UPDATE standing SET ask_key_after = asked_at WHERE ask_new_key")
    op.drop_column("standing", "ask_new_key")
