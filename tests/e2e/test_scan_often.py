"""`rotator scan` night after night: what is accepted, what is new, every form in its file, and a config beside it."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Bundle
from rotator.core.pem import certificate_pem
from tests.e2e.path import DAY, SECONDS, config, program
from tests.e2e.scan_forms import FORMS
from tests.e2e.scan_network import written
from tests.e2e.scan_running import audit, environment, scan
from tests.lib.tls_peers import peer, server_context, tls
from tests.pki import Authority
from tests.servers.nginx import Nginx, VirtualServer, start_nginx
from tests.servers.ports import LOOPBACK, free_port

pytestmark = pytest.mark.server

NOW = datetime.now(UTC).replace(microsecond=0)
SHOP = "shop.example.com"


@dataclass(slots=True)
class Site:
    """A folder whose certificate an nginx serves, and one beside it that has ended.

    Attributes:
        words: what a person would scan: the folder, the server by its name, and a port where nobody is.
    """

    folder: Path
    ca: Authority
    nginx: Nginx
    words: tuple[str, ...]

    @property
    def endpoint(self) -> str:
        return f"{SHOP}@{LOOPBACK}:{self.nginx.port}"

    def issue(self, name: str, left: int) -> Bundle:
        end = NOW + left * DAY
        return self.ca.issue([name], not_before=end - 90 * DAY, not_after=end)

    def stored(self, name: str) -> str:
        """The place of a certificate in the folder."""
        return f"{socket.gethostname()}:{self.folder / name}.crt"

    def config(self, **more: Any) -> Path:
        """A config with the folder and the server as its sources."""
        folder = self.folder.parent
        key = folder / "ca.key"
        key.touch(mode=0o600)
        key.write_bytes(self.ca.key)
        authority = {"ca_certificate": self.words[-1], "ca_key": str(key), "lifetime": "90d"}
        sources = {"disk": {"files": {"folders": [str(self.folder)]}}, "web": {"endpoints": [self.endpoint]}}
        file = folder / "rotator.yaml"
        file.write_text(config(folder, sources=sources, issuers={"ca": {"local_ca": authority}}, **more))
        return file

    def renew(self) -> None:
        """As an ACME client does, and leaves the reload to somebody else."""
        written(self.folder, "shop", self.issue(SHOP, 89))

    def kept(self, name: str) -> Path:
        """A scan, kept in a file."""
        path = self.folder.parent / f"{name}.json"
        path.write_text(audit(*self.words).out)
        return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The shop's certificate has 20 days left; the one for old.example.com ended three days ago."""
    ca = Authority("Services CA", not_before=NOW - 900 * DAY, not_after=NOW + 900 * DAY)
    folder, root, closed = tmp_path / "services", tmp_path / "root.crt", free_port()
    folder.mkdir()
    root.write_bytes(certificate_pem(ca.certificate))
    listener = VirtualServer(free_port(), folder / "shop.crt", folder / "shop.key")
    words = (str(folder), f"{SHOP}@{LOOPBACK}:{listener.port}", f"{LOOPBACK}:{closed}", "--ca", str(root))
    first = ca.issue([SHOP], not_before=NOW - 70 * DAY, not_after=NOW + 20 * DAY)
    written(folder, "shop", first)
    with start_nginx(tmp_path, [listener]) as nginx:
        one = Site(folder, ca, nginx, words)
        written(folder, "old", one.issue("old.example.com", -3))
        yield one


