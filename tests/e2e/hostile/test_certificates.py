"""Certificates that are no good go nowhere (F60 to F70); what is only untidy is put in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.core.model import Result, Stage
from rotator.core.pem import certificate_pem, chain_pem, read_chain
from rotator.core.reasons import Reason
from tests.e2e.hostile.scene import DAY, Scene, assert_untouched, leaf_of
from tests.e2e.minting import CODE, Wrong
from tests.pki import Authority

pytestmark = pytest.mark.server


Body = Callable[[Scene, bytes], bytes]


def _wrong(**fields: Any) -> Body:
    """A certificate that the CA's own intermediate signs, with this wrong about it."""
    return lambda scene, _: scene.mint.leaf(Wrong(**fields)) + scene.mint.intermediate


def _stranger(*, parent: bool = True) -> Authority:
    now = datetime.now(UTC).replace(microsecond=0)
    begin, end = now - 100 * DAY, now + 1000 * DAY
    root = Authority("Stranger Root", not_before=begin, not_after=end)
    return Authority("Stranger CA", not_before=begin, not_after=end, parent=root) if parent else root


def _by_a_stranger(scene: Scene, _: bytes) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    return chain_pem(_stranger().issue([scene.name], not_before=now - DAY, not_after=now + 80 * DAY).chain)


def _self_signed(scene: Scene, _: bytes) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    own = Authority(scene.name, not_before=now - DAY, not_after=now + 80 * DAY)
    return certificate_pem(own.certificate)


def _under_another_ca(scene: Scene, sent: bytes) -> bytes:
    return leaf_of(sent) + certificate_pem(_stranger(parent=False).certificate)


def _added(scene: Scene, _: bytes) -> bytes:
    return scene.mint.leaf(Wrong(names=(scene.name, "too-many.example.com"))) + scene.mint.intermediate


REFUSED: Mapping[str, tuple[Body, Reason]] = {
    "F60 another key": (_wrong(key="ecdsa-256"), Reason.KEY_MISMATCH),
    "F61 ended": (_wrong(begins=-90 * DAY, ends=-DAY), Reason.EXPIRED),
    "F63 a shorter life": (_wrong(begins=-30 * DAY, ends=20 * DAY), Reason.NO_PROGRESS),
    "F64 no intermediate": (lambda _, sent: leaf_of(sent), Reason.UNTRUSTED),
    "F65 another CA's intermediate": (_under_another_ca, Reason.UNTRUSTED),
    "F66 another name": (_wrong(names=("other.example.com",)), Reason.NAMES_MISSING),
    "F66 a wildcard instead": (_wrong(names=("*.example.com",)), Reason.NAMES_MISSING),
    "F66 a name too many": (_added, Reason.NAMES_ADDED),
    "F67 self-signed": (_self_signed, Reason.UNTRUSTED),
    "F67 another root": (_by_a_stranger, Reason.UNTRUSTED),
    "F67 an intermediate that has ended": (
        lambda scene, sent: leaf_of(sent) + scene.mint.ended_intermediate(), Reason.UNTRUSTED,
    ),
    "F68 a CA": (_wrong(ca=True), Reason.IS_CA),
    "F68 for code": (_wrong(usage=CODE), Reason.SERVER_AUTH_MISSING),
    "F68 SHA-1": (_wrong(sha1=True), Reason.WEAK),
    "F68 RSA-1024": (_wrong(key="rsa-1024"), Reason.WEAK),
    "F70 the same again": (lambda scene, _: scene.old, Reason.NO_PROGRESS),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_certificate_that_is_no_good_goes_nowhere(scene: Scene, fault: str) -> None:
    """Refused once, before anything is touched; it is not ordered again, and a person is told why."""
    body, reason = REFUSED[fault]
    written = scene.certificate.stat().st_mtime_ns
    scene.lies(body)

    scene.a_day()

    (outcome,) = scene.outcomes
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.VALIDATE), outcome.error
    found = {violation.reason: violation.message for violation in outcome.violations}
    assert reason in found, outcome.error
    assert found[reason] in outcome.error
    assert found[reason].split(";")[0] in scene.told
    assert_untouched(scene, written)
    assert scene.front.orders == 1


def test_a_certificate_of_next_week_waits_for_its_time(scene: Scene) -> None:
    """F62: refused while it is too early, and then used: the CA is not asked for another."""
    written = scene.certificate.stat().st_mtime_ns
    scene.lies(_wrong(begins=2 * DAY))
    scene.a_day()
    assert {violation.reason for violation in scene.outcomes[0].violations} >= {Reason.NOT_YET_VALID}
    assert "not valid before" in scene.told
    assert_untouched(scene, written)

    with scene.wired() as wiring:
        scene.later.skip(2 * DAY)
        scene.look(wiring)

    assert scene.outcomes[-1].result in {Result.DONE, Result.UNPROVED}
    assert scene.certificate.read_bytes() != scene.old
    assert scene.front.orders == 1


MENDED: Mapping[str, Body] = {
    "F65 reversed": lambda _, sent: b"".join(certificate_pem(one) for one in reversed(read_chain(sent).certificates)),
    "F65 doubled": lambda _, sent: sent + sent,
    "F65 with a stranger": lambda _, sent: sent + certificate_pem(_stranger(parent=False).certificate),
    "F69 CRLF and words around": lambda _, sent: b"Your certificate:\r\n" + sent.replace(b"\n", b"\r\n") + b"\r\nBye",
}


@pytest.mark.parametrize("fault", MENDED)
def test_what_is_only_untidy_is_put_in_order(scene: Scene, fault: str) -> None:
    """What clients can use is used: leaf first, each certificate once, and none that is not part of the path."""
    scene.lies(MENDED[fault])
    with scene.wired() as wiring:
        _, outcome = scene.look(wiring)

    assert outcome is not None
    assert outcome.result is Result.UNPROVED, outcome.error
    stored = read_chain(scene.certificate.read_bytes())
    assert scene.name in stored.names
    assert len(stored.certificates) == 2
    assert stored.certificates[0].issuer == stored.certificates[1].subject
