"""`rotator account`: shown, updated, given another key and ended, on a real CA."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fleet import DAY, Fleet
from tests.cli.test_daemon import looking
from tests.issuers.acme.proxied import Front, fronted
from tests.servers.pebble import Pebble

pytestmark = pytest.mark.server


@pytest.fixture
def front(pebble: Pebble, tmp_path: Path) -> Iterator[Front]:
    with fronted(pebble, tmp_path / "front") as opened:
        yield opened


@pytest.fixture
def fleet(fleet: Fleet, front: Front) -> Fleet:
    """The fleet, with an ACME CA beside its own."""
    settings = {
        "directory": front.directory_url,
        "ca_file": str(front.ca_file),
        "email": "pki@example.com",
        "agree_terms": True,
        "http01": {"listen": f"127.0.0.1:{front.http_port}"},
    }
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("issuers:\n", f"issuers:\n  pebble: {{acme: {json.dumps(settings)}}}\n"))
    return fleet


def test_an_account_from_its_beginning_to_its_end(fleet: Fleet) -> None:
    """None, made, another key, ended, another one: each step says what came of it, and `show` agrees."""
    none = fleet.json("account", "show", "pebble")
    made = fleet.call("account", "update", "pebble")
    first = fleet.json("account", "show", "pebble")
    rolled = fleet.call("account", "roll-key", "pebble")
    second = fleet.json("account", "show", "pebble")
    ended = fleet.call("account", "deactivate", "pebble", "--yes")
    last = fleet.json("account", "show", "pebble")
    refused = fleet.call("account", "update", "pebble")
    anew = fleet.call("account", "update", "pebble", "--new")

    assert none["address"] is None
    assert made.exit_code == rolled.exit_code == ended.exit_code == anew.exit_code == 0
    assert "is valid; the CA writes to pki@example.com" in " ".join(made.stdout.split())
    assert (first["status"], first["contact"]) == ("valid", ["mailto:pki@example.com"])
    assert (second["address"], second["status"]) == (first["address"], "valid")
    assert second["key"] != first["key"]
    assert second["key"] in rolled.stdout
    assert last["status"] == "deactivated"
    assert refused.exit_code == 1
    assert "--new" in refused.stdout
    assert fleet.json("account", "show", "pebble")["address"] != first["address"]
    assert "status" in fleet.call("account", "show", "pebble").stdout


def test_who_agrees_by_command_alone_is_told_of_the_setting(fleet: Fleet) -> None:
    """The account has agreed, and the next one could not: the answer says what is left to do, until it is done."""
    agreed = fleet.config.read_text()
    fleet.config.write_text(agreed.replace('"agree_terms": true', '"agree_terms": false'))
    alone = fleet.call("account", "update", "pebble", "--agree-terms")
    fleet.config.write_text(agreed)
    both = fleet.call("account", "update", "pebble", "--agree-terms")

    assert alone.exit_code == both.exit_code == 0
    assert "say agree_terms: true in the config as well" in " ".join(alone.stdout.split())
    assert "agree_terms" not in both.stdout


def test_ending_is_not_done_by_mistake(fleet: Fleet, front: Front) -> None:
    """Without --yes, and nobody at a terminal to be asked, the CA hears nothing."""
    assert fleet.call("account", "deactivate", "pebble").exit_code == 2
    assert front.asked("/") == 0


@pytest.mark.parametrize(
    ("issuer", "said"), [("pebbel", "there is no issuer 'pebbel'"), ("ca", "ca knows no accounts")]
)
def test_an_issuer_without_an_account_is_said(fleet: Fleet, issuer: str, said: str) -> None:
    """A typing error, or a CA of another kind: one sentence for looking and for changing."""
    for verb in ("show", "roll-key"):
        ended = fleet.call("account", verb, issuer)
        assert ended.exit_code == 2
        assert said in ended.stderr


def test_the_daemon_changes_the_account(fleet: Fleet, front: Front) -> None:
    """While it runs it holds the state, so the command asks it; the audit has who asked for what."""
    fleet.put("shop", left=60 * DAY)
    with looking(fleet):
        (answer,) = fleet.json("account", "update", "pebble")["answers"]

    assert answer["done"]
    assert (answer["verb"], answer["subject"]) == ("account-update", "pebble")
    assert len(front.done("/sign-me-up")) == 1
