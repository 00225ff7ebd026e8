"""`rotator scan`: the audit, with a config and without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rotator.core.pem import chain_pem
from tests.cli.fleet import DAY, Fleet, call
from tests.cli.serving import serving


def test_folder_without_a_config(fleet: Fleet) -> None:
    """Everything in a folder, soonest first, with what is wrong; exit 1 for an expired one."""
    fleet.put("old", left=-3 * DAY)
    fleet.put("fine", left=60 * DAY)
    ended = call("scan", str(fleet.folder / "services"))
    assert ended.exit_code == 1
    assert ended.stdout.index("old.example.com") < ended.stdout.index("fine.example.com")
    assert "2 certificates in 2 places: 1 critical." in ended.stdout


@pytest.mark.parametrize(
    ("left", "fail_on", "code"),
    [(60, "info", 0), (20, "error", 0), (20, "warning", 1), (5, "error", 1), (5, "critical", 0), (-1, "none", 0)],
)
def test_fail_on(fleet: Fleet, left: int, fail_on: str, code: int) -> None:
    """Findings below --fail-on are shown and do not change the exit code."""
    fleet.put("shop", left=left * DAY)
    assert call("scan", str(fleet.folder / "services"), "--fail-on", fail_on).exit_code == code


def test_what_could_not_be_looked_at_is_3(fleet: Fleet) -> None:
    """Nothing wrong, but not everything seen: exit 3 and the name of the place; a finding comes before that."""
    fleet.put("shop", left=60 * DAY)
    missing = str(fleet.folder / "missing.crt")
    ended = call("scan", str(fleet.folder / "services"), missing)
    assert ended.exit_code == 3
    assert "missing.crt" in "".join(ended.stdout.split())
    fleet.put("shop", left=-DAY)
    assert call("scan", str(fleet.folder / "services"), missing).exit_code == 1


def test_stored_and_served_together(fleet: Fleet) -> None:
    """A server that still serves the old certificate beside a newer stored one is found without any config."""
    old = fleet.put("shop", left=20 * DAY)
    key = old.with_name("tls.key")
    served = fleet.folder / "served"
    served.mkdir()
    (served / "tls.crt").write_bytes(old.read_bytes())
    (served / "tls.key").write_bytes(key.read_bytes())
    fleet.put("shop", left=80 * DAY)
    with serving(served / "tls.crt", served / "tls.key") as port:
        ended = call("scan", f"127.0.0.1:{port}", str(fleet.folder / "services"), "--output", "json")
    audit = json.loads(ended.stdout)
    assert [(place["kind"], place["place"]) for place in audit["places"] if place["kind"] == "served"] == [
        ("served", f"127.0.0.1:{port}")
    ]
    assert {finding["rule"] for finding in audit["findings"]} == {"RT002", "RT006"}
    assert ended.exit_code == 0, "both are warnings"


def test_refused_endpoint_is_named(unused_port: int) -> None:
    """An endpoint that is down is no silence."""
    ended = call("scan", f"127.0.0.1:{unused_port}")
    assert ended.exit_code == 3
    assert f"127.0.0.1:{unused_port}  refused" in ended.stdout


def test_with_a_config_it_says_who_renews_what(fleet: Fleet) -> None:
    """Each place has the rule that manages it and the day of its renewal; nothing is written."""
    fleet.put("shop", left=60 * DAY)
    (line,) = fleet.json("scan")["places"]
    assert line["managed"]["rule"] == "disk"
    assert line["managed"]["action"] == "keep"
    assert line["managed"]["at"][:10] == line["due"][:10]
    assert list((fleet.folder / "state").iterdir()) == []


def test_unreadable_files_are_survived(tmp_path: Path, fleet: Fleet) -> None:
    """Half a PEM and a key that is not the certificate's are findings beside the good ones."""
    good = fleet.put("shop", left=60 * DAY)
    fleet.put("mail", left=60 * DAY)
    (fleet.folder / "services" / "mail" / "tls.key").write_bytes(good.with_name("tls.key").read_bytes())
    (fleet.folder / "services" / "half.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB")
    audit = json.loads(call("scan", str(fleet.folder / "services"), "-o", "json").stdout)
    assert sorted(finding["rule"] for finding in audit["findings"]) == ["RT003", "RT005"]
    assert audit["summary"]["places"] == 3


def test_nothing_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without targets and config it says what to write; an empty folder is no success."""
    monkeypatch.setenv("ROTATOR_CONFIG", str(tmp_path / "none.yaml"))
    ended = call("scan")
    assert ended.exit_code == 2
    assert "rotator scan shop.example.com:443" in ended.stderr
    assert call("scan", str(tmp_path)).exit_code == 2


def test_targets_or_config(fleet: Fleet) -> None:
    """Both at once would hide which of them was looked at."""
    assert fleet.call("scan", "shop.example.com").exit_code == 2


def test_a_chain_file_is_read_whole(fleet: Fleet) -> None:
    """The leaf is what counts; how much came with it is said."""
    bundle = fleet.authority.issue(["shop.example.com"], not_before=fleet.now - DAY, not_after=fleet.now + 80 * DAY)
    path = fleet.folder / "full.pem"
    path.write_bytes(chain_pem(bundle.chain) + (fleet.folder / "ca" / "ca.crt").read_bytes())
    (place,) = json.loads(call("scan", str(path), "-o", "json").stdout)["places"]
    assert place["certificate"]["chain_length"] == 2
    assert place["certificate"]["names"] == ["shop.example.com"]
