"""The tables of the state, as SQLAlchemy sees them; `migrations/` makes them.

Columns hold what is searched by; a whole value of the model is a JSON document (`rotator.state.serial`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from rotator.state.columns import Moment, sealed

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"

FLEET = "*"
"""Stands for all certificates where a row names one."""


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# ---------------------------------------------------------------- certificates

locks = Table(
    "locks",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("store", String(32), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("born", String(32), nullable=False),
    Column("at", Moment, nullable=False),
)

# What stands about one certificate until something ends it.
standing = Table(
    "standing",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("pinned_root", String(64)),
    Column("pinned_at", Moment),
    Column("held_by_hand", Text),
    Column("held_at", Moment),
    Column("asked_at", Moment),
    Column("ask_force", Boolean),
    Column("ask_reason", Text),
    Column("ask_key_after", Moment),
    Column("foreseen_at", Moment),
)

adopted = Table(
    "adopted",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("spec", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Column("retired_at", Moment),
)

joins = Table(
    "joins",
    metadata,
    Column("host", String, primary_key=True),
    Column("port", Integer, primary_key=True),
    Column("server_name", String, primary_key=True),
    Column("starttls", String(32), primary_key=True),
    Column("certificate", String, nullable=False, index=True),
)

seen = Table(
    "seen",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("reason", String(64), primary_key=True),
    Column("since", Moment, nullable=False),
)

# ---------------------------------------------------------------- issuing

pending = Table(
    "pending",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("csr", LargeBinary, nullable=False),
    Column("issuer", String, nullable=False),
    Column("checkpoint", Text),
    Column("started", Moment),
    *sealed(),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("certificate", String, nullable=False),
    Column("issuer", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("names", JSON, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("result", String(32), nullable=False),
    Column("permanent", Boolean, nullable=False),
    Column("skipped_gap", Boolean, nullable=False),
    Column("renewal", Boolean, nullable=False, default=False),
    Column("exempt", Boolean, nullable=False, default=False),
    Column("failed_names", JSON, nullable=False, default=list),
    Column("limited", Boolean, nullable=False, default=False),
    Column("retry_at", Moment),
    Index(None, "certificate", "result"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("certificate", String, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("chain", JSON, nullable=False),
    Column("ends", Moment, nullable=False),
    Column("status", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("issuer", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("finished_at", Moment),
    *sealed(),
    UniqueConstraint("certificate", "fingerprint"),
)

# What rotator had revoked; it stays when the bundle itself is forgotten.
revocations = Table(
    "revocations",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("certificate", String, nullable=False, index=True),
    Column("issuer", String, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("at", Moment, nullable=False),
)

# ---------------------------------------------------------------- deploying

progress = Table(
    "progress",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("started", Moment, nullable=False),
    Column("before", JSON, nullable=False),
    Column("undoing", Boolean, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("certificate", ForeignKey("progress.certificate", ondelete="CASCADE"), primary_key=True),
    Column("system", String, primary_key=True),
    Column("address", String, primary_key=True),
    Column("observation", JSON, nullable=False),
    Column("written", Integer),
    *sealed(),
)

quarantines = Table(
    "quarantines",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("system", String, primary_key=True),
    Column("address", String, primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Column("by_hand", Boolean, nullable=False),
)

# ---------------------------------------------------------------- recording

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("certificate", String, nullable=False),
    Column("action", String(32), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("result", String(32), nullable=False),
    Column("stage", String(32)),
    Column("issuer", String, nullable=False),
    Column("issued", Boolean, nullable=False),
    Column("permanent", Boolean, nullable=False),
    Column("retry_at", Moment),
    Column("error", Text, nullable=False),
    Column("finished", Moment, nullable=False, index=True),
    Column("violations", JSON, nullable=False),
    Column("redeployed", JSON, nullable=False),
    Column("document", JSON, nullable=False),
    Index(None, "certificate", "finished"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("event", String(64), nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("detail", Text, nullable=False),
)

# The last plan: one row, and a row for each of its decisions; and when the first one of this state was kept.
plans = Table(
    "plans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("first", Boolean, nullable=False),
    Column("began", Moment),
)

decisions = Table(
    "decisions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("certificate", String, nullable=False, index=True),
    Column("document", JSON, nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("summary", Text, nullable=False),
)

# ---------------------------------------------------------------- people

approvals = Table(
    "approvals",
    metadata,
    Column("certificate", String, primary_key=True),
    Column("reason", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("until", Moment),
)

pauses = Table(
    "pauses",
    metadata,
    Column("match", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("verb", String(64), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String, nullable=False),
    Column("answer", Text, nullable=False),
    Column("finished", Moment),
)

# ---------------------------------------------------------------- campaigns

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("issuer", String, nullable=False),
    Column("match", String, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("by", String, nullable=False),
    Column("began", Moment, nullable=False),
    Column("away", Boolean, nullable=False),
    Column("revoke", Boolean, nullable=False),
    Column("revoke_unproved", Boolean, nullable=False),
    Column("deadline", Moment),
    Column("status", String(32), nullable=False),
    Column("ended", Moment),
)

members = Table(
    "members",
    metadata,
    Column("campaign", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("certificate", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_at", Moment),
    Column("since", Moment),
)

# What a member's renewal replaces, and whether it is revoked yet; written by another thread than the member itself.
replaced = Table(
    "replaced",
    metadata,
    Column("campaign", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("certificate", String, primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("issuer", String, nullable=False),
    Column("revoked_at", Moment),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("retry_at", Moment),
)

# ---------------------------------------------------------------- telling and keeping

notices = Table(
    "notices",
    metadata,
    Column("key", String, primary_key=True),
    Column("notice", JSON, nullable=False),
    Column("first_sent", Moment),
    Column("last_sent", Moment),
    Column("times", Integer, nullable=False),
    Column("receipts", JSON, nullable=False),
    Column("undelivered", JSON, nullable=False),
)

drawers = Table("drawers", metadata, Column("key", String, primary_key=True), *sealed())

SEALED = (pending, bundles, snapshots, drawers)
"""Tables with a sealed column."""
