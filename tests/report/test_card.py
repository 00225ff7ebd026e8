"""One certificate with all that is known of it."""

from __future__ import annotations

from dataclasses import replace
from json import loads

from rotator.core.model import Action, Ask, Pause
from rotator.core.reasons import Reason
from rotator.report import json
from rotator.report.card import Card, Kept, table
from tests.builders import DAY, HOUR, NOW, chain, decision, order, ours, outcome, quarantine, spec
from tests.report.seeing import plain

NEW = chain(begins=NOW - DAY)
HISTORY = replace(
    ours(NEW),
    pause=Pause("audit", NOW, None),
    held_by_hand="ada put the previous certificate back",
    quarantines=(quarantine(NEW, by_hand=True),),
    ask=Ask(NOW, reason="key leaked"),
    orders=(order(NOW - HOUR),),
)
CARD = Card(
    now=NOW,
    spec=spec(owner="payments", issuers=("internal", "google"), adopted_from="disk"),
    decision=decision(action=Action.HOLD, reason=Reason.REPLACED_BY_HAND, at=NOW + DAY, ends=NEW.not_after),
    history=HISTORY,
    places=("host:/etc/ssl/shop.pem",),
    endpoints=("shop.example.com:443",),
    bundles=(Kept(NEW.leaf, "accepted", "internal", NOW - DAY, key_kept=True),),
    outcomes=(outcome(after=NEW),),
    notices=(),
)


def test_everything_is_on_the_card() -> None:
    """What it is, what will be done, everything that holds it, what is kept and what happened."""
    said = " ".join(plain(table(CARD)).split())
    for part in (
        "owner payments",
        "issuer internal, then google",
        "adopted from disk",
        "stored at host:/etc/ssl/shop.pem",
        "served at shop.example.com:443",
        "decision hold, replaced-by-hand",
        "paused until somebody resumes it: audit",
        "held ada put the previous certificate back",
        f"quarantined {NEW.fingerprint[:16]} at host:/etc/ssl/shop.pem",
        "key leaked",
        "orders 1 in the last day",
        f"accepted internal kept {NEW.fingerprint[:16]}",
        "done shop renew: due",
    ):
        assert part in said


def test_not_looked_at_yet() -> None:
    """A declared certificate before the first look has a card, too."""
    assert "not looked at yet" in plain(table(replace(CARD, decision=None)))


def test_json_of_a_card() -> None:
    """The same as an object; of a bundle there is the leaf, and whether its key is kept."""
    made = loads(json.text(json.card(CARD)))
    assert made["name"] == "shop"
    assert made["bundles"][0]["key_kept"] is True
    assert made["quarantines"][0]["by_hand"] is True
    assert made["pause"]["reason"] == "audit"
    assert made["targets"] == [{"kind": "files", "settings": {"path": "/etc/ssl/shop.pem"}, "restart": []}]
