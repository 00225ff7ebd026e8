"""The ports: what rotator asks of sources, issuers, targets, alerters and the store.

A plugin is one class in one module. Its `Settings` are what the operator writes under its kind; it is built as
`Class(name, settings, …)` by `rotator.plugins`. Conformance suites for each port are in `rotator.conformance`.
"""

from __future__ import annotations

from rotator.core.model import FleetHistory
from rotator.lib.clock import Clock
from rotator.ports.plugins import (
    Alerter,
    Anchors,
    AsksOwner,
    HasAccount,
    HasBudget,
    HasPeers,
    Issuer,
    Keep,
    NamedInCaa,
    Preflight,
    Prober,
    Rehearses,
    RestartsWorkloads,
    Revokes,
    RootsAtHand,
    Source,
    SuggestsRenewal,
    Target,
    TargetFactory,
    TellsExempt,
)
from rotator.ports.store import (
    AuditEntry,
    Issued,
    NoticeState,
    OrderEnd,
    PendingIssue,
    Progress,
    Request,
    Revoked,
    Store,
    StoredBundle,
)

__all__ = [
    "Alerter",
    "Anchors",
    "AsksOwner",
    "AuditEntry",
    "Clock",
    "FleetHistory",
    "HasAccount",
    "HasBudget",
    "HasPeers",
    "Issued",
    "Issuer",
    "Keep",
    "NamedInCaa",
    "NoticeState",
    "OrderEnd",
    "PendingIssue",
    "Preflight",
    "Prober",
    "Progress",
    "Rehearses",
    "Request",
    "RestartsWorkloads",
    "Revoked",
    "Revokes",
    "RootsAtHand",
    "Source",
    "Store",
    "StoredBundle",
    "SuggestsRenewal",
    "Target",
    "TargetFactory",
    "TellsExempt",
]
