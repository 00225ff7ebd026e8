"""A bundle that did harm at a place: held there, but for one more try when expiry would be the worse outage. Pure."""

from __future__ import annotations

from datetime import datetime

from rotator.core.drift import needing, quarantined_places, quarantines
from rotator.core.lead import HOUR, PolicySettings
from rotator.core.limits import HARMS, SUCCESSES
from rotator.core.model import Action, Attempt, Facts, Quarantine
from rotator.core.pem import moment
from rotator.core.reasons import Reason
from rotator.core.wanted import DEAD, Held, Wanted, approve_command, next_look


def quarantined(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """A bundle that did harm is neither put there again nor ordered anew, but for one try past the emergency line."""
    standing = _holding(facts, settings, wanted)
    if not standing:
        return None
    message = f"it did harm at {', '.join(sorted({str(q.location) for q in standing}))} and was put back"
    at, retry = next_look(facts, settings), last_try_at(facts, wanted, standing)
    if retry is not None and retry <= facts.now:
        return None
    if retry is not None:
        message, at = f"{message}; it is tried once more at {moment(retry)}, when expiry would be worse", retry
    return Held(Action.HOLD, Reason.QUARANTINED, message, at, approve_command(facts))


def _holding(facts: Facts, settings: PolicySettings, wanted: Wanted) -> tuple[Quarantine, ...]:
    """The quarantines that stand in the way; a redeploy goes on at places that were not harmed."""
    standing = quarantines(facts, settings)
    if wanted.renews:
        return standing
    harmed = quarantined_places(facts, settings)
    about = needing(facts, settings, wanted.reason)
    if not about or any(place not in harmed for place in about):
        return ()
    return tuple(q for q in standing if q.location in about)


def last_try_at(facts: Facts, wanted: Wanted, standing: tuple[Quarantine, ...]) -> datetime | None:
    """When the one more try is made: past the emergency line, and an hour after it could first be announced.

    None when it was made already: a harm past the line that was not the first one.
    """
    line = wanted.line
    dead = [facts.history.seen_since.get(reason, facts.now) for reason in wanted.reasons & DEAD]
    if dead:
        line = min([*dead, *([line] if line else [])])
    if line is None:
        return None
    harms = _harms_in_a_row(facts)
    before = len(harms) + any(quarantine.by_hand for quarantine in standing)
    if before > 1 and harms and harms[0].at >= line:
        return None
    announced = [since + HOUR for since in dead] + [max(quarantine.since for quarantine in standing) + HOUR]
    return max(line, *announced)


def _harms_in_a_row(facts: Facts) -> list[Attempt]:
    """Attempts that did harm since the last success, newest first; a person's `rotate` does not forget them."""
    row: list[Attempt] = []
    for attempt in reversed(facts.history.attempts):
        if attempt.result in SUCCESSES or attempt.digest != facts.spec.digest:
            break
        if attempt.result in HARMS:
            row.append(attempt)
    return row