class TestNights:
    """What a scan says against the one before it."""

    def test_a_renewal_that_is_loaded_late(self, site: Site) -> None:
        """Renewed on disk alone, what the server shows is a new finding, and what was wrong before does not fail again;
        once it is loaded, both places are renewed, what was said of them is resolved, and nothing is new."""
        monday = site.kept("monday")
        site.renew()
        tuesday = site.kept("tuesday")
        ended = scan("diff", monday, tuesday, "--output", "json", "--fail-on", "warning")
        assert [one["rule"] for one in ended.audit["found"]] == ["RT006"]
        assert ended.code == 1
        assert scan("diff", monday, tuesday).code == 0, "it is a warning, and the critical one is old"
        site.nginx.reload_and_wait()
        ended = scan("diff", monday, site.kept("wednesday"), "--output", "json")
        said = ended.audit
        assert {one["place"] for one in said["renewed"]} == {site.endpoint, site.stored("shop")}
        assert {one["rule"] for one in said["resolved"]} == {"RT002"}
        assert (said["found"], said["new"], said["gone"], ended.code) == ([], [], [], 0)

    def test_a_baseline_there_and_back(self, site: Site) -> None:
        """What is accepted today is excused by name, at exactly its place, and what comes later is not."""
        known = site.folder.parent / "known.yaml"
        assert f"{known} accepts 3 " in audit(*site.words, "--write-baseline", known).words
        ended = audit(*site.words, "--baseline", known)
        assert (ended.findings, ended.code) == (set(), 3)
        excused = {(each["rule"], one["place"]) for one in ended.audit["places"] for each in one["excused"]}
        assert excused >= {("RT001", site.stored("old")), ("RT002", site.stored("shop")), ("RT002", site.endpoint)}
        written(site.folder, "later", site.issue("later.example.com", -1))
        again = audit(*site.words, "--baseline", known)
        assert (again.findings, again.code) == ({("RT001", site.stored("later"))}, 1)

    def test_a_baseline_takes_places_as_they_are(self, site: Site) -> None:
        """Signs that mean something in a glob mean themselves: a file with a bracket, an address in brackets."""
        written(site.folder, "odd[1]*", site.issue("odd.example.com", -2))
        bundle = site.issue(SHOP, 3)
        known = site.folder.parent / "known.yaml"
        with peer(tls(server_context(site.folder.parent, bundle)), host="::1") as port:
            words = (f"{SHOP}@[::1]:{port}", str(site.folder), *site.words[-2:])
            before = audit(*words)
            audit(*words, "--write-baseline", known)
            ended = audit(*words, "--baseline", known)
        assert {"RT001", "RT002"} <= {rule for rule, _ in before.findings}
        assert (ended.findings, ended.unseen, ended.code) == (set(), {}, 0)

    @pytest.mark.parametrize("form", FORMS)
    def test_every_form_in_its_file(self, site: Site, form: str) -> None:
        """Redirected into a file, each form is what its readers take, with every place, the unseen one among them."""
        path = site.folder.parent / "said"
        with path.open("w") as file:
            command = program("scan", *site.words, "--output", form)
            ended = subprocess.run(
                command, stdout=file, stderr=subprocess.PIPE, timeout=SECONDS, check=False, env=environment()
            )
        assert (ended.returncode, ended.stderr) == (1, b"")
        text = path.read_text(encoding="utf-8")
        FORMS[form](text)
        for name in ("old.crt", "shop.crt", f"{LOOPBACK}:{site.nginx.port}", site.words[2]):
            assert name in text


class TestWithConfig:
    """A config beside the scan, and instead of its words."""

    def test_who_renews_what_and_when(self, site: Site) -> None:
        """Each place has the rule that manages it, what rotator would do, and when; what no rule has is said to be
        due and nobody's; nothing is written, and the state is not made."""
        file = site.config(adopt=[{"from": "disk", "match": {"name": "shop"}, "issuer": "ca"}])
        ended = audit("--config", file)
        managed = {one["place"]: one["managed"] for one in ended.audit["places"]}
        mine = managed[site.stored("shop")]
        assert (mine["rule"], mine["mode"], mine["action"], mine["reason"]) == ("disk", "rotate", "renew", "due")
        assert managed[site.endpoint] == mine, "it serves what the rule manages"
        assert managed[site.stored("old")] is None
        assert ("RT008", site.stored("old")) in ended.findings
        assert list((site.folder.parent / "state").iterdir()) == []
        assert "Managed: 2 by disk, 1 by nobody. Next: shop on" in scan("--config", file).words

    def test_what_the_config_says_of_judging(self, site: Site) -> None:
        """Severities, baseline, threshold and roots of `scan:` count; what the command line says goes first."""
        known = site.folder.parent / "known.yaml"
        entry = {"rule": "expired", "place": "*/old.crt", "reason": "turned off in May"}
        known.write_text(json.dumps({"accepted": [entry]}))
        judging = {
            "ca": [str(site.words[-1])],
            "baseline": str(known),
            "expiring_within": "25d",
            "severities": {"expiring": "critical", "wildcard": "error"},
        }
        file = site.config(scan=judging)
        ended = audit("--config", file, "--only", "expired,expiring,untrusted")
        said = {(one["rule"], one["severity"], one["place"]) for one in ended.audit["findings"]}
        assert said == {
            ("RT002", "critical", site.stored("shop")),
            ("RT002", "critical", site.endpoint),
        }
        assert all("within the 25 d asked for" in one["message"] for one in ended.audit["findings"])
        (old,) = [one for one in ended.audit["places"] if one["place"] == site.stored("old")]
        assert [one["reason"] for one in old["excused"]] == ["turned off in May"]
        assert ended.code == 1
        shorter = audit("--config", file, "--only", "expiring", "--expiring-within", "10d")
        assert all("so it is due" in one["message"] for one in shorter.audit["findings"])
