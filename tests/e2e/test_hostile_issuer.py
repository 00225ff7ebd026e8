"""A hostile CA against the real flow: a Pebble whose answers are changed on their way, a real store, a file target.

For every lie: nothing is written, the old certificate stays, the calls and orders are bounded, and both the outcome and
the notice name the reason. `REFUSED` has the certificates that are no good, `FAILED` the answers that are none.

| fault | what the CA does | what becomes of it |
| --- | --- | --- |
| F60 | signs another key | refused: `key-mismatch` |
| F61 | one that has ended | refused: `expired` |
| F62 | one of next week | refused: `not-yet-valid`; the same bundle waits for its time |
| F63 | a shorter life than the old one's rest | refused: `no-progress` |
| F64 | no intermediate | refused: `untrusted` |
| F65 | another CA's intermediate | refused: `untrusted`; reversed, doubled or with a stranger: mended and used |
| F66 | other names; one name missing | refused: `names-missing`; a name too many: `names-added` |
| F67 | self-signed; another root; an intermediate that has ended | refused: `untrusted` |
| F68 | CA:TRUE; code signing; SHA-1; RSA-1024 | refused: `is-ca`, `server-auth-missing`, `weak` |
| F69 | a page, nothing, half, 50 MB, DER, PKCS#7 | failed: `no certificate chain`; with CRLF and words around: used |
| F70 | the same certificate again | refused: `no-progress` |
| F71 | `processing` for ever, `Retry-After` of nought or a year; hangs up | pending, one order; failed: `connection` |
| F72 | refuses every nonce; `rateLimited`; 500 though it has finalized | failed in its words; resumed, one order |
| F73 | account gone, external account or terms wanted, paused | failed at once with what a person has to do |
| F74 | revokes what it has just issued | renewed when its renewal information says so |
| F75 | renewal information that lies | nonsense: as if none; now: within the cap; far off: not past the line |
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from rotator.core.lead import orders_a_day
from rotator.core.model import Action, NoticeKind, Outcome, Result, RevocationReason, Stage
from rotator.core.pem import certificate_pem, chain_pem, read_chain
from rotator.core.reasons import Reason
from rotator.delivery import Route
from rotator.ports import Clock, HasAccount, Revokes
from rotator.preflight import Asking, take_round
from rotator.wiring import Wiring
from tests.e2e.cas import acme_ca, minted
from tests.e2e.minting import CODE, Mint, Wrong
from tests.e2e.path import Later, config, decisions, look, wired
from tests.flow.site import Inbox
from tests.issuers.acme.proxied import (
    AUTHORIZATION,
    CERTIFICATE,
    FINALIZE,
    NEW_ACCOUNT,
    NEW_ORDER,
    ORDER,
    RENEWAL,
    Front,
    answer_instead,
    changed,
    fronted,
    problem,
    with_headers,
)
from tests.issuers.asking import HURRY
from tests.pki import Authority
from tests.servers.loopback import Drop, Request, Response
from tests.servers.pebble import DEFAULT, LIFETIMES, Pebble, PebbleSettings, start_pebble

pytestmark = pytest.mark.server

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEFT = 25 * DAY
"""What is left of the old certificate: due since five days."""

A_DAY = (2 * MINUTE, 12 * MINUTE, 2 * HOUR, 17 * HOUR, 5 * HOUR)
"""Looks over a day, each behind the backoff of the one before."""

CAP = orders_a_day(90 * DAY, 30 * DAY) + 1
"""A few minutes more than a day may begin one order more."""
MOST_CALLS = 300
UNPAUSE = "https://portal.ca.example/sfe/v1/unpause?jwt=" + "eyJhbGciOiJIUzI1NiJ9" * 30
TERMS = "https://ca.example/terms-2"


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A Pebble that believes every proof."""
    settings = PebbleSettings(lifetimes={DEFAULT: LIFETIMES[DEFAULT]}, nonce_reject=5)
    with start_pebble(tmp_path_factory.mktemp("easy"), settings, PEBBLE_VA_ALWAYS_VALID="1") as pebble:
        yield pebble


@dataclass
class Scene:
    """One certificate in two files, whose CA lies.

    Attributes:
        old: the chain that is in place, as its file holds it.
    """

    folder: Path
    front: Front
    name: str
    later: Later
    mint: Mint
    old: bytes
    trust: Path
    inbox: Inbox = field(default_factory=Inbox)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        return self.folder / "tls.crt"

    def lies(self, body: Callable[[Scene, bytes], bytes]) -> None:
        """Have another body come where the certificate is downloaded; what the CA really did stays known."""

        def change(request: Request, response: Response) -> Response:
            if FINALIZE in request.path and response.status < 400:
                self.mint.watch(request)
            if CERTIFICATE in request.path and response.status < 400:
                return replace(response, body=body(self, response.body))
            return response

        self.front.change = change

    @contextmanager
    def wired(self) -> Iterator[Wiring]:
        """What the config builds, telling a person through `inbox`."""
        acme = {**acme_ca(self.front, self.folder).entry["acme"], "patience": "20s"}
        issuer = {"acme": acme, "trust": {"file": str(self.trust)}}
        certificate = {
            "name": "shop",
            "names": [self.name],
            "issuer": "ca",
            "targets": [{"files": {"certificate": str(self.certificate), "key": str(self.folder / "tls.key")}}],
        }
        text = config(self.folder, issuers={"ca": issuer}, certificates=[certificate])
        with wired(text, _hurried(self.later)) as wiring:
            yield replace(wiring, routes=(Route("inbox", self.inbox),))

    def look(self, wiring: Wiring) -> tuple[Action, Outcome | None]:
        ticked, outcomes = look(wiring)
        found = outcomes.get("shop")
        if found is not None:
            self.outcomes.append(found)
        return decisions(ticked)["shop"].action, found

    def a_day(self, waits: Sequence[timedelta] = A_DAY) -> None:
        """Look for a day, as often as the backoff allows."""
        with self.wired() as wiring:
            self.look(wiring)
            for wait in waits:
                self.later.skip(wait)
                self.look(wiring)

    @property
    def told(self) -> str:
        """What a person was told of the certificate."""
        return "\n".join(f"{one.title}\n{one.detail}" for one in self.inbox.notices if not one.resolved)


