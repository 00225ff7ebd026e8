"""The Secret target against a real API server, with other writers and a network that lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Bundle, Endpoint, Location, Observation, ProblemKind
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import Conflict, TargetError
from rotator.lib.kube.writing import FINGERPRINT
from rotator.targets.kubernetes_secret import TRIES, KubernetesSecretTarget
from tests.lib.kube_builders import (
    TLS,
    authority,
    clock,
    encoded,
    get_secret,
    issue,
    kubeconfig_for,
    place,
    put_secret,
    source,
    target,
    tls_data,
)
from tests.pki import Authority
from tests.servers.hostile import HostileProxy
from tests.servers.kube import LIMITED, MERGE_PATCH, WRITER, KubeServer
from tests.servers.loopback import Drop, Request, Response


@pytest.fixture(scope="module")
def ca() -> Authority:
    """Give the CA of this module."""
    return authority("Shop CA")


@pytest.fixture
def proxy(kube_server: KubeServer) -> Iterator[HostileProxy]:
    """Stand before the API server; passes everything on until told otherwise."""
    with HostileProxy(kube_server.url, verify=kube_server.ca_file) as found:
        yield found


def data_of(server: KubeServer, namespace: str, name: str = "shop-tls") -> dict[str, str]:
    """Read what a Secret holds."""
    data: dict[str, str] = get_secret(server, namespace, name)["data"]
    return data


def label(server: KubeServer, namespace: str, value: str) -> None:
    """Change a label, as another controller would."""
    change = {"metadata": {"labels": {"touched": value}}}
    path = f"/api/v1/namespaces/{namespace}/secrets/shop-tls?fieldManager=labeller"
    server.expect("PATCH", path, change, content_type=MERGE_PATCH)


def replace_by_hand(server: KubeServer, namespace: str, bundle: Bundle) -> None:
    """Put another certificate there, as a person would."""
    path = f"/api/v1/namespaces/{namespace}/secrets/shop-tls?fieldManager=kubectl-edit"
    server.expect("PATCH", path, {"data": tls_data(bundle)}, content_type=MERGE_PATCH)


def on_first_patch(do: Callable[[], None]) -> Callable[[Request], Response | None]:
    """Do something once, after our read and before our write."""
    done: list[bool] = []

    def before(request: Request) -> Response | None:
        if request.method == "PATCH" and not done:
            done.append(True)
            do()
        return None

    return before


def test_deploys_both_keys_in_one_write_and_keeps_the_rest(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """One request changes both keys; foreign keys, labels and annotations stay, and the API knows who wrote."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", {**tls_data(old), "keystore.p12": encoded(b"\x00\x01foreign")},
               labels={"team": "payments"}, annotations={"note": "mine"})  # fmt: skip
    kube_server.grant(kube_namespace, "writer", [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop-tls"], "verbs": ["get", "patch"]}
    ])  # fmt: skip
    done = target(kube_server, kube_namespace, "shop-tls", token=WRITER).deploy(new, replacing=old.chain.fingerprint)
    assert done.log == f"Secret {kube_namespace}/shop-tls was written"
    secret = get_secret(kube_server, kube_namespace, "shop-tls")
    assert secret["data"] == {**tls_data(new), "keystore.p12": encoded(b"\x00\x01foreign")}
    assert secret["metadata"]["labels"] == {"team": "payments"}
    assert secret["metadata"]["annotations"] == {"note": "mine", FINGERPRINT: new.chain.fingerprint}
    writers = {each["manager"]: each["fieldsV1"].get("f:data", {}) for each in secret["metadata"]["managedFields"]}
    assert {"f:tls.crt", "f:tls.key"} <= set(writers["rotator"])
    writes = [call for call in kube_server.audit(user="writer", namespace=kube_namespace) if call["verb"] != "get"]
    assert [call["verb"] for call in writes if call["objectRef"]["resource"] == "secrets" and
            call["responseStatus"]["code"] < 300] == ["patch"]  # fmt: skip


