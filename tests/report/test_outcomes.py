"""Rotations of the past as people and programs read them."""

from __future__ import annotations

from dataclasses import replace
from json import loads

from rotator.core.model import Result, Stage, Verification, Violation
from rotator.core.reasons import Reason
from rotator.report import json, table
from rotator.report.table import Asked
from tests.builders import DAY, NOW, chain, outcome, showing
from tests.report.seeing import plain

ROLLED_BACK = outcome(
    result=Result.ROLLED_BACK, stage=Stage.VERIFY, error="shop.example.com:443 is down; the old one was put back"
)


def test_history_has_the_error_below_its_rotation() -> None:
    """A rotation that went wrong says at which stage and how."""
    said = " ".join(plain(table.outcomes([ROLLED_BACK])).split())
    assert "2026-03-02 12:00 rolled-back shop renew: due" in said
    assert "verify: shop.example.com:443 is" in said


def test_history_says_why_another_issuer_signed() -> None:
    """Whoever looks later sees that the second of the list signed, and why; what commands printed stays in `rotate`."""
    log = "fell back from first to second: first: the directory cannot be had\nsignal process started\n"
    said = " ".join(plain(table.outcomes([replace(outcome(after=chain(begins=NOW)), log=log)])).split())
    assert "fell back from first to second: first:" in said
    assert "signal process" not in said


def test_proof_is_shown() -> None:
    """One rotation in full shows what was verified where."""
    proved = replace(
        outcome(after=chain(begins=NOW)), verification=Verification(verified=("shop.example.com:443 serves it",))
    )
    said = plain(table.outcome_lines(proved))
    assert said.startswith("done        shop: renew because due, 60.0 s, ends 2026-05-31")
    assert "  shop.example.com:443 serves it" in said


def test_what_is_left_to_a_person_is_named() -> None:
    """A finding that a person may let through, and a rollback, name the command; an ordinary failure has none."""
    held = outcome(result=Result.FAILED, stage=Stage.VALIDATE, error="another root")
    finding = Violation(Reason.ROOT_CHANGED, "another root")
    refusal = Violation(Reason.KEY_MISMATCH, "another key")
    assert "to let it through: rotator approve shop" in plain(table.outcome_lines(replace(held, violations=(finding,))))
    assert "find out why, then: rotator approve shop" in plain(table.outcome_lines(ROLLED_BACK))
    for other in ((), (refusal,), (finding, refusal)):
        assert "approve" not in plain(table.outcome_lines(replace(held, violations=other)))


def test_unproved_says_why_it_is() -> None:
    """Deployed where nothing can be looked at is neither failed nor done."""
    assert "no endpoint is known" in plain(table.outcome_lines(outcome(result=Result.UNPROVED)))
    down = Verification(after=(showing(None),))
    said = " ".join(plain(table.outcome_lines(replace(outcome(result=Result.UNPROVED), verification=down))).split())
    assert "no endpoint is known" not in said
    assert "nobody has seen it served: shop.example.com:443 at 192.0.2.1 did not show what it serves (refused)" in said
    told = outcome(result=Result.UNPROVED, error="not reloaded: still the old one")
    assert "no endpoint is known" not in plain(table.outcome_lines(told))


def test_history_with_what_people_asked_for() -> None:
    """Who asked for what, and what came of it, stands below the rotations."""
    asked = [Asked(NOW, "pause", "shop-*", "by ada@host, because audit: paused until somebody resumes it: shop-eu")]
    said = plain(table.history([], asked))
    assert "No rotation yet." in said
    assert "ada@host" in said
    assert json.history([], asked)["asked"] == [
        {"at": "2026-03-02T12:00:00Z", "verb": "pause", "subject": "shop-*", "detail": asked[0].detail}
    ]


def test_json_of_an_outcome() -> None:
    """Every key of an outcome is there; leaves are told by fingerprint and end, never with a key."""
    full = replace(
        ROLLED_BACK,
        before=chain(left=29 * DAY),
        after=chain(begins=NOW),
        violations=(Violation(Reason.UNTRUSTED, "clients would not trust it"),),
    )
    made = loads(json.text(json.outcomes([full])))
    (one,) = made["outcomes"]
    assert made["summary"] == {"rolled-back": 1}
    assert one["seconds"] == 60.0
    assert one["stage"] == "verify"
    assert one["violations"] == [{"reason": "untrusted", "message": "clients would not trust it"}]
    assert one["before"]["not_after"] == "2026-03-31T11:59:59Z"
    assert set(one["after"]) == {
        "fingerprint", "serial", "subject", "issuer", "names", "not_before", "not_after", "key", "spki", "problems",
        "chain_length",
    }  # fmt: skip
