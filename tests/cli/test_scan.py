"""`rotator scan`: the audit, with a config and without."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rotator.core.pem import chain_pem
from tests.cli.fleet import DAY, Fleet, call, make_fleet
from tests.cli.serving import serving


def trusting(fleet: Fleet) -> tuple[str, str]:
    """The options with which the fleet's own CA is trusted."""
    return ("--ca", str(fleet.folder / "ca" / "ca.crt"))


def test_folder_without_a_config(fleet: Fleet) -> None:
    """Everything in a folder, soonest first, with what is wrong; exit 1 for an expired one."""
    fleet.put("old", left=-3 * DAY)
    fleet.put("fine", left=60 * DAY)
    ended = call("scan", str(fleet.folder / "services"), *trusting(fleet))
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
    assert call("scan", str(fleet.folder / "services"), "--fail-on", fail_on, *trusting(fleet)).exit_code == code


def test_what_could_not_be_looked_at_is_3(fleet: Fleet) -> None:
    """Nothing wrong, but not everything seen: exit 3 and the name of the place; a finding comes before that."""
    fleet.put("shop", left=60 * DAY)
    missing = str(fleet.folder / "missing.crt")
    ended = call("scan", str(fleet.folder / "services"), missing)
    assert ended.exit_code == 3
    assert "missing.crt" in "".join(ended.stdout.split())
    fleet.put("shop", left=-DAY)
    assert call("scan", str(fleet.folder / "services"), missing).exit_code == 1


def test_a_server_of_rotators_own_is_trusted_as_the_config_says(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private root that an alerter is verified by is one that the operator names; without it the root is unknown."""
    (fleet.folder / "other").mkdir()
    other = make_fleet(fleet.folder / "other")
    certificate = other.put("alerts", left=60 * DAY)
    known = fleet.config.read_text().replace("alerts: none\n", "")
    with serving(certificate, certificate.with_name("tls.key")) as port:
        monkeypatch.setenv("HOOK", f"https://127.0.0.1:{port}/")
        for ca, untrusted in ((f", ca: {other.folder}/ca/ca.crt", False), ("", True)):
            fleet.config.write_text(f"{known}alerts: {{ops: {{webhook: {{url: '${{env:HOOK}}'{ca}}}}}}}\n")
            said = fleet.call("scan").stdout
            assert f"127.0.0.1:{port}" in said
            assert ("no path to a trusted root: CN=Services CA" in " ".join(said.split())) is untrusted


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
        ended = call("scan", f"127.0.0.1:{port}", str(fleet.folder / "services"), "-o", "json", *trusting(fleet))
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
    audit = json.loads(call("scan", str(fleet.folder / "services"), "-o", "json", *trusting(fleet)).stdout)
    assert sorted(finding["rule"] for finding in audit["findings"]) == ["RT003", "RT005"]
    assert audit["summary"]["places"] == 3


def test_nothing_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without targets and config it says what to write; an empty folder is an empty audit, and no clean bill."""
    monkeypatch.setenv("ROTATOR_CONFIG", str(tmp_path / "none.yaml"))
    ended = call("scan")
    assert ended.exit_code == 2
    assert "rotator scan shop.example.com:443" in ended.stderr
    ended = call("scan", str(tmp_path), "-o", "json")
    assert ended.exit_code == 3
    assert json.loads(ended.stdout)["places"] == []
    assert "no certificate was found" in ended.stderr


@pytest.mark.parametrize(
    "options", [["--passwords-file", "/x"], ["--server-name", "x"], ["--timeout", "3s"], ["--client-key", "/x"]]
)
def test_options_that_go_with_targets(fleet: Fleet, options: list[str]) -> None:
    """With a config alone they would do nothing, so they are refused by name."""
    ended = fleet.call("scan", *options)
    assert ended.exit_code == 2
    assert options[0] in ended.stderr


def test_a_config_beside_targets_only_judges(fleet: Fleet) -> None:
    """With targets the config's sources are not looked at; its thresholds and severities count."""
    shop = fleet.put("shop", left=60 * DAY)
    fleet.write_config(more="scan: {expiring_within: 70d, ca: [CA], severities: {expiring: critical}}\n".replace(
        "CA", str(fleet.folder / "ca" / "ca.crt")
    ))  # fmt: skip
    fleet.put("mail", left=60 * DAY)
    audit = fleet.json("scan", str(shop))
    assert [(one["rule"], one["severity"]) for one in audit["findings"]] == [("RT002", "critical")]
    assert audit["summary"]["places"] == 1


def test_own_cas_of_a_config_are_trusted(fleet: Fleet) -> None:
    """What an issuer of the config has signed is not called untrusted for being private."""
    fleet.put("shop", left=60 * DAY)
    assert fleet.json("scan")["findings"] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"RT001", "RT010"}),
        (["--only", "expired"], {"RT001"}),
        (["--only", "RT001,untrusted"], {"RT001", "RT010"}),
        (["--ignore", "rt001"], {"RT010"}),
        (["--expiring-within", "100d", "--ignore", "RT001"], {"RT002", "RT010"}),
    ],
)
def test_rules_that_are_asked(fleet: Fleet, options: list[str], expected: set[str]) -> None:
    """Rules are called by id or name, alone or left out, and a person's own threshold counts."""
    fleet.put("old", left=-DAY)
    fleet.put("fine", left=60 * DAY)
    audit = json.loads(call("scan", str(fleet.folder / "services"), "-o", "json", *options).stdout)
    assert {finding["rule"] for finding in audit["findings"]} == expected


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "expird"], "did you mean expired?"),
        (["--expiring-within", "soon"], "--expiring-within"),
        (["--ca", "/nowhere/ca.crt"], "/nowhere/ca.crt"),
        (["--baseline", "/nowhere/known.yaml"], "the baseline cannot be read"),
        (["--until", "friday", "--write-baseline", "/nowhere/b"], "write it like 2027-01-31"),
        (["--until", "2020-01-01", "--write-baseline", "/nowhere/b"], "has passed"),
        (["--until", "2099-01-01"], "--write-baseline"),
        (["--client-key", "/nowhere/key"], "--client-certificate"),
        (["--passwords-file", "/nowhere/passwords"], "/nowhere/passwords"),
        (["--timeout", "0s"], "--timeout"),
    ],
)
def test_options_that_make_no_sense(fleet: Fleet, options: list[str], said: str) -> None:
    """Each is one sentence that names what is wrong, before anything is looked at or beside what was."""
    shop = fleet.put("shop", left=60 * DAY)
    ended = call("scan", str(shop), *trusting(fleet), *options)
    assert ended.exit_code in {2, 3}
    assert said in " ".join((ended.stderr + ended.stdout).split())


