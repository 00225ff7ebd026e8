"""A part of the world is gone: what does not need it goes on, people hear of it once, and when it is back nothing is
repeated that had been done."""

from __future__ import annotations

import re
import uuid
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Action, Bundle, Pause, Result, Stage
from rotator.core.pem import read_chain
from rotator.core.reasons import Reason
from rotator.wiring import Wiring
from tests.e2e.cas import Ca, acme_ca, own_ca, vault_ca
from tests.e2e.cluster import kubeconfig
from tests.e2e.path import DAY, Later, comes_to, config, decisions, look, ordered, wired
from tests.e2e.places import Fleet, Place, files
from tests.issuers.acme.proxied import FINALIZE, fronted
from tests.lib.kube_builders import get_secret, put_secret, tls_data
from tests.servers.alertmanager import Alertmanager
from tests.servers.hostile import HostileProxy
from tests.servers.kube import ADMIN, KubeServer, private_kube
from tests.servers.loopback import Drop, Request, Response
from tests.servers.nginx import served_fingerprint
from tests.servers.openbao import OpenBao, PkiMount, new_pki_mount, private_openbao
from tests.servers.pebble import PLAIN, start_pebble
from tests.servers.ports import free_port
from tests.servers.recorder import Recorder

pytestmark = pytest.mark.server

HOUR = timedelta(hours=1)
SHOP, BLOG = "shop.example.com", "blog.example.com"
NAMESPACE, SECRET = "shop", "shop-tls"


@pytest.fixture
def oncall() -> Iterator[Recorder]:
    """Who is told."""
    with Recorder() as recorder:
        yield recorder


def hook(recorder: Recorder | str, folder: Path, name: str = "hook") -> dict[str, Any]:
    """A webhook whose address is a secret in a file, so that it can be mended while rotator runs."""
    (folder / name).write_text(recorder if isinstance(recorder, str) else recorder.url)
    return {"webhook": {"url": f"${{file:{folder / name}}}"}}


def told(recorder: Recorder, kind: str) -> list[Mapping[str, Any]]:
    """What was sent of one kind of notice, oldest first."""
    return [notice for notice in recorder.bodies if notice["kind"] == kind]


def is_renewed(place: Place, old: Bundle) -> bool:
    """Whether another one than the old one lies there and is served, whoever trusts it: a certificate from a clock that
    was put forward is not valid yet."""
    stored, server = read_chain(place.held()[0]).fingerprint, place.server
    served = comes_to(lambda: served_fingerprint(server.address, server.port, "any.example.com"), stored)
    return served and stored != old.chain.fingerprint


