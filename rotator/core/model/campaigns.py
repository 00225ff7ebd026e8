"""Campaigns: many certificates replaced because of one cause, and what has become of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.crlreason import RevocationReason
from rotator.core.model.certificates import Certificate


class CampaignStatus(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  # asks for nothing new and revokes nothing
    DONE = "done"  # nothing is left to do
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        return self in {CampaignStatus.RUNNING, CampaignStatus.PAUSED}


class MemberStatus(StrEnum):
    """What has become of one certificate of a campaign, as the last look saw it."""

    WAITING = "waiting"  # its turn has not come, or something holds it back
    ASKED = "asked"  # its renewal was asked for
    ISSUED = "issued"  # there is a new one; not every place holds it
    ROTATED = "rotated"  # every place holds it; not every endpoint is known to show it
    PROVED = "proved"  # every endpoint shows the new one
    REVOKED = "revoked"  # and its old ones are revoked
    FAILED = "failed"  # the last try failed; it is tried again
    SKIPPED = "skipped"  # it cannot be done as it is configured


@dataclass(frozen=True, slots=True)
class Old:
    """A certificate that a campaign replaces.

    Attributes:
        issuer: who signed it, by the config's name; empty where nobody knows.
        revoked_at: when it was revoked; None while it is not.
        error: why the last try to revoke it failed; empty when it did not.
        tries: how often that has failed in a row.
        retry_at: when it is tried again.
    """

    certificate: Certificate
    issuer: str
    revoked_at: datetime | None = None
    error: str = ""
    tries: int = 0
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One certificate of a campaign.

    Attributes:
        position: its turn, from 1; the most exposed come first.
        why: what holds it where it is, in a clause.
        asked_at: when its renewal was asked for; None while it was not.
        since: when its status began.
        old: what is replaced, known from the moment that it was asked for.
    """

    certificate: str
    position: int
    status: MemberStatus = MemberStatus.WAITING
    why: str = ""
    asked_at: datetime | None = None
    since: datetime | None = None
    old: tuple[Old, ...] = ()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign: certificates that are all to be replaced, and why.

    Attributes:
        issuer: whose certificates are replaced; empty for a campaign by name alone.
        match: a glob on names; empty for all.
        away: the new ones come from another issuer of each list, also after its end, until it is cancelled.
        revoke: the old ones are revoked once the new ones are proved.
        revoke_unproved: also where no endpoint is known that could prove it.
        by: who asked for it.
        deadline: when all should be done; None where nobody said.
        ended: when it was done or cancelled.
    """

    id: int
    issuer: str
    match: str
    reason: RevocationReason
    by: str
    began: datetime
    away: bool = False
    revoke: bool = False
    revoke_unproved: bool = False
    deadline: datetime | None = None
    status: CampaignStatus = CampaignStatus.RUNNING
    ended: datetime | None = None
    members: tuple[Member, ...] = ()

    @property
    def new_keys(self) -> bool:
        """Whether the old keys are known to others, so that none is used again (Baseline Requirements, 6.1.1.3)."""
        return self.reason in {RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE}

    @property
    def counts(self) -> Mapping[MemberStatus, int]:
        """How many members there are of each status."""
        return {status: sum(member.status is status for member in self.members) for status in MemberStatus}

    @property
    def avoided(self) -> str:
        """The issuer that nothing new is ordered from; empty where there is none."""
        return self.issuer if self.away and self.status is not CampaignStatus.CANCELLED else ""
