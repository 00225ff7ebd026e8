"""Who writes the records: a port with two sides, dynamic updates and (in `providers`) dns-lexicon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rotator.errors import SecretMissing
from rotator.issuers.acme.proving import Dns01, Rfc2136
from rotator.lib.dns import DnsError, Lookups, Nameserver, updates
from rotator.lib.dns.resolving import server_address
from rotator.lib.dns.updates import SharedKey, TextRecord
from rotator.lib.reach import own_address
from rotator.ports import Clock


class Late(DnsError):  # noqa: N818 - says what is known
    """A change took longer than its limit and goes on: it may still be carried out, and its end will be told."""


Told = Callable[[TextRecord], None]
"""Is told, from a thread of its own, of a record whose late change has ended, whether it was carried out or not."""


class Writer(Protocol):
    """Writes TXT records one value at a time; what else is at the name stays.

    Raises (each method):
        DnsError: refused, or no answer; `Late` where the change goes on.
    """

    def zone_of(self, name: str) -> str:
        """The zone that a name is written to."""
        ...

    def add(self, record: TextRecord) -> None: ...

    def remove(self, record: TextRecord) -> None:
        """No error where it is gone already."""
        ...


def writer_of(settings: Dns01, lookups: Lookups, clock: Clock, ended: Told) -> Writer:
    """The writer that the settings choose; `ended` is told of late changes."""
    if settings.rfc2136 is not None:
        return Rfc2136Writer(settings.rfc2136, settings, lookups)
    from rotator.issuers.acme.dns01.providers import LexiconWriter

    return LexiconWriter(settings, lookups, clock, ended)


class Rfc2136Writer:
    """Dynamic updates to one server, or to the primary of each zone."""

    def __init__(self, settings: Rfc2136, dns01: Dns01, lookups: Lookups) -> None:
        self._settings = settings
        self._dns01 = dns01
        # The server that takes the updates knows its zones, also those that other resolvers do not see.
        self._lookups = Lookups([settings.server]) if settings.server else lookups

    def zone_of(self, name: str) -> str:
        return self._dns01.zone or self._lookups.zone_of(name)

    def add(self, record: TextRecord) -> None:
        updates.add(record, self._dns01.ttl, self._server(record.zone), self._key())

    def remove(self, record: TextRecord) -> None:
        updates.remove(record, self._server(record.zone), self._key())

    def _server(self, zone: str) -> Nameserver:
        if self._settings.server:
            return Nameserver("", *server_address(self._settings.server))
        primary = self._lookups.primary_of(zone)
        addresses = self._lookups.addresses_of(primary)
        if not addresses:
            raise DnsError(f"{primary}, the primary of {zone}, has no address; name one as rfc2136.server")
        return Nameserver(primary, next(filter(own_address, addresses), addresses[0]))

    def _key(self) -> SharedKey | None:
        if self._settings.key is None:
            return None
        try:
            secret = self._settings.key.reveal()
        except SecretMissing as error:
            raise DnsError(str(error), permanent=True) from error
        return SharedKey(self._settings.key_name, secret, self._settings.algorithm)
