"""What is worth telling about one certificate: at most one case, the gravest. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.lead import span
from rotator.core.model import (
    Action,
    Attempt,
    Decision,
    NoticeKind,
    Result,
    Severity,
    Stage,
)
from rotator.core.noticetext import REFUSAL, clause, counted, left, moment, run, served_now
from rotator.core.reasons import Reason
from rotator.core.standing import Standing, Urgency

_I, _W, _E, _C = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL

# How grave each kind is, by urgency; None is not told yet. What pages is CRITICAL; routes say from where on they take.
#
#   kind            calm   late   half   emergency  broken    told from
SEVERITY: Mapping[NoticeKind, tuple[Severity | None, ...]] = MappingProxyType(
    {
        NoticeKind.STRANDED: (_C, _C, _C, _C, _C),  # at once: harm that could not be undone is there now
        NoticeKind.ROLLED_BACK: (_E, _E, _C, _C, _C),  # at once: the old one serves again, the new one is no good
        NoticeKind.FAILING: (_W, _W, _C, _C, _C),  # the fourth failed try, 24 h, a permanent error; broken: the first
        NoticeKind.NOT_RELOADED: (_W, _W, _C, _C, _C),  # at once: stored, and not served
        NoticeKind.HELD: (_W, _W, _E, _C, _C),  # at once: nothing happens until a person says so
        NoticeKind.PAUSED: (_I, _W, _W, _C, _C),  # at once, quietly: a person wanted it so
        NoticeKind.BUDGET_SHORT: (_W, _W, _E, _C, _C),  # when its turn comes too late
        NoticeKind.LATE: (None, _W, _E, _C, _C),  # nothing of the above, and still not done
        NoticeKind.REPLACED_BY_HAND: (_I, _I, _I, _I, _I),
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is wrong with one subject.

    Attributes:
        cause: equal for subjects that suffer from the same thing; empty when the subject is its own cause.
        headline: what is wrong, as the end of a sentence that begins with the subject.
        shared: the same for many subjects; empty where a cause has one subject only.
        detail: what is served, the last error, the next try, what to do.
        command: what a person may run.
        noun: what the subject is.
    """

    kind: NoticeKind
    severity: Severity
    subject: str
    owner: str
    since: datetime
    headline: str
    detail: str
    command: str = ""
    cause: str = ""
    shared: str = ""
    noun: str = "certificate"


def case_of(standing: Standing) -> Case | None:
    """The gravest case of one certificate; None when there is nothing to tell."""
    return next((case for rule in _RULES if (case := rule(standing)) is not None), None)


def replaced_by_hand(standing: Standing) -> Case | None:
    """A person's fix was found and has won; told beside whatever else is the case."""
    if not standing.facts.replaced_by_hand or standing.newest is None:
        return None
    ends = left(standing.newest.not_after, standing.now)
    what = f"was replaced by hand with one that {ends}; rotator goes on from there"
    return _case(standing, NoticeKind.REPLACED_BY_HAND, standing.now, what, "Nothing, if this was meant.")


# ---------------------------------------------------------------- the rules, gravest first


def _stranded(standing: Standing) -> Case | None:
    latest = _harm_left(standing)
    if latest is None:
        return None
    what = f"a new certificate did harm and could not be taken back: {clause(latest.error)}"
    todo = "Put a working certificate in place, by hand or with the command; then rotator goes on."
    return _case(standing, NoticeKind.STRANDED, latest.at, what, todo, run("rollback", standing.name))


def _harm_left(standing: Standing) -> Attempt | None:
    """The attempt that left harm behind, until something ends it.

    A later deploy that no address proves ends it only where every address is up again: what our own harm took down
    is not seen as harmed by the next rotation.
    """
    latest = standing.latest
    if latest is not None and latest.result is Result.STRANDED:
        return None if standing.over else latest
    if latest is None or latest.result is not Result.UNPROVED or all(sighting.state.up for sighting in standing.served):
        return None
    before = next((one for one in reversed(standing.attempts) if one.result is not Result.UNPROVED), None)
    return before if before is not None and before.result is Result.STRANDED else None


def _rolled_back(standing: Standing) -> Case | None:
    latest = standing.latest
    if latest is None or latest.result is not Result.ROLLED_BACK:
        return None
    barred = any(one.until is None or one.until > standing.now for one in standing.facts.history.quarantines)
    if standing.over and not barred:
        return None
    what = f"was rolled back, because the new certificate did harm: {clause(latest.error)}"
    todo = "Find out why the new one was refused; the command lets it be tried again."
    return _case(standing, NoticeKind.ROLLED_BACK, latest.at, what, todo, run("approve", standing.name))


