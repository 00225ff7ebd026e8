"""A scan as JUnit XML: valid by Jenkins' schema, read by the parser that CI tools use, the same tests each time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import xmlschema
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

from rotator.core.audit import Audit
from rotator.core.model import Severity
from rotator.core.rules.catalogue import RULES as CATALOGUE
from rotator.report import junit
from tests.builders import DAY, chain
from tests.report.audits import EXPIRING, RULES, audit, empty, file, hostile, large, line, ordinary, saying

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "schemas/junit-10.xsd")


def cases(text: str) -> dict[str, TestCase]:
    """The tests by their names, as a CI tool reads them."""
    return {case.name: case for suite in JUnitXml.fromstring(text.encode()) for case in suite}


@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_it_is_valid(make: Callable[[], Audit]) -> None:
    """Whatever was found, and whatever it is called, the document is one that Jenkins takes."""
    SCHEMA.validate(BytesIO(junit.audit(make(), RULES).encode()))


def test_failures_are_what_the_scan_fails_on() -> None:
    """A finding at or above the severity fails its test; below it passes and is in the output."""
    text = junit.audit(ordinary(), RULES, Severity.ERROR)
    found = cases(text)
    (failure,) = found["web1:/etc/ssl/old.pem: dates"].result
    assert isinstance(failure, Failure)
    assert failure.message == "RT001 expired: it ended 1 d ago, on 2026-03-01 12:00 UTC"
    assert "What to do: renew it now" in str(failure.text)
    wild = found["www.example.com:443 at 192.0.2.10: names and use"]
    assert wild.is_passed
    assert "info: RT019 wildcard" in str(wild.system_out)
    assert not cases(junit.audit(ordinary(), RULES, Severity.INFO))[wild.name].is_passed
    assert all(not case.is_failure for case in cases(junit.audit(ordinary(), RULES, None)).values())


def test_what_was_not_seen_is_an_error() -> None:
    """What could not be looked at is neither passed nor failed."""
    (error,) = cases(junit.audit(ordinary(), RULES))["down.example.com:443 at 192.0.2.9"].result
    assert isinstance(error, Error)
    assert error.message == "refused: connection refused"


def test_excused_is_skipped() -> None:
    """What the baseline takes for known is skipped with the reason and the day."""
    (skipped,) = cases(junit.audit(ordinary(), RULES))["web1:/srv/shop.pem: dates"].result
    assert isinstance(skipped, Skipped)
    assert skipped.message == "RT002 expiring: it is known (replaced in May, until 2026-06-01)"


def test_what_cannot_be_read_has_no_other_tests() -> None:
    """Of an unreadable place nothing is said to pass that nobody could see."""
    found = cases(junit.audit(ordinary(), RULES))
    assert [name for name in found if "half.pem" in name] == ["web1:/srv/half.pem: can be read"]


def test_mending_changes_no_name() -> None:
    """The tests of a place are the same before and after, so that a CI server shows what was mended."""
    before, after = file("/srv/a.pem", chain(left=5 * DAY)), file("/srv/a.pem", chain())
    broken = junit.audit(audit(line(before, saying(EXPIRING, before, "it ends in 5 d"))), RULES)
    mended = junit.audit(audit(line(after)), RULES)
    assert list(cases(broken)) == list(cases(mended))
    assert 'failures="1"' in broken
    assert 'failures="0"' in mended


def test_every_rule_belongs_to_one_question() -> None:
    """A rule of the catalogue that no question has would be a test that comes and goes."""
    asked = [rule for rules in junit.QUESTIONS.values() for rule in rules]
    assert sorted(asked) == sorted(CATALOGUE)


def test_suites_are_services() -> None:
    """Places of one service are together, and every suite counts its tests."""
    suites = {suite.name: suite for suite in JUnitXml.fromstring(junit.audit(ordinary(), RULES).encode())}
    assert suites["www.example.com"].tests == 40 * len(junit.QUESTIONS)
    assert suites["could not be looked at"].errors == 1


def test_ten_thousand_places() -> None:
    """A large audit is read back whole."""
    assert len(cases(junit.audit(large(), RULES))) == 10_000 * len(junit.QUESTIONS)
