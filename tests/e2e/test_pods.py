"""Pods behind a Service, each asked by its own address: one that lags or dies is named, however well the other does."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Action, Bundle, Outcome, Result
from rotator.core.pem import certificate_pem, read_chain
from rotator.wiring import Wiring
from tests.e2e.cas import issued
from tests.e2e.cluster import Account, install
from tests.e2e.path import DAY, Later, comes_to, config, decisions, look, ordered, wired
from tests.lib.kube_builders import get_secret, put_secret, tls_data
from tests.lib.test_kube_references import replica, service, slice_of, tls_pod
from tests.pki import Authority
from tests.servers.kube import KubeServer
from tests.servers.netns import network_namespace
from tests.servers.nginx import Nginx, VirtualServer, start_nginx
from tests.servers.recorder import Recorder
from tests.servers.syncer import Syncer

pytestmark = pytest.mark.server

NAME, SECRET, PORT = "shop.example.com", "shop-tls", 8443
FOREIGN = {"keystore.p12": base64.b64encode(b"somebody else's").decode()}

React = Callable[[Nginx], object]
"""What a pod does when the kubelet has changed its files."""


def reload(nginx: Nginx) -> None:
    """Take the new files, as a good server does."""
    nginx.reload()


def ignore(nginx: Nginx) -> None:
    """Go on with what is in memory."""


def die_of_what_is_new(nginx: Nginx) -> None:
    """Go down on every certificate but the one that ends within 40 days."""
    shown = read_chain(nginx.servers[0].certificate.read_bytes())
    if shown.not_after - datetime.now(UTC) < 40 * DAY:
        nginx.start()
    else:
        nginx.stop()


@dataclass(frozen=True, slots=True)
class Shop:
    """A Secret with 31 days left, two pods that serve it, and rotator's account in the cluster."""

    server: KubeServer
    namespace: str
    account: Account
    pods: Sequence[Nginx]
    old: Bundle

    @property
    def secret(self) -> dict[str, Any]:
        """The Secret as it is now."""
        return get_secret(self.server, self.namespace, SECRET)

    @property
    def stored(self) -> str:
        """The fingerprint of what the Secret holds."""
        return read_chain(base64.b64decode(self.secret["data"]["tls.crt"])).fingerprint

    def shows(self, *fingerprints: str) -> bool:
        """Whether each pod comes to show its one of these."""
        return comes_to(lambda: [nginx.fingerprint(NAME) for nginx in self.pods], list(fingerprints))

    @property
    def places(self) -> list[str]:
        """Each pod's address and port, with the name that it is asked for."""
        return [f"{NAME}@{nginx.servers[0].address}:{PORT}" for nginx in self.pods]


@contextmanager
def shop(server: KubeServer, namespace: str, folder: Path, authority: Authority, *react: React) -> Iterator[Shop]:
    """Run a pod for each reaction, in a network of their own, with the objects that make them pods of a Service."""
    old = issued(authority, NAME, 31 * DAY)
    put_secret(server, namespace, SECRET, {**tls_data(old), **FOREIGN})
    account = install(server, namespace, folder / "chart", reads=[namespace], writes={namespace: [SECRET]})
    with network_namespace(len(react)) as network, ExitStack() as running:
        pods = []
        for number, (address, behaviour) in enumerate(zip(network.addresses, react, strict=True)):
            below = folder / f"pod-{number}"
            kubelet = Syncer(server, namespace, SECRET, below / "tls")
            kubelet.sync()
            listener = VirtualServer(PORT, kubelet.certificate, kubelet.key, address=address)
            nginx = running.enter_context(start_nginx(below, [listener], inside=network.inside))
            running.enter_context(Syncer(server, namespace, SECRET, below / "tls", _reaction(behaviour, nginx)))
            tls_pod(server, namespace, f"shop-{number}", SECRET, (PORT,))
            pods.append(nginx)
        service(server, namespace, "shop", {"name": "https", "port": 443, "targetPort": PORT})
        replicas = [replica(address, f"shop-{number}") for number, address in enumerate(network.addresses)]
        slice_of(server, namespace, "shop", replicas, {"name": "https", "port": PORT})
        yield Shop(server, namespace, account, pods, old)


def _reaction(behaviour: React, nginx: Nginx) -> Callable[[], object]:
    return lambda: behaviour(nginx)


@pytest.fixture
def authority() -> Authority:
    """The CA that signed the old one, and signs the new one."""
    now = datetime.now(UTC)
    return Authority("Shop CA", not_before=now - 300 * DAY, not_after=now + 3000 * DAY)


@pytest.fixture
def oncall() -> Iterator[Recorder]:
    """Who is told."""
    with Recorder() as recorder:
        yield recorder


