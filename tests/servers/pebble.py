"""A real ACME CA: Pebble in strict mode, with pebble-challtestsrv as its DNS.

Pebble asks HTTP-01 challenges on one port for the whole instance, so two workers cannot share one: **each xdist worker
has its own**. A test's HTTP-01 listener binds to `127.0.0.1` and `http_port`; every name resolves to 127.0.0.1.

Half of all good nonces are refused, as the specification allows any server to do. **An order that names no profile gets
a random one** ("in true pebble chaos fashion"), so it may live for 60 seconds: name the profile `default`, or use the
fixture `pebble_plain`, which has only that one.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.certificates import authority
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, running, service

DEFAULT, SHORTLIVED, MINUTE = "default", "shortlived", "minute"
LIFETIMES: Mapping[str, int] = {DEFAULT: 90 * 86400, SHORTLIVED: 518400, MINUTE: 60}
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class PebbleSettings:
    """What can be chosen about an instance."""

    lifetimes: Mapping[str, int] = field(default_factory=lambda: LIFETIMES)
    """Profiles, each with its lifetime in seconds."""
    nonce_reject: int = 50
    """How many good nonces of a hundred are refused."""
    authorization_reuse: int = 50
    """How many valid authorizations of a hundred are used again."""
    retry_after: int = 1
    """Seconds that unfinished orders and authorizations ask to wait; 0 sends no such header."""
    external_accounts: Mapping[str, str] = field(default_factory=dict)
    """Key id → MAC key (base64url) of external account binding; when there are any, it is required."""
    blocked: tuple[str, ...] = ("blocked.example",)
    """Domains that are refused with `rejectedIdentifier`."""
    key_algorithm: str = "rsa"
    """Of the CA's own keys: `rsa` or `ecdsa`. Pebble gives `intermediate` only an RSA key."""
    http_port: int = 0
    """Where it asks HTTP-01 challenges; without it a free port."""
    dns_server: str = ""
    """Another resolver than its own pebble-challtestsrv, as `address:port`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further `PEBBLE_…` variables, as `PEBBLE_ALTERNATE_ROOTS`."""


PLAIN = PebbleSettings(lifetimes={DEFAULT: LIFETIMES[DEFAULT]})


