"""Handing a message to a service, and what is said when it is not taken."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.errors import AlertError
from rotator.lib import http
from rotator.lib.delivery import cut, deliver, iso, json_bytes, reveal, secret_parts, some
from rotator.settings import SecretRef
from tests.builders import MINUTE, NOW
from tests.servers.loopback import Response
from tests.servers.recorder import Recorder


def refused(response: Response, *hide: str) -> AlertError:
    """Send to a service that answers so; the error."""
    with Recorder(default=response) as server, pytest.raises(AlertError) as caught:
        deliver(http.session(total_seconds=5), server.url, b"{}", now=NOW, hide=hide)
    return caught.value


@pytest.mark.parametrize(
    ("value", "wait"),
    [("120", 2 * MINUTE), ("Mon, 02 Mar 2026 12:02:00 GMT", 2 * MINUTE), ("soon", None), (None, None)],
)
def test_the_wait_that_a_service_names_is_handed_on(value: str | None, wait: timedelta | None) -> None:
    """Both forms of `Retry-After` are understood; nonsense is none."""
    error = refused(Response(429, {"Retry-After": value} if value else {}))
    assert error.retry_after == wait
    assert not error.permanent


def test_a_reason_is_one_short_line_without_secrets() -> None:
    """What the service says is cut to a line, and what it repeats of ours is taken out before it is cut."""
    body = b"<html>\n\x1b[31mbad\x00 key s3cret-1234 " + b"s3cret-1234" * 500
    error = refused(Response(400, body=body), "s3cret-1234", "")
    assert str(error).startswith("127.0.0.1 answered 400: <html> [31mbad key [removed] [removed]")
    assert "s3cret" not in str(error)
    assert len(str(error)) < 300


def test_a_binary_answer_is_no_trouble() -> None:
    """A body that is no text at all still makes a sentence."""
    assert str(refused(Response(500, body=bytes(range(256))))).startswith("127.0.0.1 answered 500")


def test_an_answer_without_end_is_an_error() -> None:
    """A service that floods is left, and that counts as a failure that may pass."""
    error = refused(Response(200, body=b"x" * (3 << 20)))
    assert "answered with more than" in str(error)
    assert not error.permanent


def test_a_secret_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is said, so that somebody can mend it."""
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    with pytest.raises(AlertError, match="NO_SUCH_SECRET"):
        reveal(SecretRef("${env:NO_SUCH_SECRET}"))


def test_small_things() -> None:
    """Cutting, counting, moments, and text that UTF-8 cannot hold."""
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
    assert some(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
    assert iso(NOW) == "2026-03-02T12:00:00Z"
    assert json_bytes({"a": "\udc80ü"}) == '{"a": "?ü"}'.encode()
    assert secret_parts("https://h/a/b?c=d") == ("https://h/a/b?c=d", "a/b", "c=d")
