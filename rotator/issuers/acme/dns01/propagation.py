"""Wait until every authoritative server shows the records: a CA may ask any of them, and a miss costs the order."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from typing import TypeAlias

from rotator.errors import IssueError
from rotator.issuers.acme.patience import pause
from rotator.issuers.acme.proving import Dns01
from rotator.issuers.acme.solver import Desk
from rotator.lib.dns import Lookups, Nameserver
from rotator.lib.dns.resolving import server_address
from rotator.lib.dns.updates import TextRecord
from rotator.lib.dns.watching import lagging, text_at
from rotator.settings import show_duration

REMEMBERED = timedelta(minutes=5)
_SLOWEST = 10.0  # seconds between two looks
_MOST_NAMED = 3
_MOST_NAMES = 5
_AT_ONCE = 16


_Watched: TypeAlias = tuple[str, list[str], tuple[Nameserver, ...]]
"""A name, the values that it shall show, and the servers of its zone."""


class Propagation:
    """Watches the servers of the zones that records were written to."""

    def __init__(self, settings: Dns01, lookups: Lookups, desk: Desk) -> None:
        self._settings = settings
        self._lookups = lookups
        self._desk = desk
        self._lags: dict[str, tuple[str, float]] = {}

    def lag_of(self, records: Sequence[TextRecord]) -> str:
        """What was told a moment ago of a zone that these records are in; empty where it was well, or not looked at.

        For a look at a thousand names beforehand: not each of them has to wait for the same server.
        """
        now = self._desk.clock.monotonic()
        known = (self._lags.get(record.zone, ("", 0.0)) for record in records)
        return next((said for said, until in known if now < until), "")

    def seen(self, records: Sequence[TextRecord]) -> None:
        """Return when all servers show all records, and `propagation_wait` has passed.

        Raises:
            IssueError: some still do not after `propagation`; the sentence names them.
            Pending: asked to stop.
            DnsError: the servers of a zone cannot be found out.
        """
        clock, limit = self._desk.clock, self._settings.propagation.total_seconds()
        began, looks = clock.monotonic(), 0
        waiting = self._by_name(records)
        while True:
            late = self._late(waiting)
            if not late:
                break
            waiting = [watched for watched, _ in late]
            left = limit - (clock.monotonic() - began)
            if left <= 0:
                error = self._too_slow(late)
                self._remember(waiting, records, str(error))
                raise error
            self._pause(timedelta(seconds=min(2.0**looks, _SLOWEST, left)))
            looks += 1
        if self._settings.propagation_wait:
            self._pause(self._settings.propagation_wait)

    def _by_name(self, records: Sequence[TextRecord]) -> list[_Watched]:
        found = []
        zones = {zone: self._servers(zone) for zone in {record.zone for record in records}}
        for (zone, name), group in groupby(sorted(records, key=_place), key=_place):
            found.append((name, [record.value for record in group], zones[zone]))
        return found

    def _servers(self, zone: str) -> tuple[Nameserver, ...]:
        if self._settings.nameservers:
            return tuple(Nameserver("", *server_address(each)) for each in self._settings.nameservers)
        return self._lookups.nameservers_of(zone)

    def _late(self, waiting: Sequence[_Watched]) -> list[tuple[_Watched, list[str]]]:
        """The names that are not shown everywhere yet, with what lags: asked side by side, since one server that is
        silent holds up each of a hundred names for its whole time limit."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(waiting)), thread_name_prefix="propagation") as pool:
            lags = pool.map(lambda each: lagging(text_at(each[0], each[2]), each[1]), waiting)
            return [(watched, lag) for watched, lag in zip(waiting, lags, strict=True) if lag]

    def _too_slow(self, late: list[tuple[_Watched, list[str]]]) -> IssueError:
        clauses = []
        for (name, _, _), lag in late[:_MOST_NAMES]:
            more = f" and {len(lag) - _MOST_NAMED} more" if len(lag) > _MOST_NAMED else ""
            clauses.append(f"at {name} {', '.join(lag[:_MOST_NAMED])}{more}")
        if len(late) > _MOST_NAMES:
            clauses.append(f"and at {len(late) - _MOST_NAMES} names more")
        after = show_duration(self._settings.propagation)
        return IssueError(f"{self._desk.issuer}: the challenge is not everywhere after {after}: {'; '.join(clauses)}")

    def _remember(self, waiting: Sequence[_Watched], records: Sequence[TextRecord], said: str) -> None:
        late = {name for name, *_ in waiting}
        until = self._desk.clock.monotonic() + REMEMBERED.total_seconds()
        self._lags |= {record.zone: (said, until) for record in records if record.name in late}

    def _pause(self, wait: timedelta) -> None:
        pause(self._desk.clock, wait, f"{self._desk.issuer}: stopped before all DNS servers showed the challenge")


def _place(record: TextRecord) -> tuple[str, str]:
    return record.zone, record.name
