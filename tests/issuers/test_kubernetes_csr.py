"""Tests of the issuer `kubernetes_csr` on a real API server, where cert-manager or Kubernetes itself signs."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from rotator.core.model import Chain, IssueRequest, PreflightRequest
from rotator.core.pem import certificate_pem, key_matches
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.kubernetes_csr import KubernetesCsrIssuer, KubernetesCsrSettings
from rotator.lib.kube.signing import csr_object
from rotator.ports import Clock
from tests.issuers.asking import Asked, Drawer, ask, clock_at, hurried_clock, objections
from tests.issuers.asking import issue_in_time as issue
from tests.pki import Authority
from tests.servers.kube import ADMIN, MERGE_PATCH, READER, WRITER, KubeServer, grant_everywhere
from tests.servers.signing import CSR, CertManager, NodeSigner, decide, forget, unique

NOBODY = "example.com/nobody"

MakeIssuer = Callable[..., KubernetesCsrIssuer]


@pytest.fixture
def cluster_root() -> Authority:
    """A root that the signer's chains end in."""
    now = datetime.now(UTC)
    return Authority("Cluster root", not_before=now - timedelta(days=1), not_after=now + timedelta(days=30))


@pytest.fixture
def make(kube_server: KubeServer) -> MakeIssuer:
    """Build the issuer on the run's API server; the signer is one that nobody answers for unless a test says so."""

    def built(*, token: str = ADMIN, clock: Clock | None = None, **settings: object) -> KubernetesCsrIssuer:
        standard = {"signer": NOBODY, "kubeconfig": str(kube_server.kubeconfig(token))}
        chosen = KubernetesCsrSettings.model_validate({**standard, **settings})
        return KubernetesCsrIssuer("cluster", chosen, clock or hurried_clock(), Drawer())

    return built


def _pending(issuer: KubernetesCsrIssuer, asked: Asked, resume: str | None = None) -> tuple[str, Pending]:
    """Ask, and expect to be put off; the name of the object, and what was said."""
    tokens: list[str] = []
    with pytest.raises(Pending) as put_off:
        issuer.issue(asked.request, resume=resume, checkpoint=tokens.append)
    token = tokens[-1] if tokens else resume
    assert token is not None
    return token, put_off.value


def _name(token: str) -> str:
    return str(json.loads(token)["name"])


def _sign(kube: KubeServer, name: str, chain: bytes) -> None:
    """Answer a request as a controller of another signer would."""
    status = {"status": {"certificate": base64.b64encode(chain).decode()}}
    kube.expect("PATCH", f"{CSR}/{name}/status", status, content_type=MERGE_PATCH)


def _node_request() -> Asked:
    """A request as a node makes one: the only kind of server that Kubernetes itself signs for."""
    key, host = ec.generate_private_key(ec.SECP256R1()), f"{unique('node')}.example.com"
    pieces = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, f"system:node:{host}")]
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, text) for oid, text in pieces]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Asked(IssueRequest(csr.public_bytes(Encoding.PEM), (host,)), b"")


