"""Which resolver to ask, and the names on the way up from one to its top level domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.name import Name
    from dns.resolver import Resolver

PORT = 53
MAX_LABELS = 20
"""More than names have that a CA would sign; bounds what one lying name costs."""


def resolver_of(servers: Sequence[str], port: int = PORT) -> Resolver | None:
    """The resolver to ask: these servers, else those of this machine; None where it has none configured.

    Raises:
        ValueError: a server is neither `address` nor `address:port`.
    """
    from dns.nameserver import Do53Nameserver
    from dns.resolver import NoResolverConfiguration, Resolver

    try:
        resolver = Resolver(configure=not servers)
    except NoResolverConfiguration:
        return None
    if servers:
        resolver.nameservers = [Do53Nameserver(*server_address(each, port)) for each in servers]
    return resolver


def server_address(text: str, port: int = PORT) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353` as address and port.

    Raises:
        ValueError: it is none of them; a server is named by its address, since there is nobody yet to ask for a name.
    """
    host, named = text, str(port)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        named = rest.removeprefix(":") or named
    elif text.count(":") == 1:
        host, _, named = text.partition(":")
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(
            f"{text!r} is no address of a DNS server; write it like 192.0.2.53 or 192.0.2.53:5353"
        ) from None
    if not named.isdecimal() or not 0 < int(named) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return str(address), int(named)


def upwards(name: str) -> Iterator[Name]:
    """The name, its parent and so on to the top level domain, in lower case.

    Raises:
        DNSException, UnicodeError: it is no name of the DNS.
    """
    from dns import name as names

    domain = names.from_text(name).canonicalize()
    if len(domain.labels) > MAX_LABELS:
        raise names.NameTooLong
    while domain != names.root:
        yield domain
        domain = domain.parent()
