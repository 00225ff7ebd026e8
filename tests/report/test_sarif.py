"""A scan as SARIF: valid by the standard's schema, stable across renewals, within what GitHub takes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from rotator.core.audit import Audit, Unseen
from rotator.core.model import Endpoint, Observation, Severity
from rotator.core.rules.catalogue import RULES as CATALOGUE
from rotator.report import sarif
from tests.builders import DAY, chain
from tests.report.audits import (
    EXPIRED,
    EXPIRING,
    RULES,
    WILDCARD,
    audit,
    empty,
    file,
    hostile,
    large,
    line,
    ordinary,
    saying,
    secret,
    served,
)

SCHEMA = json.loads((Path(__file__).parent / "schemas/sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
VALIDATOR = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)


def run_of(one: Audit, **options: str) -> dict[str, Any]:
    """The run of a log, as a reader gets it; the log is valid."""
    text = json.dumps(sarif.audit(one, RULES, "1.2.3", **options))
    log = json.loads(text)
    assert [error.message[:300] for error in VALIDATOR.iter_errors(log)] == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_it_is_valid(make: Callable[[], Audit]) -> None:
    """Whatever was found, and whatever it is called, the log is valid by the schema of the standard."""
    run = run_of(make())
    for result in run["results"]:
        assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        assert result["message"]["text"].isprintable()
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[\w.@+~%-]+(/[\w.@+~%-]+)*", uri), "relative, and no sign that an address may not have"


def test_a_renewal_changes_no_identity() -> None:
    """The same finding of the next certificate is the same alert; another rule, place or part is another."""

    def prints(left: int, path: str = "/srv/a.pem", about: str = "") -> list[Any]:
        where = file(path, chain(left=left * DAY, label=str(left)))
        said = saying(EXPIRING, where, f"it ends in {left} d", about=about)
        return [result["partialFingerprints"] for result in run_of(audit(line(where, said)))["results"]]

    assert prints(5) == prints(3)
    assert prints(5) != prints(5, path="/srv/b.pem")
    assert prints(5) != prints(5, about="CN=Intermediate")


def test_neither_host_nor_address_changes_an_identity() -> None:
    """The same finding is the same alert from another machine, and behind another address of the name."""

    def prints(where: Observation) -> list[Any]:
        run = run_of(audit(line(where, saying(EXPIRED, where, "it ended"))))
        return [result["partialFingerprints"] for result in run["results"]]

    held = chain(left=-DAY)
    assert prints(file("/srv/a.pem", held)) == prints(file("/srv/a.pem", held, host="ci-runner-7"))
    assert prints(served("a.example.com", held)) == prints(served("a.example.com", held, "2001:db8::1"))
    assert prints(served("a.example.com", held)) != prints(served("b.example.com", held))
    assert prints(secret("shop", "tls", held)) != prints(secret("mail", "tls", held))


def test_an_identity_is_rule_place_and_part() -> None:
    """Whoever reads the log can make the identity again from what the JSON of a scan says."""
    where = file("/srv/a.pem", chain(left=-DAY))
    (result,) = run_of(audit(line(where, saying(EXPIRED, where, "it ended", about="leaf"))))["results"]
    made = hashlib.sha256(b"RT001|/srv/a.pem|leaf").hexdigest()
    assert result["partialFingerprints"]["rotatorFinding/v1"] == made


def test_two_of_one_rule_at_one_place_are_two() -> None:
    """Where a rule says two things that nothing tells apart, GitHub still keeps both."""
    where = file("/srv/a.pem", chain())
    run = run_of(audit(line(where, saying(EXPIRING, where, "first"), saying(EXPIRING, where, "second"))))
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert [each.rpartition(":")[2] for each in hashes] == ["1", "2"]


def test_places_are_relative_addresses() -> None:
    """A place is a path in a repository; the place as people say it is beside it."""
    held = chain(left=-DAY)
    sni = replace(served("10.0.0.1", held), endpoint=Endpoint("10.0.0.1", 443, "shop.example.com"))
    places = {
        "endpoints/www.example.com_443": served("www.example.com", held),
        "endpoints/10.0.0.1_443_shop.example.com": sni,
        "k8s/shop/front-tls": secret("shop", "front-tls", held),
        "etc/ssl/a%20b.pem": file("/etc/ssl/a b.pem", held),
        "certs/c.pem": file("/home/ci/repo/certs/c.pem", held),
    }
    lines = [line(where, saying(EXPIRED, where, "it ended")) for where in places.values()]
    run = run_of(audit(*lines), root="/home/ci/repo")
    locations = [result["locations"][0] for result in run["results"]]
    assert {where["physicalLocation"]["artifactLocation"]["uri"] for where in locations} == set(places)
    named = {where["logicalLocations"][0]["fullyQualifiedName"] for where in locations}
    assert {"www.example.com:443 at 192.0.2.1", "prod:Secret shop/front-tls", "web1:/etc/ssl/a b.pem"} <= named


def test_rules_say_what_to_do() -> None:
    """An alert comes with cause, remedy, weakness and severity."""
    (rule, *_) = run_of(ordinary())["tool"]["driver"]["rules"]
    assert rule["help"]["text"].startswith(EXPIRED.cause)
    assert EXPIRED.remedy in rule["help"]["markdown"]
    assert rule["properties"]["tags"] == ["security", "certificates", "external/cwe/cwe-298"]
    assert rule["properties"]["security-severity"] == "9.5"


def test_every_rule_explains_itself() -> None:
    """The docs have no address that an alert could lead to, so each rule says all that they say of it."""
    log = json.loads(json.dumps(sarif.audit(empty(), CATALOGUE, "1.2.3")))
    assert [error.message[:300] for error in VALIDATOR.iter_errors(log)] == []
    driver = log["runs"][0]["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == list(CATALOGUE)
    for rule in driver["rules"]:
        known = CATALOGUE[rule["id"]]
        for form in rule["help"].values():
            assert all(part in form for part in (known.cause, known.notes, known.remedy, known.source))
        assert "helpUri" not in rule


def test_levels() -> None:
    """Four severities become the three levels of the standard."""
    where = file("/srv/a.pem", chain())
    run = run_of(audit(line(where, *(saying(EXPIRING, where, "it is", severity) for severity in Severity))))
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning", "note"]


def test_excused_is_a_suppression() -> None:
    """What the baseline takes for known is there, suppressed, with the reason and the day."""
    (result,) = [each for each in run_of(ordinary())["results"] if "suppressions" in each]
    assert result["suppressions"] == [{"kind": "external", "justification": "replaced in May, until 2026-06-01"}]


def test_what_was_not_seen_is_no_success() -> None:
    """A scan that could not look everywhere says so, and what it did not see."""
    (invocation,) = run_of(ordinary())["invocations"]
    assert invocation["executionSuccessful"] is False
    (note,) = invocation["toolExecutionNotifications"]
    assert note["message"]["text"] == (
        "down.example.com:443 at 192.0.2.9 could not be looked at: refused: connection refused"
    )
    assert run_of(empty())["invocations"][0]["executionSuccessful"] is True
    assert run_of(replace(empty(), unseen=(Unseen("", ""),)))["invocations"][0]["executionSuccessful"] is False


def test_the_worst_are_kept_within_the_limit() -> None:
    """Of more results than GitHub takes the worst are kept, and how many are left out is said."""
    lines = []
    for number in range(sarif.MOST_RESULTS + 5):
        where = file(f"/srv/{number}.pem")
        lines.append(line(where, saying(WILDCARD if number else EXPIRED, where, "it is")))
    run = run_of_large(audit(*reversed(lines)))
    assert len(run["results"]) == sarif.MOST_RESULTS
    assert run["results"][0]["ruleId"] == "RT001"
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("5 of the least severe results are left out")


def test_ten_thousand_places() -> None:
    """A large audit has its thousand findings."""
    assert len(run_of_large(large())["results"]) == 1000


def run_of_large(one: Audit) -> Any:
    """The run, not validated: a schema of this size takes its time."""
    return json.loads(json.dumps(sarif.audit(one, RULES, "1.2.3")))["runs"][0]
