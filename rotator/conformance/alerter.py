"""What every alerter must do, whoever wrote it: subclass `AlerterConformance` and give it an alerter.

    class TestMyAlerter(AlerterConformance):
        @pytest.fixture(params=["my_chat"])
        def subject(self) -> Iterator[AlerterSubject]:
            with MyChatServer() as chat:
                yield AlerterSubject(MyAlerter(…), chat.messages, refuse=chat.answer_with, silence=chat.hang, …)

The parameter of the fixture is what the ids of the cases end with. What a service cannot do is declared and skipped,
never silently passed over; everything else must pass.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from rotator.core.model import Notice, NoticeKind, Severity
from rotator.errors import AlertError
from rotator.ports import Alerter

BIGGEST = 256 << 10
"""No message may have more bytes than this, whatever the notice: services cut or refuse what is larger."""

PATIENCE = timedelta(seconds=20)
"""A service that says nothing is left after this."""


class Feature(StrEnum):
    """What some services cannot do."""

    KEYS = "keys"  # messages carry the notice's key, and the service brings them together by it
    REFUSALS = "refusals"  # there is a service that can refuse (a log cannot)
    SECRETS = "secrets"  # there is a secret to keep


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the service understood it.

    Attributes:
        text: everything in it that a person may read.
        size: its bytes on the wire.
    """

    key: str
    resolved: bool
    text: str
    size: int


@dataclass(frozen=True, slots=True)
class AlerterSubject:
    """An alerter under test, and the service that it talks to.

    Attributes:
        received: the messages that the service has taken so far, oldest first.
        refuse: makes the service answer from now on with this HTTP status and, if given, this `Retry-After`.
        silence: makes the service take requests and answer nothing from now on.
        vanish: makes the service cut every connection from now on.
        forget_secret: makes the secret that the settings refer to unreadable.
        secrets: what must never be in an error or in a `repr`; the path of a secret URL is one.
    """

    alerter: Alerter
    received: Callable[[], Sequence[Received]]
    refuse: Callable[[int, str | None], None]
    silence: Callable[[], None]
    vanish: Callable[[], None]
    forget_secret: Callable[[], None]
    secrets: tuple[str, ...] = ()
    unsupported: frozenset[Feature] = frozenset()

    def needs(self, feature: Feature) -> None:
        if feature in self.unsupported:
            pytest.skip(f"declared unsupported: {feature}")

    def refusal(self, notice: Notice) -> AlertError:
        """Send what must not arrive; returns the error, which must keep the secrets also in its traceback."""
        with pytest.raises(AlertError) as caught:
            self.alerter.send(notice, receipt=None)
        shown = "".join(traceback.format_exception(caught.value))
        assert not any(secret in shown for secret in self.secrets), "a secret is in the error or its causes"
        assert str(caught.value), "the error says nothing"
        assert "\n" not in str(caught.value)
        return caught.value


def example(kind: NoticeKind = NoticeKind.FAILING, severity: Severity = Severity.WARNING) -> Notice:
    """A notice with every field."""
    return Notice(
        key=f"rotator/{kind}/shop",
        kind=kind,
        severity=severity,
        title="shop could not be issued in 4 tries: CAA forbids it",
        detail="Served now: the one that ends in 9 d.\nTo do: mend the CAA record.",
        since=datetime(2026, 3, 2, 12, tzinfo=UTC),
        owner="payments",
        subjects=("shop", "cart"),
        command="rotator rotate shop",
        runbook=f"docs/runbooks/{kind}.md",
    )