def test_a_baseline_from_today_to_its_last_day(fleet: Fleet) -> None:
    """What is accepted does not fail the scan and stays visible; once its day has passed it fails again."""
    fleet.put("old", left=-DAY)
    services, known = str(fleet.folder / "services"), fleet.folder / "known.yaml"
    assert call("scan", services, *trusting(fleet), "--write-baseline", str(known)).exit_code == 0
    ended = call("scan", services, *trusting(fleet), "--baseline", str(known), "-o", "json")
    assert ended.exit_code == 0
    (place,) = json.loads(ended.stdout)["places"]
    assert [one["rule"] for one in place["excused"]] == ["RT001"]
    known.write_text(re.sub(r"until: .*", "until: 2026-01-01", known.read_text()))
    ended = call("scan", services, *trusting(fleet), "--baseline", str(known))
    assert ended.exit_code == 1
    assert "no longer" in ended.stderr


def test_mistakes_in_a_baseline_are_told_with_their_place(fleet: Fleet) -> None:
    """All of them at once, with file, line and column."""
    fleet.put("old", left=-DAY)
    known = fleet.folder / "known.yaml"
    known.write_text("accepted:\n  - rule: RT999\n  - {rule: RT001, untill: 2027-01-01}\n")
    ended = call("scan", str(fleet.folder / "services"), "--baseline", str(known))
    assert ended.exit_code == 2
    assert "known.yaml:2:11" in ended.stderr
    assert "known.yaml:3:" in ended.stderr


@pytest.mark.parametrize("output", ["json", "jsonl", "csv", "sarif", "junit", "prometheus"])
def test_every_form_has_the_same_findings(fleet: Fleet, output: str) -> None:
    """Whatever the form, an expired certificate is in it by its rule, and the exit code is the same."""
    fleet.put("old", left=-DAY)
    ended = call("scan", str(fleet.folder / "services"), *trusting(fleet), "-o", output)
    assert ended.exit_code == 1
    assert "RT001" in ended.stdout


def test_lines_come_with_a_last_one_that_counts(fleet: Fleet, unused_port: int) -> None:
    """JSON Lines: places, what comparing them tells, what could not be seen, and at the end the summary."""
    first, second = fleet.put("shop", left=60 * DAY), fleet.put("mail", left=60 * DAY)
    second.write_bytes(first.read_bytes())
    second.with_name("tls.key").write_bytes(first.with_name("tls.key").read_bytes())
    ended = call("scan", f"127.0.0.1:{unused_port}", str(fleet.folder / "services"), *trusting(fleet), "-o", "jsonl")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["unseen", "place", "place", "finding", "finding", "summary"]
    assert {line["rule"] for line in lines if line["type"] == "finding"} == {"RT024"}
    assert lines[-1]["unseen"] == 1
    assert ended.exit_code == 3


def test_a_chain_file_is_read_whole(fleet: Fleet) -> None:
    """The leaf is what counts; how much came with it is said."""
    bundle = fleet.authority.issue(["shop.example.com"], not_before=fleet.now - DAY, not_after=fleet.now + 80 * DAY)
    path = fleet.folder / "full.pem"
    path.write_bytes(chain_pem(bundle.chain) + (fleet.folder / "ca" / "ca.crt").read_bytes())
    (place,) = json.loads(call("scan", str(path), "-o", "json").stdout)["places"]
    assert place["certificate"]["chain_length"] == 2
    assert place["certificate"]["names"] == ["shop.example.com"]
