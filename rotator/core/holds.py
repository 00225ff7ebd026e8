"""What holds a wanted change back: each check looks at the facts of one certificate and says who decides, and when.

Pure. The order of the checks, and what each makes sure of, stands in `rotator.core.policy`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.drift import needing, seen_places
from rotator.core.lead import PolicySettings, second_look_after, span
from rotator.core.limits import (
    backoff_until,
    cap_until,
    failures,
    gap_until,
    gap_was_skipped,
    is_open,
    next_opening,
    open_ask,
    redeploy_until,
    untold_until,
)
from rotator.core.model import Action, Facts, Mode, Stage, TlsaMode
from rotator.core.noticetext import run
from rotator.core.pem import moment
from rotator.core.pins import tlsa_problem
from rotator.core.reasons import Reason
from rotator.core.wanted import Held, Wanted, approve_command, next_look, until_line

RENEWING_OWNERS = frozenset({"cert-manager", "openshift", "openshift-service-ca"})
"""Owners that renew by themselves; with any other a person has to run something."""

GAP_SKIPPERS = frozenset({Reason.REVOKED, Reason.SUGGESTED, Reason.KEY_LOST, Reason.NAMES_CHANGED})

APPROVABLE = frozenset(
    {
        Reason.ROOT_CHANGED,
        Reason.CLIENT_AUTH_LOST,
        Reason.ISSUER_CHANGED,
        Reason.KEY_TYPE_CHANGED,
        Reason.NAMES_ADDED,
        Reason.TOO_FEW_SCTS,
    }
)
"""Findings of grade *hold* on a new chain."""


# ---------------------------------------------------------------- is it true, and is it ours to do?


def second_look(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """One look may have met a place in the middle of being written; reasons that are dates need no second."""
    if wanted.confirmed:
        return None
    at = facts.now + second_look_after(wanted.lead if wanted.chain else None, settings)
    return Held(Action.WAIT, Reason.SECOND_LOOK, f"seen once, looked at again in {span(at - facts.now)}", at)


def owned(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """A place that another controller writes is never written, even beside places of ours: they would differ.

    Where that controller itself is to be asked, nothing of this kind stands in the way.
    """
    if wanted.action is Action.DELEGATE:
        return None
    for observation in facts.installed.values():
        owner = observation.owner
        if owner is not None:
            renews = owner.kind in RENEWING_OWNERS
            says = "which renews it" if renews else f"so rotator never writes it: {owner.remedy}"
            return Held(
                Action.DELEGATE if renews else Action.REFUSE,
                Reason.OWNED,
                f"{observation.location} belongs to {owner.name} ({owner.kind}), {says}",
                next_look(facts, settings),
                owner.remedy,
            )
    return None


def ignored(facts: Facts, settings: PolicySettings, _wanted: Wanted) -> Held | None:
    """`rotator/ignore` always wins, also over a declaration."""
    for observation in facts.installed.values():
        if observation.ignored:
            message = f"{observation.location} carries rotator/ignore, which always wins; remove it to have it rotated"
            return Held(Action.REFUSE, Reason.PAUSED, message, next_look(facts, settings))
    return None


def immutable(facts: Facts, settings: PolicySettings, _wanted: Wanted) -> Held | None:
    """A place that refuses writes can only be replaced, which is for its owner to do."""
    for observation in facts.installed.values():
        if observation.immutable:
            message = (
                f"{observation.location} is immutable and cannot be written; recreate it without `immutable: true`"
            )
            return Held(Action.REFUSE, Reason.IMMUTABLE, message, next_look(facts, settings))
    return None


def lifetime_too_short(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """What lives shorter than four of the shortest ticks would expire between two looks.

    Where only the found one is that short, a forced `rotate` gets one that may live longer.
    """
    ask = open_ask(facts)
    found = wanted.chain.lifetime if wanted.chain and not (ask and ask.force) else None
    least = settings.shortest_lifetime
    # Where the config asks for so short a one, no command helps.
    for lifetime, command in ((facts.spec.lifetime, ""), (found, run("rotate", facts.spec.name, "--force"))):
        if lifetime is not None and timedelta(0) < lifetime < least:
            message = (
                f"{facts.spec.name} lives {span(lifetime)}, less than the {span(least)} that can be kept alive with a "
                f"shortest tick of {span(settings.shortest_tick)}; ask for a longer lifetime"
            )
            return Held(Action.REFUSE, Reason.LIFETIME_TOO_SHORT, message, next_look(facts, settings), command)
    return None


def unseen(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Where no place could be looked at, a new certificate could be put nowhere: it is ordered in an emergency only.

    One place that answers is enough, so that a dead host does not take the others with it.
    """
    if not facts.installed or seen_places(facts) or (wanted.renews and wanted.emergency):
        return None
    why = next((f"{o.location}: {o.problem.message}" for o in facts.installed.values() if o.problem), "")
    at = until_line(wanted, next_look(facts, settings), facts)
    return Held(Action.WAIT, Reason.UNSEEN, f"no place could be looked at ({why})", at)


