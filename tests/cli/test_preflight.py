"""`rotator preflight`: asks now, orders nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.fleet import DAY, Fleet
from tests.config.packages import install
from tests.pki import Authority

BROKEN = """
from rotator.issuers.local_ca import LocalCaIssuer
class Broken(LocalCaIssuer):
    def preflight(self, request):
        raise ValueError("a fault that no port allows")
"""


def test_a_fleet_that_could_be_renewed(fleet: Fleet) -> None:
    """A line a check, then the count; nothing was issued and nothing kept, whether there was a state or not."""
    fleet.put("shop", left=60 * DAY)
    before = fleet.stored("shop")
    for _ in range(2):
        asked = fleet.call("preflight")
        assert asked.exit_code == 0, asked.stdout
        assert "1 certificate: 1 could be renewed." in asked.stdout
        assert fleet.stored("shop") == before
        fleet.call("run", "--once")
    assert not fleet.json("history")["outcomes"]


def test_a_ca_that_is_gone(fleet: Fleet) -> None:
    """The renewal would fail, which is exit code 1; the table says why, and so does the JSON."""
    fleet.put("shop", left=60 * DAY)
    (fleet.folder / "ca" / "ca.key").unlink()
    asked = fleet.call("preflight")
    assert asked.exit_code == 1
    assert "1 certificate: 1 could not." in asked.stdout
    (one,) = fleet.json("preflight", "shop")["certificates"]
    assert one["fails"]
    assert not one["unknown"]
    (failed,) = [c for a in one["answers"] for c in a["checks"] if c["verdict"] == "fails"]
    assert failed["check"] == "ca"


def test_a_ca_that_ends_soon(tmp_path: Path) -> None:
    """It could sign today, and is too old for what will be asked of it when the renewal is due."""
    now = datetime.now(UTC).replace(microsecond=0)
    old = Fleet(tmp_path, Authority("Old CA", not_before=now - 300 * DAY, not_after=now + 70 * DAY), now)
    old.put("shop", left=60 * DAY)
    asked = old.call("preflight")
    assert asked.exit_code == 1
    assert "outlives" in asked.stdout
    assert "CN=Old CA" in asked.stdout


def test_what_is_only_observed_is_asked_about_by_name(fleet: Fleet) -> None:
    """In observe mode no issuer is called unless a person says so, by the name or with --observed."""
    fleet.put("shop", left=60 * DAY)
    fleet.write_config(mode="observe")
    assert "1 certificate is only observed" in fleet.call("preflight").stdout
    (name,) = fleet.json("preflight")["observed"]
    assert not fleet.json("preflight")["certificates"]
    for how in (("--observed",), (name,)):
        assert "1 could be renewed." in fleet.call("preflight", *how).stdout


def test_wrong_words(fleet: Fleet) -> None:
    """Names of certificates and issuers that are not there are mistakes, with the nearest one."""
    fleet.put("shop", left=60 * DAY)
    fleet.call("run", "--once")
    for arguments, words in (
        (("shp",), "did you mean shop"),
        (("--issuer", "cas"), "did you mean ca?"),
        (("--issuer", "nobody-at-all"), "there is ca"),
    ):
        asked = fleet.call("preflight", *arguments)
        assert asked.exit_code == 2
        assert words in asked.stderr


def test_nothing_to_ask_about(fleet: Fleet) -> None:
    """No certificate at all is a mistake, not success."""
    asked = fleet.call("preflight")
    assert asked.exit_code == 2
    assert "no certificate to ask about" in asked.stderr


def test_an_issuer_that_cannot_tell(fleet: Fleet) -> None:
    """Whether a command would sign cannot be asked beforehand: that is said, and is no failure."""
    fleet.put("shop", left=60 * DAY)
    text = fleet.config.read_text().replace(
        f"local_ca: {{ca_certificate: {fleet.folder}/ca/ca.crt, ca_key: {fleet.folder}/ca/ca.key, lifetime: 90d}}",
        "command: {command: [/bin/false]}",
    )
    fleet.config.write_text(text.replace("    trust: issuer\n", ""))
    asked = fleet.call("preflight")
    assert asked.exit_code == 0, asked.stdout + asked.stderr
    assert "- whether the CA would sign only an order tells" in " ".join(asked.stdout.split())


def test_what_could_not_be_asked(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that breaks when it is asked says nothing of the renewal: exit code 3, and 1 beside what would fail."""
    install(tmp_path / "lib", "rotator-broken", {"issuers": {"broken": "broken:Broken"}}, {"broken": BROKEN})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"), prepend=":")
    fleet.put("shop", left=60 * DAY)
    known = fleet.config.read_text()
    fleet.config.write_text(known.replace("    local_ca:", "    broken:"))
    asked = fleet.run("preflight")
    assert asked.returncode == 3, asked.stdout + asked.stderr
    assert "1 certificate: 1 not known in full." in asked.stdout
    assert "a fault in the issuer ca itself (ValueError)" in "".join(asked.stdout.split("\n")).replace("  ", "")

    fleet.put("till", left=60 * DAY)
    gone = f"  gone: {{local_ca: {{ca_certificate: {fleet.folder}/no.crt, ca_key: {fleet.folder}/no.key}}}}\n"
    rule = "  - {from: disk, match: {path: '*/till/*'}, issuer: gone}\n"
    text = fleet.config.read_text().replace("match: {}", "match: {path: '*/shop/*'}")
    fleet.config.write_text(text.replace("adopt:\n", f"{gone}adopt:\n{rule}"))
    asked = fleet.run("preflight")
    assert asked.returncode == 1, asked.stdout + asked.stderr
    assert "2 certificates: 1 could not, 1 not known in full." in asked.stdout


def test_what_nobody_would_renew(fleet: Fleet) -> None:
    """A match that is in nobody's care, and a source that could not be looked at, are told: nobody renews them."""
    fleet.put("shop", left=60 * DAY)
    ca = fleet.folder / "services" / "ca"
    ca.mkdir()
    (ca / "tls.crt").write_bytes((fleet.folder / "ca" / "ca.crt").read_bytes())
    asked = fleet.call("preflight")
    assert asked.exit_code == 0, asked.stdout
    assert "Matched, but not managed" in asked.stdout
    (held,) = fleet.json("preflight")["held"]
    assert held["where"].endswith("/services/ca/tls.crt")
    assert not fleet.json("preflight", "shop")["held"]

    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("sources:\n", 'sources:\n  gone: {files: ["/nowhere/at/all.crt"]}\n'))
    asked = fleet.call("preflight")
    assert asked.exit_code == 3
    assert "/nowhere/at/all.crt" in asked.stdout
    (unseen,) = fleet.json("preflight")["unseen"]
    assert unseen["where"] == "gone"
