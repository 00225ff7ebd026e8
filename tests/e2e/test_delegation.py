"""A Secret that cert-manager keeps: due by rotator's policy, renewed by cert-manager's own controllers, proved like any
other; rotator is the chart's ServiceAccount and never writes the Secret."""

from __future__ import annotations

import base64
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Action, Result, Stage
from rotator.core.pem import certificate_pem, read_chain
from rotator.core.reasons import Reason
from tests.e2e.cluster import Account, install
from tests.e2e.path import DAY, Later, config, decisions, environment, look, ordered, program, wired
from tests.lib.kube_builders import get_secret
from tests.pki import Authority
from tests.servers.kube import MERGE_PATCH, KubeServer
from tests.servers.nginx import Nginx, start_nginx, virtual_server
from tests.servers.service import wait_until
from tests.servers.signing import CertManager, conditions
from tests.servers.syncer import Syncer

NAME, SECRET = "shop.example.com", "shop-tls"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/{}/certificates/{}"

pytestmark = pytest.mark.server


@dataclass(frozen=True, slots=True)
class Shop:
    """A Certificate, its Secret with 25 days left, an nginx that serves it, and rotator's account."""

    manager: CertManager
    namespace: str
    account: Account
    nginx: Nginx
    authority: Authority
    old: str

    @property
    def server(self) -> KubeServer:
        return self.manager.server

    @property
    def stored(self) -> str:
        """The fingerprint of what the Secret holds."""
        secret = get_secret(self.server, self.namespace, SECRET)
        return read_chain(base64.b64decode(secret["data"]["tls.crt"])).fingerprint

    def config(self, folder: Path, **more: object) -> str:
        """rotator's config: it adopts what it finds; the issuer is there for what cert-manager does not keep."""
        (folder / "root.pem").write_bytes(certificate_pem(self.authority.certificate))
        where = {"kubeconfig": str(self.account.kubeconfig)}
        cm = {"cert_manager": {"issuer": {"name": "ca"}, "namespace": self.namespace, **where}}
        target = {"kubernetes_secret": {"namespace": self.namespace, "name": SECRET, "settle": "20s", **where}}
        shop = {
            "name": "shop",
            "names": [NAME],
            "issuer": "cm",
            "trust": {"file": str(folder / "root.pem")},
            "targets": [target],
            "endpoints": [f"{NAME}@127.0.0.1:{self.nginx.servers[0].port}"],
            **more,
        }
        return config(folder, issuers={"cm": cm}, certificates=[shop])

    def triggers(self) -> list[str]:
        """What rotator has written in its namespace, refused attempts among it."""
        return self.account.writes(self.namespace)


def _aged(manager: CertManager, namespace: str, authority: Authority) -> str:
    """Put a certificate of the same key and CA in the place of the fresh one, 65 days old; its fingerprint."""
    secret = get_secret(manager.server, namespace, SECRET)
    now = datetime.now(UTC)
    key = base64.b64decode(secret["data"]["tls.key"])
    old = authority.issue([NAME], not_before=now - 65 * DAY, not_after=now + 25 * DAY, key=key).chain
    text = base64.b64encode(certificate_pem(old.leaf)).decode()
    where = f"/api/v1/namespaces/{namespace}/secrets/{SECRET}"
    manager.server.expect("PATCH", where, {"data": {"tls.crt": text}}, content_type=MERGE_PATCH)
    return old.fingerprint


@contextmanager
def _shop(manager: CertManager, namespace: str, folder: Path) -> Iterator[Shop]:
    authority = manager.make_issuer(namespace)
    reference = {"name": "ca", "kind": "Issuer"}
    manager.make_certificate(namespace, SECRET, [NAME], duration="2160h", renewBefore="1h", issuerRef=reference)
    manager.wait_ready(namespace, SECRET)
    old = _aged(manager, namespace, authority)
    account = install(
        manager.server, namespace, folder / "chart", reads=[namespace], writes={}, asks={namespace: [SECRET]}
    )
    kubelet = Syncer(manager.server, namespace, SECRET, folder / "tls")
    kubelet.sync()
    with (
        start_nginx(folder, [virtual_server(kubelet.certificate, kubelet.key)]) as nginx,
        Syncer(manager.server, namespace, SECRET, folder / "tls", nginx.reload),
    ):
        yield Shop(manager, namespace, account, nginx, authority, old)


