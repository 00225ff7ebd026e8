"""The words of rotator as types: what was seen, what to keep alive, what to do about it, and how it ended.

Everything is frozen, every moment an aware UTC datetime, and private keys never show in a `repr`.
"""

from rotator.core.crlreason import RevocationReason
from rotator.core.model.accounts import IssuerAccount
from rotator.core.model.campaigns import Campaign, CampaignStatus, Member, MemberStatus, Old
from rotator.core.model.certificates import Bundle, Certificate, Chain
from rotator.core.model.clocks import PeerClock
from rotator.core.model.decisions import AdoptionProblem, Decision, Facts, Inventory, Plan, SourceProblem
from rotator.core.model.history import Ask, Attempt, History, Order, Pause, Quarantine
from rotator.core.model.lookups import Caa, Revocation, RevocationState
from rotator.core.model.notices import Finding, Notice, NoticeKind, Severity
from rotator.core.model.observations import (
    Consumer,
    Evidence,
    KeyFacts,
    Observation,
    Owner,
    Problem,
    ProblemKind,
    Use,
)
from rotator.core.model.pins import Pins, TlsaMode, TlsaRecord, TlsaSet
from rotator.core.model.places import Endpoint, Handshake, Location, Sighting, SightingState
from rotator.core.model.preflight import Check, PreflightRequest
from rotator.core.model.rotations import Deployed, FleetHistory, IssueRequest, Outcome, Snapshot, Verification
from rotator.core.model.specs import (
    CertificateSpec,
    KeySpec,
    MaintenanceWindow,
    Mode,
    Suggestion,
    TargetSpec,
    TrustKind,
    TrustSpec,
)
from rotator.core.model.words import Action, Result, Stage, Violation

__all__ = [
    "Action",
    "AdoptionProblem",
    "Ask",
    "Attempt",
    "Bundle",
    "Caa",
    "Campaign",
    "CampaignStatus",
    "Certificate",
    "CertificateSpec",
    "Chain",
    "Check",
    "Consumer",
    "Decision",
    "Deployed",
    "Endpoint",
    "Evidence",
    "Facts",
    "Finding",
    "FleetHistory",
    "Handshake",
    "History",
    "Inventory",
    "IssueRequest",
    "IssuerAccount",
    "KeyFacts",
    "KeySpec",
    "Location",
    "MaintenanceWindow",
    "Member",
    "MemberStatus",
    "Mode",
    "Notice",
    "NoticeKind",
    "Observation",
    "Old",
    "Order",
    "Outcome",
    "Owner",
    "Pause",
    "PeerClock",
    "Pins",
    "Plan",
    "PreflightRequest",
    "Problem",
    "ProblemKind",
    "Quarantine",
    "Result",
    "Revocation",
    "RevocationReason",
    "RevocationState",
    "Severity",
    "Sighting",
    "SightingState",
    "Snapshot",
    "SourceProblem",
    "Stage",
    "Suggestion",
    "TargetSpec",
    "TlsaMode",
    "TlsaRecord",
    "TlsaSet",
    "TrustKind",
    "TrustSpec",
    "Use",
    "Verification",
    "Violation",
]
