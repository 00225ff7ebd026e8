"""`rotator simulate`: a year in a second, for a fleet that is given or found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.cli.fleet import DAY, Fleet, call


def simulated(*words: str) -> Mapping[str, Any]:
    ended = call("simulate", *words, "--output", "json")
    assert ended.exit_code in {0, 1}, ended.stderr
    found: Mapping[str, Any] = json.loads(ended.stdout)
    return found


def test_a_thousand_for_a_year() -> None:
    """What nobody says anything about is a thousand of 47 days for a year, in 80 columns."""
    ended = call("simulate")
    assert ended.exit_code == 0
    assert ended.stdout.startswith("1,000 certificates of 47 d: 11,658 rotations in 365 d")
    assert "874 h in 365 d" in ended.stdout
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())


def test_json_has_the_figures() -> None:
    """The number of rotations, their spread, limits, lateness and hand work, as lengths in seconds."""
    found = simulated("--certificates", "100", "--lifetime", "47d", "--days", "90")
    assert found["certificates"] == 100
    assert found["rotations"] == sum(found["by_day"])
    assert len(found["by_day"]) == found["days"] == 90
    assert found["lifetimes"] == [{"certificates": 100, "lifetime_seconds": 47 * 86400, "lead_seconds": 47 * 28800}]
    assert found["limits"] == []
    assert found["late"]["worst_seconds"] < 30
    assert found["toil"]["hours"] == pytest.approx(found["rotations"] * 4.5 / 60)


def test_shares_of_lifetimes() -> None:
    """Shares are of the whole; what has none has the rest."""
    found = simulated("-n", "1000", "-l", "47d:80%", "-l", "6d", "--days", "10")
    assert [part["certificates"] for part in found["lifetimes"]] == [800, 200]


def test_side_by_side() -> None:
    """Each lifetime is simulated by itself, a row each, and shorter ones cost more."""
    words = ("--compare", "-n", "200", "-l", "398d", "-l", "47d", "-l", "6d")
    rotations = [one["rotations"] for one in simulated(*words)["simulations"]]
    assert rotations == sorted(rotations)
    table = call("simulate", *words).stdout
    assert [line.split()[0] for line in table.splitlines()[3:]] == ["398", "47", "6"]
    assert all(len(line) <= 80 for line in table.splitlines())


@pytest.mark.parametrize("compare", [(), ("--compare", "-l", "47d", "-l", "6d")])
def test_the_chart_is_an_svg_that_needs_nothing_else(compare: tuple[str, ...]) -> None:
    """It parses, says in words what it shows, and refers to nothing outside itself."""
    ended = call("simulate", "-n", "100", "--days", "60", *compare, "-o", "svg")
    assert ended.exit_code == 0
    root = ET.fromstring(ended.stdout)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text
    assert not any("href" in name or "src" in name for element in root.iter() for name in element.attrib)


def test_an_outage_is_told() -> None:
    """What it held, since when, and that nothing ended; `day30` is the thirtieth day."""
    ended = call("simulate", "-n", "3000", "--days", "40", "--outage", "12h@day30")
    assert ended.exit_code == 0
    assert "breaker of the issuer" in ended.stdout
    assert "first on day 30," in ended.stdout
    assert "no certificate ended" in ended.stdout


def test_certificates_that_end_are_a_failure() -> None:
    """An issuer that is away for longer than the lead: exit code 1, and how many it cost."""
    ended = call("simulate", "-n", "50", "-l", "6d", "--days", "20", "--outage", "5d@day5")
    assert ended.exit_code == 1
    assert "certificates ended before their renewal, first on day" in ended.stdout


def test_lets_encrypts_limits() -> None:
    """Renewals pass; a fleet from another CA waits for the week's fifty of its domain, and none is refused."""
    within = simulated("-n", "300", "--limits", "letsencrypt", "--days", "30")
    moving = simulated("-n", "300", "--limits", "letsencrypt", "--days", "30", "--moving")
    assert within["limits"] == within["refused"] == moving["refused"] == []
    assert [one["limit"] for one in moving["limits"]] == ["certificates for a registered domain"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-l", "47"], "'47' is no duration"),
        (["-l", "1m"], "a lifetime of 60 s is less than the 2 min that can be kept alive"),
        (["-l", "47d:80%"], "the shares of --lifetime are 80% together"),
        (["-l", "47d:80%", "-l", "6d:30%"], "the shares of --lifetime are 110% together"),
        (["-l", "47d:1", "-l", "6d"], "'1' is no share; write it like 1%"),
        (["-n", "2", "-l", "47d:99%", "-l", "6d"], "--lifetime 6d is no certificate of 2"),
        (["-n", "0"], "--certificates 0: from 1 to 10,000,000"),
        (["--days", "0"], "--days 0: from 1 to 3,650"),
        (["--an-hour", "0"], "--an-hour 0"),
        (["--domains", "0"], "--domains 0"),
        (["--failures", "0.01"], "'0.01' is no share"),
        (["--failures", "101%"], "'101%' is no share"),
        (["--outage", "12h"], "'12h' is no outage; write how long and when, like 12h@day30"),
        (["-l", "40000d"], "--lifetime '40000d' is too long; up to 36,500 days"),
        (["--renew-before", "40000d"], "--renew-before '40000d' is too long"),
        (["--outage", "12h@day4000"], "after the last day that can be simulated, 3,650"),
        (["--outage", "12h@day366"], "begins after the 365 days that are simulated; raise --days"),
        (["--outage", "12@day3"], "--outage: '12' is no duration"),
        (["--outage", "12h@day0"], "the first day is 1"),
        (["--limits", "letsencrypted"], "no limits of 'letsencrypted' are known; there are those of letsencrypt and"),
        (["--moving"], "name its limits with --limits"),
        (["--check-every", "0s"], "--check-every '0s' is no length of time"),
        (["--config", "/nowhere.yaml"], "there is no config at /nowhere.yaml"),
    ],
)
def test_what_cannot_be_simulated(words: list[str], said: str) -> None:
    """What makes no sense is one sentence with what would, and exit code 2."""
    ended = call("simulate", *words)
    assert ended.exit_code == 2
    assert said in " ".join(ended.stderr.split())
    assert ended.stderr.startswith("rotator: ")
    assert ended.stdout == ""