def _paused(standing: Standing) -> Case | None:
    pause = standing.facts.history.pause
    if pause is None:
        return None
    until = f"until {moment(pause.until)}" if pause.until else "until it is resumed"
    reason = clause(pause.reason) or "no reason given"
    stands = left(standing.ends, standing.now) if standing.ends else "has no certificate yet"
    late = "" if standing.over else f", and {stands}"
    return _case(
        standing, NoticeKind.PAUSED, pause.since, f"is paused {until}{late} ({reason})",
        "Resume it when the reason is gone.", run("resume", "--match", pause.match or standing.name),
        cause=f"pause {pause.match} {pause.reason}", shared=f"are paused ({reason})",
    )  # fmt: skip


_NOT_FOR_A_PERSON = frozenset({Reason.OBSERVE, Reason.OWNED, Reason.PAUSED, Reason.FIRST_LOOK, Reason.SECOND_LOOK})
_FOR_MANY = frozenset({Reason.SURGE, Reason.BREAKER, Reason.ROOT_CHANGED})


def _held(standing: Standing) -> Case | None:
    decision = standing.decision
    if standing.over or decision.action not in {Action.HOLD, Action.REFUSE} or decision.reason in _NOT_FOR_A_PERSON:
        return None
    held = decision.action is Action.HOLD
    command = run("approve", "--surge" if decision.reason is Reason.SURGE else standing.name) if held else ""
    todo = (
        "Look at it and approve it, or change what it says." if held else "Change what it says; it is not done as is."
    )
    many = decision.reason in _FOR_MANY
    case = _case(
        standing, NoticeKind.HELD, standing.facts.history.seen_since.get(decision.reason, standing.now),
        f"is {'held' if held else 'refused'} ({decision.reason}): {clause(decision.message)}", todo,
        decision.command or command,
        cause=f"{decision.reason} {_issuer(decision)}" if many else "",
        shared=f"are held ({decision.reason})" if many else "",
    )  # fmt: skip
    # A CA that wants many replaced at once is about to revoke them, within a day or five: no time for a warning.
    return replace(case, severity=_C) if case and decision.reason is Reason.SURGE and _asked_by_ca(decision) else case


def _asked_by_ca(decision: Decision) -> bool:
    """Whether what calls for a renewal is its issuer's word."""
    return decision.because in {Reason.SUGGESTED, Reason.REVOKED}


def _failing(standing: Standing) -> Case | None:
    tries = standing.failed_tries
    if not tries or standing.over:
        return None
    last, since = tries[-1], tries[0].at
    settings = standing.settings
    worn = len(tries) >= settings.tries or standing.now - since >= settings.failing_for or last.permanent
    if not worn and standing.urgency < Urgency.HALF:
        return None
    stage = last.stage or Stage.ISSUE
    doing = {Stage.ISSUE: "issued", Stage.VALIDATE: "accepted"}.get(stage, "put in place")
    error = clause(last.error) or "no error was recorded"
    return _case(
        standing, NoticeKind.FAILING, since, f"could not be {doing} in {counted(len(tries), 'try', 'tries')}: {error}",
        "Mend the cause; the command tries it at once.",
        standing.decision.command or run("rotate", standing.name),
        cause=f"{stage} {last.issuer} {_impersonal(last.error, standing.decision)}",
        shared=f"could not be {doing}: {error}",
    )  # fmt: skip


def _short_of_budget(standing: Standing) -> Case | None:
    decision = standing.decision
    if standing.over or decision.reason not in {Reason.BUDGET, Reason.CAP}:
        return None
    too_late = (
        standing.ends is not None and decision.lead is not None and decision.at > standing.ends - decision.lead / 2
    )
    if standing.urgency is Urgency.CALM and not too_late:
        return None
    return _case(
        standing, NoticeKind.BUDGET_SHORT, standing.now, f"waits for its turn: {clause(decision.message)}",
        "Raise the limit, or have the issuer raise its own.", run("plan"),
        cause=f"{decision.reason} {_issuer(decision)}", shared=f"wait for their turn at {_issuer(decision)}",
    )  # fmt: skip


def _not_reloaded(standing: Standing) -> Case | None:
    decision, latest = standing.decision, standing.latest
    if not standing.stale:
        return None
    # A rotation that has waited for it and says so is proof enough; else it must be seen in two looks.
    tried = latest is not None and latest.result is Result.UNPROVED and bool(latest.error)
    seen = Reason.NOT_SERVED in {decision.reason, decision.because} and decision.reason is not Reason.SECOND_LOOK
    if not tried and (not seen or standing.deployed is not None):
        return None
    where = f"{standing.stale[0].endpoint}{f' and {len(standing.stale) - 1} more' if len(standing.stale) > 1 else ''}"
    return _case(
        standing, NoticeKind.NOT_RELOADED, latest.at if latest is not None and tried else standing.now,
        f"is renewed, but {where} still serves another one, which {left(standing.ends, standing.now)}",
        "Reload or restart what serves it; the command shows which addresses are behind.", run("verify", standing.name),
    )  # fmt: skip


