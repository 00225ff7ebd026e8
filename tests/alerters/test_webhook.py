"""The webhook: its body, and a signature that a receiver can check with what the docs say."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.alerters.webhook import SIGNATURE, WebhookAlerter, WebhookSettings, payload
from rotator.conformance.alerter import example
from rotator.errors import AlertError
from rotator.settings import SecretRef
from tests.alerters.services import clock, environment
from tests.builders import NOW
from tests.servers.certificates import authority
from tests.servers.ports import LOOPBACK
from tests.servers.recorder import Recorder

URL, SECRET = SecretRef("${env:HOOK_URL}"), SecretRef("${env:HOOK_SECRET}")


def test_the_signature_verifies_as_documented() -> None:
    """A receiver that does what the module's text says takes the request, and refuses a changed body or time."""
    with Recorder() as server, environment(HOOK_URL=f"{server.url}/hook", HOOK_SECRET="s3cret"):
        WebhookAlerter("hook", WebhookSettings(url=URL, secret=SECRET), clock()).send(example(), receipt=None)
        (request,) = server.requests
    fields = dict(part.split("=", 1) for part in request.headers[SIGNATURE.lower()].split(","))
    t, v1 = fields["t"], fields["v1"]
    assert int(t) == int(NOW.timestamp())

    def signed(stamp: str, body: bytes) -> str:
        return hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()

    assert hmac.compare_digest(signed(t, request.body), v1)
    assert signed(t, request.body + b" ") != v1
    assert signed(str(int(t) + 1), request.body) != v1


def test_the_body_is_what_is_documented() -> None:
    """Every field of the notice is in the body under its name; long lists and texts are cut and counted."""
    notice = replace(example(), subjects=tuple(f"s{n}" for n in range(500)), detail="x" * (1 << 20))
    body = json.loads(json.dumps(payload(notice)))
    assert body["version"] == 1
    assert (body["key"], body["kind"], body["severity"]) == ("rotator/failing/shop", "failing", "warning")
    assert (body["owner"], body["since"], body["resolved"]) == ("payments", "2026-03-02T12:00:00Z", False)
    assert body["subjects_total"] == 500
    assert body["subjects"][-1] == "and 400 more"
    assert len(body["detail"]) == 32 << 10


def test_without_a_secret_nothing_is_signed() -> None:
    """No secret, no signature header; never one made with an empty secret."""
    with Recorder() as server, environment(HOOK_URL=server.url):
        WebhookAlerter("hook", WebhookSettings(url=URL), clock()).send(example(), receipt=None)
        assert SIGNATURE.lower() not in server.requests[0].headers


def test_a_private_ca_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    """An https receiver of a private CA needs `ca`; without it the delivery fails, and the reason is said."""
    ca = authority(tmp_path)
    with Recorder(tls=ca.issue("hook", LOOPBACK)) as server, environment(HOOK_URL=f"{server.url}/secret-path"):
        WebhookAlerter("hook", WebhookSettings(url=URL, ca=ca.ca_file), clock()).send(example(), receipt=None)
        with pytest.raises(AlertError, match=r"127\.0\.0\.1 shows a certificate that does not verify") as caught:
            WebhookAlerter("hook", WebhookSettings(url=URL), clock()).send(example(), receipt=None)
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "not a url", "ftp://example.com/x", "http://"])
def test_an_address_that_is_none_is_a_permanent_error(url: str) -> None:
    """A malformed address does not get better by trying again."""
    with environment(HOOK_URL=url), pytest.raises(AlertError) as caught:
        WebhookAlerter("hook", WebhookSettings(url=URL), clock()).send(example(), receipt=None)
    assert caught.value.permanent
