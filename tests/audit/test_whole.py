"""An inventory becomes an audit: every place once, with its findings and what would be done about it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from json import loads

from rotator.audit import whole
from rotator.audit.auditor import Auditor, Trusted
from rotator.core.audit import Audit, place_of
from rotator.core.model import (
    Action,
    AdoptionProblem,
    Endpoint,
    Inventory,
    Location,
    Observation,
    Plan,
    Severity,
    SourceProblem,
)
from rotator.core.reasons import Reason
from rotator.core.rules.judgement import Judgement
from rotator.report import audit_json, audit_table, json
from tests.builders import (
    DAY,
    ENDPOINT,
    NOW,
    chain,
    decision,
    facts,
    holding,
    plan,
    showing,
    spec,
    unreadable,
    unseen,
)
from tests.report.seeing import plain

OTHER = Location("host", "/etc/ssl/mail.pem")


def audit_of(inventory: Inventory, its_plan: Plan | None = None) -> Audit:
    """The audit of an inventory by all rules, where nothing is known of what clients trust."""
    with closing(Auditor(inventory.at, Trusted(), Judgement(), plan=its_plan is not None)) as auditor:
        return whole.audit_of(inventory, auditor, its_plan)


def test_soonest_first() -> None:
    """Places are in the order of their end; one without a certificate comes before all."""
    late, early = holding(chain(left=80 * DAY)), holding(chain(left=10 * DAY), OTHER)
    audit = audit_of(Inventory(NOW, observations=(late, early, unreadable(Location("host", "/z")))))
    assert [line.observation.location.address for line in audit.lines] == ["/z", OTHER.address, "/etc/ssl/shop.pem"]


def test_what_could_not_be_looked_at_is_told_apart() -> None:
    """A place that was not seen is no line and no finding; it is named with the reason, as is an unreadable source."""
    audit = audit_of(
        Inventory(NOW, observations=(unseen(why="/etc/ssl/shop.pem: Permission denied"),), problems=(
            SourceProblem("cluster", "the API server did not answer"),
        ))
    )  # fmt: skip
    assert audit.lines == ()
    assert [(one.where, one.message) for one in audit.unseen] == [
        ("cluster", "the API server did not answer"),
        ("host:/etc/ssl/shop.pem", "Permission denied"),
    ]
    assert audit_table.audit_line(audit) == "0 certificates in 0 places; 2 places could not be looked at."


def test_managed_places_say_by_which_rule_and_when() -> None:
    """Stored and served places of a managed certificate carry its decision; others say that nobody renews them."""
    shop = chain(left=29 * DAY)
    of = spec(adopted_from="disk")
    stranger = holding(chain(label="x", left=50 * DAY), OTHER)
    seen = facts(of, chain=shop, served=(showing(shop),))
    audit = audit_of(
        Inventory(NOW, facts=(seen,), observations=(stranger,)), plan(decision(of, at=NOW + DAY, ends=shop.not_after))
    )
    managed = {place_of(line.observation): line for line in audit.lines}
    assert managed["host:/etc/ssl/shop.pem"].rule == "disk"
    assert managed["shop.example.com:443 at 192.0.2.1"].decision is not None
    assert managed["host:/etc/ssl/mail.pem"].decision is None
    said = plain(audit_table.audit(audit), 120)
    assert "2026-03-03 (disk)" in said
    assert "by nobody" in said
    (row,) = [place for place in loads(json.text(audit_json.audit(audit)))["places"] if place["kind"] == "served"]
    assert row["managed"] == {
        "certificate": "shop",
        "rule": "disk",
        "mode": "rotate",
        "action": "renew",
        "reason": "due",
        "at": "2026-03-03T12:00:00Z",
    }


def test_declared_endpoint_that_no_source_shows_is_audited() -> None:
    """What the plan looked at itself is part of the audit: a stored renewal that is not served is found."""
    old, new = chain(begins=NOW - 40 * DAY), chain(begins=NOW - 2 * DAY)
    audit = audit_of(Inventory(NOW, facts=(facts(chain=new, served=(showing(old),)),)))
    assert [(finding.rule, finding.severity) for finding in audit.findings] == [("RT006", Severity.ERROR)]
    assert audit.worst is Severity.ERROR


def test_endpoint_that_is_down_is_unseen() -> None:
    """An address that refused the connection is named with what it did."""
    audit = audit_of(Inventory(NOW, facts=(facts(chain=chain(), served=(showing(None),)),)))
    (one,) = audit.unseen
    assert one.where == "shop.example.com:443 at 192.0.2.1"
    assert one.message == "refused: connection refused"


def test_held_by_adoption_says_why() -> None:
    """A place that a rule matches and does not manage has the reason in JSON, and `held` in the table."""
    seen = holding(chain())
    audit = audit_of(Inventory(NOW, observations=(seen,), held=(AdoptionProblem(seen.location, "two rules match it"),)))
    assert audit.lines[0].unmanaged == "two rules match it"
    assert "held" in plain(audit_table.audit(audit))


def test_table_fits_80_columns_with_long_names() -> None:
    """Long paths and names are folded, not cut and not too wide."""
    place = Location("host", "/etc/ssl/" + "very-long-folder/" * 9 + "tls.crt")
    name = "a." * 40 + "example.com"
    audit = audit_of(Inventory(NOW, observations=(holding(chain(name, left=-DAY), place),)))
    said = plain(audit_table.audit(audit))
    assert "2026-03-01" in said
    assert "RT001" in said
    assert "".join(said.split()).count("very-long-folder/") >= 9


def test_a_common_folder_is_named_once() -> None:
    """Paths that share a long folder are shown without it, so that a row stays a line; findings name them whole."""
    folder = "/etc/ssl/services/of/the/shop"
    many = tuple(holding(chain(left=-DAY, label=n), Location("host", f"{folder}/{n}/tls.crt")) for n in ("a", "b"))
    said = plain(audit_table.audit(audit_of(Inventory(NOW, observations=many))))
    assert f"Files are below {folder}/" in said
    assert "shop.example.com  a/tls.crt" in said
    assert f"{folder}/a/tls.crt: it ended" in said


def test_finding_and_remedy_are_said_once_per_rule() -> None:
    """Twenty expired certificates have twenty findings under one heading, with one remedy."""
    many = tuple(holding(chain(left=-DAY, label=str(n)), Location("host", f"/{n}")) for n in range(20))
    said = plain(audit_table.audit(audit_of(Inventory(NOW, observations=many))))
    assert (said.count("RT001"), said.count(": it ended"), said.count("To do: ")) == (1, 20, 1)
    assert "20 certificates in 20 places: 20 critical." in said


def test_a_place_is_named_as_people_say_it() -> None:
    """An endpoint at its own address is not said twice; without the system a file is its path."""
    at_home = Observation(Location("tls", "192.0.2.1:443@192.0.2.1"), endpoint=Endpoint("192.0.2.1", 443))
    assert place_of(at_home) == "192.0.2.1:443"
    assert place_of(holding(None), short=True) == "/etc/ssl/shop.pem"


def test_waiting_is_said_with_its_reason() -> None:
    """What waits or is held says so instead of a date."""
    shop = chain(left=29 * DAY)
    waits = decision(action=Action.WAIT, reason=Reason.OUTSIDE_WINDOW, wanted=Action.RENEW, because=Reason.DUE)
    audit = audit_of(Inventory(NOW, facts=(facts(chain=shop),)), plan(replace(waits, ends=shop.not_after)))
    assert "wait: outside-window (declared)" in " ".join(plain(audit_table.audit(audit), 140).split())
    assert ENDPOINT not in {line.observation.endpoint for line in audit.lines}
