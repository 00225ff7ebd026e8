"""A real BIND with the zones of one test: authoritative for them, or the resolver of a world that has only them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rdatatype

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import Service, running, service

HEAD = "$TTL 60\n@ SOA ns nobody 1 3600 600 86400 60\n@ NS ns\nns A {address}\n"
BROKEN = "this is no zone"
"""Given as a zone's records: BIND answers SERVFAIL for it."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a BIND can do beside serving its zones.

    Attributes:
        keys: TSIG keys, hmac-sha256: name → secret in base64.
        policies: zone → its `update-policy`, as `grant rotator. zonesub TXT;`.
        secondary: zone → the primary that it is copied from; without a word from there, an hour late.
        nameservers: zone → its NS records and their addresses, instead of this server itself.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    secondary: Mapping[str, Bind] = field(default_factory=dict)
    nameservers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bind:
    """A running server."""

    address: str
    port: int
    process: Service

    @property
    def server(self) -> str:
        """Return `address:port`."""
        return f"{self.address}:{self.port}"

    def notify(self, zone: str) -> None:
        """Tell a secondary that the zone has changed, so that it copies it now."""
        message = dns.message.make_query(zone, "SOA")
        message.set_opcode(dns.opcode.NOTIFY)
        message.flags = dns.flags.AA | dns.opcode.to_flags(dns.opcode.NOTIFY)
        dns.query.udp(message, self.address, port=self.port, timeout=5)

    def texts(self, name: str) -> set[str]:
        """Return the values of the TXT records at a name."""
        answer = dns.query.udp(dns.message.make_query(name, "TXT"), self.address, port=self.port, timeout=5)
        found = [each for each in answer.answer if each.rdtype == dns.rdatatype.TXT]
        return {b"".join(record.strings).decode() for rrset in found for record in rrset}

    def is_ready(self) -> bool:
        """Say whether it answers."""
        question = dns.message.make_query("version.bind.", "TXT", "CH")
        try:
            dns.query.udp(question, self.address, port=self.port, timeout=0.5)
        except (dns.exception.Timeout, OSError):
            return False
        return True


def _file(zone: str) -> str:
    return f"{'root' if zone == '.' else zone}.zone"


def _configuration(
    home: Path, bind: Bind, zones: Mapping[str, str], elsewhere: Mapping[str, int], extras: Extras, *, resolver: bool
) -> str:
    options = (
        f'directory "{home}"; pid-file "{home}/named.pid"; session-keyfile "{home}/session.key"; '
        f"listen-on port {bind.port} {{ {bind.address}; }}; listen-on-v6 {{ none; }}; "
        f"recursion {'yes' if resolver else 'no'}; dnssec-validation no; allow-query {{ any; }}; notify no; "
        "empty-zones-enable no; allow-transfer { any; }; allow-notify { any; };"
    )
    keys = [f'key "{name}" {{ algorithm hmac-sha256; secret "{secret}"; }};' for name, secret in extras.keys.items()]
    entries = [
        f'zone "{zone}" {{ type primary; file "{_file(zone)}"; {_policy(extras.policies.get(zone))} }};'
        for zone in zones
    ]
    entries += [
        f'zone "{zone}" {{ type forward; forward only; forwarders port {other} {{ {LOOPBACK}; }}; }};'
        for zone, other in elsewhere.items()
    ]
    entries += [
        f'zone "{zone}" {{ type secondary; file "{_file(zone)}"; '
        f"primaries port {primary.port} {{ {primary.address}; }}; }};"
        for zone, primary in extras.secondary.items()
    ]
    return "\n".join([f"options {{ {options} }};", "controls { };", *keys, *entries, ""])


def _policy(rules: str | None) -> str:
    return f"update-policy {{ {rules} }};" if rules else ""


def _head(address: str, nameservers: Mapping[str, str] | None) -> str:
    if nameservers is None:
        return HEAD.format(address=address)
    soa, *_ = HEAD.partition("@ NS")
    return soa + "".join(f"@ NS {name}\n{name} A {where}\n" for name, where in nameservers.items())


@contextlib.contextmanager
def start_bind(
    folder: Path,
    zones: Mapping[str, str],
    *,
    resolver: bool = False,
    elsewhere: Mapping[str, int] | None = None,
    address: str = LOOPBACK,
    port: int | None = None,
    inside: Sequence[str] = (),
    extras: Extras = Extras(),
) -> Iterator[Bind]:
    """Run a BIND with these zones: name without a final dot → records, beside SOA and NS.

    A resolver follows aliases from zone to zone, and has a root of its own, so that it never asks anybody else; without
    it what is in no zone is refused. What is under a zone of `elsewhere` it asks of another server on loopback, at
    that port. Where its NS records shall lead to it, it needs port 53 of an address of its own, which only a network
    namespace has: `address=network.addresses[0], port=53, inside=network.inside`.
    """
    program = need("named")
    home = folder / "bind"
    delegated = "".join(f"{zone}. NS ns\n" for zone in elsewhere or {})  # or the root would say that there is no such
    zones = {".": delegated, **zones} if resolver else zones
    home.mkdir(parents=True, exist_ok=True)
    for zone, records in zones.items():
        (home / _file(zone)).write_text(f"{_head(address, extras.nameservers.get(zone))}{records}\n")
    # As root it stays root: another user may not enter pytest's folders.
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = service("bind", home, [*inside, program, "-g", "-4", "-n", "1", *user, "-c", home / "named.conf"])
    bind = Bind(address, port or free_port(), process)
    (home / "named.conf").write_text(_configuration(home, bind, zones, elsewhere or {}, extras, resolver=resolver))
    with running(process):
        process.start()
        process.wait_ready(bind.is_ready)
        yield bind
