"""Tests of renewal information (RFC 9773)."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Certificate
from rotator.core.pem import certificate_pem
from rotator.errors import IssueError
from rotator.issuers.acme.ari import LONG_TERM, certificate_id, nothing, read_suggestion
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import RENEWAL, Front, changed
from tests.issuers.acme.test_order import fresh
from tests.issuers.asking import ask, clock_at, issue
from tests.pki import Authority
from tests.servers.loopback import Drop, Request, Response

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def window(start: str = "2027-01-20T00:00:00Z", end: str = "2027-01-22T00:00:00Z", **more: object) -> bytes:
    return json.dumps({"suggestedWindow": {"start": start, "end": end}, **more}).encode()


def leaf(*, not_after: datetime = NOW + 90 * DAY, without_aki: bool = False) -> Certificate:
    """A certificate of another CA."""
    other = Authority("Other", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
    names = ["shop.example.com"]
    return other.issue(names, not_before=NOW - DAY, not_after=not_after, without_aki=without_aki).chain.leaf


class TestCertificateId:
    """How a certificate is named."""

    def test_the_example_of_the_rfc(self) -> None:
        """RFC 9773, 4.1: key id and serial 8765 4321, whose first bit asks for a zero in front."""
        key_id = "69:88:5B:6B:87:46:40:41:E1:B3:7B:84:7B:A0:AE:2C:DE:01:C8:D4".replace(":", "").lower()
        certificate = Certificate(
            b"", "", "", "", serial=0x87654321, not_before=NOW, not_after=NOW, authority_key_id=key_id
        )

        assert certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

    @given(st.integers(min_value=1, max_value=2**160 - 1))
    def test_the_serial_is_the_content_of_its_der(self, serial: int) -> None:
        """Never a byte too many and never a negative number."""
        certificate = Certificate(b"", "", "", "", serial, NOW, NOW, authority_key_id="00ff")

        identity = certificate_id(certificate)

        assert identity is not None
        encoded = identity.partition(".")[2]
        assert "=" not in identity
        octets = _decoded(encoded)
        assert int.from_bytes(octets, "big", signed=True) == serial
        assert len(octets) == 1 or octets[0] or octets[1] & 0x80

    @pytest.mark.parametrize(("serial", "key_id"), [(1, ""), (0, "00ff"), (-5, "00ff")])
    def test_what_cannot_be_named(self, serial: int, key_id: str) -> None:
        """Without a key id of the CA, or with a serial that is none, there is nothing to ask for."""
        assert certificate_id(Certificate(b"", "", "", "", serial, NOW, NOW, authority_key_id=key_id)) is None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TestAnswers:
    """What is made of an answer."""

    @pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"])
    @pytest.mark.parametrize("retry_after", ["10800", "Sun, 22 Nov 2026 15:00:00 GMT"], ids=["seconds", "date"])
    def test_when_to_ask_again_is_the_same_in_every_zone(
        self, monkeypatch: pytest.MonkeyPatch, zone: str, retry_after: str
    ) -> None:
        """Three hours are three hours wherever the machine stands."""
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            found = read_suggestion(window(), retry_after, NOW)
        finally:
            monkeypatch.undo()
            time.tzset()

        assert found.ask_again_at == NOW + timedelta(hours=3)
        assert found.start == datetime(2027, 1, 20, tzinfo=UTC)

    def test_a_window_is_a_suggestion(self) -> None:
        """Start, end, the page for people, and when to ask again."""
        found = read_suggestion(window(explanationURL="https://ca.example/why"), "21600", NOW)

        assert (found.start, found.end) == (datetime(2027, 1, 20, tzinfo=UTC), datetime(2027, 1, 22, tzinfo=UTC))
        assert found.explanation == "https://ca.example/why"
        assert found.ask_again_at == NOW + timedelta(hours=6)

    def test_any_zone_is_understood(self) -> None:
        """RFC 3339 allows offsets and fractions of a second, of any length."""
        found = read_suggestion(window("2027-01-20T01:00:00.123456789+01:00", "2027-01-21T19:00:00-05:00"), None, NOW)

        assert found.start.replace(microsecond=0) == datetime(2027, 1, 20, tzinfo=UTC)
        assert found.end == datetime(2027, 1, 22, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("retry_after", "wait"),
        [
            (None, LONG_TERM),
            ("nonsense", LONG_TERM),
            ("0", timedelta(minutes=1)),
            ("31536000", DAY),
            ("Sun, 22 Nov 2026 14:00:00 GMT", timedelta(hours=2)),
        ],
    )
    def test_when_to_ask_again_is_kept_within_limits(self, retry_after: str | None, wait: timedelta) -> None:
        """RFC 9773, 4.3.2: a minute at least, a day at most, six hours where nothing sensible is said."""
        assert read_suggestion(window(), retry_after, NOW).ask_again_at == NOW + wait

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"<html>",
            b"[]",
            b"[" * 100_000,
            b"{}",
            b'{"suggestedWindow": []}',
            b'{"suggestedWindow": {"start": 5, "end": 6}}',
            window(end="2027-01-20T00:00:00Z"),
            window(end="2026-01-01T00:00:00Z"),
            window(start="2027-01-20T00:00:00"),
            window(start="soon"),
            window(start="0001-01-01T00:00:00+23:59"),
        ],
        ids=[
            "empty",
            "html",
            "list",
            "nested",
            "none",
            "odd",
            "numbers",
            "no length",
            "reversed",
            "naive",
            "word",
            "far",
        ],
    )
    def test_what_makes_no_sense_is_asked_again_in_six_hours(self, text: bytes) -> None:
        """A window without length, which nobody acts on, carries when to ask again."""
        found = read_suggestion(text, "60", NOW)
        assert found == nothing(NOW, found.explanation)
        assert found.explanation in {"an answer that makes no sense", "a window that ends before it has begun"}
        assert found.ask_again_at == NOW + LONG_TERM
        assert found.end <= found.start

    @given(st.binary() | st.text().map(str.encode))
    def test_no_answer_breaks_it(self, text: bytes) -> None:
        """Any bytes give a suggestion or nothing."""
        assert read_suggestion(text, None, NOW).ask_again_at > NOW

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", 7, None, "https://x/\n2"])
    def test_an_explanation_that_is_no_page_is_left_out(self, url: object) -> None:
        """It is shown to people, so it has to be something that they may open."""
        assert read_suggestion(window(explanationURL=url), None, NOW).explanation == ""


class TestAsking:
    """On a real Pebble."""

    def test_a_new_certificate_has_a_window_inside_its_life(self, front: Front, make: MakeIssuer) -> None:
        """Asked without an account, and for this very certificate."""
        issuer = make(front)
        chain = issue(issuer, ask(fresh()))

        found = issuer.suggestion(chain.leaf)

        assert found is not None
        assert chain.not_before < found.start < found.end < chain.not_after
        assert front.proxy.calls[-1].method == "GET"
        assert front.proxy.calls[-1].path.endswith(str(certificate_id(chain.leaf)))

    @pytest.mark.parametrize("answer", ["{", "[]", '{"suggestedWindow": {"start": "x"}}', " "])
    def test_a_ca_that_answers_nonsense_is_left_alone_for_six_hours(
        self, front: Front, make: MakeIssuer, answer: str
    ) -> None:
        """Whatever it sends with status 200, nothing breaks and nothing is renewed for it."""
        issuer = make(front)
        chain = issue(issuer, ask(fresh()))
        front.pebble.set_renewal_info(certificate_pem(chain.leaf).decode(), answer)

        found = issuer.suggestion(chain.leaf)

        assert found is not None
        assert found.start == found.end
        assert found.ask_again_at - found.start == LONG_TERM

    def test_an_explanation_is_shown_and_never_asked_for(self, front: Front, make: MakeIssuer) -> None:
        """The address in it may lead anywhere; following it would be somebody else's request from our network."""
        issuer = make(front)
        chain = issue(issuer, ask(fresh()))
        lure = f"{front.proxy.url}/explanation"
        answer = window(explanationURL=lure).decode()
        front.pebble.set_renewal_info(certificate_pem(chain.leaf).decode(), answer)

        found = issuer.suggestion(chain.leaf)

        assert found is not None
        assert found.explanation == lure
        assert front.asked("/explanation") == 0

    def test_the_certificate_of_another_ca_gets_nothing(self, front: Front, make: MakeIssuer) -> None:
        """An adopted certificate, or the wrong server: not asked again for six hours, and no warning: it is usual."""
        with structlog.testing.capture_logs() as logs:
            found = make(front, clock_at(NOW)).suggestion(leaf())

        [line] = logs
        assert found == nothing(NOW, f"status {line['status']}")
        assert (line["log_level"], line["issuer"]) == ("debug", "ca")

    @pytest.mark.parametrize("odd", [leaf(not_after=NOW - timedelta(seconds=1)), leaf(without_aki=True)])
    def test_what_must_not_be_asked_is_not(self, front: Front, make: MakeIssuer, odd: Certificate) -> None:
        """An expired certificate (RFC 9773, 4.3), or one that cannot be named."""
        assert make(front, clock_at(NOW)).suggestion(odd) is None
        assert front.asked("/") == 0

    def test_a_ca_without_renewal_information_is_not_asked(self, front: Front, make: MakeIssuer) -> None:
        """The directory says what there is."""
        front.change = lambda request, response: (
            changed(response, renewalInfo=None) if request.path == "/dir" else response
        )

        assert make(front, clock_at(NOW)).suggestion(leaf()) is None
        assert front.asked(RENEWAL) == 0

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_ca_in_trouble_is_not_asked_for_every_certificate(
        self, front: Front, make: MakeIssuer, status: int
    ) -> None:
        """One refusal, then a minute of silence, then two: a look at a thousand certificates is not a thousand
        requests, and one outage is one warning."""
        clock = clock_at(NOW)
        issuer, certificate = make(front, clock), leaf()
        front.instead = lambda request: Response(status) if RENEWAL in request.path else None

        def ask() -> None:
            with pytest.raises(IssueError, match=r"^ca: .*renewal information"):
                issuer.suggestion(certificate)

        with structlog.testing.capture_logs() as logs:
            for _ in range(5):
                ask()
            assert front.asked(RENEWAL) == 1
            clock.wait(61)
            for _ in range(5):
                ask()
            assert front.asked(RENEWAL) == 2
            clock.wait(61)
            ask()
            assert front.asked(RENEWAL) == 2

            clock.wait(60)
            front.instead = None
            assert issuer.suggestion(certificate) is not None
        assert [line["log_level"] for line in logs if "asked for renewal information" in line["event"]] == [
            "warning", "debug", "info",
        ]  # fmt: skip

    def test_a_ca_in_trouble_is_left_alone_as_long_as_it_wishes(self, front: Front, make: MakeIssuer) -> None:
        """A `Retry-After` that is longer than our own pause counts, up to six hours."""
        clock = clock_at(NOW)
        issuer, certificate = make(front, clock), leaf()
        front.instead = lambda request: (
            Response(503, headers={"Retry-After": "3600"}) if RENEWAL in request.path else None
        )
        with pytest.raises(IssueError):
            issuer.suggestion(certificate)
        front.instead = None
        clock.wait(3599)
        with pytest.raises(IssueError, match="a moment ago"):
            issuer.suggestion(certificate)
        clock.wait(2)
        assert issuer.suggestion(certificate) is not None

    def test_a_ca_that_does_not_answer_is_not_waited_for_again_and_again(self, front: Front, make: MakeIssuer) -> None:
        """The same for broken connections, of the directory or of ARI itself."""
        issuer, certificate = make(front, clock_at(NOW)), leaf()

        def drop(request: Request) -> Response:
            raise Drop

        front.instead = drop

        for _ in range(5):
            with pytest.raises(IssueError):
                issuer.suggestion(certificate)
        assert front.asked("/") == 1
