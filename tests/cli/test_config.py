"""`rotator config`: check, schema, init."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from rotator.cli.beginning import BEGINNING
from rotator.config.load import load_text
from rotator.core.model import Mode
from tests.cli.fleet import DAY, SECONDS, Fleet, call
from tests.cli.test_daemon import looking


def test_check_says_what_each_rule_matches(fleet: Fleet) -> None:
    """A rule shows how much it matches now and what would be managed by it."""
    fleet.put("shop", left=60 * DAY)
    fleet.put("mail", left=60 * DAY)
    ended = fleet.call("config", "check")
    assert ended.exit_code == 0
    assert "has no mistakes; mode rotate; 1 source, 1 issuer" in " ".join(ended.stdout.split())
    assert "adopt[0]  disk        2  mail, shop" in ended.stdout
    assert list((fleet.folder / "state").iterdir()) == []


def test_rule_that_matches_nothing(fleet: Fleet) -> None:
    """A rule whose match is wrong is easy to see."""
    fleet.put("shop", left=60 * DAY)
    fleet.config.write_text(fleet.config.read_text().replace("match: {}", "match: {name: shpo}"))
    (rule,) = fleet.json("config", "check")["rules"]
    assert (rule["matches"], rule["manages"]) == (0, [])
    assert "nothing: does its `match` fit?" in fleet.call("config", "check").stdout


def test_matched_but_not_managed(fleet: Fleet) -> None:
    """What a rule matches and may not adopt is named with the reason."""
    fleet.put("shop", left=60 * DAY)
    ca = fleet.folder / "services" / "ca"
    ca.mkdir()
    (ca / "tls.crt").write_bytes((fleet.folder / "ca" / "ca.crt").read_bytes())
    (rule,) = fleet.json("config", "check")["rules"]
    assert (rule["matches"], rule["manages"]) == (2, ["shop"])
    assert "never adopted" in rule["held"][0]


def test_offline_asks_nobody(fleet: Fleet) -> None:
    """With --offline only the file is read: an unreachable source does not matter."""
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("sources:\n", 'sources:\n  gone: {files: ["/nowhere/at/all.crt"]}\n'))
    assert fleet.call("config", "check", "--offline").exit_code == 0
    ended = fleet.call("config", "check")
    assert ended.exit_code == 3
    assert "/nowhere/at/all.crt" in ended.stdout


def test_secrets_that_lead_nowhere(fleet: Fleet) -> None:
    """A reference to a secret that is not there is a mistake with its place."""
    fleet.config.write_text(
        fleet.config.read_text().replace(
            "alerts: none\n", 'alerts:\n  chat:\n    slack: {webhook: "${env:ROTATOR_TEST_NOWHERE}"}\n'
        )
    )
    ended = fleet.call("config", "check", "--offline")
    assert ended.exit_code == 2
    assert ":17:" in ended.stderr
    assert "ROTATOR_TEST_NOWHERE is not set" in ended.stderr


def test_what_is_not_there_is_told_beside_the_mistakes(fleet: Fleet) -> None:
    """Both at once; a file that is not there is told by the check, and keeps nothing from running."""
    fleet.put("shop", left=20 * DAY)
    text = fleet.config.read_text()
    more = "scan: {ca: [/nowhere/roots.pem]}\n"
    fleet.config.write_text(f"{text}{more}limits: {{at_once: 0}}\n")
    ended = fleet.call("config", "check", "--offline")
    assert ended.exit_code == 2
    assert [line.split(": ")[1] for line in ended.stderr.splitlines()[:-1]] == ["scan.ca[0]", "limits.at_once"]
    fleet.config.write_text(text + more)
    assert fleet.call("config", "check").exit_code == 2
    ran = fleet.call("run", "--once")
    assert ran.exit_code == 0
    assert "the trusted roots in /nowhere/roots.pem cannot be read: No such file or directory" in ran.stderr


def test_an_issuer_that_is_passed_over_fails_nothing(fleet: Fleet) -> None:
    """It works, so the check and a start are clean; both tell it, as JSON as well."""
    acme = "acme: {directory: 'https://127.0.0.1:1/dir', agree_terms: true}"
    text = fleet.config.read_text().replace("issuers:\n", f"issuers:\n  web: {{{acme}}}\n")
    files = f"{{certificate: {fleet.folder}/all.crt, key: {fleet.folder}/all.key}}"
    shop = f"{{name: all, names: ['*.example.com'], issuer: [web, ca], mode: observe, targets: [{{files: {files}}}]}}"
    fleet.config.write_text(f"{text}certificates: [{shop}]\n")
    assert fleet.json("config", "check")["remarks"] == []
    fleet.config.write_text(f"{text}certificates: [{shop.replace('observe', 'rotate')}]\n")
    (remark,) = fleet.json("config", "check")["remarks"]
    assert "certificates[0].names[0]: the issuer web is passed over, and ca alone can sign the certificate" in remark
    checked = fleet.call("config", "check")
    assert checked.exit_code == 0
    assert remark.partition("[0]: ")[2] in " ".join(checked.stdout.split())
    with looking(fleet) as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    (told,) = [line for line in map(json.loads, err.splitlines()) if line["event"] == "remark"]
    assert (told["level"], told["remark"]) == ("warning", remark)
    ran = fleet.call("run", "--once")
    assert ran.exit_code == 0, ran.stderr
    assert f"rotator: {remark}" in ran.stderr


def test_schema_accepts_what_is_valid(fleet: Fleet) -> None:
    """The printed schema is a JSON Schema, and takes the config of this test and the one to begin with."""
    schema = json.loads(call("config", "schema").stdout)
    Draft202012Validator.check_schema(schema)
    for text in (fleet.config.read_text(), BEGINNING):
        assert list(Draft202012Validator(schema).iter_errors(YAML(typ="safe").load(text))) == []


def test_init_writes_a_config_that_passes(tmp_path: Path) -> None:
    """The config to begin with is valid, observes only, and orders from a directory that nobody trusts."""
    path = tmp_path / "etc" / "config.yaml"
    assert call("config", "init", "--config", str(path)).exit_code == 0
    config = load_text(path.read_text(), "config.yaml")
    assert config.file.mode is Mode.OBSERVE
    assert [rule.mode for rule in config.rules()] == [Mode.OBSERVE]
    assert "directory: letsencrypt-staging" in path.read_text()
    assert call("config", "check", "--offline", "--config", str(path)).exit_code == 0


def test_init_never_overwrites(tmp_path: Path) -> None:
    """An existing file stays as it is."""
    path = tmp_path / "config.yaml"
    path.write_text("mine")
    ended = call("config", "init", "--config", str(path))
    assert ended.exit_code == 2
    assert "is not overwritten" in ended.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize("folder", ["/proc/rotator", "/dev/null"])
def test_init_where_nothing_can_be_written(folder: str) -> None:
    """A folder that cannot be made or written is a sentence."""
    ended = call("config", "init", "--config", f"{folder}/config.yaml")
    assert ended.exit_code == 2
    assert "name another file with --config" in ended.stderr
