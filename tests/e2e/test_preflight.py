"""`rotator preflight` against real CAs and a real cluster: what would stop the next renewal is told, and why."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.fleet import call
from tests.e2e.cas import acme_settings, vault_settings
from tests.lib.kube_builders import authority, issue, put_secret, tls_data
from tests.pki import Authority
from tests.servers.kube import WRITER, KubeServer
from tests.servers.openbao import OpenBao, PkiMount
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble

pytestmark = pytest.mark.server

DAY = timedelta(days=1)
SECONDS = 120
"""How long anything here may take on a busy machine."""


@dataclass
class Setting:
    """A config with one issuer and certificates in files."""

    folder: Path
    issuer: Mapping[str, Any]
    state: str = "state"

    def certificate(self, name: str, **more: object) -> dict[str, Any]:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        files = {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
        return {"name": name, "names": [f"{name}.example.com"], "issuer": "ca", "targets": [{"files": files}], **more}

    def write(self, *certificates: Mapping[str, Any]) -> Path:
        (self.folder / self.state).mkdir(exist_ok=True)
        config = {
            "mode": "rotate",
            "first_look": "act",
            "check_every": "1s",
            "shortest_tick": "1s",
            "state": str(self.folder / self.state / "state.db"),
            "issuers": {"ca": self.issuer},
            "certificates": list(certificates) or [self.certificate("shop")],
            "alerts": "none",
        }
        path = self.folder / f"{self.state}.yaml"
        path.write_text(json.dumps(config))
        return path


def issued(config: Path) -> None:
    """Have the first certificate made: two looks, a second apart, see that there is none, and the later one acts."""
    made, pause, end = config.parent / "shop" / "tls.crt", threading.Event(), time.monotonic() + SECONDS
    while not made.exists():
        ended = call("run", "--once", "--config", str(config))
        assert time.monotonic() < end, ended.stdout + ended.stderr
        pause.wait(0.5)


def asked(config: Path, *arguments: str) -> tuple[int, dict[str, dict[str, tuple[str, str]]]]:
    """The exit code; by certificate and check the verdict and what was said."""
    ended = call("preflight", *arguments, "--config", str(config), "--output", "json")
    assert ended.stdout, ended.stderr
    return ended.exit_code, {
        one["certificate"]: {
            check["check"]: (check["verdict"], f"{check['text']} {check['remedy']}")
            for answer in one["answers"]
            for check in answer["checks"]
        }
        for one in json.loads(ended.stdout)["certificates"]
    }


# ---------------------------------------------------------------- ACME


@pytest.fixture
def reusing(tmp_path: Path) -> Iterator[Pebble]:
    """A Pebble that uses every valid authorization again: its next order would prove nothing."""
    settings = PebbleSettings(lifetimes={"default": 90 * 86400}, authorization_reuse=100)
    with start_pebble(tmp_path / "pebble", settings) as pebble:
        yield pebble


def on_pebble(pebble: Pebble, folder: Path) -> Setting:
    roots = folder / "roots.pem"
    roots.write_text(pebble.roots())
    acme = acme_settings(pebble, pebble.directory_url, pebble.ca_file)
    return Setting(folder, {"acme": acme, "trust": {"file": str(roots)}})


def test_an_account_that_the_ca_has_ended_is_seen(reusing: Pebble, tmp_path: Path) -> None:
    """Though authorizations of the last order would be used again, so that nothing else would notice."""
    setting = on_pebble(reusing, tmp_path)
    config = setting.write()
    issued(config)
    assert reusing.issued() == 1
    code, found = asked(config)
    assert code == 0, found
    assert found["shop"]["account"][0] == "well"
    # Somebody ends the account elsewhere: with its key, by another state.
    shutil.copytree(tmp_path / "state", tmp_path / "other")
    elsewhere = Setting(tmp_path, setting.issuer, "other").write()
    ended = call("account", "deactivate", "ca", "--yes", "--config", str(elsewhere))
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    code, found = asked(config)
    assert code == 1, found
    verdict, text = found["shop"]["account"]
    assert verdict == "fails"
    assert "Account has been deactivated" in text
    assert reusing.issued() == 1, "nothing was ordered"


def test_a_ca_that_was_rebuilt_is_seen(reusing: Pebble, tmp_path: Path) -> None:
    """It has forgotten the account, which the next order makes again; a dead CA is no such thing."""
    setting = on_pebble(reusing, tmp_path)
    config = setting.write()
    issued(config)
    reusing.restart()
    code, found = asked(config)
    assert code == 0
    assert "does not know it any more" in found["shop"]["account"][1]
    reusing.process.stop()
    code, found = asked(config)
    assert code == 1
    assert found["shop"]["directory"][0] == "fails"


# ---------------------------------------------------------------- Vault


def test_a_role_that_no_longer_allows_a_name(pki_mount: PkiMount, tmp_path: Path) -> None:
    """Of three certificates the one whose name is refused fails; the others are asked about together with it."""
    token = tmp_path / "token"
    token.write_text(pki_mount.token)
    setting = Setting(tmp_path, {"vault": vault_settings(pki_mount, token), "trust": "issuer"})
    others = setting.certificate("legacy", names=["legacy.corp.example"])
    config = setting.write(setting.certificate("shop"), setting.certificate("api"), others)
    assert asked(config)[0] == 0
    pki_mount.set_role(allow_any_name=False, allowed_domains="example.com", allow_subdomains=True)
    code, found = asked(config)
    assert code == 1
    assert found["legacy"]["role"][0] == "fails"
    assert "legacy.corp.example" in found["legacy"]["role"][1]
    assert {found[name]["role"][0] for name in ("shop", "api")} == {"well"}
    assert asked(config, "shop")[0] == 0


def test_a_token_that_was_revoked(openbao: OpenBao, pki_mount: PkiMount, tmp_path: Path) -> None:
    """Every certificate of the issuer fails for the same reason, and nothing was signed."""
    token = tmp_path / "token"
    token.write_text(openbao.new_token({f"{pki_mount.mount}/sign/{pki_mount.role}": ["update"]}))
    setting = Setting(tmp_path, {"vault": vault_settings(pki_mount, token), "trust": "issuer"})
    config = setting.write(setting.certificate("shop"), setting.certificate("api"))
    assert asked(config)[0] == 0
    openbao.expect("POST", "auth/token/revoke", {"token": token.read_text()})
    signed = pki_mount.certificates()
    code, found = asked(config)
    assert code == 1
    assert {found[name]["token"][0] for name in ("shop", "api")} == {"fails"}
    assert found["shop"]["token"] == found["api"]["token"]
    assert token.read_text() not in str(found)
    assert pki_mount.certificates() == signed


# ---------------------------------------------------------------- a CA of one's own, a cluster


def own_ca(folder: Path, *, ends: timedelta) -> dict[str, Any]:
    from rotator.core.pem import certificate_pem

    now = datetime.now(UTC).replace(microsecond=0)
    ca = Authority("Own CA", not_before=now - 300 * DAY, not_after=now + ends)
    (folder / "ca.crt").write_bytes(certificate_pem(ca.certificate))
    (folder / "ca.key").touch(mode=0o600)
    (folder / "ca.key").write_bytes(ca.key)
    settings = {"ca_certificate": str(folder / "ca.crt"), "ca_key": str(folder / "ca.key"), "lifetime": "90d"}
    return {"local_ca": settings, "trust": "issuer"}


def test_a_ca_that_ends_before_its_next_certificate_would(tmp_path: Path) -> None:
    """Known on the day of the last renewal: sixty days before the next one would come too late."""
    setting = Setting(tmp_path, own_ca(tmp_path, ends=120 * DAY))
    config = setting.write()
    issued(config)
    code, found = asked(config)
    assert code == 1
    assert found["shop"]["ca"][0] == "well", "today it could sign"
    verdict, text = found["shop"]["outlives"]
    assert verdict == "fails"
    assert "CN=Own CA ends" in text


def test_rights_that_were_taken_away(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """A Role that lost `patch`: the certificate could be issued and not be put where it belongs."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority("Shop CA"))))
    secrets = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop-tls"]}
    kube_server.grant(kube_namespace, "writer", [{**secrets, "verbs": ["get"]}])
    place = {"namespace": kube_namespace, "name": "shop-tls", "kubeconfig": str(kube_server.kubeconfig(WRITER))}
    setting = Setting(tmp_path, own_ca(tmp_path, ends=3000 * DAY))
    config = setting.write(setting.certificate("shop", targets=[{"kubernetes_secret": place}]))
    code, found = asked(config)
    assert code == 1
    verdict, text = found["shop"]["write"]
    assert verdict == "fails"
    assert "may not patch secrets shop-tls" in text
    kube_server.grant(kube_namespace, "writer", [{**secrets, "verbs": ["patch"]}])
    assert asked(config)[0] == 0
