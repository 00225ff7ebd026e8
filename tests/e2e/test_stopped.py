"""A signal while the DNS is waited for: rotator ends soon, leaves no record behind, and goes on with the same order."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.path import environment, program, run_once
from tests.servers.bind import Bind, Extras, start_bind
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble
from tests.servers.ports import free_port
from tests.servers.service import wait_until

pytestmark = pytest.mark.server

ZONE = "shop.test"
SECRET = base64.b64encode(b"a key of these tests alone, 32 o").decode()
SOON = 20.0
"""Seconds on a busy machine; what was waited for before would have taken ten minutes."""


@dataclass(frozen=True, slots=True)
class Site:
    """A zone whose secondary never follows by itself, a CA that asks the primary, and a config."""

    folder: Path
    pebble: Pebble
    primary: Bind
    secondary: Bind

    def write(self, *servers: Bind) -> Path:
        """The config; the records have to be seen at these servers."""
        dns01 = {
            "rfc2136": {"server": self.primary.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"},
            "resolvers": [self.primary.server],
            "nameservers": [each.server for each in servers],
            "propagation": "10m",
        }
        acme = {"directory": self.pebble.directory_url, "ca_file": str(self.pebble.ca_file), "agree_terms": True}
        files = {"certificate": str(self.folder / "tls.crt"), "key": str(self.folder / "tls.key")}
        config: dict[str, Any] = {
            "mode": "rotate",
            "first_look": "act",
            "check_every": "1s",
            "shortest_tick": "1s",
            "preflight": False,
            "web": {"listen": f"127.0.0.1:{free_port()}"},
            "state": str(self.folder / "state" / "state.db"),
            "issuers": {"ca": {"acme": acme | {"roots": str(self.folder / "roots.pem"), "dns01": dns01}}},
            "certificates": [
                {"name": "shop", "names": [ZONE], "issuer": "ca", "trust": "issuer", "targets": [{"files": files}]}
            ],
            "alerts": "none",
        }
        path = self.folder / "rotator.json"
        path.write_text(json.dumps(config))
        return path

    def shown(self) -> set[str]:
        return self.primary.texts(f"_acme-challenge.{ZONE}")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("TSIG_SECRET", SECRET)
    (tmp_path / "state").mkdir()
    extras = Extras(keys={"rotator": SECRET}, policies={ZONE: "grant rotator. zonesub TXT;"})
    with (
        start_bind(tmp_path / "primary", {ZONE: ""}, extras=extras) as primary,
        start_bind(tmp_path / "secondary", {}, extras=Extras(secondary={ZONE: primary})) as secondary,
        start_pebble(tmp_path / "pebble", PebbleSettings(dns_server=primary.server)) as pebble,
    ):
        (tmp_path / "roots.pem").write_text(pebble.roots())
        yield Site(tmp_path, pebble, primary, secondary)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
@pytest.mark.parametrize(
    "verb", [("run",), ("rotate", "shop", "--force"), ("preflight",)], ids=["run", "rotate", "preflight"]
)
def test_a_stop_while_the_dns_is_waited_for(site: Site, verb: tuple[str, ...], number: signal.Signals) -> None:
    """It ends within seconds and takes its record away; the next run finishes the very order that was begun."""
    config = site.write(site.primary, site.secondary)
    with subprocess.Popen(
        program(*verb, "--config", str(config)),
        env=environment(site.folder / "tmp"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            wait_until(lambda: bool(site.shown()) or process.poll() is not None, "a record is shown")
            began = time.monotonic()
            process.send_signal(number)
            said, _ = process.communicate(timeout=120)
        finally:
            process.kill()

    assert time.monotonic() - began < SOON, said
    assert site.shown() == set(), said
    assert process.returncode == (0 if verb == ("run",) else 128 + number), said
    assert "Traceback" not in said
    if verb == ("preflight",):
        assert said == ""
        return
    assert ('"event": "stopping"' if verb == ("run",) else "the next look goes on from there") in said
    config = site.write(site.primary)
    wait_until(lambda: run_once(config, site.folder / "tmp").returncode == 0 and _is_there(site), "it is issued")
    assert site.pebble.issued() == 1
    assert len(_orders(site)) == 1, _orders(site)


def _is_there(site: Site) -> bool:
    return (site.folder / "tls.crt").exists()


def _orders(site: Site) -> list[str]:
    """What was asked of the CA, by its own log."""
    return [line for line in site.pebble.process.log.read_text().splitlines() if "Added order" in line]