def _late(standing: Standing) -> Case | None:
    decision = standing.decision
    if standing.over or standing.urgency is Urgency.CALM or _in_flight(standing):
        return None
    why = decision.because or decision.reason
    since = standing.ends - decision.lead * 3 / 4 if standing.ends and decision.lead else standing.now
    shared = "" if decision.due else f"are late ({decision.reason})"
    todo = {
        Reason.OBSERVE: "Say `mode: rotate`, or renew it by hand.",
        Reason.OWNED: "Have its owner renew it.",
    }.get(decision.reason, "Look at what holds it back, and renew it by hand if that takes too long.")
    # Clients refuse what is revoked, whenever it would have ended.
    ill = "is revoked" if why is Reason.REVOKED else left(standing.ends, standing.now)
    still = "and still not renewed" if why is Reason.REVOKED else f"and is still not renewed ({why})"
    return _case(
        standing, NoticeKind.LATE, min(since, standing.now), f"{ill} {still}: {clause(decision.message)}", todo,
        decision.command or run("show", standing.name),
        cause=f"{decision.reason} {_issuer(decision)}" if shared else "", shared=shared,
    )  # fmt: skip


_RULES: tuple[Callable[[Standing], Case | None], ...] = (
    _stranded,
    _rolled_back,
    _paused,
    _held,
    _failing,
    _short_of_budget,
    _not_reloaded,
    _late,
)


# ---------------------------------------------------------------- what they share


def _case(
    standing: Standing,
    kind: NoticeKind,
    since: datetime,
    headline: str,
    todo: str,
    command: str = "",
    *,
    cause: str = "",
    shared: str = "",
) -> Case | None:
    severity = SEVERITY[kind][standing.urgency]
    if severity is None:
        return None
    lines = [
        served_now(standing.served, standing.now),
        _stored(standing),
        _last_error(standing),
        _next(standing),
        f"To do: {todo}",
    ]
    return Case(
        kind=kind,
        severity=severity,
        subject=standing.name,
        owner=standing.decision.spec.owner,
        since=since,
        headline=headline,
        detail="\n".join(line for line in lines if line),
        command=command,
        cause=cause,
        shared=shared,
    )


def _stored(standing: Standing) -> str:
    newest = standing.newest
    if newest is None:
        return "Newest: no certificate yet."
    ends = f"{left(newest.not_after, standing.now)}, on {moment(newest.not_after)}"
    return f"Newest: the one that {ends} ({newest.fingerprint[:16]}…)."


def _last_error(standing: Standing) -> str:
    latest = standing.latest
    if latest is None or not latest.error or latest.result is Result.DONE:
        return ""
    where = f" at stage {latest.stage}" if latest.stage else ""
    return f"Last error, {span(standing.now - latest.at)} ago{where}: {clause(latest.error, REFUSAL)}"


def _next(standing: Standing) -> str:
    decision = standing.decision
    if standing.over:
        return ""
    if decision.due:
        return "Next try by itself: now, or as soon as one is allowed."
    if decision.action in {Action.HOLD, Action.REFUSE}:
        return "Next try by itself: none; it waits for a person."
    return f"Next try by itself: {moment(decision.at)}, in {span(max(decision.at - standing.now, timedelta(0)))}."


def _in_flight(standing: Standing) -> bool:
    """Whether its rotation was started by this very plan, or shortly before, and has not failed yet."""
    decision = standing.decision
    if not decision.due or standing.failed_tries:
        return False
    seen = standing.facts.history.seen_since.get(decision.because or decision.reason, standing.now)
    return standing.now - seen < standing.settings.in_flight


def _issuer(decision: Decision) -> str:
    return decision.spec.issuers[0] if decision.spec.issuers else ""


def _impersonal(error: str, decision: Decision) -> str:
    """An error without what is only this certificate's: names, numbers, addresses; equal causes become equal texts.

    A link keeps its page but not its query, which is another one at each refusal (the token of an unpause page).
    """
    text = re.sub(r"(https?://[^\s?#]+)[?#]\S*", r"\1", error.lower())
    for own in sorted({decision.spec.name, *decision.spec.names}, key=len, reverse=True):
        text = text.replace(own.lower(), "…") if own else text
    return re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "0", text)
