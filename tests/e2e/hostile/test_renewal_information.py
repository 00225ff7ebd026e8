"""Renewal information that lies, and what the CA has revoked (F74, F75)."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from rotator.core.model import Action, Result, RevocationReason
from rotator.core.pem import read_chain
from rotator.core.reasons import Reason
from rotator.ports import Revokes
from tests.e2e.hostile.scene import CAP, DAY, HOUR, Scene
from tests.issuers.acme.proxied import (
    RENEWAL,
)
from tests.servers.loopback import Request, Response

pytestmark = pytest.mark.server


def _suggests(scene: Scene, answer: str, retry_after: str = "21600") -> None:
    def instead(request: Request) -> Response | None:
        return Response(200, {"Retry-After": retry_after}, answer.encode()) if RENEWAL in request.path else None

    scene.front.instead = instead


def _window(start: datetime, end: datetime) -> str:
    window = {"start": start.isoformat(), "end": end.isoformat()}
    return json.dumps({"suggestedWindow": window, "explanationURL": "https://ca.example/why"})


def test_what_is_revoked_right_after_issue_is_renewed(renewed: Scene) -> None:
    """F74: the CA revokes it and says so in its renewal information: the next look that asks renews it."""
    first = read_chain(renewed.certificate.read_bytes())
    with renewed.wired() as wiring:
        renewed.look(wiring)
        issuer = wiring.world.issuers["ca"]
        assert isinstance(issuer, Revokes)
        issuer.revoke(first.leaf, RevocationReason.SUPERSEDED)
        renewed.later.skip(7 * HOUR)
        for _ in range(3):
            renewed.later.skip(2 * HOUR)
            renewed.look(wiring)

    assert read_chain(renewed.certificate.read_bytes()).fingerprint != first.fingerprint
    assert renewed.front.orders == 2
    assert renewed.front.pebble.status(first.leaf.serial)["Status"] == "Revoked"


@pytest.mark.parametrize("answer", ["<html>", "{}", '{"suggestedWindow": {"start": "x", "end": "y"}}', "[]"])
def test_nonsense_is_as_good_as_no_renewal_information(renewed: Scene, answer: str) -> None:
    """F75: nothing is renewed for it, and nothing breaks; it is asked again in hours, not at each look."""
    _suggests(renewed, answer)
    with renewed.wired() as wiring:
        for _ in range(5):
            action, _ = renewed.look(wiring)
            assert action is Action.KEEP
            renewed.later.skip(HOUR)

    assert renewed.front.orders == 1
    assert renewed.front.asked(RENEWAL) <= 2


@pytest.mark.parametrize("retry_after", ["0", "31536000", "nonsense"])
def test_a_window_that_is_always_now_is_bounded(renewed: Scene, retry_after: str) -> None:
    """F75: a CA that wants every certificate renewed at once, for ever, gets no more than the cap, with its reason."""
    now = renewed.later.clock.now()
    _suggests(renewed, _window(now - 2 * DAY, now - DAY), retry_after)
    with renewed.wired() as wiring:
        for _ in range(24):
            renewed.look(wiring)
            renewed.later.skip(HOUR)

    renewals = [outcome for outcome in renewed.outcomes[1:] if outcome.result is Result.UNPROVED]
    assert renewals, "what the CA asks for is done"
    assert {outcome.decision.reason for outcome in renewals} == {Reason.SUGGESTED}
    assert all("https://ca.example/why" in outcome.decision.message for outcome in renewals)
    assert renewed.front.orders <= CAP


def test_a_window_far_off_does_not_let_it_expire(renewed: Scene) -> None:
    """F75: a window behind the end of the certificate moves nothing past the emergency line."""
    end = read_chain(renewed.certificate.read_bytes()).not_after
    _suggests(renewed, _window(end + 100 * DAY, end + 101 * DAY))
    with renewed.wired() as wiring:
        renewed.look(wiring)
        renewed.later.skip(end - renewed.later.clock.now() - 3 * DAY)
        outcome = None
        while outcome is None and renewed.later.clock.now() < end:
            _, outcome = renewed.look(wiring)
            renewed.later.skip(2 * HOUR)

    # Pebble goes by the real time, so what it signs now ends no later; that it was asked in time is the point.
    last = renewed.outcomes[-1]
    assert last.decision.action is Action.RENEW
    assert last.started < end - DAY
    assert renewed.front.orders == 2
