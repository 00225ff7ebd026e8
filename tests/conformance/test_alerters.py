"""Every alerter that comes with rotator does what an alerter must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from rotator.alerters.alertmanager import AlertmanagerAlerter, AlertmanagerSettings
from rotator.alerters.log import LogAlerter, LogSettings
from rotator.alerters.pagerduty import PagerDutyAlerter, PagerDutySettings
from rotator.alerters.slack import SlackAlerter, SlackSettings
from rotator.alerters.webhook import WebhookAlerter, WebhookSettings
from rotator.conformance.alerter import AlerterConformance, AlerterSubject, Feature, Received
from rotator.ports import Alerter
from rotator.settings import SecretRef
from tests.alerters.services import (
    SHORT,
    Parse,
    Service,
    SlackApi,
    alertmanager_message,
    clock,
    environment,
    pagerduty_message,
    slack_bot_message,
    slack_message,
    taken,
    webhook_message,
)
from tests.servers.loopback import Request, Response

SECRET = "f81d4fae7dec11d0a76500a0c91e6bf6"
PATH = "T024BE7LD-B0123-x0y1z2"
REFERENCE = SecretRef("${env:ALERTER_SECRET}")
ADDRESS = SecretRef("${env:ALERTER_URL}")


def _subject(
    open_things: ExitStack,
    build: Callable[[str], Alerter],
    parse: Parse,
    answer: Callable[[Request], Response],
    *unsupported: Feature,
) -> AlerterSubject:
    service = open_things.enter_context(Service(parse, answer))
    url = f"{service.url}/services/{PATH}"
    forget = open_things.enter_context(environment(ALERTER_SECRET=SECRET, ALERTER_URL=url))
    return AlerterSubject(
        build(service.url),
        service.received,
        service.refuse,
        service.silence,
        service.vanish,
        forget,
        secrets=(SECRET, PATH),
        unsupported=frozenset(unsupported),
    )


def _webhook(url: str) -> Alerter:
    return WebhookAlerter("hook", WebhookSettings(url=ADDRESS, secret=REFERENCE, timeout=SHORT), clock())


def _pagerduty(url: str) -> Alerter:
    return PagerDutyAlerter("oncall", PagerDutySettings(routing_key=REFERENCE, url=url, timeout=SHORT), clock())


def _alertmanager(url: str) -> Alerter:
    return AlertmanagerAlerter("am", AlertmanagerSettings(urls=(url,), token=REFERENCE, timeout=SHORT), clock())


def _slack_webhook(url: str) -> Alerter:
    return SlackAlerter("chat", SlackSettings(webhook=ADDRESS, timeout=SHORT), clock())


def _slack_bot(url: str) -> Alerter:
    settings = SlackSettings(token=REFERENCE, channel="#alerts", api=f"{url}/api", timeout=SHORT)
    return SlackAlerter("chat", settings, clock())


def _log(open_things: ExitStack) -> AlerterSubject:
    events = open_things.enter_context(capture_logs())

    def received() -> list[Received]:
        return [
            Received(event["notice"], event["event"] == "notice over", str(event).replace("\\n", "\n"), len(str(event)))
            for event in events
        ]

    def never(*_: object) -> None:
        raise AssertionError("a log cannot refuse")

    alerter = LogAlerter("log", LogSettings(), clock())
    unsupported = frozenset({Feature.REFUSALS, Feature.SECRETS})
    return AlerterSubject(alerter, received, never, never, never, never, unsupported=unsupported)


SUBJECTS: dict[str, Callable[[ExitStack], AlerterSubject]] = {
    "log": _log,
    "webhook": lambda things: _subject(things, _webhook, webhook_message, taken()),
    "pagerduty": lambda things: _subject(things, _pagerduty, pagerduty_message, taken(202)),
    "alertmanager": lambda things: _subject(things, _alertmanager, alertmanager_message, taken()),
    "slack-webhook": lambda things: _subject(things, _slack_webhook, slack_message, taken(), Feature.KEYS),
    "slack-bot": lambda things: _subject(things, _slack_bot, slack_bot_message, SlackApi(), Feature.KEYS),
}


class TestAlerters(AlerterConformance):
    """The cases, for each kind."""

    @pytest.fixture(params=sorted(SUBJECTS))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[AlerterSubject]:
        """Each alerter with a service that understands it."""
        with ExitStack() as open_things:
            yield SUBJECTS[request.param](open_things)
