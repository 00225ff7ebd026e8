"""PagerDuty: events as Events API v2 wants them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.alerters.pagerduty import PagerDutyAlerter, PagerDutySettings, payload
from rotator.conformance.alerter import example
from rotator.core.model import NoticeKind, Severity
from rotator.errors import AlertError
from rotator.settings import SecretRef
from tests.alerters.services import clock, environment
from tests.servers.recorder import Recorder, json_response

KEY = SecretRef("${env:PD_KEY}")


def test_an_incident_is_triggered_and_resolved_by_one_key() -> None:
    """Trigger and resolve carry the same routing key and dedup key; a resolve carries nothing else."""
    with Recorder(default=json_response({"status": "success"}, 202)) as server, environment(PD_KEY="R" * 32):
        alerter = PagerDutyAlerter("oncall", PagerDutySettings(routing_key=KEY, url=server.url), clock())
        alerter.send(example(), receipt=None)
        alerter.send(replace(example(), resolved=True), receipt=None)
        trigger, resolve = server.bodies
        assert {request.path for request in server.requests} == {"/v2/enqueue"}
    assert trigger["event_action"] == "trigger"
    assert trigger["payload"]["class"] == "failing"
    assert trigger["payload"]["group"] == "payments"
    assert trigger["payload"]["custom_details"]["command"] == "rotator rotate shop"
    assert resolve == {"routing_key": "R" * 32, "event_action": "resolve", "dedup_key": "rotator/failing/shop"}


@given(
    title=st.text(max_size=3000), detail=st.text(max_size=100), key=st.text(min_size=1, max_size=400),
    severity=st.sampled_from(list(Severity)), subjects=st.lists(st.text(max_size=2000), max_size=5),
)  # fmt: skip
def test_no_limit_of_the_api_is_passed(
    title: str, detail: str, key: str, severity: Severity, subjects: list[str]
) -> None:
    """Summary, source, dedup key and severity stay within what the API takes, whatever the notice says."""
    notice = replace(example(), title=title, detail=detail, key=key, severity=severity, subjects=tuple(subjects))
    event = payload(notice)
    inner = event["payload"]
    assert isinstance(inner, dict)
    assert len(str(event["dedup_key"])) <= 255
    assert len(inner["summary"]) <= 1024
    assert len(inner["source"]) <= 1024
    assert inner["severity"] in {"critical", "error", "warning", "info"}


def test_the_runbook_is_a_link_where_it_is_published() -> None:
    """With `runbooks` each incident links to its runbook; without it the path is in the details alone."""
    notice = example(NoticeKind.STRANDED)
    linked = payload(notice, runbooks="https://docs.example.com/rotator/")
    assert linked["links"] == [{"href": "https://docs.example.com/rotator/stranded.md", "text": "Runbook"}]
    assert "links" not in payload(notice)


def test_what_the_api_says_is_handed_on_without_the_key() -> None:
    """The reason of a 400 reaches the operator, the routing key that the service repeats does not."""
    refusal = json_response({"status": "invalid event", "errors": [f"routing_key {'R' * 32} is invalid"]}, 400)
    with Recorder(default=refusal) as server, environment(PD_KEY="R" * 32):
        alerter = PagerDutyAlerter("oncall", PagerDutySettings(routing_key=KEY, url=server.url), clock())
        with pytest.raises(AlertError, match=r"answered 400: .*invalid event") as caught:
            alerter.send(example(), receipt=None)
    assert caught.value.permanent
    assert "RRRR" not in str(caught.value)
