"""The DNS-01 solver: where each record belongs, written, seen, and taken away."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import ClassVar

from rotator.core.cohorts import zone_of
from rotator.core.model import Check
from rotator.errors import IssueError, Pending, RotatorError
from rotator.issuers.acme.dns01.propagation import Propagation
from rotator.issuers.acme.dns01.writers import Late, writer_of
from rotator.issuers.acme.proving import Dns01
from rotator.issuers.acme.solver import Desk, Proof, Undoing
from rotator.issuers.acme.traces import Trace
from rotator.lib.dns import DnsError, Lookups
from rotator.lib.dns.updates import TextRecord
from rotator.log import logger

LABEL = "_acme-challenge"
MOST_TRIED = 5
"""Names of one zone that one preflight writes records for."""
log = logger(__name__)


class _Unwritten(IssueError):  # noqa: N818 - reads as what happened
    """A record could not be written, or not be taken away."""


class Dns01Solver:
    """Proves names by TXT records, several at one name where a wildcard and its parent are ordered together."""

    kind: ClassVar[str] = "dns-01"

    def __init__(self, settings: Dns01, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._lookups = Lookups(settings.resolvers)
        self._writer = writer_of(settings, self._lookups, desk.clock, self._put_right)
        self._late: Counter[TextRecord] = Counter()
        self._propagation = Propagation(settings, self._lookups, desk)

    @contextmanager
    def showing(self, proofs: Sequence[Proof], left: list[str] | None = None) -> Iterator[None]:
        with Undoing(self._desk.issuer, left) as undoing:
            records = self._records(proofs)
            try:
                self._sweep(records)
                for record in records:
                    self._show(record, undoing)
                self._propagation.seen(records)
            except DnsError as error:
                raise IssueError(f"{self._desk.issuer}: {error}", permanent=error.permanent) from error
            yield

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """A record of our own at the very place, seen at every server and taken away: no order could tell more."""
        probe = f"rotator-preflight-{secrets.token_hex(8)}"
        proofs = [Proof(name, "", probe) for name in self._some(names)]
        left: list[str] = []
        try:
            records = self._records(proofs)
            if said := self._propagation.lag_of(records):
                return (Check(self.kind, said, _FOLLOW),)
            with self.showing(proofs, left):
                places = sorted({record.name for record in records})
        except (IssueError, Pending) as error:
            return (Check(self.kind, str(error), _remedy(error)),)
        if left:
            return (Check(self.kind, left[0], _WRITE),)
        return (Check(self.kind, detail=f"a record was written, seen and removed at {', '.join(places)}"),)

    def _some(self, names: Sequence[str]) -> list[str]:
        """Of many names in one zone a few, other ones each day: providers count what is written."""
        zones: dict[str, list[str]] = {}
        for name in sorted(set(names)):
            zones.setdefault(zone_of(name), []).append(name)
        begin = self._desk.clock.now().toordinal() * MOST_TRIED
        return [its[(begin + step) % len(its)] for its in zones.values() for step in range(min(MOST_TRIED, len(its)))]

    def _records(self, proofs: Sequence[Proof]) -> list[TextRecord]:
        try:
            return [self._record(proof.host, _digest(proof.authorization)) for proof in proofs]
        except DnsError as error:
            raise IssueError(f"{self._desk.issuer}: {error}", permanent=error.permanent) from error

    def _record(self, host: str, value: str) -> TextRecord:
        place = self._place(host)
        return TextRecord(place, self._settings.zone or self._writer.zone_of(place), value)

    def _place(self, host: str) -> str:
        """Where the CA will look in the end: `_acme-challenge` of the name, or what that is an alias of."""
        return self._settings.alias or self._lookups.target_of(f"{LABEL}.{host}")

    def _show(self, record: TextRecord, undoing: Undoing) -> None:
        with _WRITING.to(record.zone):
            mine = self._desk.traces.note(record.name, record.value)
            undoing.later(record.name, partial(self._hide, record, mine))
            self._change(self._writer.add, record)

    def _hide(self, record: TextRecord, mine: Trace) -> None:
        """Take it away, unless another order shows the same: then it stays until that is done.

        While a late change of it goes on, it is not forgotten: only the end of that tells what is there.
        """
        with _WRITING.to(record.zone):
            is_last = self._desk.traces.leave(mine)
            if is_last:
                self._change(self._writer.remove, record)
            if not (is_last and self._late[record]):
                self._desk.traces.forget(mine)

    def _put_right(self, record: TextRecord) -> None:
        """A late change of this record has ended: have there be what shall be there by now."""
        with _WRITING.to(record.zone), Undoing(self._desk.issuer) as undoing:
            self._late[record] -= 1
            is_needed = self._desk.traces.is_needed(record.name, record.value)
            log.warning(
                "a DNS provider ended a change after its time limit",
                issuer=self._desk.issuer,
                record=record.name,
                remedy="written again" if is_needed else "removed again",
            )
            if is_needed:
                undoing.later(record.name, partial(self._change, self._writer.add, record))
                return
            for dead in self._desk.traces.left(record.name):
                if dead.value == record.value:
                    undoing.later(record.name, partial(self._hide, record, dead))

    def _sweep(self, records: Sequence[TextRecord]) -> None:
        """Take away what attempts of ours left at the same names; one that cannot be removed costs no order."""
        for place, zone in {record.name: record.zone for record in records}.items():
            with _WRITING.to(zone):  # what another order is taking away at this moment is not left
                left = self._desk.traces.left(place)
            for dead in left:
                record = TextRecord(place, zone, dead.value)
                if record not in records:
                    log.info("removing what an earlier attempt left", issuer=self._desk.issuer, record=place)
                    with Undoing(self._desk.issuer) as undoing:
                        undoing.later(place, partial(self._hide, record, dead))

    def _change(self, change: Callable[[TextRecord], None], record: TextRecord) -> None:
        try:
            change(record)
        except DnsError as error:
            self._late[record] += isinstance(error, Late)
            raise _Unwritten(f"{self._desk.issuer}: {error}", permanent=error.permanent) from error


class _Turns:
    """Whose turn it is to write to a zone: many providers replace a whole set of records, or a whole zone, and of two
    changes at once, also by two issuers, one would be lost."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._zones: dict[str, AbstractContextManager[bool]] = {}

    def to(self, zone: str) -> AbstractContextManager[bool]:
        with self._guard:
            return self._zones.setdefault(zone, threading.RLock())


_WRITING = _Turns()
"""One for the process, whichever issuers write."""


def _digest(authorization: str) -> str:
    """The value of the record (RFC 8555, 8.4): SHA-256 of the key authorization, in base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(authorization.encode()).digest()).decode().rstrip("=")


_ASK = "see that these DNS servers answer from here: `resolvers` (else this machine's) and `rfc2136.server`"
_WRITE = "see that the server or provider can be reached from here, with credentials that may write and remove there"
_FOLLOW = "see that every server of the zone follows its primary, or raise `propagation`"


def _remedy(error: RotatorError) -> str:
    """What a person mends: who is asked where records belong, who writes them, or who shows them too late."""
    if isinstance(error, _Unwritten):
        return _WRITE
    return _ASK if isinstance(error.__cause__, DnsError) else _FOLLOW