@pytest.fixture
def shop(cert_manager: CertManager, kube_namespace: str, tmp_path: Path) -> Iterator[Shop]:
    """The shop."""
    with _shop(cert_manager, kube_namespace, tmp_path) as found:
        yield found


def test_a_due_certificate_is_renewed_by_its_owner_and_proved(shop: Shop, tmp_path: Path) -> None:
    """One rotation: asked once, issued by cert-manager, served and verified; the Secret was not written by rotator, and
    the next look has nothing to do."""
    later = Later()
    with wired(shop.config(tmp_path), later.clock) as wiring:
        ticked, outcomes = look(wiring)
        outcome = outcomes["shop"]

        assert decisions(ticked)["shop"].because is Reason.DUE
        assert (outcome.decision.action, outcome.result, outcome.error) == (Action.DELEGATE, Result.DONE, "")
        assert outcome.issuer == "cert-manager"
        assert outcome.before is not None
        assert outcome.before.fingerprint == shop.old
        assert outcome.after is not None
        assert outcome.after.fingerprint == shop.stored != shop.old
        assert shop.nginx.fingerprint(NAME) == shop.stored
        assert len(outcome.verification.verified) == 1
        assert ordered(wiring) == ["shop"]
        assert wiring.world.store.pending("shop") is None

        later.skip(timedelta(hours=2))
        ticked, outcomes = look(wiring)
        assert outcomes == {}
        assert decisions(ticked)["shop"].action is Action.KEEP
    assert shop.triggers() == [f"update certificates/{SECRET}"]


def test_a_slow_owner_is_followed_over_looks(shop: Shop, cert_manager: CertManager, tmp_path: Path) -> None:
    """While cert-manager hangs the rotation is pending; the next look follows it without asking again, to the end."""
    later = Later()
    with wired(shop.config(tmp_path), later.clock) as wiring:
        cert_manager.process.send(signal.SIGSTOP)
        try:
            _, outcomes = look(wiring)
        finally:
            cert_manager.process.send(signal.SIGCONT)
        assert (outcomes["shop"].result, outcomes["shop"].stage) == (Result.PENDING, Stage.ISSUE)
        assert f"the Certificate {shop.namespace}/{SECRET} is being renewed" in outcomes["shop"].error

        cert_manager.wait_ready(shop.namespace, SECRET)
        later.skip(timedelta(minutes=2))
        _, outcomes = look(wiring)

        assert (outcomes["shop"].result, outcomes["shop"].decision.action) == (Result.DONE, Action.DELEGATE)
        assert shop.nginx.fingerprint(NAME) == shop.stored != shop.old
        assert ordered(wiring) == ["shop"]
    assert shop.triggers() == [f"update certificates/{SECRET}"]


def test_a_crash_while_it_waits_asks_no_second_time(shop: Shop, cert_manager: CertManager, tmp_path: Path) -> None:
    """SIGKILL between the trigger and the new certificate: the next look follows what was asked for, and proves it."""
    file = tmp_path / "rotator.yaml"
    file.write_text(shop.config(tmp_path))

    def asked() -> bool:
        return conditions(cert_manager.certificate(shop.namespace, SECRET)).get("Issuing") == "True"

    cert_manager.process.send(signal.SIGSTOP)
    try:
        process = subprocess.Popen(program("run", "--once", "--config", str(file)), env=environment(tmp_path / "home"))
        wait_until(asked, "the renewal was asked for")
        process.kill()
        process.wait()
    finally:
        cert_manager.process.send(signal.SIGCONT)
    cert_manager.wait_ready(shop.namespace, SECRET)
    assert shop.stored != shop.old

    with wired(shop.config(tmp_path)) as wiring:
        _, outcomes = look(wiring)
        assert (outcomes["shop"].result, outcomes["shop"].decision.action) == (Result.DONE, Action.DELEGATE)
        assert ordered(wiring) == ["shop"]
    assert shop.triggers() == [f"update certificates/{SECRET}"]


