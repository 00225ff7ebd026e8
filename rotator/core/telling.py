"""Which notices are to be sent now, and to whom. Pure.

A notice is told once, again when it rises, when it has come to be about twice as many subjects, and when its time to be
repeated has come; and once more when it is over, to those who were told. While it is open it only rises: what has woken
somebody is not made small again behind their back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.model import Notice, NoticeKind, Severity
from rotator.core.notices import NEWS


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody who is told: an alerter with its route.

    Attributes:
        owners: whose notices it takes; empty takes everybody's.
        repeat_every: how often what is still open is said again; None leaves it to the severity.
        resend_every: how often the service must hear of what is open, lest it thinks that it is over.
        reaches_people: whether a person reads it; a log does not count.
    """

    name: str
    at_least: Severity = Severity.INFO
    owners: frozenset[str] = frozenset()
    repeat_every: timedelta | None = None
    resend_every: timedelta | None = None
    reaches_people: bool = True

    def takes(self, notice: Notice) -> bool:
        return notice.severity.rank >= self.at_least.rank and (not self.owners or notice.owner in self.owners)


@dataclass(frozen=True, slots=True)
class Mark:
    """What one alerter was last told of one notice.

    Attributes:
        receipt: what it returned.
        refused: it will not take this notice; asked again only when it is to be repeated.
    """

    at: datetime
    severity: Severity
    subjects: int
    receipt: str | None = None
    refused: bool = False

    def encode(self) -> str:
        """As the store keeps it."""
        fields = [self.at.isoformat(), self.severity, self.subjects, self.receipt, self.refused]
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> Mark:
        """Read what `encode` wrote.

        Raises:
            ValueError: it is something else.
        """
        at, severity, subjects, receipt, refused = json.loads(text)
        return cls(datetime.fromisoformat(at), Severity(severity), int(subjects), receipt, bool(refused))


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as it was last told, by alerter. `undelivered` names those who have not got its last message."""

    notice: Notice
    marks: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}))
    undelivered: frozenset[str] = frozenset()

    @property
    def over(self) -> bool:
        return self.notice.resolved


@dataclass(frozen=True, slots=True)
class Errand:
    """One message to one alerter."""

    to: str
    notice: Notice
    receipt: str | None


def risen(notice: Notice, told: Told | None) -> Notice:
    """The notice, never less grave than it was told before while it is open."""
    if told is None or told.over or told.notice.severity.rank <= notice.severity.rank:
        return notice
    return replace(notice, severity=told.notice.severity)


def to_open(
    notices: Iterable[Notice],
    told: Mapping[str, Told],
    takers: Sequence[Taker],
    now: datetime,
    repeat_every: Mapping[Severity, timedelta],
) -> Iterator[Errand]:
    """Messages about what is open; the notices have `risen` already."""
    for notice in notices:
        before = told.get(notice.key)
        for taker in takers_of(notice, takers):
            mark = before.marks.get(taker.name) if before else None
            if _due(notice, before, mark, taker, now, taker.repeat_every or repeat_every[notice.severity]):
                yield Errand(taker.name, notice, mark.receipt if mark else None)


def to_close(open_keys: Iterable[str], told: Mapping[str, Told], takers: Sequence[Taker]) -> Iterator[Errand]:
    """Messages about what is over, to those who were told of it; news that somebody has not got yet, to them."""
    still_open = set(open_keys)
    names = {taker.name for taker in takers}
    for key, before in told.items():
        if key in still_open:
            continue
        to, notice = before.undelivered, before.notice
        if notice.kind not in NEWS and not before.over:
            # Who has not got it may have got it all the same: a time limit says nothing of what arrived.
            to |= {name for name, mark in before.marks.items() if not mark.refused}
            notice = replace(notice, resolved=True)
        for name in sorted(to & names):
            mark = before.marks.get(name)
            yield Errand(name, notice, mark.receipt if mark else None)


def takers_of(notice: Notice, takers: Sequence[Taker]) -> tuple[Taker, ...]:
    """Who is told: those who take it; where that is nobody who reads it, everybody.

    An info that nobody takes stays with the log, but for the digest of the first look.
    """
    taking = tuple(taker for taker in takers if taker.takes(notice))
    quiet = notice.severity is Severity.INFO and notice.kind is not NoticeKind.DIGEST
    if any(taker.reaches_people for taker in taking) or quiet:
        return taking
    return tuple(takers)


def _due(
    notice: Notice, before: Told | None, mark: Mark | None, taker: Taker, now: datetime, repeat: timedelta
) -> bool:
    if before is None or mark is None or before.over or taker.name in before.undelivered:
        return True
    if notice.severity.rank > mark.severity.rank or len(notice.subjects) >= 2 * max(mark.subjects, 1):
        return True
    every = min(repeat, taker.resend_every) if taker.resend_every else repeat
    return now - mark.at >= every