class TestApprovedByRotator:
    """`approve: true`, and a signer that answers."""

    def test_a_signer_of_the_cluster_signs(self, make: MakeIssuer, cert_manager: CertManager, tmp_path: Path) -> None:
        """Made, approved and signed within one call, for the lifetime that was asked for."""
        (tmp_path / "root.pem").write_bytes(certificate_pem(cert_manager.root))
        issuer = make(signer=cert_manager.signer, approve=True, ca={"file": str(tmp_path / "root.pem")})
        asked = ask("shop.example.com", "*.shop.example.com", "10.0.0.1", lifetime=timedelta(hours=5))

        chain = issue(issuer, asked)

        assert key_matches(chain, asked.key)
        assert abs(chain.lifetime - timedelta(hours=5)) < timedelta(minutes=10)
        assert issuer.roots() == (cert_manager.root,)
        assert verify_path(chain, issuer.roots(), datetime.now(UTC), asked.request.names) is None

    def test_kubernetes_itself_signs_for_a_node(self, make: MakeIssuer, node_signer: NodeSigner) -> None:
        """kube-controller-manager signs what looks like a node's request, with the leaf alone."""
        issuer, asked = make(signer="kubernetes.io/kubelet-serving", approve=True), _node_request()

        chain = issue(issuer, asked)

        assert len(chain.certificates) == 1
        assert verify_path(chain, node_signer.roots, datetime.now(UTC), asked.request.names) is None

    def test_kubernetes_itself_signs_for_nobody_else(self, make: MakeIssuer, node_signer: NodeSigner) -> None:
        """A service's request fails for good, in the words of kube-controller-manager."""
        with pytest.raises(IssueError, match=r"failed: SignerValidationFailure .*organization") as failed:
            issue(make(signer="kubernetes.io/kubelet-serving", approve=True), ask("shop.example.com"))
        assert failed.value.permanent

    def test_an_approval_without_the_right_is_told(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Who may ask but not approve is told which right is missing."""
        verbs = ["create", "get", "list", "delete"]
        rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": verbs}
        grant_everywhere(kube_server, READER, [rule])
        with pytest.raises(IssueError, match="approval") as denied:
            issue(make(token=READER, approve=True), ask("shop.example.com"))
        assert denied.value.permanent


class TestApprovedByAPerson:
    """A request that waits, over looks and crashes."""

    def test_it_waits_and_says_what_to_run(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Pending, with the command; the checkpoint names the object and its uid; the object says whose it is."""
        token, put_off = _pending(make(), ask("*.shop.example.com"))

        name = _name(token)
        found = kube_server.expect("GET", f"{CSR}/{name}")
        assert f"kubectl certificate approve {name}" in str(put_off)
        assert put_off.retry_after == timedelta(minutes=1)
        assert name.startswith("rotator-shop-example-com-")
        assert json.loads(token)["uid"] == found["metadata"]["uid"]
        assert found["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "rotator",
            "rotator/issuer": "cluster",
            "rotator/installation": socket.gethostname(),
        }
        assert found["spec"]["usages"] == ["digital signature", "server auth"]
        assert "expirationSeconds" not in found["spec"]

    def test_what_was_approved_meanwhile_is_fetched(
        self, make: MakeIssuer, kube_server: KubeServer, cert_manager: CertManager
    ) -> None:
        """The next look with the checkpoint returns the certificate, and no second object was made."""
        issuer, asked = make(signer=cert_manager.signer), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        decide(kube_server, _name(token), "Approved")

        chain = issue(issuer, asked, resume=token)

        assert key_matches(chain, asked.key)
        assert len(_ours(kube_server, cert_manager.signer, asked)) == 1

    @pytest.mark.parametrize("made", [False, True])
    def test_a_crash_around_its_creation_makes_no_second_one(
        self, make: MakeIssuer, kube_server: KubeServer, made: bool
    ) -> None:
        """The name is kept before the object is made: whether or not it was, coming back leads to one object."""
        asked = ask("shop.example.com")

        class CutError(Exception):
            """The process ends here."""

        tokens: list[str] = []

        def crash(token: str) -> None:
            tokens.append(token)
            if len(tokens) == 1 + made:
                raise CutError

        with pytest.raises(CutError):
            make().issue(asked.request, resume=None, checkpoint=crash)
        _pending(make(), asked, tokens[0])

        assert len(_ours(kube_server, NOBODY, asked)) == 1

    def test_a_denial_is_final_and_quoted(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Denied is a permanent error with the words of whoever denied, on one line; the next try asks anew."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        first = kube_server.expect("GET", f"{CSR}/{_name(token)}")["metadata"]["uid"]
        decide(kube_server, _name(token), "Denied", "NotYours", "ask the\nplatform team")

        with pytest.raises(IssueError, match=r"was denied: NotYours ask the platform team$") as denied:
            issue(issuer, asked, resume=token)
        assert denied.value.permanent
        assert not denied.value.resumable
        again, _ = _pending(issuer, asked)
        assert kube_server.expect("GET", f"{CSR}/{_name(again)}")["metadata"]["uid"] != first

    def test_one_that_is_gone_has_failed_and_is_made_again(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Deleted, or collected by Kubernetes: this try fails, not for good, and the next one makes another."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        forget(kube_server, _name(token))

        with pytest.raises(IssueError, match="is gone") as gone:
            issue(issuer, asked, resume=token)
        assert not gone.value.permanent
        assert not gone.value.resumable
        _pending(issuer, asked)

    def test_one_of_the_same_name_that_came_later_is_not_ours(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """The checkpoint holds the uid: an object that was made anew under the name is not taken for the old one."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        forget(kube_server, _name(token))
        _pending(issuer, asked)

        with pytest.raises(IssueError, match="is gone"):
            issue(issuer, asked, resume=token)

    def test_a_name_that_somebody_else_took_is_told(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """An object of our name with another request in it is neither approved nor used."""
        issuer, asked = make(approve=True, clock=clock_at(datetime.now(UTC))), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        found = kube_server.expect("GET", f"{CSR}/{_name(token)}")
        forget(kube_server, _name(token))
        other = {**found["spec"], "request": base64.b64encode(ask("evil.example.com").request.csr).decode()}
        kube_server.expect("POST", CSR, {"metadata": {"name": _name(token)}, "spec": other})

        with pytest.raises(IssueError, match="not ours") as taken:
            issue(issuer, asked)
        assert taken.value.permanent
        assert "conditions" not in kube_server.expect("GET", f"{CSR}/{_name(token)}").get("status", {})


class TestOtherSettings:
    """What was asked for otherwise than the config says now."""

    @pytest.mark.parametrize(
        ("change", "of_spec"),
        [
            ({"signer": "example.com/other"}, {"signerName": "example.com/other"}),
            ({"usages": ["server auth"]}, {"usages": ["server auth"]}),
            ({"lifetime": "2h"}, {"expirationSeconds": 7200}),
        ],
        ids=["signer", "usages", "lifetime"],
    )
    def test_a_changed_config_asks_anew(
        self, make: MakeIssuer, kube_server: KubeServer, change: dict[str, object], of_spec: dict[str, object]
    ) -> None:
        """The token of a request that was made before does not lead back to it."""
        asked = ask("shop.example.com")
        token, _ = _pending(make(lifetime="1h"), asked)

        again, _ = _pending(make(**{"lifetime": "1h", **change}), asked, token)

        assert _name(again) != _name(token)
        spec = kube_server.expect("GET", f"{CSR}/{_name(again)}")["spec"]
        assert {key: spec[key] for key in of_spec} == of_spec

    @pytest.mark.parametrize(
        "change",
        [{"signerName": "example.com/other"}, {"usages": ["client auth"]}, {"expirationSeconds": 600}],
        ids=["signer", "usages", "lifetime"],
    )
    def test_one_of_our_name_that_asks_for_something_else_is_not_ours(
        self, make: MakeIssuer, kube_server: KubeServer, change: dict[str, object]
    ) -> None:
        """The same CSR for another signer, use or lifetime, made by somebody else, is neither approved nor used."""
        issuer, asked = make(approve=True, lifetime="1h", clock=clock_at(datetime.now(UTC))), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        _made_anew(kube_server, _name(token), spec=change, labels={})

        with pytest.raises(IssueError, match="not ours") as taken:
            issue(issuer, asked)
        assert taken.value.permanent
        assert "conditions" not in kube_server.expect("GET", f"{CSR}/{_name(token)}").get("status", {})

    def test_one_that_we_made_otherwise_is_made_again(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """With our labels on it, it is ours, as an admission policy or an older config left it: not used, replaced."""
        issuer, asked = make(lifetime="1h"), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        before = _made_anew(kube_server, _name(token), spec={"expirationSeconds": 600})

        again, _ = _pending(issuer, asked)

        found = kube_server.expect("GET", f"{CSR}/{_name(again)}")
        assert found["metadata"]["uid"] != before
        assert found["spec"]["expirationSeconds"] == 3600

    def test_what_a_policy_made_of_ours_is_still_ours(self, make: MakeIssuer) -> None:
        """The uid in the checkpoint says which object it was: nobody's opinion of its settings loses it."""
        issuer, asked = make(lifetime="1h"), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        capped = csr_object(_name(token), {}, asked.request.csr, NOBODY, ("client auth",), None)
        found = issuer._asking.found(_name(token), asked.request.csr, capped, resume=token, checkpoint=_never)
        assert found.metadata.uid == json.loads(token)["uid"]


_ASKED = {"request", "signerName", "usages", "expirationSeconds"}


def _never(token: str) -> None:
    pytest.fail(f"nothing new is to be kept: {token}")


def _made_anew(kube: KubeServer, name: str, *, spec: Mapping[str, object], **metadata: object) -> str:
    """Make an object again, otherwise; its uid."""
    found = kube.expect("GET", f"{CSR}/{name}")
    forget(kube, name)
    asked = {key: value for key, value in found["spec"].items() if key in _ASKED}
    body = {"metadata": {"name": name, "labels": found["metadata"]["labels"], **metadata}, "spec": {**asked, **spec}}
    return str(kube.expect("POST", CSR, body)["metadata"]["uid"])


def _ours(kube: KubeServer, signer: str, asked: Asked) -> list[dict[str, Any]]:
    found = kube.request("GET", CSR, params={"fieldSelector": f"spec.signerName={signer}"}).json()["items"]
    request = base64.b64encode(asked.request.csr).decode()
    return [each for each in found if each["spec"]["request"] == request]


class TestASignerThatDoesNotAnswer:
    """Approved, and then nothing."""

    def test_it_is_waited_for_and_then_given_up(self, make: MakeIssuer) -> None:
        """Pending while `signed_within` lasts; after it an error that names the signer, and not a permanent one."""
        now, asked = datetime.now(UTC), ask("shop.example.com")
        token, put_off = _pending(make(approve=True), asked)
        assert f"{NOBODY} has not signed it yet" in str(put_off)

        late = make(approve=True, clock=clock_at(now + timedelta(hours=2)))
        with pytest.raises(IssueError, match=rf"was approved 2h\S* ago and {NOBODY} has not signed it") as given_up:
            issue(late, asked, resume=token)
        assert not given_up.value.permanent
        assert not given_up.value.resumable

    def test_preflight_tells_of_a_signer_that_signs_nothing(self, make: MakeIssuer) -> None:
        """What lies there approved and unsigned says that nobody answers for the signer."""
        signer = f"example.com/{unique('dead')}"
        assert objections(make(signer=signer, approve=True), "shop.example.com") == ()
        _pending(make(signer=signer, approve=True), ask("shop.example.com"))

        later = make(signer=signer, approve=True, clock=clock_at(datetime.now(UTC) + timedelta(hours=2)))
        (said,) = objections(later, "shop.example.com")
        assert said == f"cluster: {signer} has left 1 approved requests unsigned and signed none"


class TestChain:
    """What a signer leaves out."""

    @pytest.mark.parametrize("where", ["file", "config_map"])
    def test_a_leaf_alone_is_completed(
        self, make: MakeIssuer, kube_server: KubeServer, kube_namespace: str, tmp_path: Path, where: str
    ) -> None:
        """Intermediates come from the configured CA, one that signed nothing of it does not, and roots stay out."""
        now = datetime.now(UTC)
        begin, end = now - timedelta(days=1), now + timedelta(days=90)
        root = Authority("Root", not_before=begin, not_after=end)
        issuing = Authority("Issuing", not_before=begin, not_after=end, parent=root)
        stranger = Authority("Stranger", not_before=begin, not_after=end, parent=root)
        bundle = b"".join(certificate_pem(each.certificate) for each in (root, stranger, issuing))
        (tmp_path / "ca.pem").write_bytes(bundle)
        body = {"metadata": {"name": "ca"}, "data": {"ca.crt": bundle.decode()}}
        kube_server.expect("POST", f"/api/v1/namespaces/{kube_namespace}/configmaps", body)
        ca = {
            "file": {"file": str(tmp_path / "ca.pem")},
            "config_map": {"config_map": {"namespace": kube_namespace, "name": "ca"}},
        }[where]
        issuer, asked = make(ca=ca), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        leaf = issuing.issue(["shop.example.com"], not_before=begin, not_after=end, key=asked.key).chain.leaf
        decide(kube_server, _name(token), "Approved")
        _sign(kube_server, _name(token), certificate_pem(leaf))

        chain = issue(issuer, asked, resume=token)

        assert chain == Chain((leaf, issuing.certificate))
        assert issuer.roots() == (root.certificate,)

    @pytest.mark.parametrize(
        ("ca", "says"),
        [
            ({"file": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem cannot be read: No such file or directory"),
            ({"config_map": {"namespace": "default", "name": "nonexistent"}}, "ConfigMap default/nonexistent#ca.crt"),
        ],
    )
    def test_a_ca_that_is_not_there_is_told_beforehand(
        self, make: MakeIssuer, ca: dict[str, object], says: str
    ) -> None:
        """Preflight and `roots` say where it was looked for."""
        issuer = make(ca=ca)
        assert says in "; ".join(objections(issuer, "shop.example.com"))
        with pytest.raises(IssueError):
            issuer.roots()

    def test_a_ca_that_is_gone_costs_neither_a_request_nor_an_approval(
        self, make: MakeIssuer, cluster_root: Authority, tmp_path: Path
    ) -> None:
        """It is read before anything is asked for; what waits for a person already is come back to once it is back."""
        ca = tmp_path / "ca.pem"
        ca.write_bytes(certificate_pem(cluster_root.certificate))
        issuer, asked = make(ca={"file": str(ca)}), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        ca.unlink()
        tokens: list[str] = []

        for each, resume in ((asked, token), (ask("other.example.com"), None)):
            with pytest.raises(IssueError, match=r"ca\.pem cannot be read") as gone:
                issuer.issue(each.request, resume=resume, checkpoint=tokens.append)
            assert gone.value.permanent
            assert gone.value.resumable
        ca.write_bytes(certificate_pem(cluster_root.certificate))
        again, _ = _pending(issuer, asked, token)

        assert again == token
        assert tokens == []


class TestCleaning:
    """What earlier orders left behind."""

    def test_finished_ones_go_when_the_next_is_made(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """A finished one is deleted after a while; one that waits, and one of another issuer, are not."""
        issuer, denied, waiting = make(), ask("denied.example.com"), ask("waiting.example.com")
        (old, _), (open_one, _) = _pending(issuer, denied), _pending(issuer, waiting)
        decide(kube_server, _name(old), "Denied")
        _pending(make(), ask("soon.example.com"))
        assert kube_server.request("GET", f"{CSR}/{_name(old)}").ok, "too early: somebody may come back to it"

        _pending(make(clock=clock_at(datetime.now(UTC) + timedelta(hours=2))), ask("later.example.com"))

        assert kube_server.request("GET", f"{CSR}/{_name(old)}").status_code == 404
        assert kube_server.request("GET", f"{CSR}/{_name(open_one)}").ok

    @pytest.mark.parametrize("theirs", ["elsewhere", None], ids=["another one's", "without the label"])
    def test_those_of_another_installation_stay(
        self, make: MakeIssuer, kube_server: KubeServer, theirs: str | None
    ) -> None:
        """Another rotator whose issuer has the same name, and one that does not say whose it is: not ours to delete."""
        token, _ = _pending(make(installation="elsewhere"), ask("theirs.example.com"))
        label = {"metadata": {"labels": {"rotator/installation": theirs}}}
        kube_server.expect("PATCH", f"{CSR}/{_name(token)}", label, content_type=MERGE_PATCH)
        decide(kube_server, _name(token), "Denied")
        later = clock_at(datetime.now(UTC) + timedelta(hours=2))

        _pending(make(clock=later), ask("ours.example.com"))
        assert kube_server.request("GET", f"{CSR}/{_name(token)}").ok

    def test_a_name_of_its_own_outlives_the_host(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """With `installation` in the config, whichever host it runs on clears what an earlier one made."""
        token, _ = _pending(make(installation="prod-eu"), ask("old.example.com"))
        decide(kube_server, _name(token), "Denied")
        later = clock_at(datetime.now(UTC) + timedelta(hours=2))

        _pending(make(installation="prod-eu", clock=later), ask("new.example.com"))
        assert kube_server.request("GET", f"{CSR}/{_name(token)}").status_code == 404

    def test_one_that_was_decided_late_is_not_deleted_at_once(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Its time counts from its end: the one who waited hours for a person still finds the answer."""
        token, _ = _pending(make(), ask("patient.example.com"))
        decided = datetime.now(UTC) + timedelta(hours=5)
        found = kube_server.expect("GET", f"{CSR}/{_name(token)}")
        condition = {"type": "Denied", "status": "True", "reason": "ByHand"}
        found["status"] = {"conditions": [{**condition, "lastTransitionTime": decided.strftime("%Y-%m-%dT%H:%M:%SZ")}]}
        kube_server.expect("PUT", f"{CSR}/{_name(token)}/approval", found)

        _pending(make(clock=clock_at(decided + timedelta(minutes=1))), ask("next.example.com"))

        assert kube_server.request("GET", f"{CSR}/{_name(token)}").ok


class TestSettings:
    """What is refused before anything is asked."""

    @pytest.mark.parametrize(
        ("signer", "says"),
        [
            ("nobody", "write it like example.com/signer"),
            ("kubernetes.io/legacy-unknown", "accepts no requests"),
            ("kubernetes.io/kube-apiserver-client", "clients of the API server only"),
            ("kubernetes.io/serving", "Kubernetes has no signer"),
        ],
    )
    def test_a_signer_that_never_signs_for_servers_is_refused(self, signer: str, says: str) -> None:
        """The name alone tells."""
        with pytest.raises(ValidationError, match=says):
            KubernetesCsrSettings(signer=signer)

    def test_a_lifetime_below_ten_minutes_is_refused(self, make: MakeIssuer) -> None:
        """In the settings, in a request, and in the same words beforehand."""
        short = timedelta(minutes=5)
        with pytest.raises(ValidationError, match="shorter than 10m"):
            make(lifetime="9m")
        with pytest.raises(IssueError, match="shorter than 10m") as refused:
            issue(make(), ask("shop.example.com", lifetime=short))
        checks = make().preflight(PreflightRequest(("shop.example.com",), lifetime=short))
        assert str(refused.value) in [check.problem for check in checks]


class TestRights:
    """What may be done, asked beforehand."""

    def test_missing_rights_are_named(self, make: MakeIssuer) -> None:
        """Each call that would be refused, and the verb `approve` on the signer."""
        said = "; ".join(objections(make(token=WRITER, approve=True), "shop.example.com"))
        for right in ("create certificatesigningrequests", "approval", f"approve signers.certificates.k8s.io {NOBODY}"):
            assert right in said

    def test_a_request_without_the_right_is_a_permanent_error(self, make: MakeIssuer) -> None:
        """The API server's refusal names the right."""
        with pytest.raises(IssueError, match="certificatesigningrequests") as denied:
            issue(make(token=WRITER), ask("shop.example.com"))
        assert denied.value.permanent

    def test_an_unreachable_api_server_is_come_back_to(self, make: MakeIssuer, tmp_path: Path) -> None:
        """An outage is no end: the checkpoint stays good."""
        config = json.loads(Path(make()._settings.kubeconfig).read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
        (tmp_path / "config").write_text(json.dumps(config))
        issuer = make(kubeconfig=str(tmp_path / "config"))
        with pytest.raises(IssueError, match="cannot be reached") as outage:
            issue(issuer, ask("shop.example.com"))
        assert outage.value.resumable
        assert not outage.value.permanent
        assert [str(peer) for peer in issuer.peers] == ["127.0.0.1:9"]
