"""What Alembic runs: every step in the transaction of the connection that `rotator.state.migrate` gives.

A new step is a file `versions/NNNN_what.py` written by hand; a test compares its result with `rotator.state.tables`.
"""

from __future__ import annotations

from alembic import context

from rotator.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, when the transaction was begun by hand: a step happens whole or not at all
)
with context.begin_transaction():
    context.run_migrations()
