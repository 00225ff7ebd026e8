"""Answers that are none (F69, F71 to F73): errors of the issuer in its words, few calls, one order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from rotator.core.model import NoticeKind, Result, Stage
from rotator.ports import HasAccount
from rotator.preflight import Asking, take_round
from tests.e2e.hostile.scene import A_DAY, CAP, DAY, HOUR, MINUTE, TERMS, UNPAUSE, Scene, assert_untouched, leaf_of
from tests.e2e.path import look
from tests.issuers.acme.proxied import (
    AUTHORIZATION,
    FINALIZE,
    NEW_ACCOUNT,
    NEW_ORDER,
    ORDER,
    answer_instead,
    changed,
    problem,
    with_headers,
)
from tests.servers.loopback import Drop, Request, Response

pytestmark = pytest.mark.server


def _sent(body: bytes) -> Callable[[Scene], None]:
    return lambda scene: scene.lies(lambda _, __: body)


def _der(scene: Scene, sent: bytes) -> bytes:
    return x509.load_pem_x509_certificate(leaf_of(sent)).public_bytes(Encoding.DER)


def _pkcs7(scene: Scene, sent: bytes) -> bytes:
    return pkcs7.serialize_certificates(x509.load_pem_x509_certificates(sent), Encoding.DER)


def _refuses(path: str, answer: Response) -> Callable[[Scene], None]:
    def set_up(scene: Scene) -> None:
        scene.front.instead = lambda request: answer if path in request.path else None

    return set_up


def _hangs_up(scene: Scene) -> None:
    def drop(request: Request) -> Response | None:
        if NEW_ORDER in request.path:
            raise Drop
        return None

    scene.front.instead = drop


_ACTION = Response(
    403,
    {"Content-Type": "application/problem+json", "Link": f'<{TERMS}>;rel="terms-of-service"'},
    json.dumps({"type": "urn:ietf:params:acme:error:userActionRequired", "detail": "Terms have changed"}).encode(),
)
_PAUSED = problem(
    "rateLimited", f"Your account is temporarily prevented from requesting certificates. Please visit: {UNPAUSE}", 429
)
_NONCE = problem("badNonce", "no such nonce", 400, Replay_Nonce="c29tZS1ub25jZQ")
_LIMIT = problem("rateLimited", "too many certificates already issued", 429, Retry_After="1800")

FAILED: Mapping[str, tuple[Callable[[Scene], None], str]] = {
    "F69 a page": (_sent(b"<html><body>Please sign in</body></html>"), "no certificate chain"),
    "F69 nothing": (_sent(b""), "no certificate chain"),
    "F69 half of it": (lambda scene: scene.lies(lambda _, sent: sent[:300]), "no certificate chain"),
    "F69 50 MB": (_sent(b"-" * 50_000_000), "more than"),
    "F69 DER": (lambda scene: scene.lies(_der), "no certificate chain"),
    "F69 PKCS#7": (lambda scene: scene.lies(_pkcs7), "no certificate chain"),
    "F71 hangs up": (_hangs_up, "connection"),
    "F72 no nonce is good": (_refuses(NEW_ORDER, _NONCE), "no such nonce"),
    "F72 a limit": (_refuses(NEW_ORDER, _LIMIT), "too many certificates already issued"),
    "F73 account gone": (_refuses(NEW_ORDER, problem("accountDoesNotExist", "who are you?")), "who are you?"),
    "F73 external account": (
        _refuses(NEW_ACCOUNT, problem("externalAccountRequired", "bind your account", 403)), "bind your account",
    ),
    "F73 terms": (_refuses(NEW_ORDER, _ACTION), f"open {TERMS}"),
    "F73 paused": (_refuses(NEW_ORDER, _PAUSED), f"open {UNPAUSE} to lift that"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAILED)
def test_an_answer_that_is_none_is_an_error_of_the_issuer(scene: Scene, fault: str) -> None:
    """Each try ends with its reason; over a day the tries are few, and a person is told in the same words."""
    set_up, said = FAILED[fault]
    written = scene.certificate.stat().st_mtime_ns
    set_up(scene)

    scene.a_day()

    assert scene.outcomes
    for outcome in scene.outcomes:
        assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.ISSUE), outcome.error
        assert said in outcome.error
    assert len(scene.outcomes) <= CAP
    assert said in scene.told
    assert {notice.kind for notice in scene.inbox.notices} >= {NoticeKind.FAILING}
    assert_untouched(scene, written)


@pytest.mark.parametrize("fault", ["F73 external account", "F73 terms", "F73 paused"])
def test_what_only_a_person_can_mend_is_told_at_once(scene: Scene, fault: str) -> None:
    """After the first try, not after the fourth, with the whole link."""
    set_up, said = FAILED[fault]
    set_up(scene)
    with scene.wired() as wiring:
        scene.look(wiring)

    assert said in scene.told


def test_terms_that_change_are_told_before_the_ca_insists(renewed: Scene) -> None:
    """F73: the directory names other terms than were agreed to: told beforehand, with their page and what to do."""
    renewed.front.change = lambda request, response: (
        changed(response, meta={"termsOfService": TERMS}) if request.path == "/dir" else response
    )
    with renewed.wired() as wiring:
        for _ in range(10):
            ticked, _ = look(wiring)
            take_round(ticked.inventory.facts, wiring.world, Asking())
            renewed.later.skip(4 * DAY)
        before = renewed.told
        account = wiring.world.issuers["ca"]
        assert isinstance(account, HasAccount)
        account.update_account(agree_terms=True, anew=False)
        ticked, _ = look(wiring)
        take_round(ticked.inventory.facts, wiring.world, Asking())
        look(wiring)

    about = [notice for notice in renewed.inbox.notices if notice.kind is NoticeKind.PREFLIGHT_FAILED]
    assert f"terms of service have changed: read {TERMS};" in before
    assert "rotator account update ca --agree-terms" in before
    assert about[-1].resolved
    assert renewed.front.orders == 1


@pytest.mark.parametrize("retry_after", ["", "0", "31536000", "Sat, 01 Jan 2050 00:00:00 GMT", "soon"])
def test_processing_for_ever_is_one_order(scene: Scene, retry_after: str) -> None:
    """F71: pending all day long, asked again neither at once nor in a year; finished as soon as the CA is.

    Pebble's orders end after a day.
    """

    def after(request: Request, response: Response) -> Response:
        if response.status >= 400 or not (FINALIZE in request.path or ORDER in request.path):
            return response
        if json.loads(response.body)["status"] not in {"processing", "valid"}:
            return response
        unfinished = changed(response, status="processing", certificate=None)
        kept = {name: value for name, value in unfinished.headers.items() if name != "Retry-After"}
        return with_headers(replace(unfinished, headers=kept), {"Retry-After": retry_after} if retry_after else {})

    scene.front.change = after
    written = scene.certificate.stat().st_mtime_ns
    scene.a_day(A_DAY[:-1])
    assert {outcome.result for outcome in scene.outcomes} == {Result.PENDING}
    assert_untouched(scene, written)

    scene.front.change = None
    with scene.wired() as wiring:
        scene.later.skip(DAY + HOUR)
        _, outcome = scene.look(wiring)
    assert outcome is not None
    assert outcome.result is Result.UNPROVED, outcome.error
    assert scene.front.orders == 1


def test_an_error_after_the_certificate_was_made_costs_no_second_order(scene: Scene) -> None:
    """F72: 500 to a finalize that succeeded; the order is valid, so the next try only downloads."""
    scene.front.change = answer_instead(FINALIZE, problem("serverInternal", "try later", 500))
    with scene.wired() as wiring:
        _, first = scene.look(wiring)
        scene.front.change = None
        scene.later.skip(2 * MINUTE)
        _, second = scene.look(wiring)

    assert first is not None
    assert "try later" in first.error
    assert second is not None
    assert second.result is Result.UNPROVED, second.error
    assert scene.front.orders == 1
    assert len(scene.front.done(FINALIZE)) == 1


def test_no_authorization_is_left_half_proved(scene: Scene) -> None:
    """F71: the CA breaks off while it looks at the proof; the same order is gone on with at the next look."""
    lost: list[str] = []

    def after(request: Request, response: Response) -> Response:
        if AUTHORIZATION in request.path and response.status < 400 and len(lost) < 1:
            lost.append(request.path)
            raise Drop
        return response

    scene.front.change = after
    with scene.wired() as wiring:
        for _ in range(2):
            scene.look(wiring)
            scene.later.skip(2 * MINUTE)

    assert lost
    assert scene.outcomes[-1].result is Result.UNPROVED, scene.outcomes[-1].error
    assert scene.front.orders == 1
