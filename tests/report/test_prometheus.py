"""A scan for Prometheus: taken by its own parsers, no series twice, dates that stay right."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rotator.core.audit import Audit
from rotator.report import prometheus
from tests.builders import DAY, NOW, chain
from tests.report.audits import EXPIRING, audit, empty, file, hostile, large, line, ordinary, saying
from tests.servers.run import need


def samples(one: Audit) -> Mapping[str, list[Sample]]:
    """The series by the names of their metrics."""
    return {family.name: family.samples for family in text_string_to_metric_families(prometheus.audit(one))}


@pytest.mark.server
@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_promtool_takes_it(make: Callable[[], Audit]) -> None:
    """Prometheus' own tool reads the text and has nothing to say of the names."""
    argv = [str(need("promtool")), "check", "metrics"]
    ended = subprocess.run(
        argv, input=prometheus.audit(make()), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_no_series_is_there_twice(make: Callable[[], Audit]) -> None:
    """One series twice would make the collector refuse the whole file."""
    keys = [(each.name, tuple(sorted(each.labels.items()))) for many in samples(make()).values() for each in many]
    assert len(keys) == len(set(keys))
    assert all(value.isprintable() for _, labels in keys for _, value in labels)


def test_equal_places_are_one_series_of_the_sooner_end() -> None:
    """Two sources that show one place are one series, and the sooner end counts."""
    soon, late = file("/srv/a.pem", chain(left=5 * DAY)), file("/srv/a.pem", chain(left=50 * DAY))
    (one,) = samples(audit(line(soon), line(late)))["rotator_certificate_not_after_timestamp_seconds"]
    assert soon.chain
    assert one.value == soon.chain.not_after.timestamp()


def test_dates_are_moments() -> None:
    """A file that is a day old is as right as a new one: no "seconds left" in it."""
    found = samples(ordinary())
    assert found["rotator_scan_last_timestamp_seconds"][0].value == NOW.timestamp()
    ends = {
        (each.labels["place"], each.labels["chain_index"]): each.value
        for each in found["rotator_certificate_not_after_timestamp_seconds"]
    }
    assert NOW.timestamp() - 86400 - 2 < ends["web1:/etc/ssl/old.pem", "0"] < NOW.timestamp()
    assert ("www.example.com:443 at 192.0.2.10", "1") in ends, "every certificate of a chain"
    renew = {e.labels["place"]: e.value for e in found["rotator_certificate_renew_at_timestamp_seconds"]}
    assert renew["web1:/srv/shop.pem"] == (NOW + 30 * DAY).timestamp(), "what the plan says"


def test_what_was_not_seen_is_down() -> None:
    """A place that could not be looked at is 0, and then no success is claimed."""
    found = samples(ordinary())
    up = {each.labels["place"]: each.value for each in found["rotator_scan_place_up"]}
    assert up["down.example.com:443 at 192.0.2.9"] == 0
    assert up["web1:/srv/shop.pem"] == 1
    assert "rotator_scan_last_success_timestamp_seconds" not in found
    assert "rotator_scan_last_success_timestamp_seconds" in samples(empty())


def test_findings_are_counted() -> None:
    """Findings are counted by severity, and by place and rule."""
    found = samples(ordinary())
    assert {e.labels["severity"]: e.value for e in found["rotator_scan_findings"]} == {
        "critical": 1,
        "error": 2,
        "warning": 0,
        "info": 40,
    }
    where = file("/srv/a.pem", chain(left=5 * DAY))
    twice = audit(line(where, saying(EXPIRING, where, "a"), saying(EXPIRING, where, "b")))
    (one,) = samples(twice)["rotator_certificate_findings"]
    assert (one.labels["check"], one.value) == ("RT002", 2)


def test_every_metric_is_in_the_table() -> None:
    """What the module says of its metrics is what it writes."""
    told = set(re.findall(r"^\| (rotator_\w+) \|", prometheus.__doc__ or "", re.MULTILINE))
    assert told == {*samples(ordinary()), *samples(empty())}


def test_ten_thousand_places() -> None:
    """A large audit has a series a certificate."""
    assert prometheus.audit(large()).count("\nrotator_certificate_not_after_timestamp_seconds{") == 10_000
