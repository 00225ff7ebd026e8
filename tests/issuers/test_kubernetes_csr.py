"""The issuer `kubernetes_csr` on a real API server, where cert-manager or Kubernetes itself signs."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from rotator.errors import IssueError
from rotator.issuers.kubernetes_csr import KubernetesCsrSettings
from tests.issuers.asking import Asked, ask, clock_at, objections
from tests.issuers.asking import issue_in_time as issue
from tests.issuers.csr_asking import NOBODY, MakeIssuer, issuer_maker, name_of, put_off_for
from tests.pki import Authority
from tests.servers.kube import MERGE_PATCH, READER, WRITER, KubeServer, grant_everywhere
from tests.servers.signing import CSR, CertManager, NodeSigner, decide, unique


@pytest.fixture
def make(kube_server: KubeServer) -> MakeIssuer:
    """Build the issuer on the run's API server; the signer is one that nobody answers for unless a test says so."""
    return issuer_maker(kube_server)


@pytest.fixture
def cluster_root() -> Authority:
    """A root that the signer's chains end in."""
    now = datetime.now(UTC)
    return Authority("Cluster root", not_before=now - timedelta(days=1), not_after=now + timedelta(days=30))


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


class TestASignerThatDoesNotAnswer:
    """Approved, and then nothing."""

    def test_it_is_waited_for_and_then_given_up(self, make: MakeIssuer) -> None:
        """Pending while `signed_within` lasts; after it an error that names the signer, and not a permanent one."""
        now, asked = datetime.now(UTC), ask("shop.example.com")
        token, put_off = put_off_for(make(approve=True), asked)
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
        put_off_for(make(signer=signer, approve=True), ask("shop.example.com"))

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
        token, _ = put_off_for(issuer, asked)
        leaf = issuing.issue(["shop.example.com"], not_before=begin, not_after=end, key=asked.key).chain.leaf
        decide(kube_server, name_of(token), "Approved")
        _sign(kube_server, name_of(token), certificate_pem(leaf))

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
        token, _ = put_off_for(issuer, asked)
        ca.unlink()
        tokens: list[str] = []

        for each, resume in ((asked, token), (ask("other.example.com"), None)):
            with pytest.raises(IssueError, match=r"ca\.pem cannot be read") as gone:
                issuer.issue(each.request, resume=resume, checkpoint=tokens.append)
            assert gone.value.permanent
            assert gone.value.resumable
        ca.write_bytes(certificate_pem(cluster_root.certificate))
        again, _ = put_off_for(issuer, asked, token)

        assert again == token
        assert tokens == []


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
