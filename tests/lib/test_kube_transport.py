"""Credentials, refusals, broken connections and long lists, against a real API server."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rotator.lib.kube.cluster import Cluster, Pace, connect, patience
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare
from rotator.lib.kube.resources import NAMESPACES, SECRETS
from rotator.lib.kube.transport import UNREACHABLE_SECONDS, Access, Transport
from tests.lib.kube_builders import authority, cluster, issue, kubeconfig_for, nothing, put_secret, tls_data
from tests.servers.hostile import HostileProxy
from tests.servers.kube import ADMIN, READER, KubeServer
from tests.servers.loopback import Drop, Request, Response
from tests.servers.ports import free_port

KUBE_SYSTEM = Call("get", NAMESPACES, name="kube-system")


@pytest.fixture
def proxy(kube_server: KubeServer) -> Iterator[HostileProxy]:
    """Stand before the API server; passes everything on until told otherwise."""
    with HostileProxy(kube_server.url, verify=kube_server.ca_file) as found:
        yield found


def test_the_identity_is_the_uid_of_kube_system(kube_server: KubeServer) -> None:
    """A cluster is named for good by a uid that no other cluster has."""
    uid = kube_server.expect("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert cluster(kube_server.kubeconfig()).identity() == uid


def test_the_identity_without_rights_is_the_host(kube_server: KubeServer) -> None:
    """Where kube-system may not be read, the API server's address names the cluster."""
    assert cluster(kube_server.kubeconfig(READER)).identity() == kube_server.url.removeprefix("https://")


def test_the_identity_of_an_unreachable_cluster_is_not_kept(kube_server: KubeServer, tmp_path: Path) -> None:
    """A place has a name also while its cluster is down, and the right one afterwards."""
    dead = f"http://127.0.0.1:{free_port()}"
    access = Access(str(kubeconfig_for(dead, tmp_path)))
    now = [0.0]
    found = Cluster(Transport(access), Pace(nothing, lambda: now[0]))
    assert found.identity() == dead.removeprefix("http://")
    assert found.transport.identity == ""


def test_an_unreachable_cluster_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """A thousand places behind a dead API server wait for it once, not a thousand times."""
    with HostileProxy("http://127.0.0.1:1") as dead:
        address = dead.url
    now = [100.0]
    found = Cluster(Transport(Access(str(kubeconfig_for(address, tmp_path)))), Pace(nothing, lambda: now[0]))
    with pytest.raises(KubeError, match=r"cannot be reached: .*refused") as first:
        found.get(KUBE_SYSTEM, Bare)
    with pytest.raises(KubeError) as second:
        found.get(KUBE_SYSTEM, Bare)
    assert second.value.args == first.value.args
    assert not first.value.uncertain
    now[0] += UNREACHABLE_SECONDS
    with pytest.raises(KubeError, match="cannot be reached"):
        found.get(KUBE_SYSTEM, Bare)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"the kubeconfig .*/broken cannot be used: "),
        ("apiVersion: v1\nkind: Config\ncurrent-context: gone\ncontexts: []\nclusters: []\nusers: []\n", "gone"),
        ("{", "cannot be used"),
    ],
)
def test_a_broken_kubeconfig_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """Whatever is wrong with a kubeconfig, its path is named and nothing is raised but one line."""
    broken = tmp_path / "broken"
    broken.write_text(text)
    with pytest.raises(KubeError, match=sentence) as raised:
        cluster(broken).get(KUBE_SYSTEM, Bare)
    assert "\n" not in str(raised.value)


def test_a_context_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """A mistyped context is answered with the names that there are."""
    place = kubeconfig_for("https://127.0.0.1:1", tmp_path)
    with pytest.raises(KubeError, match=r"has no context 'porduction'; it has \w"):
        connect(Access(str(place), "porduction"), Pace(lambda seconds: None, time.monotonic)).get(KUBE_SYSTEM, Bare)


