"""A list whose first issuer can never sign the certificate: the next one does, and the operator is told beforehand."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rotator.core.pem import read_chain
from tests.cli.fleet import call
from tests.e2e.cas import acme_settings
from tests.issuers.acme.proxied import NEW_ORDER, fronted
from tests.servers.pebble import Pebble

pytestmark = pytest.mark.server

SECONDS = 120
"""How long anything here may take on a busy machine."""


def certificate(folder: Path, name: str, *names: str) -> dict[str, Any]:
    (folder / name).mkdir()
    files = {"certificate": str(folder / name / "tls.crt"), "key": str(folder / name / "tls.key")}
    return {"name": name, "names": names, "issuer": ["web", "own"], "trust": "issuer", "targets": [{"files": files}]}


def test_a_wildcard_falls_through_an_acme_that_proves_over_http(pebble_plain: Pebble, tmp_path: Path) -> None:
    """The second issuer signs the wildcard in the same rotation, nothing is ordered at the first, which signs what it
    can prove; `config check` and the start tell it without failing, and preflight says who is left."""
    (tmp_path / "roots.pem").write_text(pebble_plain.roots())
    (tmp_path / "state").mkdir()
    with fronted(pebble_plain, tmp_path / "front") as front:
        acme = acme_settings(pebble_plain, front.directory_url, front.ca_file)
        config = {
            "mode": "rotate",
            "first_look": "act",
            "check_every": "1s",
            "shortest_tick": "1s",
            "state": str(tmp_path / "state" / "state.db"),
            "issuers": {
                "web": {"acme": {**acme, "roots": str(tmp_path / "roots.pem")}},
                "own": {"local_ca": {"directory": str(tmp_path / "own"), "lifetime": "90d"}},
            },
            "certificates": [
                certificate(tmp_path, "all", "shop.example.com", "*.shop.example.com"),
                certificate(tmp_path, "one", "one.example.com"),
            ],
            "alerts": "none",
        }
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(config))
        remark = "the issuer web is passed over, and own alone can sign the certificate: *.shop.example.com cannot be"

        checked = call("config", "check", "--config", str(path))
        assert checked.exit_code == 0, checked.stderr
        assert remark in " ".join(checked.stdout.split())

        pause, end = threading.Event(), time.monotonic() + SECONDS
        while not all((tmp_path / name / "tls.crt").exists() for name in ("all", "one")):
            ran = call("run", "--once", "--config", str(path))
            assert remark in ran.stderr
            assert time.monotonic() < end, ran.stdout + ran.stderr
            pause.wait(0.5)

        signers = {name: read_chain((tmp_path / name / "tls.crt").read_bytes()).leaf for name in ("all", "one")}
        own = read_chain((tmp_path / "own" / "ca.crt").read_bytes()).leaf
        assert signers["all"].issuer == own.subject
        assert "Pebble" in signers["one"].issuer
        orders = [json.loads(answer.body)["identifiers"] for answer in front.done(NEW_ORDER)]
        assert orders
        assert all([one["value"] for one in order] == ["one.example.com"] for order in orders)

        told = json.loads(call("history", "all", "--config", str(path), "--output", "json").stdout)
        assert "fell back from web to own: web: *.shop.example.com cannot be proved" in json.dumps(told)
        asked = json.loads(call("preflight", "all", "--config", str(path), "--output", "json").stdout)
        (shown,) = asked["certificates"]
        assert (shown["fails"], shown["spoiled"]) == (False, ["web"])
        again = call("run", "--once", "--config", str(path), "--output", "json")
        assert {one["action"] for one in json.loads(again.stdout)["plan"]["decisions"]} == {"keep"}, again.stdout