@dataclass(frozen=True, slots=True)
class Pebble:
    """A running Pebble."""

    directory_url: str
    management_url: str
    ca_file: Path
    """What its own HTTPS is verified with; nothing to do with what it issues."""
    http_port: int
    """Where it asks HTTP-01 challenges."""
    tls_port: int
    """Where it asks TLS-ALPN-01 challenges."""
    dns: str
    """`address:port` of its DNS server."""
    dns_management_url: str
    process: Service
    dns_process: Service

    def _managed(self, path: str) -> requests.Response:
        answer = requests.get(f"{self.management_url}/{path}", verify=str(self.ca_file), timeout=TIMEOUT)
        answer.raise_for_status()
        return answer

    def roots(self, chain: int = 0) -> str:
        """Return the root certificate as PEM; other chains exist with `PEBBLE_ALTERNATE_ROOTS`."""
        return self._managed(f"roots/{chain}").text

    def intermediate(self, chain: int = 0) -> tuple[str, str]:
        """Return the certificate and the key of the intermediate: enough to mint validly signed wrong certificates."""
        return self._managed(f"intermediates/{chain}").text, self._managed(f"intermediate-keys/{chain}").text

    def root(self, chain: int = 0) -> tuple[str, str]:
        """Return the certificate and the key of the root: enough to mint intermediates that it never signed."""
        return self.roots(chain), self._managed(f"root-keys/{chain}").text

    def status(self, serial: int) -> dict[str, Any]:
        """Return what Pebble knows of a certificate: `Status` is `Valid` or `Revoked`."""
        status: dict[str, Any] = self._managed(f"cert-status-by-serial/{serial:x}").json()
        return status

    def set_renewal_info(self, certificate: str, answer: str) -> None:
        """Have ARI answer this text, which need not even be JSON, for a certificate (PEM)."""
        body = {"Certificate": certificate, "ARIResponse": answer}
        url = f"{self.management_url}/set-renewal-info/"
        requests.post(url, json=body, verify=str(self.ca_file), timeout=TIMEOUT).raise_for_status()

    def dns_command(self, command: str, **body: Any) -> Any:
        """Give its DNS a command, as `add-a`, `set-txt`, `add-caa`, `set-servfail`, `dns-request-history`."""
        answer = requests.post(f"{self.dns_management_url}/{command}", json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json() if answer.content.startswith((b"[", b"{")) else None

    def issued(self) -> int:
        """Return how many certificates it has issued since it started."""
        return len(re.findall(r"Issued certificate serial", self.process.log.read_text()))

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.dns_process.start()
        self.process.start()
        self.process.wait_ready(self.is_ready)
        self.dns_process.wait_ready(self.dns_is_ready)

    def restart(self) -> None:
        """Start it anew at the same address: its accounts, orders and CA keys are gone, as after a rebuilt CA."""
        self.process.stop()
        self.process.start()
        self.process.wait_ready(self.is_ready)

    def is_ready(self) -> bool:
        """Say whether its directory and its management interface answer."""
        try:
            self._managed("roots/0")
            return requests.get(self.directory_url, verify=str(self.ca_file), timeout=TIMEOUT).ok
        except requests.RequestException:
            return False

    def dns_is_ready(self) -> bool:
        """Say whether its DNS can be commanded."""
        try:
            self.dns_command("clear-servfail", host="ready.invalid")
        except requests.RequestException:
            return False
        return True


def _config(settings: PebbleSettings, ports: Mapping[str, int]) -> dict[str, object]:
    profiles = {
        name: {"description": f"{seconds} seconds", "validityPeriod": seconds}
        for name, seconds in settings.lifetimes.items()
    }
    pebble = {
        "listenAddress": f"{LOOPBACK}:{ports['acme']}",
        "managementListenAddress": f"{LOOPBACK}:{ports['management']}",
        "certificate": "pebble.crt",
        "privateKey": "pebble.key",
        "httpPort": ports["http"],
        "tlsPort": ports["tls"],
        "ocspResponderURL": "",
        "externalAccountBindingRequired": bool(settings.external_accounts),
        "externalAccountMACKeys": dict(settings.external_accounts),
        "domainBlocklist": list(settings.blocked),
        "retryAfter": {"authz": settings.retry_after, "order": settings.retry_after},
        "keyAlgorithm": settings.key_algorithm,
        "profiles": profiles,
    }
    return {"pebble": pebble}


def _pebble(folder: Path, settings: PebbleSettings) -> Pebble:
    """Write what an instance needs into its folder, without starting it."""
    ports = {name: free_port() for name in ("acme", "management", "http", "tls", "dns", "dns_management")}
    ports["http"] = settings.http_port or ports["http"]
    ca = authority(folder)
    ca.issue("pebble", "localhost", LOOPBACK)
    (folder / "pebble.json").write_text(json.dumps(_config(settings, ports)))
    environment = {
        "PEBBLE_WFE_NONCEREJECT": str(settings.nonce_reject),
        "PEBBLE_AUTHZREUSE": str(settings.authorization_reuse),
        "PEBBLE_VA_NOSLEEP": "1",
        **settings.environment,
    }
    dns, dns_management = f"{LOOPBACK}:{ports['dns']}", f"{LOOPBACK}:{ports['dns_management']}"
    command: list[str | Path] = [
        need("pebble"),
        "-strict",
        "-config",
        "pebble.json",
        "-dnsserver",
        settings.dns_server or dns,
    ]
    dns_command: list[str | Path] = [
        need("pebble-challtestsrv"), "-dnsserver", dns, "-management", dns_management,
        "-defaultIPv4", LOOPBACK, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
    ]  # fmt: skip
    return Pebble(
        directory_url=f"https://{LOOPBACK}:{ports['acme']}/dir",
        management_url=f"https://{LOOPBACK}:{ports['management']}",
        ca_file=ca.ca_file,
        http_port=ports["http"],
        tls_port=ports["tls"],
        dns=dns,
        dns_management_url=f"http://{dns_management}",
        process=service("pebble", folder, command, environment=environment),
        dns_process=service("challtestsrv", folder, dns_command),
    )


@contextlib.contextmanager
def start_pebble(folder: Path, settings: PebbleSettings | None = None, **environment: str) -> Iterator[Pebble]:
    """Run a Pebble of the test's own in a folder: with other settings, or to restart it.

    Keywords are `PEBBLE_…` variables: `start_pebble(tmp_path, PEBBLE_ALTERNATE_ROOTS="2")`.
    """
    chosen = settings or PebbleSettings()
    pebble = _pebble(folder, replace(chosen, environment={**chosen.environment, **environment}))
    with running(pebble.dns_process, pebble.process):
        pebble.start()
        yield pebble


def _of_worker(name: str, settings: PebbleSettings) -> contextlib.AbstractContextManager[Pebble]:
    worker = current().folder / f"{name}-{current().worker}"
    return start_pebble(worker, settings)


@pytest.fixture(scope="session")
def pebble() -> Iterator[Pebble]:
    """Give this worker's Pebble, with the profiles `default`, `shortlived` and `minute`; a test names one."""
    with _of_worker("pebble", PebbleSettings()) as instance:
        yield instance


@pytest.fixture(scope="session")
def pebble_plain() -> Iterator[Pebble]:
    """Give this worker's Pebble with one profile only: an order that names none gets 90 days."""
    with _of_worker("pebble-plain", PLAIN) as instance:
        yield instance
