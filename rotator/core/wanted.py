"""A change that should be made, and what holds it back: the types between the checks and the holds. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.lead import PolicySettings
from rotator.core.model import Action, Chain, Facts
from rotator.core.reasons import Reason

DEAD = frozenset({Reason.EXPIRED, Reason.REVOKED, Reason.KEY_LOST})
"""What counts as past the emergency line whatever the dates say."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that should be made, before anything holds it back.

    Attributes:
        reasons: everything that calls for it and is confirmed.
        confirmed: `reason` was seen in two looks, or one is enough.
        chain: the current chain; None when there is none.
        lead: its lead, or that of the lifetime asked for; zero when neither is known.
        ends: when what is at stake ends; None when nothing is there.
        line: its emergency line; None when nothing is there.
        emergency: past that line.
        resumes: a received bundle or a pending order is carried on.
    """

    action: Action
    reason: Reason
    message: str
    reasons: frozenset[Reason]
    confirmed: bool
    chain: Chain | None
    lead: timedelta
    ends: datetime | None
    line: datetime | None
    emergency: bool
    resumes: bool

    @property
    def renews(self) -> bool:
        """Whether it ends with a new certificate, of an issuer of ours or of the owner that is asked."""
        return self.action in {Action.RENEW, Action.DELEGATE}

    @property
    def orders(self) -> bool:
        """Whether carrying it out places an order."""
        return self.renews and not self.resumes


@dataclass(frozen=True, slots=True)
class Held:
    """Why a wanted change is not made now, who changes that, and when it is looked at again."""

    action: Action
    reason: Reason
    message: str
    at: datetime
    command: str = ""


Hold = Callable[[Facts, PolicySettings, Wanted], Held | None]


def until_line(wanted: Wanted, at: datetime, facts: Facts) -> datetime:
    """A moment, or the emergency line where that comes first: past it the hold is judged anew."""
    if wanted.line is None or wanted.line <= facts.now:
        return at
    return min(at, wanted.line)


def next_look(facts: Facts, settings: PolicySettings) -> datetime:
    return facts.now + settings.check_every


def approve_command(facts: Facts) -> str:
    """What a person runs to let a held change through."""
    return f"rotator approve {facts.spec.name}"
