"""How the fleet stands, as people and programs read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from json import loads

from rotator.core.model import Action, Notice, NoticeKind, Pause, Severity
from rotator.core.reasons import Reason
from rotator.report import json
from rotator.report.status import Status, table
from tests.builders import DAY, HOUR, NOW, decision, outcome, plan, spec
from tests.report.seeing import plain

FINE = decision(spec("fine"), Action.KEEP, Reason.HEALTHY, at=NOW + DAY)
NOTICE = Notice(
    key="held/shop",
    kind=NoticeKind.HELD,
    severity=Severity.CRITICAL,
    title="shop waits for a person",
    detail="",
    since=NOW - HOUR,
    subjects=("shop",),
    command="rotator approve shop",
)
STATUS = Status(
    now=NOW + timedelta(minutes=3),
    plan=plan(decision(), FINE),
    stale=False,
    summary={"problems": [{"source": "cluster", "message": "connection refused"}]},
    notices=(NOTICE,),
    pauses={"mail-*": Pause("audit", NOW, NOW + DAY)},
    outcomes=(),
    waiting=("rotate shop, by ada@host",),
)


def test_everything_that_is_not_as_it_should_be() -> None:
    """Due, told, paused, asked for and unseen: all of it is there, what is fine is not listed."""
    said = plain(table(STATUS))
    for part in (
        "Last look 3 min ago",
        "shop         due",
        "critical  for 63 min  shop waits for a person",
        "$ rotator approve shop",
        "mail-*  until 2026-03-03 12:00 UTC  audit",
        "rotate shop, by ada@host",
        "cluster  connection refused",
        "1 to renew, 0 to reload, 0 waiting, 1 fine",
    ):
        assert part in said
    assert "fine         ok" not in said
    assert "fine         ok" in plain(table(STATUS, everything=True))


def test_nobody_looks() -> None:
    """A look that is long ago asks whether the daemon runs."""
    assert "is `rotator run` running?" in plain(table(replace(STATUS, stale=True)), 120)


def test_before_the_first_look() -> None:
    """Without a look there is nothing to show but what to do."""
    assert "`rotator run` takes the first look" in plain(table(replace(STATUS, plan=None)))


def test_results_of_the_day_are_counted() -> None:
    """The rotations of the last day, by how they ended."""
    said = plain(table(replace(STATUS, outcomes=(outcome(), outcome()))))
    assert "2 rotations in the last day: 2 done." in said


def test_json_of_a_status() -> None:
    """The same as an object."""
    made = loads(json.text(json.status(STATUS)))
    assert made["looked_at"] == "2026-03-02T12:00:00Z"
    assert [one["certificate"] for one in made["certificates"]] == ["shop", "fine"]
    assert made["notices"][0]["kind"] == "held"
    assert made["pauses"] == [
        {"match": "mail-*", "reason": "audit", "since": "2026-03-02T12:00:00Z", "until": "2026-03-03T12:00:00Z"}
    ]
    assert made["unseen"] == [{"where": "cluster", "message": "connection refused"}]
    assert loads(json.text(json.status(replace(STATUS, plan=None))))["looked_at"] is None