def test_a_missing_kubeconfig_is_one_sentence(tmp_path: Path) -> None:
    """A kubeconfig that is not there is named."""
    with pytest.raises(KubeError, match=r"the kubeconfig .*/nowhere cannot be used"):
        cluster(tmp_path / "nowhere").get(KUBE_SYSTEM, Bare)


@pytest.mark.parametrize("context", ["", "shop"])
def test_a_kubeconfig_that_is_a_pipe_is_not_waited_for(tmp_path: Path, context: str) -> None:
    """Nobody may ever write to it; also where a context of it is named, which would be looked for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KubeError, match=r"the kubeconfig .*/pipe cannot be used: it is no regular file"):
        connect(Access(str(tmp_path / "pipe"), context), Pace(lambda seconds: None, time.monotonic)).get(
            KUBE_SYSTEM, Bare
        )


def test_the_namespace_of_the_kubeconfig(kube_server: KubeServer, tmp_path: Path) -> None:
    """Without namespaces in the config, the context's own is looked at, else `default`."""
    place = kubeconfig_for(kube_server.url, tmp_path)
    assert cluster(place).transport.namespace == "default"
    config = json.loads(place.read_text())
    config["contexts"].append({"name": "shop", "context": {"cluster": "test", "user": "test", "namespace": "shop"}})
    place.write_text(json.dumps(config))
    assert connect(Access(str(place), "shop"), Pace(nothing, time.monotonic)).transport.namespace == "shop"


def test_credentials_that_were_renewed_are_loaded_again(proxy: HostileProxy, tmp_path: Path) -> None:
    """A token that is refused is read anew from the kubeconfig once, so that a rotated one needs no restart."""
    place = kubeconfig_for(proxy.url, tmp_path, "old-token")
    found = cluster(place)
    with pytest.raises(KubeError, match="does not accept our credentials"):
        found.get(KUBE_SYSTEM, Bare)
    kubeconfig_for(proxy.url, tmp_path, ADMIN)
    assert found.get(KUBE_SYSTEM, Bare) is not None


def test_a_refusal_names_user_verb_and_resource(kube_server: KubeServer, kube_namespace: str) -> None:
    """A 403 says who needs which verb on what, and where."""
    call = Call("patch", SECRETS, kube_namespace, "shop-tls")
    with pytest.raises(KubeError) as raised:
        cluster(kube_server.kubeconfig(READER)).patch(call, {"metadata": {"labels": {"a": "b"}}})
    assert str(raised.value) == (
        f"may not patch secrets shop-tls in namespace {kube_namespace}; grant reader the verb `patch` on secrets there"
    )
    assert not raised.value.uncertain


def test_reads_are_tried_again(proxy: HostileProxy, tmp_path: Path) -> None:
    """A busy server is given the time that it asks for, a failing one some time, and a cut connection is made again."""
    waits: list[float] = []
    faults: Iterator[Response | Drop] = iter([Response(429, {"Retry-After": "7"}), Response(503), Drop()])

    def before(_: Request) -> Response | None:
        fault = next(faults, None)
        if isinstance(fault, Drop):
            raise fault
        return fault

    proxy.before = before
    found = connect(Access(str(kubeconfig_for(proxy.url, tmp_path))), Pace(waits.append, time.monotonic))
    assert found.get(KUBE_SYSTEM, Bare) is not None
    assert waits == [7.0, 0.4, 0.8]


def test_reads_are_not_tried_for_ever(proxy: HostileProxy, tmp_path: Path) -> None:
    """After four tries the last answer is the error."""
    proxy.before = lambda _: Response(500, {}, b'{"message": "etcdserver: request timed out"}')
    with pytest.raises(KubeError, match=r"answers 500 to get namespaces kube-system: etcdserver: request timed out"):
        cluster(kubeconfig_for(proxy.url, tmp_path)).get(KUBE_SYSTEM, Bare)
    assert len(proxy.calls) == 4