def adopting(where: Shop, folder: Path, authority: Authority, oncall: Recorder, *, settle: str) -> str:
    """A config that finds the Secret, and through it the pods; nothing in it says where anything is served."""
    (folder / "ca.crt").write_bytes(certificate_pem(authority.certificate))
    (folder / "ca.key").write_bytes(authority.key)
    (folder / "hook").write_text(oncall.url)
    return config(
        folder,
        sources={"cluster": where.account.source(where.namespace)},
        issuers={"ca": {"local_ca": {"ca_certificate": f"{folder}/ca.crt", "ca_key": f"{folder}/ca.key"}}},
        adopt=[{"from": "cluster", "match": {}, "issuer": "ca", "settle": settle}],
        alerts={"oncall": {"webhook": {"url": f"${{file:{folder}/hook}}"}}},
    )


def when_due(wiring: Wiring, later: Later) -> Outcome:
    """Look once, with nothing to do, and again two days later; return how the renewal ended."""
    _, outcomes = look(wiring)
    assert outcomes == {}
    later.skip(2 * DAY)
    _, outcomes = look(wiring)
    (outcome,) = outcomes.values()
    return outcome


def told(oncall: Recorder, kind: str) -> list[Mapping[str, Any]]:
    """What was sent of one kind of notice, oldest first."""
    return [notice for notice in oncall.bodies if notice["kind"] == kind]


def test_every_ready_pod_is_proved_by_its_own_address(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path, authority: Authority, oncall: Recorder
) -> None:
    """Both pods are found through Service and EndpointSlice, and each shows and verifies the new one before it is
    done."""
    later = Later()
    with shop(kube_server, kube_namespace, tmp_path, authority, reload, reload) as where:
        with wired(adopting(where, tmp_path, authority, oncall, settle="20s"), later.clock) as wiring:
            outcome = when_due(wiring, later)
        assert (outcome.result, outcome.error) == (Result.DONE, "")
        assert where.stored != where.old.chain.fingerprint
        assert where.shows(where.stored, where.stored)
        assert sorted(str(sighting.endpoint) for sighting in outcome.verification.after) == sorted(where.places)
        assert len(outcome.verification.verified) == 2
        assert all(any(place in line for line in outcome.verification.verified) for place in where.places)
        assert where.account.writes() == [f"patch secrets/{SECRET}"]
        told = {notice["kind"] for notice in oncall.bodies}
        assert told - {"clock-skewed"} == {"digest"}, "the API server's clock was not moved along with ours"


def test_a_pod_that_is_not_reloaded_is_named_by_its_address(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path, authority: Authority, oncall: Recorder
) -> None:
    """Nothing is broken, so the new one stays; whoever is on call hears which address lags, the reload is tried again
    without another order, and the notice is taken back when the pod has caught up."""
    later = Later()
    with shop(kube_server, kube_namespace, tmp_path, authority, reload, ignore) as where:
        good, lagging = where.places
        with wired(adopting(where, tmp_path, authority, oncall, settle="3s"), later.clock) as wiring:
            outcome = when_due(wiring, later)
            assert outcome.result is Result.UNPROVED
            assert lagging in outcome.error
            assert good not in outcome.error
            assert where.shows(where.stored, where.old.chain.fingerprint)
            (notice,) = told(oncall, "not-reloaded")
            assert lagging in notice["title"]
            assert good not in notice["title"]
            assert not notice["resolved"]

            for _ in range(3):
                later.skip(timedelta(hours=1))
                ticked, outcomes = look(wiring)
            assert {outcome.decision.action for outcome in outcomes.values()} == {Action.REDEPLOY}
            assert len(ordered(wiring)) == 1

            where.pods[1].reload_and_wait()
            later.skip(timedelta(hours=1))
            ticked, outcomes = look(wiring)
            assert outcomes == {}
            assert {decision.action for decision in decisions(ticked).values()} == {Action.KEEP}
            assert told(oncall, "not-reloaded")[-1]["resolved"]
        assert where.shows(where.stored, where.stored)
        assert where.account.writes() == [f"patch secrets/{SECRET}"]


def test_a_pod_that_dies_of_the_new_one_brings_the_old_one_back(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path, authority: Authority, oncall: Recorder
) -> None:
    """One of two pods going down is harm: the Secret is put back, both pods are seen to serve the old one again, one
    notice tells it, and neither an order nor a deploy follows by itself."""
    later = Later()
    with shop(kube_server, kube_namespace, tmp_path, authority, reload, die_of_what_is_new) as where:
        before = where.secret["data"]
        with wired(adopting(where, tmp_path, authority, oncall, settle="6s"), later.clock) as wiring:
            outcome = when_due(wiring, later)
            assert outcome.result is Result.ROLLED_BACK, outcome.error
            assert f"{where.places[1]} is down" in outcome.error
            assert where.secret["data"] == before
            assert where.shows(where.old.chain.fingerprint, where.old.chain.fingerprint)
            (notice,) = told(oncall, "rolled-back")
            assert where.places[1] in notice["title"]
            for _ in range(3):
                later.skip(timedelta(hours=2))
                _, outcomes = look(wiring)
                assert outcomes == {}
            assert len(ordered(wiring)) == 1
        assert where.account.writes() == [f"patch secrets/{SECRET}"] * 2
        assert len(told(oncall, "rolled-back")) == 1