def by_issuer(fleet: Fleet, issuers: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """The fleet's adoption rule once for each certificate, with an issuer of its own."""
    (rule,) = fleet.config["adopt"]
    return [{**rule, "match": {"name": name}, "issuer": issuer} for name, issuer in issuers.items()]


def _none(_: str) -> None:
    """No fixture is needed."""


def ca_in(folder: Path) -> Ca:
    """A CA of one's own in a new folder."""
    folder.mkdir()
    return own_ca(folder)


# ---------------------------------------------------------------- the API server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KubeServer]:
    """An API server that the test may end, with a namespace."""
    with private_kube(tmp_path / "kube") as server:
        server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        yield server


def version(cluster: KubeServer) -> str:
    """What every write to the Secret would change."""
    return str(get_secret(cluster, NAMESPACE, SECRET)["metadata"]["resourceVersion"])


def seen_by(cluster: KubeServer, folder: Path) -> dict[str, Any]:
    """A source that sees the namespace."""
    access = str(kubeconfig(cluster, ADMIN, folder))
    return {"kubernetes": {"namespaces": [NAMESPACE], "kubeconfig": access}}


def test_the_api_server_is_gone_and_files_are_renewed_all_the_same(
    cluster: KubeServer, oncall: Recorder, tmp_path: Path
) -> None:
    """Without the API server its source is unreadable and what it held is neither forgotten nor judged, while a due
    file is renewed and proved; when it is back the notice is taken back, and the Secret was not written."""
    later, ca = Later(), ca_in(tmp_path / "ca")
    put_secret(cluster, NAMESPACE, SECRET, tls_data(ca.old(SHOP, 60 * DAY)))
    before, old = version(cluster), ca.old(BLOG, 31 * DAY)
    with files("separate")(_none, tmp_path, {"blog": old}) as fleet:
        sources = {**fleet.config["sources"], "cluster": seen_by(cluster, tmp_path / "access")}
        adopt = [*fleet.config["adopt"], {"from": "cluster", "match": {}, "issuer": "ca"}]
        text = config(tmp_path, sources=sources, issuers={"ca": ca.entry}, adopt=adopt, alerts=_to(oncall, tmp_path))
        with wired(text, later.clock) as wiring:
            ticked, outcomes = look(wiring)
            assert (outcomes, ticked.inventory.problems) == ({}, ())

            cluster.stop()
            later.skip(2 * DAY)
            ticked, outcomes = look(wiring)
            assert {name: outcome.result for name, outcome in outcomes.items()} == {"blog": Result.DONE}
            assert is_renewed(fleet.places["blog"], old)
            (problem,) = ticked.inventory.problems
            assert problem.source == "cluster"
            assert "cannot be reached" in problem.message
            secret = decisions(ticked)[f"{NAMESPACE}/{SECRET}"]
            assert (secret.action, secret.reason) == (Action.WAIT, Reason.UNSEEN)
            assert ticked.inventory.retired == ()
            (notice,) = told(oncall, "source-unreadable")
            assert notice["subjects"] == ["cluster"]

            cluster.start()
            later.skip(HOUR)
            ticked, outcomes = look(wiring)
            assert (outcomes, ticked.inventory.problems) == ({}, ())
            assert {decision.action for decision in decisions(ticked).values()} == {Action.KEEP}
            assert told(oncall, "source-unreadable")[-1]["resolved"]
            assert ordered(wiring) == ["blog"]
    assert version(cluster) == before
    assert told(oncall, "retired") == []


def test_the_api_server_goes_between_the_order_and_the_deploy(
    cluster: KubeServer, pki_mount: PkiMount, oncall: Recorder, tmp_path: Path
) -> None:
    """The certificate that was issued is kept, sealed, and is the one that is deployed when the API server is back:
    the CA has signed once."""
    later = Later()
    name = f"{NAMESPACE}/{SECRET}"

    def gone_when_signed(request: Request, response: Response) -> Response:
        if "/sign/" in request.path:
            cluster.stop()
        return response

    with HostileProxy(pki_mount.url, after=gone_when_signed) as proxy:
        ca = vault_ca(pki_mount, tmp_path, proxy.url)
        old = ca.old(SHOP, 29 * DAY)
        put_secret(cluster, NAMESPACE, SECRET, tls_data(old))
        sources = {"cluster": seen_by(cluster, tmp_path / "access")}
        adopt = [{"from": "cluster", "match": {}, "issuer": "ca"}]
        text = config(tmp_path, sources=sources, issuers={"ca": ca.entry}, adopt=adopt, alerts=_to(oncall, tmp_path))
        with wired(text, later.clock) as wiring:
            _, outcomes = look(wiring)
            assert (outcomes[name].result, outcomes[name].stage) == (Result.FAILED, Stage.DEPLOY), outcomes[name].error
            assert "cannot be reached" in outcomes[name].error

            cluster.start()
            assert _stored_in(cluster) == old.chain.fingerprint
            later.skip(HOUR)
            _, outcomes = look(wiring)
            assert outcomes[name].result is Result.UNPROVED, outcomes[name].error
            assert _stored_in(cluster) != old.chain.fingerprint
            assert ca.asked is not None
            assert ca.asked() == [(SHOP,)]
            assert ordered(wiring) == [name]


def _stored_in(cluster: KubeServer) -> str:
    return read_chain(b64decode(get_secret(cluster, NAMESPACE, SECRET)["data"]["tls.crt"])).fingerprint


def _to(oncall: Recorder, folder: Path) -> dict[str, Any]:
    return {"oncall": hook(oncall, folder)}


# ---------------------------------------------------------------- OpenBao


@pytest.fixture
def bao(tmp_path: Path) -> Iterator[OpenBao]:
    """An OpenBao that the test may seal."""
    with private_openbao(tmp_path / "bao") as server:
        yield server


def unseal(bao: OpenBao) -> None:
    """Unseal a development server with the key that it printed."""
    found = re.search(r"Unseal Key: (\S+)", bao.process.log.read_text())
    assert found is not None
    bao.expect("PUT", "sys/unseal", {"key": found.group(1)})


@contextmanager
def gone(bao: OpenBao, how: str) -> Iterator[None]:
    """Seal or stop it, and have it back at the end: unsealed, or empty."""
    if how == "sealed":
        bao.expect("PUT", "sys/seal")
    else:
        bao.process.stop()
    try:
        yield
    finally:
        if how == "sealed":
            unseal(bao)
        else:
            bao.process.start()
            bao.process.wait_ready(bao.is_ready)


@pytest.mark.parametrize(("how", "says"), [("sealed", "sealed"), ("stopped", "refuses the connection")])
def test_openbao_is_gone_and_other_issuers_go_on(
    how: str, says: str, bao: OpenBao, oncall: Recorder, tmp_path: Path
) -> None:
    """What only OpenBao may sign fails with a sentence and nothing touched; what another CA signs is renewed in the
    same look. Unsealed, the one that waited is renewed too."""
    later, own = Later(), ca_in(tmp_path / "ca")
    with new_pki_mount(bao) as mount:
        vault = vault_ca(mount, tmp_path)
        old = {"shop": vault.old(SHOP, 29 * DAY), "blog": own.old(BLOG, 29 * DAY)}
        with files("separate")(_none, tmp_path, old) as fleet:
            shop, blog = fleet.places["shop"], fleet.places["blog"]
            text = config(
                tmp_path,
                sources=fleet.config["sources"],
                issuers={"bao": vault.entry, "own": own.entry},
                adopt=by_issuer(fleet, {"shop": "bao", "blog": "own"}),
                alerts=_to(oncall, tmp_path),
            )
            untouched = shop.trace()
            with wired(text, later.clock) as wiring:
                with gone(bao, how):
                    _, outcomes = look(wiring)
                    assert outcomes["blog"].result is Result.DONE
                    assert is_renewed(blog, old["blog"])
                    assert (outcomes["shop"].result, outcomes["shop"].stage) == (Result.FAILED, Stage.ISSUE)
                    assert says in outcomes["shop"].error
                    assert not outcomes["shop"].permanent
                    assert shop.trace() == untouched
                if how == "sealed":
                    later.skip(HOUR)
                    _, outcomes = look(wiring)
                    assert {name: each.result for name, each in outcomes.items()} == {"shop": Result.DONE}
                    assert vault.asked is not None
                    assert vault.asked() == [(SHOP,)]


# ---------------------------------------------------------------- Pebble


def test_a_ca_that_was_built_anew_in_the_middle_of_an_order(oncall: Recorder, tmp_path: Path) -> None:
    """The account, the order and the root are gone; the same rotation makes a new account, orders once more, and ends
    there. The new root was allowed beforehand: otherwise it would wait for a person."""
    later = Later()
    with start_pebble(tmp_path / "pebble", PLAIN) as pebble, fronted(pebble, tmp_path / "front") as front:
        ca = acme_ca(front, tmp_path)
        old = ca.old(SHOP, 29 * DAY)
        restarts: list[str] = []

        def restart_once(request: Request) -> Response | None:
            if FINALIZE in request.path and not restarts:
                restarts.append(request.path)
                pebble.restart()
                (tmp_path / "roots.pem").write_bytes(ca.roots + pebble.roots().encode())
            return None

        front.instead = restart_once
        with files("separate")(_none, tmp_path, {"shop": old}) as fleet:
            text = config(
                tmp_path,
                issuers={"ca": ca.entry},
                certificates=[_declared(fleet, allow=["root-changed"])],
                alerts=_to(oncall, tmp_path),
            )
            with wired(text, later.clock) as wiring:
                results = list(_looks(wiring, later, 4))
            assert restarts
            assert results == [Result.DONE, None, None, None]
            assert front.orders == 2
            assert pebble.issued() == 1
            assert is_renewed(fleet.places["shop"], old)


def _declared(fleet: Fleet, **more: object) -> dict[str, Any]:
    """The one place of a fleet, declared with its endpoint."""
    (rule,) = fleet.config["adopt"]
    (place,) = fleet.places.values()
    below = fleet.keys_in[0] / place.certificate
    target = {
        "certificate": str(below / "tls.crt"),
        "key": str(below / "tls.key"),
        "reload": rule["reload"],
        "settle": rule["settle"],
    }
    return {
        "name": place.certificate,
        "names": [SHOP],
        "issuer": "ca",
        "targets": [{"files": target}],
        "endpoints": [f"{place.server.address}:{place.server.port}"],
        **more,
    }


def _looks(wiring: Wiring, later: Later, count: int) -> Iterator[Result | None]:
    """How each of so many looks, two hours apart, ended for the one certificate there is."""
    for _ in range(count):
        _, outcomes = look(wiring)
        yield next((outcome.result for outcome in outcomes.values()), None)
        later.skip(2 * HOUR)


# ---------------------------------------------------------------- alerters


def test_a_dead_webhook_is_reported_by_the_other_one(oncall: Recorder, tmp_path: Path) -> None:
    """One hears that the other is dead and what it could not say; mended, it gets what it missed, and the first hears
    that it is over."""
    later, ca = Later(), ca_in(tmp_path / "ca")
    with Recorder() as mended, files("separate")(_none, tmp_path, {"shop": ca.old(SHOP, 60 * DAY)}) as fleet:
        alerts = {
            "dead": hook(f"http://127.0.0.1:{free_port()}/notices", tmp_path, "dead"),
            "oncall": hook(oncall, tmp_path),
        }
        with wired(config(tmp_path, issuers={"ca": ca.entry}, alerts=alerts, **fleet.config), later.clock) as wiring:
            look(wiring)
            assert len(told(oncall, "digest")) == 1
            (failed,) = told(oncall, "alerter-failed")
            assert failed["subjects"] == ["dead"]
            assert "dead could not deliver 1 notice" in failed["title"]

            hook(mended, tmp_path, "dead")
            later.skip(HOUR)
            look(wiring)
            assert len(told(mended, "digest")) == 1
            assert told(oncall, "alerter-failed")[-1]["resolved"]
            assert len(told(oncall, "digest")) == 1


def test_a_dead_alertmanager_is_reported_by_a_webhook(
    alertmanager: Alertmanager, oncall: Recorder, tmp_path: Path
) -> None:
    """A real Alertmanager that cannot be reached is named to those who can; when it is back it has the alert."""
    ca, name = ca_in(tmp_path / "ca"), f"shop-{uuid.uuid4().hex[:8]}"

    def down(request: Request) -> Response | None:
        raise Drop

    with (
        HostileProxy(alertmanager.url, before=down) as proxy,
        files("separate")(_none, tmp_path, {name: ca.old(SHOP, 60 * DAY)}) as fleet,
    ):
        alerts = {"am": {"alertmanager": {"urls": [proxy.url]}}, "oncall": hook(oncall, tmp_path)}
        with wired(config(tmp_path, issuers={"ca": ca.entry}, alerts=alerts, **fleet.config)) as wiring:
            look(wiring)
            wiring.world.store.pause(name, Pause("audit", wiring.world.clock.now()))
            look(wiring)
            assert [notice["subjects"] for notice in told(oncall, "alerter-failed")][:1] == [["am"]]
            assert len(told(oncall, "paused")) == 1

            proxy.before = None
            look(wiring)
            assert told(oncall, "alerter-failed")[-1]["resolved"]
            assert [alert for alert in alertmanager.alerts() if name in str(alert)]