def _hurried(later: Later) -> Clock:
    """The clock of the test, on which a wait takes a twentieth of its time."""

    def wait(seconds: float) -> None:
        time.sleep(seconds / HURRY)
        later.skip(timedelta(seconds=seconds - seconds / HURRY))

    return Clock(later.clock.now, later.clock.monotonic, wait)


@pytest.fixture
def scene(easy: Pebble, tmp_path: Path) -> Iterator[Scene]:
    name = f"shop-{uuid.uuid4().hex[:8]}.example.com"
    old = minted(easy, name, LEFT)
    (tmp_path / "roots.pem").write_text(easy.roots())
    (tmp_path / "tls.crt").write_bytes(chain_pem(old.chain))
    (tmp_path / "tls.key").touch(mode=0o600)
    (tmp_path / "tls.key").write_bytes(old.key)
    with fronted(easy, tmp_path / "front") as front:
        held = (tmp_path / "tls.crt").read_bytes()
        yield Scene(tmp_path, front, name, Later(), Mint(easy), held, tmp_path / "roots.pem")


# ---------------------------------------------------------------- certificates that are no good

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


def _leaf(sent: bytes) -> bytes:
    return certificate_pem(read_chain(sent).leaf)


def _under_another_ca(scene: Scene, sent: bytes) -> bytes:
    return _leaf(sent) + certificate_pem(_stranger(parent=False).certificate)


def _added(scene: Scene, _: bytes) -> bytes:
    return scene.mint.leaf(Wrong(names=(scene.name, "too-many.example.com"))) + scene.mint.intermediate


REFUSED: Mapping[str, tuple[Body, Reason]] = {
    "F60 another key": (_wrong(key="ecdsa-256"), Reason.KEY_MISMATCH),
    "F61 ended": (_wrong(begins=-90 * DAY, ends=-DAY), Reason.EXPIRED),
    "F63 a shorter life": (_wrong(begins=-30 * DAY, ends=20 * DAY), Reason.NO_PROGRESS),
    "F64 no intermediate": (lambda _, sent: _leaf(sent), Reason.UNTRUSTED),
    "F65 another CA's intermediate": (_under_another_ca, Reason.UNTRUSTED),
    "F66 another name": (_wrong(names=("other.example.com",)), Reason.NAMES_MISSING),
    "F66 a wildcard instead": (_wrong(names=("*.example.com",)), Reason.NAMES_MISSING),
    "F66 a name too many": (_added, Reason.NAMES_ADDED),
    "F67 self-signed": (_self_signed, Reason.UNTRUSTED),
    "F67 another root": (_by_a_stranger, Reason.UNTRUSTED),
    "F67 an intermediate that has ended": (
        lambda scene, sent: _leaf(sent) + scene.mint.ended_intermediate(), Reason.UNTRUSTED,
    ),
    "F68 a CA": (_wrong(ca=True), Reason.IS_CA),
    "F68 for code": (_wrong(usage=CODE), Reason.SERVER_AUTH_MISSING),
    "F68 SHA-1": (_wrong(sha1=True), Reason.WEAK),
    "F68 RSA-1024": (_wrong(key="rsa-1024"), Reason.WEAK),
    "F70 the same again": (lambda scene, _: scene.old, Reason.NO_PROGRESS),
}  # fmt: skip


def assert_untouched(scene: Scene, written: int) -> None:
    assert scene.certificate.read_bytes() == scene.old
    assert scene.certificate.stat().st_mtime_ns == written
    assert scene.front.orders <= CAP
    assert len(scene.front.proxy.calls) < MOST_CALLS


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


# ---------------------------------------------------------------- answers that are none


def _sent(body: bytes) -> Callable[[Scene], None]:
    return lambda scene: scene.lies(lambda _, __: body)


def _der(scene: Scene, sent: bytes) -> bytes:
    return x509.load_pem_x509_certificate(_leaf(sent)).public_bytes(Encoding.DER)


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


# ---------------------------------------------------------------- renewal information


@pytest.fixture
def renewed(scene: Scene) -> Scene:
    """The certificate after an honest renewal."""
    with scene.wired() as wiring:
        _, outcome = scene.look(wiring)
    assert outcome is not None
    assert outcome.result is Result.UNPROVED, outcome.error
    return scene


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