def test_a_lead_that_is_capped_is_told() -> None:
    """More than two thirds of a lifetime is no lead: what is simulated instead is said beside the result."""
    ended = call("simulate", "-n", "3", "-l", "47d", "-l", "398d", "--renew-before", "40d")
    assert ended.exit_code == 0
    assert " ".join(ended.stderr.split()) == (
        "rotator: a lead of 40 d is capped at two thirds of the lifetime: 31 d for those of 47 d"
    )


def test_a_few_certificates_have_figures_too() -> None:
    """One certificate of 47 days: twelve renewals a year, 54 minutes by hand."""
    ended = call("simulate", "-n", "1")
    assert ended.exit_code == 0
    words = " ".join(ended.stdout.split())
    assert "1 certificate of 47 d: 12 rotations in 365 d" in words
    assert "a day 0.033 0 0 1 1 day 16" in words
    assert "54 min in 365 d, 62 s a week (4.5 minutes each)" in words


def test_the_fleet_that_a_config_finds(fleet: Fleet) -> None:
    """Real ages: one that is due now, one in 50 days, one in 70; nothing is changed by it."""
    due, later, last = (
        fleet.put("due", left=20 * DAY),
        fleet.put("later", left=80 * DAY),
        fleet.put("last", left=100 * DAY, lives=200 * DAY),
    )
    before = [path.read_bytes() for path in (due, later, last)]
    found = json.loads(fleet.call("simulate", "--days", "80", "-o", "json").stdout)
    assert [day for day, number in enumerate(found["by_day"]) if number] == [0, 49, 59, 69]
    assert [path.read_bytes() for path in (due, later, last)] == before


def test_what_if_all_lived_47_days(fleet: Fleet) -> None:
    """The certificates that are there keep their dates; their successors live as long as is said."""
    fleet.put("shop", left=40 * DAY)
    found = json.loads(fleet.call("simulate", "--days", "80", "-l", "47d", "-o", "json").stdout)
    assert [day for day, number in enumerate(found["by_day"]) if number] == [9, 41, 72]
    (lives,) = found["lifetimes"]
    assert (lives["certificates"], lives["lifetime_seconds"]) == (1, (47 * DAY).total_seconds())


def test_a_fleet_of_the_same_kind_and_any_size(fleet: Fleet) -> None:
    """With a number the lifetimes are in the proportions of what is found, and ages are spread evenly."""
    for name in ("a", "b", "c"):
        fleet.put(name, left=40 * DAY)
    fleet.put("d", left=3 * DAY, lives=6 * DAY)
    found = json.loads(fleet.call("simulate", "--days", "10", "-n", "400", "-o", "json").stdout)
    assert [part["certificates"] for part in found["lifetimes"]] == [300, 100]


def test_a_config_that_finds_nothing(fleet: Fleet) -> None:
    """Nothing to simulate is said, with exit code 2."""
    ended = fleet.call("simulate")
    assert ended.exit_code == 2
    assert "finds no certificate" in ended.stderr


def test_several_lifetimes_of_a_found_fleet_stand_side_by_side(fleet: Fleet) -> None:
    """One lifetime is what all live from now on; several are compared, and nothing else."""
    fleet.put("shop", left=40 * DAY)
    assert "several need --compare" in fleet.call("simulate", "-l", "47d", "-l", "6d").stderr
    both = json.loads(fleet.call("simulate", "--compare", "-l", "47d", "-l", "6d", "-o", "json").stdout)
    assert both["simulations"][0]["rotations"] < both["simulations"][1]["rotations"]
    title, *rows = (
        line.split() for line in fleet.call("simulate", "--compare", "-l", "47d", "-l", "6d").stdout.splitlines()
    )
    assert title[:2] == ["1", "certificate,"]
    assert [row[:2] for row in rows if row][1:] == [["47", "d"], ["6", "d"]], "each row by its own lifetime"
