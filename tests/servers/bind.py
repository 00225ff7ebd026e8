"""A real BIND with the zones of one test: authoritative for them, or the resolver of a world that has only them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import Service, running, service

HEAD = "$TTL 60\n@ SOA ns nobody 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
BROKEN = "this is no zone"
"""Given as a zone's records: BIND answers SERVFAIL for it."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A running server."""

    address: str
    port: int
    process: Service

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
    home: Path, port: int, zones: Mapping[str, str], elsewhere: Mapping[str, int], *, resolver: bool
) -> str:
    options = (
        f'directory "{home}"; pid-file "{home}/named.pid"; session-keyfile "{home}/session.key"; '
        f"listen-on port {port} {{ {LOOPBACK}; }}; listen-on-v6 {{ none; }}; recursion {'yes' if resolver else 'no'}; "
        "dnssec-validation no; allow-query { any; }; notify no; empty-zones-enable no;"
    )
    entries = [f'zone "{zone}" {{ type primary; file "{_file(zone)}"; }};' for zone in zones]
    entries += [
        f'zone "{zone}" {{ type forward; forward only; forwarders port {other} {{ {LOOPBACK}; }}; }};'
        for zone, other in elsewhere.items()
    ]
    return "\n".join([f"options {{ {options} }};", "controls { };", *entries, ""])


@contextlib.contextmanager
def start_bind(
    folder: Path, zones: Mapping[str, str], *, resolver: bool = False, elsewhere: Mapping[str, int] | None = None
) -> Iterator[Bind]:
    """Run a BIND with these zones: name without a final dot → records, beside SOA and NS.

    A resolver follows aliases from zone to zone, and has a root of its own, so that it never asks anybody else; without
    it what is in no zone is refused. What is under a zone of `elsewhere` it asks of another server on loopback, at
    that port.
    """
    program = need("named")
    home, port = folder / "bind", free_port()
    delegated = "".join(f"{zone}. NS ns\n" for zone in elsewhere or {})  # or the root would say that there is no such
    zones = {".": delegated, **zones} if resolver else zones
    home.mkdir(parents=True, exist_ok=True)
    for zone, records in zones.items():
        (home / _file(zone)).write_text(f"{HEAD}{records}\n")
    (home / "named.conf").write_text(_configuration(home, port, zones, elsewhere or {}, resolver=resolver))
    # As root it stays root: another user may not enter pytest's folders.
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = service("bind", home, [program, "-g", "-4", "-n", "1", *user, "-c", home / "named.conf"])
    bind = Bind(LOOPBACK, port, process)
    with running(process):
        process.start()
        process.wait_ready(bind.is_ready)
        yield bind
