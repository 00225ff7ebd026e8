"""Which notices are open now: about certificates and their causes, not about attempts. Pure.

One look, its plan and the outcomes since make *cases*, at most one a certificate. Cases of one kind, one owner and one
cause become one notice with many subjects: a DNS token that was revoked is one thing to tell, not forty-eight. A notice
keeps its key and its beginning for as long as one of its subjects is in trouble, however the words of the error change.

What is not in the answer is over. So a notice stays where this look could not tell: only a complete, successful look at
the places of its subjects may make it resolve.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain

from rotator.core.cases import Case, case_of, replaced_by_hand
from rotator.core.clockskew import of_clock
from rotator.core.foretold import of_preflight
from rotator.core.model import Facts, Inventory, Notice, NoticeKind, Observation, Outcome, Plan, ProblemKind
from rotator.core.noticetext import clause, counted, listed
from rotator.core.places import digest, of_adoption, of_peers, of_retired, of_sources, of_unmanaged
from rotator.core.readiness import Kept
from rotator.core.reasons import Reason
from rotator.core.standing import NoticeSettings, Standing

__all__ = ["KEY_MAX", "NEWS", "NoticeSettings", "notices"]

KEY_MAX = 255
"""PagerDuty's limit for a dedup key, the shortest of those known."""

NEWS = frozenset({NoticeKind.DIGEST, NoticeKind.RETIRED, NoticeKind.REPLACED_BY_HAND})
"""Kinds that are told once and then forgotten: there is nothing to resolve."""

_OF_NOTIFY = frozenset({NoticeKind.ALERTER_FAILED})  # `rotator.notify` opens and closes these
_ALWAYS_KNOWN = frozenset({NoticeKind.SOURCE_UNREADABLE, NoticeKind.CAMPAIGN})
_RESTS_ON_PLACES = frozenset({NoticeKind.LATE, NoticeKind.NOT_RELOADED, NoticeKind.HELD, NoticeKind.BUDGET_SHORT})
_TITLE = 250
_OWN_NAME = 180  # characters of a subject in a key


def notices(
    inventory: Inventory,
    plan: Plan,
    outcomes: Iterable[Outcome],
    previous: Mapping[str, Notice],
    settings: NoticeSettings,
    *,
    preflight: Mapping[str, Kept] | None = None,
    more: Iterable[Case] = (),
) -> tuple[Notice, ...]:
    """All notices that are open now, the gravest first.

    Args:
        outcomes: every outcome since the look, in any order; more of them do no harm.
        previous: the notices that were open before, by key.
        preflight: by certificate, what is remembered of its preflights; None when nobody was ever asked.
        more: cases that are about something else than this look.
    """
    if inventory.first:
        return (digest(inventory, plan),)
    standings = _standings(inventory, plan, outcomes, settings)
    cases: Iterable[Case] = chain(
        _of_certificates(standings),
        of_sources(inventory, previous, settings),
        of_unmanaged(inventory),
        of_peers(inventory, previous),
        of_clock(inventory, plan),
        of_adoption(inventory),
        of_retired(inventory),
        more,
        of_preflight(preflight or {}, standings),
    )
    found = {notice.key: notice for notice in _grouped(cases, previous)}
    unclear = _unclear(inventory, standings, preflight is not None)
    kept = [n for n in previous.values() if n.key not in found and not n.resolved and unclear(n)]
    return tuple(sorted([*found.values(), *kept], key=lambda n: (-n.severity.rank, n.since, n.key)))


# ---------------------------------------------------------------- cases


def _standings(
    inventory: Inventory, plan: Plan, outcomes: Iterable[Outcome], settings: NoticeSettings
) -> tuple[Standing, ...]:
    facts = {one.spec.name: one for one in inventory.facts}
    ended: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda one: one.finished):
        ended.setdefault(outcome.decision.spec.name, []).append(outcome)
    return tuple(
        Standing(decision, facts[name], tuple(ended.get(name, ())), _latest(facts[name], ended.get(name)), settings)
        for decision in plan.decisions
        if (name := decision.spec.name) in facts
    )


def _latest(facts: Facts, ended: Sequence[Outcome] | None) -> datetime:
    """The moment that "now" is for one certificate: the look, or the end of a rotation after it."""
    return max(facts.now, ended[-1].finished) if ended else facts.now


def _of_certificates(standings: Iterable[Standing]) -> Iterator[Case]:
    for one in standings:
        yield from (case for case in (case_of(one), replaced_by_hand(one)) if case is not None)


