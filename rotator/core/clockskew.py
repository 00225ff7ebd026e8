"""Is our clock right? What others' clocks say, and from where on that matters. Pure.

A renewal, a validation and a maintenance window are only as right as the clock they go by. Nobody is believed alone
where several can be asked: the median over the peers decides, so that one wrong server moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.cases import Case
from rotator.core.lead import span
from rotator.core.model import Inventory, NoticeKind, PeerClock, Plan, Severity
from rotator.core.noticetext import listed, moment

SECOND = timedelta(seconds=1)
MOST = timedelta(seconds=60)
"""More than this is a wrong clock, whatever the certificates: NTP keeps a clock within a second."""

REFUSED = timedelta(minutes=5)
"""From here on others refuse what we sign or show: Kerberos, AWS, JSON Web Tokens and the like allow five minutes."""

WRONG_DAY = timedelta(days=1)
"""From here on what is due is found too late, or a new certificate is not valid yet for a day."""

STEPPED = timedelta(seconds=30)
"""A clock that has moved by more than this against the steady one was set, or the machine slept."""

OLD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Skew:
    """How far our clock is off, by the median of the peers.

    Attributes:
        ahead: positive where ours is ahead.
        within: how wrong that may be.
        peers: everybody who was heard, and each one's answer.
        believed: the one whose answer is the median.
    """

    ahead: timedelta
    within: timedelta
    believed: PeerClock
    peers: tuple[PeerClock, ...]

    @property
    def surely(self) -> timedelta:
        """The least that it is off, whichever way."""
        return max(timedelta(0), abs(self.ahead) - self.within)


def by_date(peer: str, date: datetime, received: datetime, took: timedelta) -> PeerClock:
    """A reading by the `Date` of an answer (RFC 9110, 6.6.1), which is cut to a second.

    The server's clock was between `date` and a second later at some moment of the request; so ours is ahead by
    something between `received - took - date - 1 s` and `received - date`.
    """
    middle = received - date - (took + SECOND) / 2
    return PeerClock(peer, middle, (took + SECOND) / 2, received)


def by_certificate(issuer: str, not_before: datetime, received: datetime) -> PeerClock | None:
    """A reading by the beginning of a certificate that was signed just now; None where that is in our past.

    Issuers date back rather than forward, so its clock is at least there.
    """
    if not_before <= received:
        return None
    return PeerClock(issuer, received - not_before, timedelta(0), received, at_least=True)


def estimate(readings: Iterable[PeerClock]) -> Skew | None:
    """The median over the peers; None where nobody was heard.

    Of an even number the middle two decide together: the smaller of them where both point the same way, else none. A
    certificate counts only where no clock was heard: it says less.
    """
    heard = tuple(readings)
    clocks = sorted((one for one in heard if not one.at_least), key=lambda one: one.ahead)
    clocks = clocks or sorted((one for one in heard if one.at_least), key=lambda one: one.ahead)
    if not clocks:
        return None
    low, high = clocks[(len(clocks) - 1) // 2], clocks[len(clocks) // 2]
    believed = min(low, high, key=lambda one: abs(one.ahead))
    agree = (low.ahead > timedelta(0)) == (high.ahead > timedelta(0))
    return Skew(believed.ahead if agree else timedelta(0), believed.within, believed, heard)


def tolerated(shortest_lead: timedelta | None) -> timedelta:
    """How far the clock may be off unnoticed: a minute, or a fiftieth of the shortest lead where that is less."""
    if shortest_lead is None or shortest_lead <= timedelta(0):
        return MOST
    return max(SECOND, min(MOST, shortest_lead / 50))


def severity_of(skew: Skew, shortest_lead: timedelta | None) -> Severity | None:
    """How grave it is; None where nothing is to be told.

    A warning above what is tolerated; an error from where others refuse us, or a tenth of the shortest lead; a page
    from a day, or half of the shortest lead, from where certificates end before they are found due.
    """
    off, lead = skew.surely, shortest_lead or timedelta(days=30)
    if off <= tolerated(shortest_lead):
        return None
    if off >= min(WRONG_DAY, lead / 2):
        return Severity.CRITICAL
    return Severity.ERROR if off >= min(REFUSED, lead / 10) else Severity.WARNING


def shortest_lead(plan: Plan) -> timedelta | None:
    """The shortest lead of the certificates in our care; None where there is none."""
    return min((decision.lead for decision in plan.decisions if decision.lead), default=None)


def of_clock(inventory: Inventory, plan: Plan) -> Iterator[Case]:
    """The one case about the clock of this machine."""
    skew = estimate(inventory.clocks)
    severity = severity_of(skew, shortest_lead(plan)) if skew is not None else None
    if skew is None or severity is None:
        return
    if skew.ahead > timedelta(0):
        means = "renewals begin early, and a certificate that has just begun may not be valid for others yet"
    else:
        means = "renewals begin late by as much, and a new certificate waits here until it has begun"
    yield Case(
        kind=NoticeKind.CLOCK_SKEWED,
        severity=severity,
        subject="clock",
        owner="",
        since=inventory.at,
        headline=f"of this machine is {told(skew.believed)}",
        detail=f"By others' clocks:\n{listed(told(one) for one in skew.peers)}\n"
        f"It says {moment(inventory.at)} now. So {means}.\n"
        "To do: set it, and have it kept (chrony, systemd-timesyncd); or find out whose clock is wrong instead.",
        command="",
        noun="clock",
    )


def told(reading: PeerClock) -> str:
    """A reading in words: `3 min behind ca.example.com:443`."""
    least = "at least " if reading.at_least else ""
    way = "ahead of" if reading.ahead > timedelta(0) else "behind"
    return f"{least}{span(abs(reading.ahead))} {way} {reading.peer}"


def still_holds(reading: PeerClock, aged: timedelta, now: datetime) -> bool:
    """Whether a reading speaks of the clock as it is now.

    Args:
        aged: how long ago it was read, by a steady clock.
    """
    moved = abs((now - reading.at) - aged)
    return aged <= OLD and moved <= STEPPED
