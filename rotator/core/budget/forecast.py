"""When a budget will run short: the plan's future played against the limits of the CAs. Pure.

Every renewal that the plan foresees is placed at its moment, and its successors after it, each drawing on what its
issuer limits. Where there is no room it would wait; what waits stands in line, so that a backlog is seen as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from rotator.core.budget.books import Books, draws
from rotator.core.budget.failing import Failing, failing
from rotator.core.budget.known import budget_of, known_at
from rotator.core.budget.limits import Bucket, IssuerBudget
from rotator.core.drift import current_chain
from rotator.core.lead import DAY, PolicySettings, lead, lead_of
from rotator.core.model import Action, Decision, Facts, FleetHistory, Mode, Plan

AHEAD = timedelta(days=42)
"""How far the plan is played on: six weeks, in which a limit can be raised or another issuer set up."""

MOST_ORDERS = 20_000
"""As many orders are played on at most, the next ones; more than that say nothing new about six weeks."""

PATIENCE = 0.25
"""The share of its lead that a renewal may wait for room: beyond it the certificate counts as late."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of one limit now.

    Attributes:
        limit: `orders`, `domain`, `exact-set` or `failures`.
        what: the registered domain or names that it is counted for; empty for an account.
    """

    issuer: str
    limit: str
    what: str
    bucket: Bucket
    left: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit that will have no room when a renewal needs it.

    Attributes:
        at: when the first renewal would have to wait too long.
        certificate: whose that is, and `until` when it would wait.
        waiting: how many certificates would wait too long.
        why: the limit in words.
    """

    issuer: str
    limit: str
    what: str
    at: datetime
    certificate: str
    until: datetime
    waiting: int
    why: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the budgets have left, and what will be missing.

    Attributes:
        failing: names that their CA will pause for the account.
        uncounted: public CAs that certificates are ordered from and of whose limits nothing is known.
    """

    remaining: tuple[Remaining, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    failing: tuple[Failing, ...] = ()
    uncounted: tuple[str, ...] = ()


NO_OUTLOOK = Outlook()


@dataclass(frozen=True, slots=True, order=True)
class _Coming:
    """One order of the future."""

    at: datetime
    name: str
    number: int


def forecast(
    facts: Iterable[Facts], plan: Plan, fleet: FleetHistory, settings: PolicySettings, ahead: timedelta = AHEAD
) -> Outlook:
    """Play the plan on for so long."""
    known = {one.spec.name: one for one in facts}
    concerned = [d for d in plan.decisions if d.spec.name in known and d.spec.mode is Mode.ROTATE and d.spec.issuers]
    asked = {issuer for decision in concerned for issuer in decision.spec.issuers}
    uncounted = tuple(sorted(issuer for issuer in asked if budget_of(issuer, settings).unsaid))
    if not any(own.limits for own in settings.budgets.values()):
        return Outlook(uncounted=uncounted)
    remaining = tuple(_remaining(concerned, Books(fleet.orders, plan.at, settings), known, settings))
    books = Books(fleet.orders, plan.at, settings)
    lives = {one.spec.name: life for one in concerned if (life := _Life.of(one, known[one.spec.name], fleet, settings))}
    shortages = tuple(_short(concerned, books, lives, plan.at, plan.at + ahead))
    return Outlook(remaining, shortages, failing(fleet.orders, plan.at, settings), uncounted)


def _remaining(
    decisions: Iterable[Decision], books: Books, known: Mapping[str, Facts], settings: PolicySettings
) -> Iterator[Remaining]:
    """Every limit that the certificates in our care draw on; of those for the same names only what was used of."""
    found: dict[tuple[str, str, str], Remaining] = {}
    for decision in decisions:
        for issuer in decision.spec.issuers:
            own = budget_of(issuer, settings)
            if not own.limits:
                continue
            for draw in draws(own, decision.spec.names, settings, renewal=False):
                left = books.left(draw)
                used_of = draw.bucket is not None and left is not None and left < draw.bucket.size
                if draw.bucket is None or left is None or (draw.kind == "exact-set" and not used_of):
                    continue
                found[issuer, draw.kind, draw.what] = Remaining(issuer, draw.kind, draw.what, draw.bucket, left)
    yield from (found[key] for key in sorted(found))


def _short(
    decisions: Iterable[Decision],
    books: Books,
    lives: Mapping[str, _Life],
    now: datetime,
    end: datetime,
) -> Iterator[Shortage]:
    queue = [_Coming(max(d.at, now), d.spec.name, 0) for d in decisions if d.spec.name in lives]
    heapify(queue)
    found: dict[tuple[str, str, str], Shortage] = {}
    waiting: dict[tuple[str, str, str], set[str]] = {}
    for _ in range(MOST_ORDERS):
        if not queue or queue[0].at > end:
            break
        coming = heappop(queue)
        life = lives[coming.name]
        renewal = bool(coming.number) or life.renewal
        books.turn_to(coming.at)
        short = books.short(life.own, life.issuer, life.names, renewal=renewal, emergency=False, ends=None)
        if short is not None and short.at > coming.at + (life.patience_then if coming.number else life.patience):
            key = life.issuer, short.kind, short.what
            waiting.setdefault(key, set()).add(coming.name)
            found.setdefault(
                key, Shortage(life.issuer, short.kind, short.what, coming.at, coming.name, short.at, 0, short.why)
            )
        books.spend(life.own, life.names, renewal=renewal)  # it stands in line
        if life.cycle > timedelta(0):
            heappush(queue, replace(coming, at=coming.at + life.cycle, number=coming.number + 1))
    yield from (replace(one, waiting=len(waiting[key])) for key, one in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class _Life:
    """What of a certificate matters to the budget of the issuer that it is ordered from.

    Attributes:
        patience: how long its next renewal may wait, and `patience_then` each one after it.
        cycle: the time between two renewals of its successors; nothing where it is not known.
    """

    issuer: str
    names: tuple[str, ...]
    renewal: bool
    patience: timedelta
    patience_then: timedelta
    cycle: timedelta
    own: IssuerBudget

    @classmethod
    def of(cls, decision: Decision, facts: Facts, fleet: FleetHistory, settings: PolicySettings) -> _Life | None:
        """None where its orders come to no limit: it is held, nobody may sign it, or nothing is counted."""
        spec, chain = facts.spec, current_chain(facts)
        issuer = next((name for name in spec.issuers if name not in fleet.avoided), "")
        own = budget_of(issuer, settings)
        lived = chain.lifetime if chain else timedelta(0)
        # Not every issuer gives the lifetime that it is asked for; one that has answered shows what it gives.
        lifetime = lived if chain and facts.history.accepted_issuer == issuer else spec.lifetime or lived
        then = lead(lifetime, spec.renew_before, due_rule=settings.due_rule)
        renewal = issuer in known_at(facts, settings)
        counts = decision.wanted is None or decision.action in {Action.RENEW, Action.WAIT}
        if not (issuer and counts and own.limits and _can_be_short(own, lifetime - then, renewal=renewal)):
            return None
        return cls(
            issuer=issuer,
            names=spec.names,
            renewal=renewal,
            patience=lead_of(chain, spec, settings) * PATIENCE if chain else DAY,
            patience_then=then * PATIENCE,
            cycle=lifetime - then,
            own=own,
        )


def _can_be_short(own: IssuerBudget, cycle: timedelta, *, renewal: bool) -> bool:
    """Whether anything but the limit for the same names is drawn on, or that is drawn on faster than it fills."""
    limits = own.limits
    shared = bool(limits.orders or limits.domain) and not (renewal and limits.renewals_exempt)
    exact = limits.exact_set
    return shared or (exact is not None and timedelta(0) < cycle < exact.per / exact.size)