# ---------------------------------------------------------------- grouping


def _grouped(cases: Iterable[Case], previous: Mapping[str, Notice]) -> Iterator[Notice]:
    told_in = {
        (notice.kind, notice.owner, subject): notice.key
        for notice in previous.values()
        if not notice.resolved
        for subject in notice.subjects
    }
    groups: dict[str, list[Case]] = {}
    for case in cases:
        key = told_in.get((case.kind, case.owner, case.subject)) or key_of(case)
        groups.setdefault(key, []).append(case)
    for key, group in groups.items():
        yield _notice(key, group, previous.get(key))


def key_of(case: Case) -> str:
    """`rotator/<kind>/<subject>`, or a hash of owner and cause where many may share it; at most 255 characters."""
    if case.cause:
        own = _short_hash(f"{case.owner}\n{case.cause}")
    elif len(case.subject) > _OWN_NAME:
        own = f"{case.subject[:_OWN_NAME]}-{_short_hash(case.subject)}"
    else:
        own = case.subject
    return f"rotator/{case.kind}/{own}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _notice(key: str, group: Sequence[Case], before: Notice | None) -> Notice:
    cases = sorted(group, key=lambda case: (-case.severity.rank, case.since, case.subject))
    worst = cases[0]
    began = min(case.since for case in cases)
    return Notice(
        key=key,
        kind=worst.kind,
        severity=worst.severity,
        title=clause(_title(cases), _TITLE),
        detail=_detail(cases),
        since=min(before.since, began) if before is not None and not before.resolved else began,
        owner=worst.owner,
        subjects=tuple(sorted(case.subject for case in cases)),
        command=worst.command,
        runbook=f"docs/runbooks/{worst.kind}.md",
    )


def _title(cases: Sequence[Case]) -> str:
    worst = cases[0]
    if len(cases) == 1:
        return f"{worst.subject} {worst.headline}"
    what = counted(len(cases), worst.noun)
    if worst.shared:
        return f"{what} {worst.shared}; worst is {worst.subject}"
    return f"{what}: {worst.subject} {worst.headline}"


def _detail(cases: Sequence[Case]) -> str:
    worst = cases[0]
    if len(cases) == 1:
        return worst.detail
    return f"{worst.subject} {worst.headline}\n{worst.detail}\nAll of them:\n{listed(case.subject for case in cases)}"


# ---------------------------------------------------------------- what this look could not tell


def _unclear(inventory: Inventory, standings: Iterable[Standing], preflight_asked: bool) -> Callable[[Notice], bool]:
    """Whether a notice that was not found again may still be true, because something of it could not be looked at."""
    known = {one.name: one for one in standings}
    unseen = {str(o.endpoint or o.location) for o in inventory.observations if _is_unseen(o)}
    seen = {str(o.endpoint or o.location) for o in inventory.observations if not _is_unseen(o)}
    incomplete = bool(inventory.problems)

    def unclear(notice: Notice) -> bool:
        if notice.kind in NEWS | _OF_NOTIFY | _ALWAYS_KNOWN:
            return False
        if notice.kind is NoticeKind.CLOCK_SKEWED:
            return not inventory.clocks
        if notice.kind is NoticeKind.PREFLIGHT_FAILED:
            return not preflight_asked
        for subject in notice.subjects:
            standing = known.get(subject)
            if standing is not None and _unseen(standing, notice.kind):
                return True
            if standing is None and (incomplete or subject in unseen) and subject not in seen:
                return True
        return False

    return unclear


def _is_unseen(observation: Observation) -> bool:
    return observation.problem is not None and observation.problem.kind is ProblemKind.UNSEEN


def _unseen(standing: Standing, kind: NoticeKind) -> bool:
    """Whether this kind of notice rests on a place that could not be looked at, and no rotation has proved it since.

    What rests on the history alone (failing, stranded, rolled back, paused) is always known.
    """
    if kind not in _RESTS_ON_PLACES or standing.deployed is not None:
        return False
    if standing.decision.reason is Reason.UNSEEN:
        return True
    places = standing.facts.installed.values()
    if any(place.problem is not None and place.problem.kind is ProblemKind.UNSEEN for place in places):
        return True
    down = (not any(one.state.up for one in shown) for shown in standing.facts.served.values())
    return kind is NoticeKind.NOT_RELOADED and any(down)
