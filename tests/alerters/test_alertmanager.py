"""A real Alertmanager takes what is sent, keeps it while it is open, and lets it go when it is over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.alerters.alertmanager import AlertmanagerAlerter, AlertmanagerSettings, payload
from rotator.conformance.alerter import example
from rotator.core.model import Notice, Severity
from rotator.errors import AlertError
from tests.alerters.services import clock
from tests.builders import HOUR, NOW
from tests.servers.alertmanager import Alertmanager
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.recorder import Recorder
from tests.servers.service import wait_until


@pytest.fixture
def notice() -> Iterator[Notice]:
    """A notice of the test's own."""
    yield replace(example(), key=f"rotator/failing/{uuid.uuid4().hex}", since=datetime.now(UTC) - HOUR)


def alerter(*urls: str, now: datetime | None = None) -> AlertmanagerAlerter:
    settings = AlertmanagerSettings(urls=urls, timeout=timedelta(seconds=10))
    return AlertmanagerAlerter("am", settings, clock(now or datetime.now(UTC)))


def severities(alertmanager: Alertmanager, notice: Notice) -> list[str]:
    return sorted(alert["labels"]["severity"] for alert in alertmanager.alerts(key=notice.key))


def test_an_alert_is_active_until_it_is_over(alertmanager: Alertmanager, notice: Notice) -> None:
    """It is among the active ones with its labels and texts, and gone when the notice is over."""
    receipt = alerter(alertmanager.url).send(notice, receipt=None)
    (found,) = alertmanager.alerts(key=notice.key)
    assert found["labels"] == {
        "alertname": "RotatorNotice", "kind": "failing", "key": notice.key, "owner": "payments", "severity": "warning",
    }  # fmt: skip
    assert found["annotations"]["summary"] == notice.title
    assert found["annotations"]["command"] == "rotator rotate shop"
    ends = datetime.fromisoformat(found["endsAt"]) - datetime.now(UTC)
    assert timedelta(hours=2) < ends < timedelta(hours=4)
    alerter(alertmanager.url).send(replace(notice, resolved=True), receipt=receipt)
    wait_until(lambda: severities(alertmanager, notice) == [], "the alert is over", seconds=15)


def test_sending_it_again_keeps_one_alert_and_its_beginning(alertmanager: Alertmanager, notice: Notice) -> None:
    """A second message about the same notice is the same alert, and moves its end on."""
    alerter(alertmanager.url).send(notice, receipt=None)
    (first,) = alertmanager.alerts(key=notice.key)
    alerter(alertmanager.url, now=datetime.now(UTC) + timedelta(minutes=5)).send(notice, receipt="warning")
    (second,) = alertmanager.alerts(key=notice.key)
    assert second["startsAt"] == first["startsAt"]
    assert second["endsAt"] > first["endsAt"]


def test_a_severity_that_rises_ends_the_alert_before_it(alertmanager: Alertmanager, notice: Notice) -> None:
    """The severity is a label, so a page is a new alert; the warning does not stay beside it."""
    receipt = alerter(alertmanager.url).send(notice, receipt=None)
    page = replace(notice, severity=Severity.CRITICAL)
    assert alerter(alertmanager.url).send(page, receipt=receipt) == "critical"
    wait_until(lambda: severities(alertmanager, notice) == ["critical"], "only the page is left", seconds=15)


def test_one_member_of_a_cluster_is_enough(alertmanager: Alertmanager, notice: Notice) -> None:
    """Every member is told, and a dead one does not stop the others; when none takes it, that is an error."""
    dead = f"http://{LOOPBACK}:{free_port()}"
    alerter(dead, alertmanager.url).send(notice, receipt=None)
    assert severities(alertmanager, notice) == ["warning"]
    with pytest.raises(AlertError, match=r"127\.0\.0\.1 refuses the connection"):
        alerter(dead, dead).send(notice, receipt=None)
    with Recorder() as one, Recorder() as two:
        alerter(one.url, two.url).send(notice, receipt=None)
        assert len(one.requests) == len(two.requests) == 1


def test_every_alert_ends_by_itself() -> None:
    """Should rotator be gone, an alert ends after three times `resend`; an empty owner is no label."""

    def only(**more: Any) -> dict[str, Any]:
        (alert,) = payload(replace(example(), **more), now=NOW, resend=HOUR)
        return alert

    assert only()["endsAt"] == "2026-03-02T15:00:00Z"
    assert only(resolved=True)["endsAt"] == "2026-03-02T12:00:00Z"
    assert only(since=NOW + HOUR)["startsAt"] == "2026-03-02T12:00:00Z"
    assert "owner" not in only(owner="")["labels"]