# ---------------------------------------------------------------- what people said


def observe(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Nothing is ordered and nothing written until somebody says `mode: rotate`."""
    if facts.spec.mode is Mode.ROTATE:
        return None
    whose = "mode is observe" if settings.mode is Mode.OBSERVE else "its own mode is observe"
    return Held(Action.WAIT, Reason.OBSERVE, f"would {wanted.action} now; {whose}", next_look(facts, settings))


def paused(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """A person's pause holds past every line; without an end it is a person who ends it."""
    pause = facts.history.pause
    if pause is None or (pause.until is not None and pause.until <= facts.now):
        return None
    command = run("resume", "--match", pause.match or facts.spec.name)
    if pause.until is None:
        message = f"paused since {moment(pause.since)}: {pause.reason}"
        return Held(Action.HOLD, Reason.PAUSED, message, next_look(facts, settings), command)
    message = f"paused until {moment(pause.until)}: {pause.reason}"
    return Held(Action.WAIT, Reason.PAUSED, message, until_line(wanted, pause.until, facts), command)


def put_back(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """What a person put back by hand is not overwritten; where it is gone again, there is nothing to spare.

    A `rollback` that has not reached its places yet is held by its quarantine.
    """
    why = facts.history.held_by_hand
    if not why or Reason.REPLACED_BY_HAND in facts.history.approvals or _all_current(facts, wanted):
        return None
    return Held(Action.HOLD, Reason.REPLACED_BY_HAND, why, next_look(facts, settings), approve_command(facts))


def _all_current(facts: Facts, wanted: Wanted) -> bool:
    """Whether every place was looked at and holds the current chain."""
    held = [observation.chain for observation in facts.installed.values()]
    return (
        wanted.chain is not None
        and bool(held)
        and all(chain is not None and chain.fingerprint == wanted.chain.fingerprint for chain in held)
    )


def findings(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """The new chain is here, and a finding on it needs a person: what the clients may not bear."""
    newest = facts.history.attempts[-1] if facts.history.attempts else None
    if not (wanted.renews and facts.history.received) or newest is None or newest.stage is not Stage.VALIDATE:
        return None
    lifted = facts.history.approvals | facts.spec.allow
    open_ones = [v for v in newest.violations if v.reason in APPROVABLE and v.reason not in lifted]
    if newest.digest != facts.spec.digest or not open_ones:
        return None
    message = "; ".join(violation.message for violation in open_ones)
    return Held(Action.HOLD, open_ones[0].reason, message, next_look(facts, settings), approve_command(facts))


def tlsa(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Clients that go by DANE refuse a key that is not published; past the emergency line all others count more."""
    if facts.spec.tlsa is not TlsaMode.REQUIRE or not wanted.orders or wanted.emergency:
        return None
    problem = tlsa_problem(facts, settings)
    if not problem or Reason.TLSA_MISMATCH in facts.history.approvals:
        return None
    at = until_line(wanted, next_look(facts, settings), facts)
    return Held(Action.HOLD, Reason.TLSA_MISMATCH, problem, at, approve_command(facts))


def request_unfit(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Nothing is ordered with a request that a CA would refuse; its file is read anew at each look."""
    problem = facts.evidence.request_problem
    if not problem or not wanted.orders:
        return None
    message = f"{problem}; put a request there that fits"
    return Held(Action.REFUSE, Reason.REQUEST_UNFIT, message, next_look(facts, settings))


# ---------------------------------------------------------------- when


def outside_window(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Changes are made in the windows that the operator named, until the emergency line."""
    if wanted.emergency or is_open(facts.spec.windows, facts.now):
        return None
    opens = next_opening(facts.spec.windows, facts.now)
    message = f"outside its window, which opens {moment(opens)}" if opens else "its windows never open"
    at = until_line(wanted, opens or next_look(facts, settings), facts)
    return Held(Action.WAIT, Reason.OUTSIDE_WINDOW, message, at)


def backing_off(facts: Facts, _settings: PolicySettings, wanted: Wanted) -> Held | None:
    """What failed is tried again later, sooner as the end nears."""
    until = backoff_until(facts, wanted.ends, deploying_only=not wanted.renews)
    if until is None:
        return None
    row = failures(facts, deploying_only=not wanted.renews)
    newest = facts.history.attempts[-1]
    times = "once" if len(row) == 1 else f"{len(row)} times in a row"
    says = f"failed {times} ({row[0].error})" if row else f"not finished ({newest.error})"
    message = f"{says}, tried again in {span(until - facts.now)}"
    return Held(Action.WAIT, Reason.BACKING_OFF, message, until)


def too_soon(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """After an issuance there is no other for a while; what cannot wait skips that once, a person's force always."""
    until = gap_until(facts, wanted.chain, wanted.lead) if wanted.orders else None
    ask = open_ask(facts)
    if until is None or (ask is not None and ask.force):
        return None
    if not wanted.reasons & GAP_SKIPPERS:
        return Held(Action.WAIT, Reason.GAP, f"issued too short a while ago, not again before {moment(until)}", until)
    if Reason.APPROVAL in facts.history.approvals:
        return None
    if gap_was_skipped(facts):
        message = f"a second new certificate in a row before its time; by itself not before {moment(until)}"
        return Held(Action.HOLD, Reason.APPROVAL, message, until, approve_command(facts))
    return _maybe_skipped(facts, wanted, until)


def _maybe_skipped(facts: Facts, wanted: Wanted, gap_ends: datetime) -> Held | None:
    """A state that is younger than the certificate cannot tell whether this would be the second one in a row."""
    told = untold_until(facts, wanted.chain) if wanted.chain else None
    if told is None:
        return None
    until, approve = min(told, gap_ends), approve_command(facts)
    message = (
        "issued a short while ago, and the state is too new to tell whether that was before its time already; by "
        f"itself not before {moment(until)}, at once by `{approve}` or `rotator rotate {facts.spec.name} --force`"
    )
    return Held(Action.HOLD, Reason.APPROVAL, message, until, approve)


def capped(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """Whatever happens, a day has only so many orders; nothing resets this."""
    until = cap_until(facts, wanted.chain, wanted.lead) if wanted.orders else None
    if until is None:
        return None
    return Held(Action.WAIT, Reason.CAP, f"as many orders as a day may have, the next {moment(until)}", until)


def redeployed_enough(facts: Facts, settings: PolicySettings, wanted: Wanted) -> Held | None:
    """A place that is overwritten again and again needs a person, not another redeploy.

    Finishing an accepted bundle is part of its own rotation and is not counted.
    """
    if wanted.renews or wanted.reason is Reason.UNFINISHED or wanted.chain is None:
        return None
    about = needing(facts, settings, wanted.reason)
    limits = [redeploy_until(facts, place, wanted.chain, wanted.lead) for place in about]
    waits = [limit for limit in limits if limit is not None]
    if len(waits) < len(about) or not waits:
        return None
    until, reason = min(waits)
    how = "too short a while ago" if reason is Reason.GAP else "as often as a day allows"
    message = f"put there {how}, not again before {moment(until)}; something else may be writing it"
    return Held(Action.WAIT, reason, message, until)
