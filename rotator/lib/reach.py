"""Which addresses may be connected to where a stranger names the host: a certificate, a redirect, an answer.

Public ones; of the others those that the operator allowed, by host name or by network.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052, 2.1

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet; an IPv4 address wrapped into an IPv6 one is judged by itself."""
    ip = _ip(address)
    inner = _wrapped(ip)
    if inner is not None:
        return is_public(str(inner))
    if isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def has_no_way(error: BaseException | None) -> bool:
    """Whether a connection failed because this machine has no route there, as to IPv6 addresses without IPv6."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_WAY:
            return True
        error = error.__cause__ or error.__context__
    return False


def own_address(of: str, port: int = 53) -> str:
    """The address of this machine that packets to another one leave from; empty where there is no way to it.

    Nothing is sent: a datagram socket that is connected only asks the routing table.
    """
    family = socket.AF_INET6 if ":" in of else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((of, port))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


@dataclass(frozen=True, slots=True)
class Reach:
    """The internal places that may be connected to all the same.

    Attributes:
        hosts: names, in lower case; every address that such a name leads to is allowed.
        networks: an address in one of them is allowed, whatever the name.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()

    @classmethod
    def of(cls, allowed: Sequence[str]) -> Reach:
        """Read hosts (`crl.corp.example`), addresses (`10.1.2.3`, `fd00::1`) and networks (`10.0.0.0/8`).

        Raises:
            ValueError: an entry looks like a network but is none; the message names it.
        """
        hosts, networks = set(), []
        for entry in allowed:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError as error:
                if "/" in entry or ":" in entry:
                    raise ValueError(f"{entry} is neither a host name nor an address nor a network") from error
                hosts.add(_plain(entry))
        return cls(frozenset(hosts), tuple(networks))

    def allows(self, host: str, address: str) -> bool:
        """Whether `host`, which leads to `address`, may be connected to there."""
        if is_public(address) or _plain(host) in self.hosts:
            return True
        ip = _ip(address)
        forms = [form for form in (ip, _wrapped(ip)) if form is not None]
        return any(form in network for form in forms for network in self.networks)


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _ip(address: str) -> _Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _wrapped(ip: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