class AlerterConformance:
    """The cases; the subclass gives the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> AlerterSubject:
        """The alerter under test."""
        pytest.fail("override the fixture `subject`: it is what the cases are run on", pytrace=False)

    def test_a_notice_arrives_with_what_a_person_needs(self, subject: AlerterSubject) -> None:
        """Title, detail, command and runbook reach the person."""
        notice = example()
        subject.alerter.send(notice, receipt=None)
        (message,) = subject.received()
        for part in (notice.title, "To do: mend the CAA record.", notice.command, notice.runbook):
            assert part in message.text
        assert not message.resolved

    def test_its_end_arrives_under_the_same_key(self, subject: AlerterSubject) -> None:
        """What is over closes what was opened, with the receipt of the first message or without it."""
        notice = example()
        receipt = subject.alerter.send(notice, receipt=None)
        subject.alerter.send(replace(notice, resolved=True), receipt=receipt)
        subject.alerter.send(replace(notice, resolved=True), receipt=None)
        first, *ends = subject.received()
        assert ends
        assert all(message.resolved for message in ends)
        if Feature.KEYS not in subject.unsupported:
            assert {message.key for message in (first, *ends)} == {notice.key}

    def test_the_same_notice_twice_has_the_same_key(self, subject: AlerterSubject) -> None:
        """Delivery is at least once: the service can tell that it has heard this before."""
        subject.needs(Feature.KEYS)
        notice = example()
        receipt = subject.alerter.send(notice, receipt=None)
        subject.alerter.send(replace(notice, severity=Severity.CRITICAL), receipt=receipt)
        keys = {message.key for message in subject.received()}
        assert keys == {notice.key}

    def test_a_receipt_that_is_not_its_own_does_no_harm(self, subject: AlerterSubject) -> None:
        """A receipt of another alerter or version is passed over, and the notice arrives."""
        for receipt in ("", "{", '{"ts": 1}', "[]", "null", "another alerter's"):
            subject.alerter.send(example(), receipt=receipt)
        assert subject.received()

    @pytest.mark.parametrize("kind", list(NoticeKind))
    def test_every_kind_and_severity_arrives(self, subject: AlerterSubject, kind: NoticeKind) -> None:
        """None of the kinds and severities is refused, also with every optional field empty."""
        for severity in Severity:
            bare = replace(example(kind, severity), detail="", owner="", subjects=(), command="", runbook="")
            subject.alerter.send(bare, receipt=None)
        assert len(subject.received()) >= len(Severity)

    def test_any_text_arrives_and_is_bounded(self, subject: AlerterSubject) -> None:
        """Umlauts, emoji, control characters, half a surrogate, markup and 64 kB of detail arrive, within bounds."""
        odd = 'ümläut \N{SNOWMAN} \N{GRINNING FACE} <!channel> & "quoted" \x00\x1b[31m \u202e\nline'
        notice = replace(
            example(), title=f"{odd} " * 300, detail=odd * 2000, subjects=tuple(f"svc-{n}-{odd}" for n in range(2000))
        )
        subject.alerter.send(notice, receipt=None)
        (message,) = subject.received()
        assert "ümläut \N{SNOWMAN}" in message.text
        assert message.size < BIGGEST
        if Feature.KEYS not in subject.unsupported:
            assert message.key == notice.key

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
    def test_a_refusal_for_good_is_permanent(self, subject: AlerterSubject, status: int) -> None:
        """A 4xx says that sending the same again will not help."""
        subject.needs(Feature.REFUSALS)
        subject.refuse(status, None)
        assert subject.refusal(example()).permanent

    @pytest.mark.parametrize("status", [301, 302, 307])
    def test_a_redirect_is_no_delivery(self, subject: AlerterSubject, status: int) -> None:
        """A redirected POST would arrive as a GET and look delivered; it is refused."""
        subject.needs(Feature.REFUSALS)
        subject.refuse(status, None)
        subject.refusal(example())

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
    def test_a_passing_failure_is_to_be_tried_again(self, subject: AlerterSubject, status: int) -> None:
        """Too many requests and a 5xx pass, and the wait that the service names is handed on."""
        subject.needs(Feature.REFUSALS)
        subject.refuse(status, "30")
        error = subject.refusal(example())
        assert not error.permanent
        assert error.retry_after == timedelta(seconds=30)

    def test_a_silent_service_is_left(self, subject: AlerterSubject) -> None:
        """A service that takes the request and never answers holds nobody, and is tried again."""
        subject.needs(Feature.REFUSALS)
        subject.silence()
        started = time.monotonic()
        assert not subject.refusal(example()).permanent
        assert time.monotonic() - started < PATIENCE.total_seconds()

    def test_a_service_that_is_gone_is_tried_again(self, subject: AlerterSubject) -> None:
        """A connection that is cut passes."""
        subject.needs(Feature.REFUSALS)
        subject.vanish()
        assert not subject.refusal(example()).permanent

    def test_a_secret_that_cannot_be_read_is_an_error_with_its_reference(self, subject: AlerterSubject) -> None:
        """A missing secret is said by name, not by a crash, and may come back."""
        subject.needs(Feature.SECRETS)
        subject.forget_secret()
        error = subject.refusal(example())
        assert not error.permanent
        assert "${" in str(error)

    def test_it_does_not_show_its_secrets(self, subject: AlerterSubject) -> None:
        """Neither the alerter's `repr` nor any message holds a secret."""
        subject.needs(Feature.SECRETS)
        subject.alerter.send(example(), receipt=None)
        shown = repr(subject.alerter) + repr(vars(subject.alerter)) + "".join(m.text for m in subject.received())
        assert not any(secret in shown for secret in subject.secrets)
