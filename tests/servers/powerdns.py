"""A real PowerDNS with its HTTP API: authoritative for the zones of one test, which are written by API alone."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import requests

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import Service, running, service

SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
API_KEY = "the-key-of-the-api-4711"


@dataclass(frozen=True, slots=True)
class PowerDns:
    """A running server."""

    port: int
    url: str
    """Of its API."""
    process: Service

    @property
    def server(self) -> str:
        """Return `address:port` for DNS."""
        return f"{LOOPBACK}:{self.port}"

    def request(self, method: str, path: str, body: object = None) -> requests.Response:
        """Ask the API."""
        headers = {"X-API-Key": API_KEY}
        url = f"{self.url}/api/v1/servers/localhost/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=10)

    def texts(self, name: str) -> set[str]:
        """Return the values of the TXT records at a name."""
        answer = dns.query.udp(dns.message.make_query(name, "TXT"), LOOPBACK, port=self.port, timeout=5)
        found = [each for each in answer.answer if each.rdtype == dns.rdatatype.TXT]
        return {b"".join(record.strings).decode() for rrset in found for record in rrset}

    def is_ready(self) -> bool:
        """Say whether the API answers."""
        try:
            return self.request("GET", "zones").ok
        except requests.RequestException:
            return False


@contextlib.contextmanager
def start_powerdns(folder: Path, zones: Sequence[str]) -> Iterator[PowerDns]:
    """Run a PowerDNS with these zones, which have nothing but SOA and NS."""
    program = need("pdns_server")
    home, port, api = folder / "powerdns", free_port(), free_port()
    home.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(home / "zones.db")) as database:
        database.executescript(SCHEMA.read_text())
    options = {
        "local-address": LOOPBACK, "local-port": port, "launch": "gsqlite3", "gsqlite3-database": home / "zones.db",
        "api": "yes", "api-key": API_KEY, "webserver": "yes", "webserver-address": LOOPBACK, "webserver-port": api,
        "socket-dir": home, "config-dir": home, "daemon": "no", "guardian": "no", "security-poll-suffix": "",
        "cache-ttl": 0, "query-cache-ttl": 0, "negquery-cache-ttl": 0, "zone-cache-refresh-interval": 0,
    }  # fmt: skip
    command: list[str | Path] = [program, *(f"--{name}={value}" for name, value in options.items())]
    process = service("powerdns", home, command)
    powerdns = PowerDns(port, f"http://{LOOPBACK}:{api}", process)
    with running(process):
        process.start()
        process.wait_ready(powerdns.is_ready)
        for zone in zones:
            body = {"name": f"{zone}.", "kind": "Native", "nameservers": [f"ns.{zone}."]}
            powerdns.request("POST", "zones", body).raise_for_status()
        yield powerdns
