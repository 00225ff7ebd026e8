"""A plan as people and programs read it."""

from __future__ import annotations

from dataclasses import replace
from json import loads

from rotator.core.budget.failing import Failing
from rotator.core.budget.forecast import Outlook
from rotator.core.model import Action, AdoptionProblem, KeySpec, Location, Pins, SourceProblem
from rotator.core.reasons import Reason
from rotator.report import json, table
from rotator.report.since import since_look
from tests.builders import DAY, HOUR, NOW, chain, decision, outcome, plan, spec
from tests.report.seeing import plain

FINE = decision(
    spec("fine"), Action.KEEP, Reason.HEALTHY, at=NOW + 13 * DAY, ends=NOW + 43 * DAY, message="due in 13 d"
)
HELD = decision(
    spec("held"), Action.HOLD, Reason.QUARANTINED, wanted=Action.RENEW, because=Reason.DUE, message="it did harm"
)


def test_what_when_and_why() -> None:
    """Each thing to do has its action, reason and sentence; the line at the end counts all."""
    said = plain(table.plan(plan(decision(), FINE)))
    assert "+ renew  shop  due" in said
    assert "ends in 29 d, due since 1 d, because it lives 90 d" in said
    assert "Plan: 1 to renew, 0 to reload, 0 waiting, 1 fine." in said


def test_what_is_fine_is_only_counted() -> None:
    """A fine certificate is not listed, but the next one due is named; with everything it is listed."""
    said = plain(table.plan(plan(FINE)))
    assert "Next due: fine on 2026-03-15, in 13 d" in said
    assert "keep" not in said
    assert "keep" in plain(table.plan(plan(FINE), everything=True))


def test_held_shows_what_holds_it_and_the_command() -> None:
    """What a person decides is shown with both reasons."""
    said = plain(table.plan(plan(HELD)))
    assert "! hold  held  due, quarantined" in said
    assert "1 held for a person" in said


def test_waiting_says_until_when() -> None:
    """What waits by itself has its moment."""
    waits = decision(action=Action.WAIT, reason=Reason.GAP, because=Reason.DUE, wanted=Action.RENEW, at=NOW + HOUR)
    assert "at 2026-03-02 13:00 UTC, in 60 min" in plain(table.plan(plan(waits)))


def test_emergency_is_marked() -> None:
    """Past the emergency line it says so."""
    assert "past its emergency line" in plain(table.plan(plan(decision(emergency=True))))


def test_unreadable_source_is_part_of_the_plan() -> None:
    """A plan on incomplete knowledge says what it does not know, in both forms."""
    problem = SourceProblem("cluster", "connection refused")
    assert "connection refused" in plain(table.plan(plan(), [problem]))
    assert json.plan(plan(), [problem])["unseen"] == [{"where": "cluster", "message": "connection refused"}]


def test_what_a_rule_matches_and_nobody_manages() -> None:
    """A place that is in nobody's care looks like one that is fine where the plan is silent about it."""
    many = [AdoptionProblem(Location("web1", f"/etc/ssl/{n}.crt"), "two rules match it") for n in range(12)]
    said = plain(table.plan(plan(FINE), held=many))
    assert "Matched, but not managed" in said
    assert "/etc/ssl/9.crt  two rules match it" in said
    assert "/etc/ssl/10.crt" not in said
    assert "… and 2 more; `rotator plan --all` lists them" in said
    assert "/etc/ssl/11.crt" in plain(table.plan(plan(FINE), held=many, everything=True))
    assert json.plan(plan(), held=many[:1])["held"] == [
        {"where": str(many[0].location), "message": "two rules match it"}
    ]


def test_json_of_a_plan() -> None:
    """Every key of a decision is there, with null where there is nothing."""
    made = loads(json.text(json.plan(plan(HELD, FINE))))
    assert made["at"] == "2026-03-02T12:00:00Z"
    assert made["summary"] == {
        "renew": 0, "redeploy": 0, "wait": 0, "observe": 0, "delegate": 0, "hold": 1, "refuse": 0, "keep": 1,
    }  # fmt: skip
    assert made["decisions"][0] == {
        "certificate": "held",
        "owner": None,
        "names": ["shop.example.com"],
        "mode": "rotate",
        "action": "hold",
        "reason": "quarantined",
        "wanted": "renew",
        "because": "due",
        "message": "it did harm",
        "command": None,
        "at": "2026-03-02T12:00:00Z",
        "ends": "2026-03-31T12:00:00Z",
        "emergency": False,
        "issuers": ["internal"],
        "pins": {"current": None, "next": None},
    }


def test_a_plan_shows_what_to_publish() -> None:
    """Pins and TLSA records are in the JSON of all, and in the table of those whose key somebody goes by."""
    pins = Pins("ab" * 32, "cd" * 32, ("_443._tcp.shop.example.com",))
    known = replace(HELD, pins=pins, spec=replace(HELD.spec, key=KeySpec(ahead=True)))
    record = f"_443._tcp.shop.example.com. IN TLSA 3 1 1 {'cd' * 32}"
    made = loads(json.text(json.plan(plan(known))))["decisions"][0]["pins"]
    assert made["next"] == {"pin_sha256": "zc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc0=", "tlsa": [record]}
    assert record in plain(table.plan(plan(known)), width=200)
    assert "TLSA" not in plain(table.plan(plan(replace(HELD, pins=pins))), width=200)


def test_what_was_finished_since_the_look_is_fine() -> None:
    """A renewal that ended well after the plan was made no longer counts as due; a failed one still does."""
    new = chain(begins=NOW)
    done = outcome(finished=NOW + HOUR, after=new)
    (fine,) = since_look(plan(decision()), [done])
    assert (fine.action, fine.ends) == (Action.KEEP, new.not_after)
    assert (fine.pins.current, fine.pins.next) == (new.spki, "")
    assert since_look(plan(decision()), [outcome(finished=NOW - HOUR)])[0].due
    failed = outcome(finished=NOW + 2 * HOUR, error="the issuer said no")
    assert since_look(plan(decision()), [failed, done])[0].due


def test_what_is_only_watched_has_no_moment() -> None:
    """In observe mode nothing happens at the next look, so none is named beside `would renew now`."""
    watched = decision(
        action=Action.WAIT, reason=Reason.OBSERVE, wanted=Action.RENEW, because=Reason.DUE, at=NOW + HOUR, message="m"
    )
    assert "at 20" not in plain(table.plan(plan(watched)))


def test_a_source_is_named_once() -> None:
    """What a source says of itself begins with its name, which stands beside it already."""
    said = plain(table.plan(plan(), [SourceProblem("disk", "disk: could not look everywhere")]))
    assert "disk  could not look everywhere" in said


def test_a_plan_says_what_is_not_counted_and_what_will_be_paused() -> None:
    """Nobody takes silence for room: a CA without known limits is named, with what to do, and so is a failing name."""
    row = Failing("le", "shop.example.com", 300, 1152)
    outlook = Outlook(failing=(row,), uncounted=("google", "zerossl"))
    said = plain(table.plan(plan(FINE), (), outlook))
    assert "Not counted: google, zerossl (no preset of its limits; set `limits:`)" in said
    assert "le pauses shop.example.com after 1,152 failed validations in a row; there are" in said
    read = json.plan(plan(FINE), (), outlook)["budgets"]
    assert loads(json.text(read)) == {
        "remaining": [],
        "shortages": [],
        "failing": [{"issuer": "le", "name": "shop.example.com", "failures": 300, "most": 1152}],
        "uncounted": ["google", "zerossl"],
    }
