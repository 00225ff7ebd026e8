"""Aliases, zones and the servers of a zone, asked of a resolver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.model import TlsaRecord, TlsaSet
from rotator.lib.dns.resolving import PORT, resolver_of, upwards

if TYPE_CHECKING:
    from dns.name import Name
    from dns.resolver import Answer, NoNameservers

LONGEST_CHAIN = 8
"""Aliases that are followed, as most resolvers do; a CA follows no more either."""

LOOKUP_SECONDS = 10.0
_TLSA_SECONDS = 5.0


class DnsError(Exception):
    """The DNS could not be asked, or what it says cannot be used.

    Attributes:
        permanent: a person has to change something first.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Nameserver:
    """One address of one authoritative server."""

    name: str
    address: str
    port: int = PORT

    def __str__(self) -> str:
        where = self.address if self.port == PORT else f"{self.address} port {self.port}"
        return f"{self.name} ({where})" if self.name else where


class Lookups:
    """Questions to the resolver of one place; may be used by several threads.

    Args:
        servers: resolvers as `address` or `address:port`; empty takes those of this machine.

    Raises (each question):
        DnsError: no answer, or none that can be used.
    """

    def __init__(self, servers: Sequence[str] = (), seconds: float = LOOKUP_SECONDS) -> None:
        self._resolver = resolver_of(servers)
        self._who = f"the DNS server {' or '.join(servers)}" if servers else "the resolver"
        self._seconds = seconds

    def target_of(self, name: str) -> str:
        """Where a chain of aliases (CNAME) that begins at a name ends; the name itself where there is none."""
        chain = [_plain(_name(name))]
        while (record := self._ask(_name(chain[-1]), "CNAME")) is not None:
            following = _plain(record[0].target)
            if following in chain:
                told = " → ".join([*chain, following])
                raise DnsError(f"the aliases of {chain[0]} run in a circle: {told}", permanent=True)
            chain.append(following)
            if len(chain) > LONGEST_CHAIN + 1:
                raise DnsError(f"{chain[0]} is an alias over more than {LONGEST_CHAIN} names", permanent=True)
        return chain[-1]

    def zone_of(self, name: str) -> str:
        """The zone that a name is in: the nearest one above it, or at it, that has an SOA record."""
        for domain in upwards(name):
            answer = self._ask(domain, "SOA")
            if answer is not None and answer.rrset is not None and answer.rrset.name == domain:
                return _plain(domain)
        raise DnsError(f"no zone was found that {name} is in; does its domain exist?", permanent=True)

    def primary_of(self, zone: str) -> str:
        """The host that the zone's SOA record names as the one to send updates to (RFC 2136, 4.3)."""
        answer = self._ask(_name(zone), "SOA")
        if answer is None:
            raise DnsError(f"{zone} has no SOA record", permanent=True)
        return _plain(answer[0].mname)

    def nameservers_of(self, zone: str) -> tuple[Nameserver, ...]:
        """Every address of every authoritative server of a zone."""
        answer = self._ask(_name(zone), "NS")
        hosts = sorted({_plain(record.target) for record in answer or ()})
        if not hosts:
            raise DnsError(f"{zone} has no NS records", permanent=True)
        found = tuple(Nameserver(host, address) for host in hosts for address in self.addresses_of(host))
        named = {server.name for server in found}
        if missing := [host for host in hosts if host not in named]:
            raise DnsError(f"{', '.join(missing)}, which should serve {zone}, has no address")
        return found

    def tlsa_of(self, name: str) -> TlsaSet:
        """The TLSA records at a name, aliases followed (RFC 7671, 7); what went wrong is part of the answer."""
        try:
            answer = self._ask(_name(name), "TLSA", follow=True)
        except DnsError as error:
            return TlsaSet(name, problem=str(error))
        records = (TlsaRecord(one.usage, one.selector, one.mtype, one.cert.hex()) for one in answer or ())
        return TlsaSet(name, tuple(sorted(records, key=str)))

    def addresses_of(self, host: str) -> tuple[str, ...]:
        """All addresses of a host, of both families; none where it has none."""
        found = [self._ask(_name(host), kind, follow=True) for kind in ("A", "AAAA")]
        return tuple(str(record.address) for answer in found for record in answer or ())

    def _ask(self, name: Name, kind: str, *, follow: bool = False) -> Answer | None:
        """The records of a kind at a name; None where there are none. Only `follow` takes those behind an alias."""
        from dns.exception import DNSException, Timeout
        from dns.resolver import NXDOMAIN, NoNameservers

        plain = _plain(name)
        if self._resolver is None:
            raise DnsError("this machine has no resolver that could be asked; name some as `resolvers`")
        try:
            answer = self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False, lifetime=self._seconds)
        except NXDOMAIN:
            return None
        except Timeout as error:
            raise DnsError(f"{self._who} gave no answer for {kind} of {plain} in time") from error
        except NoNameservers as error:
            raise DnsError(f"{self._who} answered {refusal_of(error)} for {kind} of {plain}") from error
        except (DNSException, OSError) as error:
            raise DnsError(f"{kind} of {plain} could not be looked up: {type(error).__name__}") from error
        if answer.rrset is None or (answer.rrset.name != name and not follow):
            return None
        return answer


def tlsa_of(name: str) -> TlsaSet:
    """The TLSA records at a name, by the resolver of this machine."""
    return Lookups(seconds=_TLSA_SECONDS).tlsa_of(name)


def refusal_of(error: NoNameservers) -> str:
    """The code that the last server answered with, as `SERVFAIL`."""
    from dns import rcode

    for *_, response in reversed(error.kwargs.get("errors") or []):
        if response is not None:
            return rcode.to_text(response.rcode())
    return "nothing that can be read"


def _name(text: str) -> Name:
    from dns import name as names
    from dns.exception import DNSException

    try:
        return names.from_text(text).canonicalize()
    except (DNSException, UnicodeError) as error:
        raise DnsError(f"{text!r} is no name of the DNS", permanent=True) from error


def _plain(name: Name) -> str:
    return name.canonicalize().to_text(omit_final_dot=True)
