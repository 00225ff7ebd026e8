"""Tests of HTTP-01 through a cluster's entrance: a real API server and a real Pebble; only the controller is small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.model import Check, PreflightRequest
from rotator.core.pem import key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.acme import AcmeIssuer
from rotator.issuers.acme.http01 import LISTENERS
from rotator.issuers.acme.kubernetes_objects import HOLDER, LABELS, UNTIL
from rotator.issuers.acme.traces import Holder, this_process
from rotator.ports import Clock
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.asking import Asked, Drawer, ask, hurried_clock, issue
from tests.lib.kube_builders import installed_gateway_api
from tests.servers.ingress import INGRESSES, ROUTES, SERVICES, SLICES, Ingress, start_ingress
from tests.servers.kube import LIMITED, KubeServer
from tests.servers.netns import network_namespace
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble
from tests.servers.ports import free_port

HOST = "shop.cluster.example"
ALL = (INGRESSES, ROUTES, SERVICES, SLICES)
RIGHTS = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "create", "delete"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "create", "delete"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list", "create", "delete"]},
]


@dataclass(frozen=True, slots=True)
class World:
    """A CA, a cluster with an entrance at port 80 of an address, and issuers in a pod of it."""

    pebble: Pebble
    kube: KubeServer
    ingress: Ingress
    address: str
    port: int
    make: MakeIssuer

    def issuer(
        self,
        clock: Clock | None = None,
        token: str = LIMITED,
        propagation: str = "1m",
        patience: str = "90s",
        **kubernetes: object,
    ) -> AcmeIssuer:
        """An issuer in a pod with this address, as the service account of this token."""
        entrance = {} if "gateway" in kubernetes else {"ingress_class": "test"}
        where = {
            "kubeconfig": str(self.kube.kubeconfig(token)),
            "namespace": self.ingress.namespace,
            "address": self.address,
            **entrance,
            **kubernetes,
        }
        listen = f"{self.address}:{self.port}"
        http01 = {"listen": listen, "kubernetes": where, "propagation": propagation, "resolvers": [self.pebble.dns]}
        return self.make(self.pebble, clock, http01=http01, patience=patience)

    def left(self) -> list[str]:
        """The names of all objects that are there."""
        return [each["metadata"]["name"] for collection in ALL for each in self.ingress.items(collection)]

    def leave(self, collection: str, name: str, spec: dict[str, Any], holder: Holder | None, until: datetime) -> None:
        """Put an object there as an attempt would have left it."""
        marks = {UNTIL: until.isoformat(), **({HOLDER: json.dumps(asdict(holder))} if holder else {})}
        metadata = {"name": name, "labels": dict(LABELS), "annotations": marks}
        self.kube.expect("POST", collection.format(self.ingress.namespace), {"metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def entrance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pebble, str]]:
    """A Pebble that asks port 80 of an address that is not loopback: EndpointSlices refuse that."""
    folder = tmp_path_factory.mktemp("entrance")
    with network_namespace(1) as network:
        near = network.addresses[0].rpartition(".")[0] + ".1"
        with start_pebble(folder, PebbleSettings(http_port=80, authorization_reuse=0)) as pebble:
            pebble.dns_command("set-default-ipv4", ip=near)
            yield pebble, near


@pytest.fixture
def world(
    entrance: tuple[Pebble, str], kube_server: KubeServer, kube_namespace: str, make: MakeIssuer
) -> Iterator[World]:
    """The servers, and a namespace in which the pod may do just what the how-to says."""
    pebble, address = entrance
    kube_server.grant(kube_namespace, "limited", RIGHTS)
    with start_ingress(Ingress(kube_server, kube_namespace), address) as ingress:
        yield World(pebble, kube_server, ingress, address, free_port(), make)
    assert not LISTENERS._open


class TestIssuing:
    """Objects that are made, used and taken away."""

    def test_names_and_an_address_through_ingresses(self, world: World) -> None:
        """With the rights of the how-to; the CA comes through the entrance, and nothing is left of it."""
        asked = ask(HOST, f"www.{HOST}", world.address)

        chain = issue(world.issuer(), asked)

        assert key_matches(chain, asked.key)
        roots = read_certificates(world.pebble.roots().encode())
        assert verify_path(chain, roots, datetime.now(UTC), asked.request.names) is None
        assert {host for host, _, status in world.ingress.passed if status == 200} == set(asked.request.names)
        assert world.left() == []

    def test_a_gateway_takes_routes(self, world: World) -> None:
        """HTTPRoutes for a Gateway instead of Ingresses."""
        rule = {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"]}
        world.kube.grant(world.ingress.namespace, "limited", [{**rule, "verbs": ["get", "list", "create", "delete"]}])
        with installed_gateway_api(world.kube, world.ingress.namespace):
            asked = ask(HOST)

            chain = issue(world.issuer(gateway={"name": "test", "section": "http"}), asked)

            assert key_matches(chain, asked.key)
            assert world.left() == []

    def test_the_ca_looks_when_the_controller_follows(self, world: World) -> None:
        """A controller takes a while: the proof is fetched by ourselves until it is there, and only then the CA is.
        The patience with the CA, twenty seconds here, is not spent on that."""
        world.ingress.deaf = True
        clock, waits = hurried_clock(), list[float]()

        def wait(seconds: float) -> None:
            waits.append(seconds)
            world.ingress.deaf = len(waits) < 5
            clock.wait(seconds)

        assert key_matches(
            issue(world.issuer(replace(clock, wait=wait), patience="20s"), asked := ask(HOST)), asked.key
        )
        assert waits[:5] == [1, 2, 4, 8, 10]

    def test_an_entrance_that_never_follows_is_said(self, world: World) -> None:
        """What was seen instead, from where, and what to do where there is no way; the CA has not been asked."""
        world.ingress.deaf = True

        with pytest.raises(
            IssueError, match=rf"{HOST} at {world.address} answers with status 404; if there is"
        ) as late:
            issue(world.issuer(propagation="3s"), ask(HOST))

        assert not late.value.permanent
        assert world.left() == []

    def test_a_stop_leaves_nothing(self, world: World) -> None:
        """A wait that returns at once means that the process stops."""
        world.ingress.deaf = True

        with pytest.raises(Pending, match="stopped before the challenges could be fetched"):
            issue(world.issuer(replace(hurried_clock(), wait=lambda seconds: None)), ask(HOST))

        assert world.left() == []

    def test_a_right_that_is_missing_is_named(self, world: World) -> None:
        """The sentence says which verb on what; what was made before it is gone."""
        with pytest.raises(IssueError, match="grant reader the verb `list` on ingresses") as refused:
            issue(world.issuer(token="reader-token"), ask(HOST))

        assert refused.value.permanent
        assert world.left() == []


class TestLeftovers:
    """What a crash leaves is taken away at the next attempt, where that can be told safely."""

    def test_what_a_dead_process_left_is_removed(self, world: World) -> None:
        """The same host and another run; or past the time that any attempt takes. What may be in use stays."""
        me, now = this_process(), datetime.now(UTC)
        dead, elsewhere = replace(me, run="before"), replace(me, host="rotator-1", run="other")
        later, past = now + timedelta(hours=1), now - timedelta(minutes=1)
        service = {"ports": [{"port": 80}]}
        ingress = {"ingressClassName": "test", "defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}
        world.leave(SERVICES, "dead", service, dead, later)
        world.leave(INGRESSES, "dead", ingress, dead, later)
        world.leave(SERVICES, "past", service, elsewhere, past)
        world.leave(SERVICES, "elsewhere", service, elsewhere, later)
        world.leave(SERVICES, "unmarked", service, None, past)

        issue(world.issuer(), ask(HOST))

        assert sorted(world.left()) == ["elsewhere", "unmarked"]

    def test_the_cluster_clears_up_after_the_pod(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """In its own namespace each object belongs to the pod, so that it goes with it."""
        monkeypatch.setenv("POD_NAMESPACE", world.ingress.namespace)
        monkeypatch.setenv("POD_NAME", "rotator-0")
        monkeypatch.setenv("POD_UID", "00000000-0000-0000-0000-000000000001")
        owners = list[Any]()

        def wait(seconds: float) -> None:
            for collection in (INGRESSES, SERVICES, SLICES):
                owners.extend(each["metadata"]["ownerReferences"] for each in world.ingress.items(collection))
            raise KeyboardInterrupt

        world.ingress.deaf = True
        with pytest.raises(KeyboardInterrupt):
            issue(world.issuer(replace(hurried_clock(), wait=wait)), ask(HOST))

        assert [[owner["name"] for owner in each] for each in owners] == [["rotator-0"]] * 3
        assert world.left() == []

    def begun(self, world: World, asked: Asked) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
        """The token of an order that was broken off, and the objects that it made: they are gone again."""
        tokens, seen = list[str](), list[tuple[str, dict[str, Any]]]()

        def wait(_: float) -> None:
            seen.extend((each, item) for each in (INGRESSES, SERVICES) for item in world.ingress.items(each))
            raise KeyboardInterrupt

        world.ingress.deaf = True
        with pytest.raises(KeyboardInterrupt):
            issue(world.issuer(replace(hurried_clock(), wait=wait)), asked, checkpoint=tokens.append)
        world.ingress.deaf = False
        assert len(seen) == 2
        return tokens[-1], seen

    def leave_again(self, world: World, seen: list[tuple[str, dict[str, Any]]], holder: Holder) -> None:
        for collection, item in seen:
            spec = {"ports": [{"port": 80}]} if collection == SERVICES else item["spec"]
            world.leave(collection, item["metadata"]["name"], spec, holder, datetime.now(UTC) + timedelta(hours=1))

    def test_the_same_order_again_takes_over(self, world: World, drawer: Drawer) -> None:
        """A pod that crashed elsewhere left objects of this very order: they are replaced, not stumbled over. That it
        has ended is known by the state, which it held alone and we hold now."""
        drawer.is_alone = True
        asked = ask(HOST)
        token, seen = self.begun(world, asked)
        state = json.loads(seen[0][1]["metadata"]["annotations"][HOLDER])["state"]
        self.leave_again(world, seen, Holder("rotator-1", 1, "other", state))

        chain = issue(world.issuer(), asked, resume=token)

        assert state
        assert key_matches(chain, asked.key)
        assert world.left() == []

    def test_what_another_may_be_using_is_waited_for(self, world: World) -> None:
        """Of another rotator nobody knows whether it has ended: its objects stay, and the order comes back."""
        asked = ask(HOST)
        token, seen = self.begun(world, asked)
        self.leave_again(world, seen, Holder("rotator-1", 1, "other"))

        with pytest.raises(Pending, match="another order is proving the same right now"):
            issue(world.issuer(), asked, resume=token)

        assert sorted(world.left()) == sorted(item["metadata"]["name"] for _, item in seen)

    def test_two_that_share_a_proof_do_not_take_it_from_each_other(self, world: World) -> None:
        """The second comes back later, and has taken nothing of the first's away."""
        tokens, waited, asked = list[str](), list[str](), ask(HOST)
        clock = hurried_clock()

        def wait(seconds: float) -> None:
            if not waited:
                before = world.left()
                with pytest.raises(Pending, match="another order") as busy:
                    issue(world.issuer(), asked, resume=tokens[-1])
                waited.append(str(busy.value))
                assert world.left() == before != []
                world.ingress.deaf = False
            clock.wait(seconds)

        world.ingress.deaf = True
        chain = issue(world.issuer(replace(clock, wait=wait)), asked, checkpoint=tokens.append)

        assert waited
        assert key_matches(chain, asked.key)
        assert world.left() == []


class TestBeforehand:
    """Preflight does all but the order."""

    def check(self, issuer: AcmeIssuer) -> Check:
        (check,) = (each for each in issuer.preflight(PreflightRequest((HOST,))) if each.name == "http-01")
        return check

    def test_a_probe_goes_the_whole_way(self, world: World) -> None:
        """Objects are made, the probe is fetched through port 80, and all is gone."""
        check = self.check(world.issuer())

        assert not check.problem
        assert check.detail == "a challenge shown by the cluster, and fetched through port 80 of each name"
        assert any(status == 200 for _, _, status in world.ingress.passed)
        assert world.left() == []

    def test_an_entrance_that_does_not_know_the_class_is_found(self, world: World) -> None:
        """No controller takes the Ingress: found now, not on the day."""
        check = self.check(world.issuer(propagation="2s", ingress_class="nobody"))

        assert "answers with status 404" in check.problem
        assert check.remedy.startswith("lead port 80 of the names to the cluster")
