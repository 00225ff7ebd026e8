"""The summary of a look: what status, the page and the API show without looking again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rotator.core.model import Action, AdoptionProblem, Location, SourceProblem
from rotator.core.reasons import Reason
from rotator.core.summary import read_summary, state_of, summary_of
from tests.builders import DAY, ENDPOINT, NOW, PLACE, chain, decision, facts, inventory, plan, showing, spec, unreadable


def test_a_certificate_is_a_row() -> None:
    """Who it belongs to, what is to be done and why, where it lies, and where of how many addresses it is served."""
    current, old = chain(left=29 * DAY), chain(left=DAY, label="old")
    look = facts(
        spec(owner="payments"),
        chain=current,
        served=(showing(current), showing(old, address="192.0.2.2"), showing(None, address="192.0.2.3")),
    )
    decided = decision(look.spec, ends=current.not_after)
    (row,) = _read(look, decided)["certificates"]
    assert (row["name"], row["owner"], row["names"]) == ("shop", "payments", ["shop.example.com"])
    assert (row["state"], row["action"], row["reason"]) == ("due", "renew", "due")
    assert row["message"] == decided.message
    assert row["ends"] == current.not_after.isoformat()
    assert row["at"] == decided.at.isoformat()
    assert row["fingerprint"] == current.fingerprint
    assert row["places"] == [str(PLACE)]
    assert row["endpoints"] == [str(ENDPOINT)]
    assert (row["served"], row["seen"]) == (1, 3)
    assert row["emergency"] is False


def test_what_was_never_issued_has_no_end() -> None:
    """Where there is no certificate yet, its end and fingerprint are empty."""
    look = facts(spec(), installed=())
    (row,) = _read(look, decision(look.spec, reason=Reason.NOT_ISSUED, ends=None))["certificates"]
    assert (row["ends"], row["fingerprint"], row["served"], row["seen"]) == ("", "", 0, 0)


def test_what_no_look_has_seen_is_a_row_too() -> None:
    """A decision whose certificate could not be judged in this look is shown without places."""
    fields: dict[str, Any] = read_summary(summary_of(inventory(), plan(decision())), NOW).fields
    (row,) = fields["certificates"]
    assert (row["name"], row["places"], row["endpoints"]) == ("shop", [], [])


def test_states_are_counted() -> None:
    """How many are in each state, for the line above the list."""
    looks = [facts(spec(name), chain=chain()) for name in ("a", "b", "c")]
    actions = (Action.KEEP, Action.KEEP, Action.HOLD)
    decided = [decision(look.spec, action) for look, action in zip(looks, actions, strict=True)]
    fields = read_summary(summary_of(inventory(*looks), plan(*decided)), NOW).fields
    assert fields["counts"] == {"ok": 2, "held": 1}


@pytest.mark.parametrize(
    ("action", "word"),
    [
        (Action.KEEP, "ok"),
        (Action.RENEW, "due"),
        (Action.REDEPLOY, "due"),
        (Action.WAIT, "waiting"),
        (Action.DELEGATE, "waiting"),
        (Action.HOLD, "held"),
        (Action.REFUSE, "refused"),
    ],
)
def test_every_action_has_a_word(action: Action, word: str) -> None:
    """One word for a list, for whatever is to be done."""
    assert state_of(decision(action=action)) == word


def test_what_is_in_nobodys_care_is_listed() -> None:
    """Unmanaged places, sources that could not be looked at, matches that were not adopted: each with its reason."""
    look = replace(
        inventory(),
        unmanaged=(unreadable(Location("host", "/etc/ssl/odd.crt"), "it holds HTML"),),
        problems=(SourceProblem("cluster", "403"),),
        held=(AdoptionProblem(PLACE, "also found elsewhere"),),
    )
    fields = read_summary(summary_of(look, plan()), NOW).fields
    assert fields["unmanaged"] == [
        {"place": "host:/etc/ssl/odd.crt", "names": [], "ends": "", "problem": "it holds HTML"}
    ]
    assert fields["problems"] == [{"source": "cluster", "message": "403"}]
    assert fields["held"] == [{"place": str(PLACE), "message": "also found elsewhere"}]


def test_it_is_read_back_with_its_moment() -> None:
    """The text says when the look was, and so does what is read back from it."""
    look = read_summary(summary_of(inventory(), plan()), NOW)
    assert look.at == NOW
    assert look.fields["at"] == NOW.isoformat()


def _read(look: Any, decided: Any) -> dict[str, Any]:
    return read_summary(summary_of(inventory(look), plan(decided)), NOW).fields