def test_a_failure_is_told_in_cert_managers_words_and_backed_off_from(shop: Shop, tmp_path: Path) -> None:
    """Its issuer gives the request up: failed, with the cause that the request names; what is served stays, the next
    trigger waits for the backoff, and then there is one more."""
    later = Later()
    issuer = {"spec": {"issuerRef": {"name": "far", "kind": "FarIssuer", "group": "example.com"}}}
    shop.server.expect(
        "PATCH", CERTIFICATES.format(shop.namespace, SECRET), issuer, content_type=MERGE_PATCH
    )  # an external issuer, whose controller this test plays
    with wired(shop.config(tmp_path), later.clock) as wiring:
        _, outcomes = look(wiring)
        assert outcomes["shop"].result is Result.PENDING
        _give_up(shop, "the CA is on holiday")
        later.skip(timedelta(minutes=2))
        _, outcomes = look(wiring)

        failed = outcomes["shop"]
        assert (failed.result, failed.stage, failed.issuer) == (Result.FAILED, Stage.ISSUE, "cert-manager")
        assert failed.error.startswith(
            f"cert-manager: the renewal of the Certificate {shop.namespace}/{SECRET} failed: "
        )
        assert "the CA is on holiday" in failed.error
        assert shop.nginx.fingerprint(NAME) == shop.stored == shop.old
        before = len(shop.triggers())

        ticked, outcomes = look(wiring)
        assert outcomes == {}
        assert decisions(ticked)["shop"].reason is Reason.BACKING_OFF
        assert len(shop.triggers()) == before

        later.skip(timedelta(minutes=15))
        _, outcomes = look(wiring)
        assert outcomes["shop"].result is Result.PENDING
        assert len(shop.triggers()) == before + 1
        assert ordered(wiring) == ["shop", "shop"]


def _give_up(shop: Shop, why: str) -> None:
    """Have the issuer of the newest request fail it, and wait until cert-manager has taken note."""
    base = f"/apis/cert-manager.io/v1/namespaces/{shop.namespace}/certificaterequests"
    open_one = [each for each in shop.server.expect("GET", base)["items"] if conditions(each).get("Ready") != "True"]
    (request,) = open_one
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    failed = {"type": "Ready", "status": "False", "reason": "Failed", "message": why, "lastTransitionTime": moment}
    status = request["status"] | {
        "conditions": [*request["status"]["conditions"], failed],
        "failureTime": moment,
    }
    where = f"{base}/{request['metadata']['name']}/status"
    shop.server.expect("PATCH", where, {"status": status}, content_type=MERGE_PATCH)

    def counted() -> bool:
        return bool(shop.manager.certificate(shop.namespace, SECRET)["status"].get("failedIssuanceAttempts"))

    wait_until(counted, "cert-manager has counted the failure")


def test_observe_mode_asks_nobody(shop: Shop, tmp_path: Path) -> None:
    """Only `mode: rotate` lets rotator ask: in observe mode the plan says what it would do."""
    with wired(shop.config(tmp_path, mode="observe")) as wiring:
        ticked, outcomes = look(wiring)
    found = decisions(ticked)["shop"]
    assert outcomes == {}
    assert (found.action, found.wanted, found.reason) == (Action.WAIT, Action.DELEGATE, Reason.OBSERVE)
    assert shop.triggers() == []
    assert shop.stored == shop.old


def test_a_missing_right_is_named(cert_manager: CertManager, kube_namespace: str, tmp_path: Path) -> None:
    """Where the chart was not told of the Certificate, the failure says which right is missing; nothing was written."""
    with _shop(cert_manager, kube_namespace, tmp_path) as shop:
        _revoke_rights(shop)
        with wired(shop.config(tmp_path)) as wiring:
            _, outcomes = look(wiring)
        outcome = outcomes["shop"]
        assert (outcome.result, outcome.permanent) == (Result.FAILED, True)
        assert "certificates.cert-manager.io" in outcome.error
        assert shop.stored == shop.old


def _revoke_rights(shop: Shop) -> None:
    """Take the writer Role away."""
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.namespace}"
    found: list[dict[str, Any]] = shop.server.expect("GET", f"{base}/rolebindings")["items"]
    for each in found:
        if each["metadata"]["name"].endswith("-writer"):
            shop.server.expect("DELETE", f"{base}/rolebindings/{each['metadata']['name']}")
