"""Places that hold a certificate, endpoints that serve one, and what they showed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from rotator.core.model.certificates import Chain


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place that holds one certificate. `system` (cluster id, host name, …) is equal for source and target."""

    system: str
    address: str

    def __str__(self) -> str:
        return f"{self.system}:{self.address}"


PORTS: Mapping[str, int] = MappingProxyType(
    {
        "ftp": 21,
        "lmtp": 24,
        "smtp": 25,
        "pop3": 110,
        "imap": 143,
        "ldap": 389,
        "submission": 587,
        "mysql": 3306,
        "sieve": 4190,
        "xmpp": 5222,
        "xmpp-server": 5269,
        "postgres": 5432,
    }
)
"""Where each protocol that goes over to TLS is at home (IANA; LMTP has no port of its own, 24 is the usual one)."""

AT_HOME: Mapping[int, str] = MappingProxyType({port: protocol for protocol, port in PORTS.items()})
"""What a port means without a scheme."""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a certificate is served. `server_name` is the SNI to send; empty means the host, if it is a name."""

    host: str
    port: int
    server_name: str = ""
    starttls: str = ""

    def __str__(self) -> str:
        """The word that people write for it, and that reads back as the same endpoint."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = self.starttls or ("tls" if self.port in AT_HOME else "")
        scheme = f"{scheme}://" if scheme else ""
        name = f"{self.server_name}@" if self.server_name and self.server_name != self.host else ""
        return f"{scheme}{name}{host}:{self.port}"


class SightingState(StrEnum):
    """What one address of an endpoint showed."""

    SERVED = "served"  # a chain was shown
    DNS = "dns"  # the name did not resolve
    REFUSED = "refused"
    UNREACHABLE = "unreachable"  # no route, reset before a byte
    UNROUTED = "unrouted"  # not looked at: this machine has a route to other addresses of the name only
    TIMEOUT = "timeout"
    ALERT = "alert"  # the server ended the handshake before showing a chain
    NOT_TLS = "not-tls"

    @property
    def up(self) -> bool:
        return self is SightingState.SERVED


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a handshake told beside the chain."""

    version: str = ""
    cipher: str = ""
    client_certificate_wanted: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one address of an endpoint showed in one fresh handshake, without verification.

    Attributes:
        address: the IP address (or pod) looked at; empty when the name did not resolve.
        fingerprint: of the leaf; empty when nothing was served.
        detail: one clause for people when the state is not `served`, or what of the chain could not be read.
        key: the kind of key that was asked for by itself (`rsa`, `ecdsa`), beside what the server chose to show.
    """

    endpoint: Endpoint
    address: str
    state: SightingState
    fingerprint: str = ""
    chain: Chain | None = None
    handshake: Handshake | None = None
    detail: str = ""
    key: str = ""
