"""Breakers: after failures that are not about one certificate, others wait while one at a time tries again. Pure.

The state of a breaker is replayed from what happened, so that every replica and every restart sees the same.

- An issuer's opens when three different certificates failed there within an hour without a success between them, none
  for good (a permanent error is about the certificate), and closes with the next success there.
- A target kind's opens when three different certificates were rolled back there within an hour, whatever went well
  between them, and closes with a success that began after it opened.
- The fleet's opens when those of two kinds are open: then it is not the kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.lead import HOUR
from rotator.core.limits import HARMS, ISSUED, SUCCESSES
from rotator.core.model import FleetHistory, Order, Outcome

CERTIFICATES_TO_OPEN = 3
WITHIN = HOUR
LONGEST_WAIT = HOUR


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open breaker.

    Attributes:
        name: in words: `issuer internal`, `target kind files`, `the whole fleet`.
        opened: since when.
        last: the newest failure.
        tried: certificates that failed since it opened or made it open, the longest ago first.
    """

    name: str
    opened: datetime
    last: datetime
    tried: tuple[str, ...]

    def half_open_at(self, shortest_lead: timedelta | None) -> datetime:
        """When one certificate may try again: an hour after the last failure, sooner for the short-lived."""
        return self.last + (LONGEST_WAIT if shortest_lead is None else min(LONGEST_WAIT, shortest_lead / 4))


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    """Something that happened at an issuer or a kind: a failure or a success of one certificate."""

    at: datetime
    failed: bool
    certificate: str
    began: datetime


def issuer_breaker(issuer: str, fleet: FleetHistory) -> Breaker | None:
    """The issuer's breaker if it is open. Read from the ledger, which knows every order's issuer."""
    events = (_of_order(order) for order in fleet.orders if order.issuer == issuer)
    return _replayed(f"issuer {issuer}", (event for event in events if event is not None), in_a_row=True)


def kind_breakers(fleet: FleetHistory) -> dict[str, Breaker]:
    """Open breakers by target kind."""
    kinds = {kind for outcome in fleet.outcomes for kind in kinds_of(outcome)}
    found = {kind: _replayed(f"target kind {kind}", _of_kind(kind, fleet), in_a_row=False) for kind in sorted(kinds)}
    return {kind: breaker for kind, breaker in found.items() if breaker is not None}


def fleet_breaker(kinds: Mapping[str, Breaker]) -> Breaker | None:
    """The whole fleet's, open while those of two kinds are."""
    if len(kinds) < 2:
        return None
    newest = sorted(kinds.values(), key=lambda breaker: breaker.last)
    tried = tuple(dict.fromkeys(name for breaker in newest for name in breaker.tried))
    return Breaker("the whole fleet", max(b.opened for b in newest), newest[-1].last, tried)


def kinds_of(outcome: Outcome) -> frozenset[str]:
    """The kinds of the targets that a rotation was about."""
    return frozenset(target.kind for target in outcome.decision.spec.targets)


def _of_order(order: Order) -> _Event | None:
    if order.result == ISSUED:
        return _Event(order.at, False, order.certificate, order.at)
    if order.result == "failed" and not order.permanent:
        return _Event(order.at, True, order.certificate, order.at)
    return None


def _of_kind(kind: str, fleet: FleetHistory) -> Iterator[_Event]:
    for outcome in fleet.outcomes:
        if kind in kinds_of(outcome) and outcome.result in SUCCESSES | HARMS:
            failed = outcome.result in HARMS
            yield _Event(outcome.finished, failed, outcome.decision.spec.name, outcome.started)


def _replayed(name: str, events: Iterable[_Event], *, in_a_row: bool) -> Breaker | None:
    """Walk through what happened; the breaker as it stands at the end."""
    failures: list[_Event] = []
    breaker: Breaker | None = None
    for event in sorted(events):
        if not event.failed:
            if event.began >= breaker.opened if breaker else in_a_row:
                failures, breaker = [], None
            continue
        failures = [*(past for past in failures if breaker or event.at - past.at <= WITHIN), event]
        tried = tuple(dict.fromkeys(past.certificate for past in reversed(failures)))[::-1]
        if breaker is not None:
            breaker = Breaker(name, breaker.opened, event.at, tried)
        elif len(tried) >= CERTIFICATES_TO_OPEN:
            breaker = Breaker(name, event.at, event.at, tried)
    return breaker
