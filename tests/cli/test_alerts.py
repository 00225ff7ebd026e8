"""`rotator alerts test`: one notice of each kind to every alerter."""

from __future__ import annotations

from pathlib import Path

from rotator.core.model import NoticeKind
from tests.cli.fleet import Fleet
from tests.servers.recorder import Recorder

ALERTS = """\
alerts:
  good: {{webhook: {{url: "${{file:{good}}}"}}, at_least: critical, owners: [nobody]}}
  dead: {{webhook: {{url: "${{file:{dead}}}"}}}}
"""


def alerting(fleet: Fleet, good: str, dead: str) -> None:
    references = {}
    for name, url in {"good": good, "dead": dead}.items():
        references[name] = fleet.folder / f"{name}.url"
        references[name].write_text(url)
    fleet.config.write_text(fleet.config.read_text().replace("alerts: none\n", ALERTS.format(**references)))


def test_each_kind_arrives_and_is_resolved(fleet: Fleet) -> None:
    """Every kind reaches every alerter whatever its route takes, opened and resolved; a dead one hides no other."""
    with Recorder() as recorder:
        alerting(fleet, recorder.url, "http://127.0.0.1:9")
        ended = fleet.call("alerts", "test")
        told = recorder.bodies
    assert ended.exit_code == 1
    kinds = len(NoticeKind)
    assert f"good     {kinds} of {kinds}" in ended.stdout
    assert f"dead     0 of {kinds}" in ended.stdout
    assert [notice["resolved"] for notice in told] == [False, True] * kinds
    assert {notice["kind"] for notice in told} == set(NoticeKind)
    assert list((fleet.folder / "state").iterdir()) == []


def test_all_well(fleet: Fleet) -> None:
    """When everything arrived the exit code is 0."""
    with Recorder() as recorder:
        alerting(fleet, recorder.url, recorder.url)
        assert fleet.call("alerts", "test").exit_code == 0
        one, two = fleet.json("alerts", "test")["alerters"]
    assert (one["error"], two["error"]) == (None, None)


def test_no_alerter(fleet: Fleet, tmp_path: Path) -> None:
    """Where nobody is to be told there is nothing to try."""
    assert fleet.call("alerts", "test").exit_code == 2
