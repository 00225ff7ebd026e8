"""How often and how soon: backoff, gap, cap, redeploys, maintenance windows. Pure.

Each function answers with the moment from which its limit no longer holds, or None where it does not hold at all.
Moments of the past that lie more than a day ahead come from a clock that was wrong and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rotator.core.drift import is_ours
from rotator.core.lead import DAY, HOUR, MINUTE, gap, orders_a_day, redeploy_gap
from rotator.core.model import (
    Action,
    Ask,
    Attempt,
    Chain,
    Facts,
    Location,
    MaintenanceWindow,
    Result,
    Stage,
)
from rotator.core.reasons import Reason

STEPS = (MINUTE, 10 * MINUTE, 100 * MINUTE, DAY)
"""The waits after the first, second, third and every later failure in a row (as Let's Encrypt asks its clients)."""

SUCCESSES = frozenset({Result.DONE, Result.UNPROVED})
HARMS = frozenset({Result.ROLLED_BACK, Result.STRANDED})
ISSUED = "issued"
BACKDATED = HOUR
"""How far back public CAs date the beginning of what they sign."""


# ---------------------------------------------------------------- what a person asked for


def open_ask(facts: Facts) -> Ask | None:
    """A person's `rotate` that was not yet answered: one ask is one certificate, whatever becomes of it.

    Without force it speaks of what is due today, and lapses after a day.
    """
    ask = facts.history.ask
    if ask is None or ask.at > facts.now + DAY or (not ask.force and facts.now - ask.at > DAY):
        return None
    ended = any(attempt.at >= ask.at and attempt.result in SUCCESSES for attempt in facts.history.attempts)
    ordered = any(order.at >= ask.at and order.result == ISSUED for order in facts.history.orders)
    return None if ended or ordered else ask


# ---------------------------------------------------------------- backoff


def failures(facts: Facts, *, deploying_only: bool = False) -> tuple[Attempt, ...]:
    """Failed attempts in a row, newest first; a success, another digest or a person's `rotate` ends the row.

    An attempt that a person has since approved did not fail. A redeploy is not held back by an issuer's failures.
    """
    lifted = facts.history.approvals | facts.spec.allow
    asked_at = _asked_at(facts)
    digest = facts.spec.digest
    row: list[Attempt] = []
    for attempt in reversed(facts.history.attempts):
        if attempt.at > facts.now + DAY:
            continue
        over = attempt.result in SUCCESSES or attempt.digest != digest
        if over or (asked_at is not None and attempt.at < asked_at):
            break
        approved = bool(attempt.violations) and all(v.reason in lifted for v in attempt.violations)
        issuing = attempt.stage in {Stage.ISSUE, Stage.VALIDATE}
        counts = attempt.result is not Result.PENDING and not approved
        if counts and not (deploying_only and issuing):
            row.append(attempt)
    return tuple(row)


def backoff_until(facts: Facts, ends: datetime | None, *, deploying_only: bool = False) -> datetime | None:
    """When the next attempt may be made: 1, 10, 100 minutes, then a day after the last one.

    Never more than a tenth of what was left at the failure, and never less than a minute. An error that is permanent
    for every issuer of the list waits the longest step at once. A moment that the issuer names is waited for beyond
    the tenth, up to half of what is left (an hour at least), so that a wrong header cannot cost the certificate. A
    person's `rotate` waits for none of it, also not for an order in flight.

    Args:
        ends: when what is served ends; None where nothing is.
    """
    waiting, asked_at = None if deploying_only else _pending(facts), _asked_at(facts)
    if waiting is not None and waiting.at <= facts.now + DAY and (asked_at is None or asked_at <= waiting.at):
        return _after(facts, waiting, _named(waiting, ends) or MINUTE)
    row = failures(facts, deploying_only=deploying_only)
    if not row:
        return None
    last, another = row[0], _another_issuer(facts)
    step = STEPS[-1] if last.permanent and not another else STEPS[min(len(row), len(STEPS)) - 1]
    if ends is not None:
        step = min(step, max(MINUTE, (ends - last.at) / 10))
    named = None if another else _named(last, ends)
    return _after(facts, last, max(step, named) if named else step)


def _asked_at(facts: Facts) -> datetime | None:
    """When a person last asked for it; a moment that only a clock which ran ahead can have set is none."""
    ask = facts.history.ask
    return ask.at if ask is not None and ask.at <= facts.now + DAY else None


def resumes(facts: Facts) -> bool:
    """Whether a renewal carries on what was begun: a pending order, or a received bundle of this very spec."""
    if _pending(facts) is not None:
        return True
    known = [order for order in facts.history.orders if order.result in {ISSUED, "pending"}]
    return facts.history.received and (not known or known[-1].digest == facts.spec.digest)


def _pending(facts: Facts) -> Attempt | None:
    newest = facts.history.attempts[-1] if facts.history.attempts else None
    if newest is None or newest.result is not Result.PENDING or newest.digest != facts.spec.digest:
        return None
    return newest


def _after(facts: Facts, attempt: Attempt, wait: timedelta) -> datetime | None:
    until = attempt.at + wait
    return until if facts.now < until else None


def _named(attempt: Attempt, ends: datetime | None) -> timedelta | None:
    """The wait that the issuer named, bounded."""
    if attempt.retry_at is None:
        return None
    named = attempt.retry_at - attempt.at
    return named if ends is None else min(named, max(HOUR, (ends - attempt.at) / 2))


def _another_issuer(facts: Facts) -> bool:
    """Whether the list has an issuer that neither refused for good today nor asked to be left alone until later.

    What is delegated to an owner has no other.
    """
    if facts.history.attempts and facts.history.attempts[-1].action is Action.DELEGATE:
        return False
    refused = {
        attempt.issuer
        for attempt in failures(facts)
        if (attempt.permanent and facts.now - attempt.at < DAY)
        or (attempt.retry_at is not None and facts.now < attempt.retry_at)
    }
    # One rotation may have asked several, of which the attempt names the last.
    refused |= {
        order.issuer
        for order in facts.history.orders
        if order.result == "failed"
        and order.digest == facts.spec.digest
        and ((order.permanent and facts.now - order.at < DAY) or (order.retry_at or order.at) > facts.now)
    }
    return "" not in refused and bool(set(facts.spec.issuers) - refused)


# ---------------------------------------------------------------- gap and cap


def gap_until(facts: Facts, chain: Chain | None, lead: timedelta) -> datetime | None:
    """The end of the gap after the last issuance for this digest; None when it is over.

    The certificate's own beginning counts as an issuance, so that lost state does not forget one.
    """
    lifetime, digest = chain.lifetime if chain else facts.spec.lifetime, facts.spec.digest
    own = gap(lifetime, lead)
    done = (order for order in facts.history.orders if order.result == ISSUED and order.digest == digest)
    ends = [order.at + own for order in done if order.at <= facts.now + DAY]
    if chain is not None and not _known_of_another_digest(facts, chain) and chain.not_before <= facts.now + DAY:
        ends.append(chain.not_before + own)
        if (told := untold_until(facts, chain)) is not None:
            due = chain.lifetime - lead - lead / 20  # at the earliest; an ordinary renewal is not held
            ends.append(min(told, chain.not_before + min(DAY + BACKDATED, due)))
    until = max(ends, default=None)
    return until if until is not None and facts.now < until else None


def untold_until(facts: Facts, chain: Chain) -> datetime | None:
    """Until when nobody can tell whether a chain came of an order that was lost with the ledger; None where one can.

    It can be told of a chain that rotator accepted, of one that is younger than the ledger, and of any as soon as the
    ledger has a whole day, the time over which orders are capped. Until then orders may have been placed that the cap
    does not count, and the gap may have been skipped already.
    """
    since = facts.history.ledger_since or facts.now
    if is_ours(facts, chain) or since <= chain.not_before or facts.now >= since + DAY:
        return None
    return since + DAY


def _known_of_another_digest(facts: Facts, chain: Chain) -> bool:
    return is_ours(facts, chain) and facts.history.accepted_digest not in {"", facts.spec.digest}


def gap_was_skipped(facts: Facts) -> bool:
    """Whether the gap was skipped since the last normal issuance."""
    issued = [order for order in facts.history.orders if order.result == ISSUED]
    return bool(issued) and issued[-1].skipped_gap


def cap_until(facts: Facts, chain: Chain | None, lead: timedelta) -> datetime | None:
    """When a day's orders have room for one more; None when they have it now.

    Failed and unknown orders count as much as successful ones. Fresh certificates that the ledger does not know of
    (another state, a hand) count as orders too.
    """
    since = facts.now - DAY
    placed = [order for order in facts.history.orders if since < order.at <= facts.now + DAY]
    issued = sum(order.result == ISSUED for order in placed)
    fresh = sorted(_fresh(facts, since))
    moments = sorted([*(order.at for order in placed), *fresh[issued:]])
    over = len(moments) - orders_a_day(chain.lifetime if chain else facts.spec.lifetime, lead)
    return None if over < 0 else moments[over] + DAY


def _fresh(facts: Facts, since: datetime) -> Iterable[datetime]:
    held = (observation.chain for observation in facts.installed.values())
    chains = {c.fingerprint: c for c in (facts.newest, facts.history.accepted, *held) if c is not None}
    return (c.not_before for c in chains.values() if since < c.not_before <= facts.now + DAY)


def redeploy_until(facts: Facts, place: Location, chain: Chain, lead: timedelta) -> tuple[datetime, Reason] | None:
    """When a place may be written again without a new issuance, and by `gap` or `cap`; None when it may be now."""
    since = facts.now - DAY
    moments = sorted(at for at in facts.history.redeploys.get(place, ()) if since < at <= facts.now + DAY)
    over = len(moments) - orders_a_day(chain.lifetime, lead)
    if over >= 0:
        return moments[over] + DAY, Reason.CAP
    if moments and facts.now < moments[-1] + redeploy_gap(lead):
        return moments[-1] + redeploy_gap(lead), Reason.GAP
    return None


# ---------------------------------------------------------------- maintenance windows


def is_open(windows: Sequence[MaintenanceWindow], now: datetime) -> bool:
    """Whether changes are allowed now: in any of the windows, or where there are none."""
    return not windows or any(start <= now < start + window.length for window, start in _starts(windows, now))


def next_opening(windows: Sequence[MaintenanceWindow], now: datetime) -> datetime | None:
    """When the next window opens; None when none ever does."""
    return min((start for _, start in _starts(windows, now) if start > now), default=None)


def _starts(windows: Sequence[MaintenanceWindow], now: datetime) -> Iterable[tuple[MaintenanceWindow, datetime]]:
    """Every opening from a week ago (a window may be that long) to a week ahead."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for window in windows:
        for days in range(-7, 8):
            day = midnight + timedelta(days=days)
            if day.weekday() in window.weekdays:
                yield window, day + timedelta(minutes=window.start_minute)
