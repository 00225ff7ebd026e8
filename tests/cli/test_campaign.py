"""`rotator rotate --all` and `rotator campaign`: what they refuse, what a dry run shows, and a campaign by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rotator.clock import system_clock
from tests.cli.fleet import DAY, Fleet

ALL = ("rotate", "--issuer", "ca", "--all", "--reason", "key-compromise")


@pytest.fixture
def kept(fleet: Fleet) -> Fleet:
    """Three certificates in the state's care, none of them due."""
    for number, left in enumerate((50, 40, 60)):
        fleet.put(f"s{number}", left=left * DAY)
    assert fleet.call("run", "--once").exit_code == 0
    return fleet


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rotate", "--issuer", "ca", "--all"), "a campaign needs a reason that its CA knows"),
        (("rotate", "--issuer", "ca", "--all", "--reason", "because"), "key-compromise, ca-compromise"),
        (("rotate", "--all", "--reason", "superseded"), "say what to rotate"),
        (("rotate", "s0", "--all", "--reason", "superseded"), "it takes no NAME"),
        (("rotate", "--issuer", "nobody", "--all", "--reason", "superseded"), "there are ca"),
        (("rotate", "--match", "zz*", "--all", "--reason", "superseded"), "no certificate matches"),
        (("rotate", "--issuer", "ca", "--dry-run"), "say --all"),
        ((*ALL, "--deadline", "soon"), "is no duration"),
        ((*ALL, "--no-revoke", "--revoke-unproved"), "it goes with --revoke"),
        (("rotate", "--match", "*", "--all", "--away", "--reason", "superseded"), "leads away from an issuer"),
        (ALL, "say --yes if it is meant"),
        (("campaign", "show", "7"), "there is no campaign 7"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[-40:],
)
def test_mistakes(kept: Fleet, arguments: tuple[str, ...], says: str) -> None:
    """A mistake is one sentence and exit code 2; no campaign begins by one."""
    result = kept.call(*arguments)
    assert result.exit_code == 2, result.stderr
    assert says in " ".join(result.stderr.split())
    assert "No campaign was ever begun." in kept.call("campaign", "list").stdout


def test_a_dry_run_changes_nothing(kept: Fleet) -> None:
    """It says how many, in which order, how fast and until when, for people and for programs; nothing is begun."""
    before = [kept.stored(f"s{number}") for number in range(3)]
    said = kept.json(*ALL, "--dry-run", "--deadline", "24h")
    assert (said["count"], said["late"], said["orders"]) == (3, False, {"ca": 3})
    assert [one["certificate"] for one in said["members"]] == ["s1", "s0", "s2"]
    table = kept.call(*ALL, "--dry-run").stdout
    assert "3 now, 0 held back, 0 not." in table
    assert "each with a new key" in table
    assert [kept.stored(f"s{number}") for number in range(3)] == before
    assert kept.json("campaign", "list") == {"campaigns": []}


def test_a_campaign_by_hand(kept: Fleet) -> None:
    """Begun without a daemon it is carried out by the next runs; paused it stands still; done it is told so."""
    before = {kept.stored(f"s{number}") for number in range(3)}
    begun = kept.call(*ALL, "--no-revoke", "--yes")
    assert (begun.exit_code, "campaign 1 has begun: 3 certificates" in begun.stdout) == (0, True)
    assert kept.call("campaign", "pause", "1").exit_code == 0
    kept.call("run", "--once")
    assert {kept.stored(f"s{number}") for number in range(3)} == before
    assert kept.call("campaign", "resume", "1").exit_code == 0
    assert kept.call("campaign", "resume", "1").exit_code == 1
    kept.call("run", "--once")
    assert not {kept.stored(f"s{number}") for number in range(3)} & before
    kept.call("run", "--once")
    shown = kept.json("campaign", "show", "1")
    assert shown["status"] == "done"
    assert {one["status"] for one in shown["members"]} == {"rotated"}
    assert before <= {old["fingerprint"] for one in shown["members"] for old in one["replaced"]}
    asked = kept.json("history")
    assert "campaign" in str(asked)
    assert kept.call("campaign", "cancel", "1").exit_code == 1


def test_the_daemon_goes_on_as_soon_as_it_can(fleet: Fleet) -> None:
    """A daemon that otherwise looks once an hour carries a campaign through without waiting for its next look."""
    fleet.config.write_text(fleet.config.read_text().replace("check_every: 5s", "check_every: 1h"))
    for number in range(6):
        fleet.put(f"s{number}", left=50 * DAY)
    before = {fleet.stored(f"s{number}") for number in range(6)}
    with fleet.daemon():
        awaited(lambda: fleet.call("status").exit_code == 0 and fleet.json("status")["looked_at"] is not None)
        begun = fleet.call(*ALL, "--no-revoke", "--yes")
        assert (begun.exit_code, "has begun: 6 certificates" in begun.stdout) == (0, True), begun.stdout + begun.stderr
        awaited(lambda: fleet.json("campaign", "list")["campaigns"][0]["status"] == "done")
    assert not {fleet.stored(f"s{number}") for number in range(6)} & before


def awaited(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again until it holds."""
    clock = system_clock()
    deadline = clock.monotonic() + seconds
    while not condition():
        assert clock.monotonic() < deadline, "it did not come about in time"
        clock.wait(0.2)
