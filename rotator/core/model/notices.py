"""Findings and what is told to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.model.places import Location


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit rule says of an observation.

    Attributes:
        about: which part of the place (a certificate's subject, a consumer), where one rule may say several things of
            it; the same before and after a renewal, since it tells one finding from another over time.
        place: what the place is called over time: an endpoint without the address that its name led to, a file without
            the host it was found on.
    """

    rule: str
    severity: Severity
    location: Location
    message: str
    remedy: str = ""
    about: str = ""
    place: str = ""


class NoticeKind(StrEnum):
    """What a notice is about; the same words in logs, metrics, routes and docs."""

    DIGEST = "digest"  # the one message of a first look
    LATE = "late"
    FAILING = "failing"
    ROLLED_BACK = "rolled-back"
    STRANDED = "stranded"
    NOT_RELOADED = "not-reloaded"
    REPLACED_BY_HAND = "replaced-by-hand"
    HELD = "held"
    UNMANAGED_EXPIRING = "unmanaged-expiring"
    SOURCE_UNREADABLE = "source-unreadable"
    PREFLIGHT_FAILED = "preflight-failed"
    BUDGET_SHORT = "budget-short"
    CAMPAIGN = "campaign"
    PAUSED = "paused"
    CLOCK_SKEWED = "clock-skewed"
    RETIRED = "retired"
    ALERTER_FAILED = "alerter-failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing worth telling a person.

    Attributes:
        key: stable; the dedup key at the pager. Never with an attempt, time or serial in it.
        subjects: names of the certificates or places it is about.
        since: when it began.
        command: what the person may run.
        resolved: it is over.
    """

    key: str
    kind: NoticeKind
    severity: Severity
    title: str
    detail: str
    since: datetime
    owner: str = ""
    subjects: tuple[str, ...] = ()
    command: str = ""
    runbook: str = ""
    resolved: bool = False
