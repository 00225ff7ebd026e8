"""Where a certificate stands: what a look, its decision and the outcomes since say together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from types import MappingProxyType

from rotator.core.lead import DAY, HOUR
from rotator.core.model import Action, Attempt, Chain, Decision, Facts, Outcome, Result, Severity, Sighting
from rotator.core.reasons import Reason


class Urgency(IntEnum):
    """How much of the lead of a certificate is used up, for what is served as well as for what is stored."""

    CALM = 0  # not due yet, or due and less than a quarter of the lead gone
    LATE = 1  # a quarter of the lead is gone
    HALF = 2  # half of it is gone
    EMERGENCY = 3  # past the emergency line
    BROKEN = 4  # what is served is expired, revoked, or has lost its key


REPEAT_EVERY: Mapping[Severity, timedelta] = MappingProxyType(
    {Severity.INFO: 30 * DAY, Severity.WARNING: 3 * DAY, Severity.ERROR: DAY, Severity.CRITICAL: 4 * HOUR}
)


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """When something is told, and how often again.

    Attributes:
        repeat_every: how long a notice that stays open is not told again, by severity.
        tries: failed tries from which a certificate is failing.
        failing_for: the time from which it is, however few the tries.
        in_flight: how long a rotation that the plan starts may take before its certificate counts as late.
        unreadable_for: how long a source may be unreadable before that is more than an info.
    """

    repeat_every: Mapping[Severity, timedelta] = field(default_factory=lambda: REPEAT_EVERY)
    tries: int = 4
    failing_for: timedelta = DAY
    in_flight: timedelta = HOUR
    unreadable_for: timedelta = HOUR


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one certificate stands now: the look, its decision, and what ended since, oldest first."""

    decision: Decision
    facts: Facts
    outcomes: tuple[Outcome, ...]
    now: datetime
    settings: NoticeSettings

    @property
    def name(self) -> str:
        return self.decision.spec.name

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt, newest last; an outcome that the history has already is not counted twice."""
        known = self.facts.history.attempts
        newest = known[-1].at if known else None
        later = (outcome for outcome in self.outcomes if newest is None or outcome.finished > newest)
        return (*known, *(_attempt(outcome) for outcome in later))

    @property
    def failed_tries(self) -> tuple[Attempt, ...]:
        """The failed attempts since the last success, oldest first."""
        failed: list[Attempt] = []
        for attempt in self.attempts:
            if attempt.result in {Result.DONE, Result.UNPROVED}:
                failed.clear()
            elif attempt.result is Result.FAILED:
                failed.append(attempt)
        return tuple(failed)

    @property
    def latest(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def deployed(self) -> Outcome | None:
        """The outcome that has put a new chain in place since the look; the plan knows nothing of it."""
        good = [
            one
            for one in self.outcomes
            if one.result in {Result.DONE, Result.UNPROVED} and one.finished >= self.facts.now
        ]
        return good[-1] if good else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: the look says so, or what ended since."""
        return self.deployed is not None or self.decision.action is Action.KEEP

    @property
    def newest(self) -> Chain | None:
        return self.deployed.after if self.deployed and self.deployed.after else self.facts.newest

    @property
    def served(self) -> tuple[Sighting, ...]:
        if self.deployed is not None and self.deployed.verification.after:
            return self.deployed.verification.after
        return tuple(sighting for sightings in self.facts.served.values() for sighting in sightings)

    @property
    def stale(self) -> tuple[Sighting, ...]:
        """Addresses that show another certificate than the current one."""
        newest = self.newest
        return tuple(s for s in self.served if newest and s.state.up and s.fingerprint != newest.fingerprint)

    @property
    def ends(self) -> datetime | None:
        """The first end of all that is current or served: what is still served hurts first."""
        ends = [sighting.chain.not_after for sighting in self.served if sighting.chain is not None]
        current = self.newest.not_after if self.newest else self.decision.ends
        return min([*ends, current] if current else ends, default=None)

    @property
    def urgency(self) -> Urgency:
        if self._broken:
            return Urgency.BROKEN
        if self.decision.emergency and self.deployed is None:
            return Urgency.EMERGENCY
        if self.ends is None or self.decision.lead is None:
            return Urgency.CALM
        remaining = self.ends - self.now
        if remaining <= self.decision.lead / 2:
            return Urgency.HALF
        return Urgency.LATE if remaining <= self.decision.lead * 3 / 4 else Urgency.CALM

    @property
    def _broken(self) -> bool:
        if any(sighting.chain is not None and sighting.chain.not_after <= self.now for sighting in self.served):
            return True
        if self.over:
            return False
        why = {self.decision.reason, self.decision.because}
        if Reason.KEY_LOST in why:
            return any(sighting.state.up for sighting in self.served)
        if not why & {Reason.EXPIRED, Reason.REVOKED}:
            return False
        newest = self.newest
        # Where no endpoint is known, what is stored is taken to be served.
        return not self.served or any(newest and s.fingerprint == newest.fingerprint for s in self.served)


def _attempt(outcome: Outcome) -> Attempt:
    decision = outcome.decision
    return Attempt(
        at=outcome.finished,
        action=decision.action,
        reason=decision.reason,
        digest=decision.spec.digest,
        result=outcome.result,
        stage=outcome.stage,
        issuer=outcome.issuer,
        issued=outcome.issued,
        retry_at=outcome.retry_at,
        permanent=outcome.permanent,
        error=outcome.error,
    )