def test_snapshot_is_what_the_source_sees(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Source and target name the same place and say the same of it, endpoints included."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)), labels={"team": "payments"})
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    rules = [{"host": "shop.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    spec = {"tls": [{"hosts": ["shop.example.com"], "secretName": "shop-tls"}], "rules": rules}
    path = f"/apis/networking.k8s.io/v1/namespaces/{kube_namespace}/ingresses"
    kube_server.expect("POST", path, {"metadata": {"name": "shop"}, "spec": spec})
    (seen,) = source(kube_server, kube_namespace).observe()
    found = target(kube_server, kube_namespace, "shop-tls")
    snapshot = found.snapshot().observation
    assert snapshot.location == seen.location == found.location == place(kube_server, kube_namespace, "shop-tls")
    assert (snapshot.chain, snapshot.key, snapshot.owner) == (seen.chain, seen.key, seen.owner)
    assert snapshot.fronts == seen.fronts == (Endpoint("shop.example.com", 443),)


def test_snapshot_hides_the_key(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """A snapshot can put the key back and never shows it."""
    bundle = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(bundle))
    snapshot = target(kube_server, kube_namespace, "shop-tls").snapshot()
    assert tls_data(bundle)["tls.key"].encode() in snapshot.state
    assert tls_data(bundle)["tls.key"] not in repr(snapshot)


def test_a_missing_secret_is_created(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """A place that was empty gets a Secret of the right type, and restoring leaves it there."""
    found = target(kube_server, kube_namespace, "new-tls")
    before = found.snapshot()
    assert before.chain is None
    assert before.observation.problem is None
    bundle = issue(ca)
    assert found.deploy(bundle, replacing=None).log.endswith("was created")
    secret = get_secret(kube_server, kube_namespace, "new-tls")
    assert (secret["type"], secret["data"]) == (TLS, tls_data(bundle))
    assert found.snapshot().observation.owner is None
    assert "stays as it is" in found.restore(before, replacing=bundle.chain.fingerprint).log
    assert data_of(kube_server, kube_namespace, "new-tls") == tls_data(bundle)


def test_a_secret_with_empty_values_is_filled(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Some charts make the Secret beforehand, with empty values; that is an empty place."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(None))
    found = target(kube_server, kube_namespace, "shop-tls")
    assert found.snapshot().fingerprint is None
    bundle = issue(ca)
    found.deploy(bundle, replacing=None)
    assert data_of(kube_server, kube_namespace) == tls_data(bundle)


def test_garbage_is_replaced_and_put_back(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """What is no certificate is a problem of kind unreadable; a restore puts even that back as it was."""
    garbage = {"tls.crt": encoded(b"no certificate"), "tls.key": encoded(b"no key")}
    put_secret(kube_server, kube_namespace, "shop-tls", garbage)
    found = target(kube_server, kube_namespace, "shop-tls")
    before = found.snapshot()
    assert before.observation.problem is not None
    assert before.observation.problem.kind is ProblemKind.UNREADABLE
    bundle = issue(ca)
    found.deploy(bundle, replacing=None)
    found.restore(before, replacing=bundle.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == garbage


def test_deploying_twice_writes_once(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """A place that holds this very bundle is no conflict and is not written again."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    found = target(kube_server, kube_namespace, "shop-tls")
    found.deploy(new, replacing=old.chain.fingerprint)
    version = get_secret(kube_server, kube_namespace, "shop-tls")["metadata"]["resourceVersion"]
    assert "already" in found.deploy(new, replacing=old.chain.fingerprint).log
    assert get_secret(kube_server, kube_namespace, "shop-tls")["metadata"]["resourceVersion"] == version


def test_a_mismatched_key_is_mended(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """The right certificate beside a wrong key is not this very bundle; deploying it writes the key."""
    new = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", {**tls_data(new), "tls.key": tls_data(issue(ca))["tls.key"]})
    target(kube_server, kube_namespace, "shop-tls").deploy(new, replacing=new.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(new)


@pytest.mark.parametrize("replacing", ["other", None])
def test_something_else_there_is_a_conflict(
    kube_server: KubeServer, kube_namespace: str, ca: Authority, replacing: str | None
) -> None:
    """A certificate that was not seen before is not overwritten, also where nothing was seen."""
    there, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(there))
    with pytest.raises(Conflict, match="nothing was written"):
        target(kube_server, kube_namespace, "shop-tls").deploy(new, replacing=replacing)
    assert data_of(kube_server, kube_namespace) == tls_data(there)


def test_a_secret_that_vanished_is_a_conflict(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """A Secret that somebody deleted since is not made anew behind their back."""
    with pytest.raises(Conflict, match="and now holds none; nothing was written"):
        target(kube_server, kube_namespace, "shop-tls").deploy(issue(ca), replacing="seen before")


def test_a_concurrent_writer_wins(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """A certificate that somebody puts there between our read and our write stays: the API server refuses ours."""
    old, new, theirs = issue(ca), issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    proxy.before = on_first_patch(lambda: replace_by_hand(kube_server, kube_namespace, theirs))
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    with pytest.raises(Conflict, match=theirs.chain.fingerprint[:16]):
        found.deploy(new, replacing=old.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(theirs)
    assert proxy.count(method="PATCH") == 1


def test_moved_metadata_is_tried_again(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """A label that changes between our read and our write costs one more try, and stays."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    proxy.before = on_first_patch(lambda: label(kube_server, kube_namespace, "once"))
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    found.deploy(new, replacing=old.chain.fingerprint)
    secret = get_secret(kube_server, kube_namespace, "shop-tls")
    assert secret["data"] == tls_data(new)
    assert secret["metadata"]["labels"] == {"touched": "once"}
    assert proxy.count(method="PATCH") == 2


def test_a_place_that_never_rests(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """Where metadata moves under every try, it is a conflict after five, and nothing was written."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))

    def before(request: Request) -> Response | None:
        if request.method == "PATCH":
            label(kube_server, kube_namespace, str(proxy.count(method="PATCH")))
        return None

    proxy.before = before
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    with pytest.raises(Conflict, match="was changed by somebody else 5 times"):
        found.deploy(new, replacing=old.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(old)
    assert proxy.count(method="PATCH") == TRIES


@pytest.mark.parametrize("applied", [True, False])
def test_an_answer_that_was_lost_is_settled_by_reading(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path, applied: bool
) -> None:
    """After a reset the Secret is read again: a write that was carried out is not repeated, another one is."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    dropped: list[bool] = []

    def drop_once(request: Request) -> None:
        if request.method == "PATCH" and not dropped:
            dropped.append(True)
            raise Drop

    def after(request: Request, response: Response) -> Response:
        drop_once(request)
        return response

    if applied:
        proxy.after = after
    else:
        proxy.before = drop_once
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    found.deploy(new, replacing=old.chain.fingerprint)
    assert dropped
    assert data_of(kube_server, kube_namespace) == tls_data(new)
    assert proxy.count(method="PATCH") == (1 if applied else 2)


def test_a_busy_server_is_given_time(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """A 429 was not carried out; the write is sent again after the time that the server asks for."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    busy = iter([Response(429, {"Retry-After": "3"}), Response(503)])
    proxy.before = lambda request: next(busy, None) if request.method == "PATCH" else None
    waits: list[float] = []
    access = kubeconfig_for(proxy.url, tmp_path)
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=access, at=clock(waits.append))
    found.deploy(new, replacing=old.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(new)
    assert waits == [3.0, 0.4]


def test_a_server_that_always_fails(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """After five tries it is an error that says what the Secret holds."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    proxy.before = lambda request: Response(500) if request.method == "PATCH" else None
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    with pytest.raises(TargetError, match="could not be written in 5 tries; it still holds what it held") as raised:
        found.deploy(new, replacing=old.chain.fingerprint)
    assert not isinstance(raised.value, Conflict)


def test_an_outcome_that_stays_unknown_is_said(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """When the API is gone right after the write, the error says that either certificate may be there."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    gone: list[bool] = []

    def before(request: Request) -> Response | None:
        if gone:
            return Response(500)
        if request.method == "PATCH":
            gone.append(True)
            raise Drop
        return None

    proxy.before = before
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    with pytest.raises(TargetError, match="so either certificate may be there"):
        found.deploy(new, replacing=old.chain.fingerprint)


def refusal_of(found: KubernetesSecretTarget, bundle: Bundle, replacing: str | None) -> str:
    """Deploy, and return what the refusal says."""
    with pytest.raises(TargetError) as raised:
        found.deploy(bundle, replacing=replacing)
    return str(raised.value)


def test_immutable_is_refused(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """An immutable Secret cannot be written; the sentence says what a person can do."""
    old = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old), immutable=True)
    found = target(kube_server, kube_namespace, "shop-tls")
    assert found.snapshot().observation.immutable
    assert "is immutable; delete it" in refusal_of(found, issue(ca), old.chain.fingerprint)


def test_another_type_is_refused(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Only kubernetes.io/tls has the two keys that are written."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(None), type="Opaque")
    assert "is of type Opaque" in refusal_of(target(kube_server, kube_namespace, "shop-tls"), issue(ca), None)


def test_a_secret_that_is_being_deleted_is_left_alone(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """A deletion that waits for a finalizer is not resurrected."""
    old = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old), finalizers=["example.com/hold"])
    path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls"
    kube_server.expect("DELETE", path)
    try:
        found = target(kube_server, kube_namespace, "shop-tls")
        assert "is being deleted" in refusal_of(found, issue(ca), old.chain.fingerprint)
    finally:
        kube_server.expect("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE_PATCH)


def test_missing_rights_are_named(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Without `patch` the refusal names user, verb and Secret, and says that nothing was written."""
    old = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    found = target(kube_server, kube_namespace, "shop-tls", token=LIMITED)
    with pytest.raises(TargetError, match="may not get secrets shop-tls"):
        found.snapshot()
    kube_server.grant(kube_namespace, "limited", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])
    said = refusal_of(found, issue(ca), old.chain.fingerprint)
    assert "grant limited the verb `patch` on secrets there; nothing was written" in said


def test_restore_puts_back_and_may_be_repeated(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """The old pair comes back, our annotation goes as it came, and a second restore changes nothing."""
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", {**tls_data(old), "other": encoded(b"foreign")})
    found = target(kube_server, kube_namespace, "shop-tls")
    before = found.snapshot()
    found.deploy(new, replacing=before.fingerprint)
    label(kube_server, kube_namespace, "meanwhile")
    assert found.restore(before, replacing=new.chain.fingerprint).log.endswith("was put back")
    secret = get_secret(kube_server, kube_namespace, "shop-tls")
    assert secret["data"] == {**tls_data(old), "other": encoded(b"foreign")}
    assert FINGERPRINT not in secret["metadata"].get("annotations", {})
    assert secret["metadata"]["labels"] == {"touched": "meanwhile"}
    assert "already" in found.restore(before, replacing=new.chain.fingerprint).log


def test_restore_compares_too(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """What somebody put there after our deploy is not overwritten by a restore."""
    old, new, theirs = issue(ca), issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    found = target(kube_server, kube_namespace, "shop-tls")
    before = found.snapshot()
    found.deploy(new, replacing=before.fingerprint)
    replace_by_hand(kube_server, kube_namespace, theirs)
    with pytest.raises(Conflict):
        found.restore(before, replacing=new.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(theirs)


def test_ca_crt_follows_the_issuer_and_comes_back(kube_server: KubeServer, kube_namespace: str) -> None:
    """Where ca.crt held the old issuer it holds the new one after a deploy, and the old one after a restore."""
    old_ca, new_root = authority("Old CA"), authority("New Root")
    old, new = issue(old_ca), issue(authority("New Issuing", new_root))
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old, ca=[old_ca.certificate]))
    found = target(kube_server, kube_namespace, "shop-tls")
    before = found.snapshot()
    done = found.deploy(new, replacing=old.chain.fingerprint)
    assert "its ca.crt holds the new issuer now" in done.log
    issuing = encoded(certificate_pem(new.chain.certificates[-1]))
    assert data_of(kube_server, kube_namespace)["ca.crt"] == issuing
    found.restore(before, replacing=new.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == tls_data(old, ca=[old_ca.certificate])


def test_a_ca_crt_that_somebody_else_changed_survives_a_restore(kube_server: KubeServer, kube_namespace: str) -> None:
    """A ca.crt that another controller has written since our deploy is theirs."""
    old_ca = authority("Old CA")
    old, new = issue(old_ca), issue(old_ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old, ca=[old_ca.certificate]))
    found = target(kube_server, kube_namespace, "shop-tls")
    before = found.snapshot()
    found.deploy(new, replacing=old.chain.fingerprint)
    theirs = encoded(chain_pem(issue(authority("Trust Manager")).chain))
    path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls?fieldManager=trust-manager"
    kube_server.expect("PATCH", path, {"data": {"ca.crt": theirs}}, content_type=MERGE_PATCH)
    found.restore(before, replacing=new.chain.fingerprint)
    assert data_of(kube_server, kube_namespace) == {**tls_data(old), "ca.crt": theirs}


def test_restart_refuses_what_is_no_workload(kube_server: KubeServer, kube_namespace: str) -> None:
    """A mistyped or absent workload is an error of the target."""
    found = target(kube_server, kube_namespace, "shop-tls")
    with pytest.raises(TargetError, match="'checkout' is no workload"):
        found.restart("checkout")
    with pytest.raises(TargetError, match=f"there is no Deployment {kube_namespace}/checkout to restart"):
        found.restart("Deployment/checkout")


def test_adopts_what_the_source_saw_by_the_same_access(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """An adopted Secret is written through the kubeconfig that found it, with the field managers allowed there."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)), manager="edge-operator")
    looking = source(kube_server, kube_namespace, allow_managers=["edge-*"])
    (seen,) = looking.observe()
    spec = KubernetesSecretTarget.adopt(seen, {"settle": "10s"})
    assert spec is not None
    settings: Any = KubernetesSecretTarget.Settings.model_validate(dict(spec.settings))
    assert (settings.namespace, settings.name, settings.settle) == (kube_namespace, "shop-tls", timedelta(seconds=10))
    adopted = KubernetesSecretTarget("shop", spec, settings, clock())
    assert adopted.location == seen.location
    assert adopted.snapshot().observation.owner is None


def test_adopts_no_other_place() -> None:
    """A file or an endpoint is no Secret."""
    assert KubernetesSecretTarget.adopt(Observation(Location("host", "/etc/ssl/shop.pem")), {}) is None


def test_settle_is_two_and_a_half_minutes_unless_said(kube_server: KubeServer, kube_namespace: str) -> None:
    """Kubelets take up to two minutes to see a changed Secret."""
    assert target(kube_server, kube_namespace, "shop-tls").settle == timedelta(seconds=150)
    assert target(kube_server, kube_namespace, "shop-tls", settle="10s").settle == timedelta(seconds=10)


def test_a_secret_that_is_deleted_under_our_hands(
    proxy: HostileProxy, kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """A deletion between our read and our write is a conflict, for a deploy and for a restore."""
    old = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(old))
    found = target(kube_server, kube_namespace, "shop-tls", kubeconfig=kubeconfig_for(proxy.url, tmp_path))
    before = found.snapshot()
    path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls"
    proxy.before = on_first_patch(lambda: kube_server.expect("DELETE", path))
    with pytest.raises(Conflict, match="and now holds none"):
        found.deploy(issue(ca), replacing=old.chain.fingerprint)
    with pytest.raises(Conflict, match="was deleted meanwhile; nothing was put back"):
        found.restore(before, replacing=old.chain.fingerprint)