def test_a_write_without_an_answer_is_uncertain(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """A connection that is cut after a write was carried out leaves its outcome open; it is not sent twice."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))

    def after(request: Request, response: Response) -> Response:
        if request.method == "PATCH":
            raise Drop
        return response

    proxy.after = after
    call = Call("patch", SECRETS, kube_namespace, "shop-tls")
    with pytest.raises(KubeError, match="no answer from the Kubernetes API") as raised:
        cluster(kubeconfig_for(proxy.url, tmp_path)).patch(call, {"metadata": {"labels": {"a": "b"}}})
    assert raised.value.uncertain
    assert proxy.count(method="PATCH") == 1


def test_an_answer_that_is_no_kubernetes_object(proxy: HostileProxy, tmp_path: Path) -> None:
    """A captive portal's HTML is an error that names the call and repeats nothing of the page."""
    proxy.after = lambda _, response: dataclasses.replace(response, body=b"<html>sign in here</html>")
    with pytest.raises(KubeError, match="is not what the Kubernetes API documents") as raised:
        cluster(kubeconfig_for(proxy.url, tmp_path)).get(KUBE_SYSTEM, Bare)
    assert "sign in" not in str(raised.value)


def test_an_endless_answer_is_cut_off(proxy: HostileProxy, tmp_path: Path) -> None:
    """A page that is larger than any real one is refused with the setting to change."""
    proxy.after = lambda _, response: dataclasses.replace(response, body=b" " * (65 << 20))
    with pytest.raises(KubeError, match="larger than 64 MiB; set a smaller `page_size`"):
        next(cluster(kubeconfig_for(proxy.url, tmp_path)).pages(Call("list", SECRETS), Bare))


def test_a_page_of_huge_objects_is_asked_for_in_parts(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """Where a page is more than is read of one, fewer objects are asked for at a time, and all of them are listed."""
    for number in range(5):
        put_secret(kube_server, kube_namespace, f"shop-{number}", tls_data(None))
    asked: list[int] = []

    def after(request: Request, response: Response) -> Response:
        limit = int(parse_qs(urlsplit(request.path).query)["limit"][0])
        asked.append(limit)
        return dataclasses.replace(response, body=response.body + b" " * (65 << 20)) if limit > 2 else response

    proxy.after = after
    pages = cluster(kubeconfig_for(proxy.url, tmp_path)).pages(Call("list", SECRETS, kube_namespace), Bare, limit=9)
    assert [each.metadata.name for page in pages for each in page] == [f"shop-{number}" for number in range(5)]
    assert asked == [9, 2, 2, 2]


def test_a_list_goes_on_after_its_token_expired(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """When the API server has forgotten the state that a list began with (410), it goes on with the token offered."""
    for number in range(5):
        put_secret(kube_server, kube_namespace, f"shop-{number}", tls_data(None))
    expired: list[str] = []

    def before(request: Request) -> Response | None:
        token = parse_qs(urlsplit(request.path).query).get("continue", [""])[0]
        if not token or expired:
            return None
        # As the API server makes it: the same place in the list, at whatever revision there is now.
        offered = {**json.loads(base64.urlsafe_b64decode(token + "==")), "rv": -1}
        expired.append(base64.urlsafe_b64encode(json.dumps(offered).encode()).decode().rstrip("="))
        status = {"kind": "Status", "reason": "Expired", "code": 410, "metadata": {"continue": expired[0]}}
        return Response(410, {"Content-Type": "application/json"}, json.dumps(status).encode())

    proxy.before = before
    pages = cluster(kubeconfig_for(proxy.url, tmp_path)).pages(Call("list", SECRETS, kube_namespace), Bare, limit=2)
    names = [each.metadata.name for each in next(pages)]
    put_secret(kube_server, kube_namespace, "shop-5", tls_data(None))
    names += [each.metadata.name for page in pages for each in page]
    assert expired
    assert names == [f"shop-{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("asked", "attempt", "expected"), [(None, 0, 0.2), (None, 3, 1.6), (3.0, 0, 3.0), (900.0, 0, 30.0)]
)
def test_patience(asked: float | None, attempt: int, expected: float) -> None:
    """The wait is what the server asks for, else it doubles; never more than half a minute."""
    assert patience(KubeError("busy", retry_after=asked), attempt) == pytest.approx(expected)
