"""Two small worlds to photograph: one whose next renewals would fail in part, and one that replaces all its keys.

Certificates, servers and CAs are real: those of the demo's fleet, an issuing CA in files, and Pebble.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from rich.text import Text
from terminal import ROTATOR, typed

from rotator.demo.fleet import DOMAIN, HOST, Service, found
from rotator.demo.pki import make_pki
from rotator.demo.servers import Fleet
from tests.servers import run
from tests.servers.pebble import PLAIN, Pebble, start_pebble
from tests.servers.run import need
from tests.servers.service import running, service

AGO = timedelta(days=7 * 365 - 100)
"""How long ago the CA was made that ends before its next certificates would: it lives seven years."""

TEN = ("accounts", "assets", "auth", "billing", "cart", "content", "email", "events", "feed", "files")
BEGIN = "rotate --issuer internal --all --reason key-compromise --deadline 24h --yes"
LAZY = "billing"
"""The service whose config names no reload."""

STUCK = "cart"
"""The service whose folder is on a file system that was mounted for reading only."""


def preflight() -> list[Text]:
    """Four certificates of three CAs: one is in order, three meet something that would stop their next renewal."""
    now = datetime.now(UTC)
    services = {one.name: one for one in found(make_pki(now), Path("services").resolve(), now)}
    make_pki(now - AGO).write(Path("ending"))
    make_pki(now).write(Path("internal"))
    _for_reading_only(services["graph"].directory)
    run.begin()
    try:
        with start_pebble(Path("pebble").resolve(), PLAIN) as pebble, _names():
            roots = Path("roots.pem").resolve()
            roots.write_text(pebble.roots())
            config = _config(
                {
                    "public": {"acme": _acme(pebble), "trust": {"file": str(roots)}},
                    "internal": _ca("internal"),
                    "ending": _ca("ending"),
                },
                _certificate(services["catalog"], "internal", reload=["true"]),
                _certificate(services["files"], "public", reload=["true"]),
                _certificate(services["geo"], "ending", reload=["true"]),
                _certificate(services["graph"], "internal", reload=["true"]),
            )
            typed(config, "account", "update", "public")
            return typed(config, "preflight")
    finally:
        run.finish()


@contextlib.contextmanager
def _names() -> Iterator[None]:
    """A DNS of this namespace alone, in which one service's names may be signed for by another CA only."""
    resolver = Path("resolv.conf").resolve()
    resolver.write_text(f"nameserver {HOST}\n")
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
    command = [
        need("pebble-challtestsrv"), "-dnsserver", f"{HOST}:53", "-management", f"{HOST}:8055", "-defaultIPv4", HOST,
        "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
    ]  # fmt: skip
    dns = service("dns", Path("dns").resolve(), command)
    with running(dns):
        dns.start()
        dns.wait_ready(_dns_is_ready)
        yield


def _dns_is_ready() -> bool:
    record = {"host": f"files.{DOMAIN}.", "policies": [{"tag": "issue", "value": "ca.example.net"}]}
    try:
        return requests.post(f"http://{HOST}:8055/add-caa", json=record, timeout=5).ok
    except requests.RequestException:
        return False


def campaign() -> list[Text]:
    """Ten certificates whose keys were stolen, on their way: what was begun, and how far it is after three looks."""
    now = datetime.now(UTC)
    pki = make_pki(now)
    pki.write(Path("internal"))
    services = [one for one in found(pki, Path("services").resolve(), now) if one.name in TEN]
    _for_reading_only(next(one.directory for one in services if one.name == STUCK))
    config = _config(
        {"internal": _ca("internal", crl={"path": str(Path("internal/ca.crl").resolve())})},
        *(_certificate(one, "internal", touch=None if one.name == LAZY else str(one.reload)) for one in services),
    )
    with Fleet(services):
        _look(config)
        begun = typed(config, *BEGIN.split())
        for _ in range(3):
            _look(config)
        return [*begun, *typed(config, "campaign", "show", "1")]


def _look(config: Path) -> None:
    subprocess.run([str(ROTATOR), "run", "--once", "--config", str(config)], check=False, timeout=120)


def _for_reading_only(folder: Path) -> None:
    """As a mount of a container's secrets is; the namespace that this runs in has mounts of its own."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)


def _config(issuers: Mapping[str, Any], *certificates: Mapping[str, Any]) -> Path:
    path = Path("rotator.yaml").resolve()
    config = {
        "mode": "rotate",
        "first_look": "act",
        "check_every": "1s",
        "shortest_tick": "1s",
        "limits": {"at_once": 4},
        "state": str(Path("state.db").resolve()),
        "issuers": issuers,
        "certificates": list(certificates),
        "alerts": "none",
    }
    path.write_text(json.dumps(config))
    return path


def _acme(pebble: Pebble) -> dict[str, Any]:
    return {
        "directory": pebble.directory_url,
        "ca_file": str(pebble.ca_file),
        "agree_terms": True,
        "http01": {"listen": f"{HOST}:{pebble.http_port}"},
    }


def _ca(name: str, **more: Any) -> dict[str, Any]:
    """The CA of the demo in a folder of this name."""
    folder = Path(name).resolve()
    keys = {"ca_certificate": str(folder / "ca.crt"), "ca_key": str(folder / "ca.key")}
    return {"local_ca": {**keys, "lifetime": "90d", **more}, "trust": {"file": str(folder / "root.crt")}}


def _certificate(service: Service, issuer: str, **files: Any) -> dict[str, Any]:
    places = {"layout": "separate", "certificate": str(service.certificate), "key": str(service.key), "settle": "3s"}
    return {
        "name": service.name,
        "names": [f"{service.name}.{DOMAIN}"],
        "issuer": issuer,
        "targets": [{"files": {**places, **{name: value for name, value in files.items() if value}}}],
        "endpoints": [f"{service.host}@{HOST}:{service.port}"],
    }
