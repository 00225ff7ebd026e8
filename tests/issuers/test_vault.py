"""Tests of the issuer `vault` on a real OpenBao. How it logs in and judges answers: `tests/lib/test_vault.py`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.core.model import Certificate, Endpoint, KeySpec, RevocationReason
from rotator.core.pem import certificate_pem, key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.vault import VaultIssuer, VaultIssuerSettings
from tests.issuers.asking import Drawer, ask, issue, objections, real_clock
from tests.pki import Authority
from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Drop, Request, Response
from tests.servers.openbao import OpenBao, PkiMount, new_pki_mount, private_openbao
from tests.servers.service import wait_until

TOKEN = "VAULT_ISSUER_TOKEN"
DAY = timedelta(days=1)

MakeIssuer = Callable[..., VaultIssuer]


@pytest.fixture
def make(pki_mount: PkiMount, monkeypatch: pytest.MonkeyPatch) -> MakeIssuer:
    """Build the issuer on the test's mount, with other settings where the test says so."""
    monkeypatch.setenv(TOKEN, pki_mount.token)

    def built(**settings: object) -> VaultIssuer:
        standard = {
            "url": pki_mount.url,
            "mount": pki_mount.mount,
            "role": pki_mount.role,
            "auth": {"token": f"${{env:{TOKEN}}}"},
        }
        chosen = VaultIssuerSettings.model_validate({**standard, **settings})
        return VaultIssuer("bao", chosen, real_clock(), Drawer())

    return built


class TestSigning:
    """What comes back when all is well."""

    def test_a_root_mount_signs_a_leaf_alone(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """Its own root is what the chain ends in, so it is not sent."""
        issuer, asked = make(), ask("shop.example.com", "10.0.0.1")

        chain = issue(issuer, asked)

        assert len(chain.certificates) == 1
        assert set(chain.names) == {"shop.example.com", "10.0.0.1"}
        assert key_matches(chain, asked.key)
        assert issuer.roots() == read_certificates(pki_mount.root().encode())
        assert verify_path(chain, issuer.roots(), datetime.now(UTC), asked.request.names) is None

    @pytest.mark.parametrize("with_root", [True, False])
    def test_an_intermediate_mount_sends_the_intermediate(
        self, pki_mount: PkiMount, make: MakeIssuer, with_root: bool
    ) -> None:
        """The root is known where the mount holds the whole chain; where it does not, none is named."""
        now = datetime.now(UTC)
        root = Authority("Offline root", not_before=now - DAY, not_after=now + 900 * DAY)
        _make_intermediate(pki_mount, root, with_root=with_root)
        issuer, asked = make(), ask("shop.example.com")

        chain = issue(issuer, asked)

        assert [certificate.self_signed for certificate in chain.certificates] == [False, False]
        assert verify_path(chain, (root.certificate,), now + timedelta(minutes=1), ("shop.example.com",)) is None
        assert issuer.roots() == ((root.certificate,) if with_root else ())

    def test_a_lifetime_is_asked_for(self, make: MakeIssuer) -> None:
        """The request's own goes before the issuer's, and without either the role decides (72 h)."""
        asked, standard, role = (
            issue(issuer, ask("shop.example.com", lifetime=lifetime)).lifetime
            for issuer, lifetime in (
                (make(lifetime="12h"), timedelta(hours=5)),
                (make(lifetime="12h"), None),
                (make(), None),
            )
        )

        assert abs(asked - timedelta(hours=5)) < timedelta(minutes=5)
        assert abs(standard - timedelta(hours=12)) < timedelta(minutes=5)
        assert abs(role - timedelta(hours=72)) < timedelta(minutes=5)

    def test_a_role_cuts_a_lifetime_without_saying_so(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """What came out is in the chain, for the validator to judge; nothing is hidden and nothing fails here."""
        pki_mount.set_role(ttl="1h", max_ttl="1h")

        chain = issue(make(), ask("shop.example.com", lifetime=30 * DAY))

        assert chain.lifetime < timedelta(hours=2)

    def test_an_answer_without_a_chain_is_completed_with_the_issuing_ca(
        self, pki_mount: PkiMount, make: MakeIssuer
    ) -> None:
        """An older Vault names only the issuing CA, which is the intermediate or a root that is left out."""
        now = datetime.now(UTC)
        _make_intermediate(pki_mount, Authority("Root", not_before=now - DAY, not_after=now + 900 * DAY))

        def without_chain(request: Request, response: Response) -> Response:
            body = json.loads(response.body)
            (body.get("data") or {}).pop("ca_chain", None)
            return replace(response, body=json.dumps(body).encode())

        with HostileProxy(pki_mount.url, after=without_chain) as proxy:
            chain = issue(make(url=proxy.url), ask("shop.example.com"))

        assert len(chain.certificates) == 2

    def test_what_the_answer_leaves_out_is_taken_from_the_mount(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """An answer that names no CA at all is completed from what the mount publishes; a second request does it."""
        now = datetime.now(UTC)
        root = Authority("Root", not_before=now - DAY, not_after=now + 900 * DAY)
        _make_intermediate(pki_mount, root)

        with HostileProxy(pki_mount.url, after=_leaf_alone) as proxy:
            chain = issue(make(url=proxy.url), ask("shop.example.com"))

        assert len(chain.certificates) == 2
        assert verify_path(chain, (root.certificate,), now + timedelta(minutes=1), ("shop.example.com",)) is None

    def test_a_ca_that_nobody_gives_is_an_error(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """A leaf that no client could verify is not handed on as if it were a chain."""
        other = Authority("Other", not_before=datetime.now(UTC) - DAY, not_after=datetime.now(UTC) + DAY)

        def hidden(request: Request, response: Response) -> Response:
            if "/ca_chain" in request.path:
                data = {"data": {"ca_chain": certificate_pem(other.certificate).decode()}}
                return replace(response, body=json.dumps(data).encode())
            return _leaf_alone(request, response)

        with (
            HostileProxy(pki_mount.url, after=hidden) as proxy,
            pytest.raises(IssueError, match="neither its answer nor the mount gives the CA that did") as refused,
        ):
            issue(make(url=proxy.url), ask("shop.example.com"))

        assert refused.value.permanent

    def test_one_of_several_cas_of_a_mount_signs(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """`issuer_ref` chooses the CA, and the roots are that CA's."""
        server, mount = pki_mount.server, pki_mount.mount
        made = {"common_name": "Second root", "issuer_name": "second", "key_type": "ec", "ttl": "8760h"}
        server.expect("POST", f"{mount}/root/generate/internal", made)
        token = server.new_token({f"{mount}/issuer/second/sign/any": ["update"], f"{mount}/roles/any": ["read"]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(TOKEN, token)
            issuer = make(issuer_ref="second")

            chain = issue(issuer, ask("shop.example.com"))

            assert chain.leaf.issuer == "CN=Second root"
            assert [root.subject for root in issuer.roots()] == ["CN=Second root"]
            assert objections(issuer, "shop.example.com") == ()

    def test_the_ca_that_the_role_names_is_the_one_whose_roots_are_given(
        self, pki_mount: PkiMount, make: MakeIssuer
    ) -> None:
        """Without `issuer_ref` the role says who signs: clients have to trust that CA, not the mount's default one."""
        server, mount = pki_mount.server, pki_mount.mount
        made = {"common_name": "Second root", "issuer_name": "second", "key_type": "ec", "ttl": "8760h"}
        server.expect("POST", f"{mount}/root/generate/internal", made)
        pki_mount.set_role(issuer_ref="second")
        now = datetime.now(UTC)

        chain = issue(make(), ask("shop.example.com"))
        with HostileProxy(pki_mount.url, after=_leaf_alone) as proxy:
            completed = issue(make(url=proxy.url), ask("shop.example.com"))
        roots = make().roots()

        assert [root.subject for root in roots] == ["CN=Second root"]
        for each in (chain, completed):
            assert verify_path(each, roots, now + timedelta(minutes=1), ("shop.example.com",)) is None

    def test_the_roots_are_the_default_cas_where_the_role_may_not_be_read(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the mount publishes anybody may ask for: the right to sign is enough, and so is no token at all."""
        monkeypatch.setenv(TOKEN, openbao.new_token({f"{pki_mount.mount}/sign/any": ["update"]}))

        for issuer in (make(), make(auth={"token": "${env:NOT_SET_ANYWHERE}"})):
            assert issuer.roots() == read_certificates(pki_mount.root().encode())

    def test_a_mount_inside_a_namespace_signs(self, openbao: OpenBao, make: MakeIssuer) -> None:
        """Mount, role and token all lie in the namespace."""
        name = f"team-{uuid.uuid4().hex[:8]}"
        openbao.expect("POST", f"sys/namespaces/{name}", {})
        with new_pki_mount(replace(openbao, namespace=name)) as mount, pytest.MonkeyPatch.context() as patch:
            patch.setenv(TOKEN, mount.token)
            issuer = make(namespace=name, mount=mount.mount)

            chain = issue(issuer, ask("shop.example.com"))

            assert verify_path(chain, issuer.roots(), datetime.now(UTC), ("shop.example.com",)) is None
            assert objections(issuer, "shop.example.com") == ()
            with pytest.raises(IssueError, match="permission denied"):
                issue(make(mount=mount.mount), ask("shop.example.com"))


def _leaf_alone(request: Request, response: Response) -> Response:
    """The answer of a `sign` without any CA in it."""
    if "/sign/" not in request.path:
        return response
    body = json.loads(response.body)
    for field in ("ca_chain", "issuing_ca"):
        (body.get("data") or {}).pop(field, None)
    return replace(response, body=json.dumps(body).encode())


class TestRevoking:
    """`revoke`, seen by what OpenBao says of the certificate afterwards."""

    def test_a_certificate_is_revoked_once_and_again(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """The second time is no error, whatever the reason."""
        issuer = make()
        leaf = issue(issuer, ask("shop.example.com")).leaf

        issuer.revoke(leaf, RevocationReason.KEY_COMPROMISE)
        issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        assert _revoked_at(pki_mount, leaf) > 0

    def test_a_certificate_that_the_mount_did_not_keep_is_revoked(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """With `no_store` the mount knows no serial, but knows its own signature."""
        pki_mount.set_role(no_store=True)
        issuer = make()
        leaf = issue(issuer, ask("shop.example.com")).leaf

        issuer.revoke(leaf, RevocationReason.KEY_COMPROMISE)

        assert _revoked_at(pki_mount, leaf) > 0

    def test_what_was_not_revoked_is_an_error(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """Another CA's certificate, and one that has ended already: nothing is claimed that was not done."""
        now = datetime.now(UTC)
        strange = Authority("Other", not_before=now - DAY, not_after=now + DAY).certificate
        short = issue(make(), ask("shop.example.com", lifetime=timedelta(seconds=1))).leaf
        wait_until(lambda: datetime.now(UTC) > short.not_after + timedelta(seconds=1), "it has ended")

        for certificate, words in ((strange, "refuses .*/revoke"), (short, "revoked nothing: .*already expired")):
            with pytest.raises(IssueError, match=words) as refused:
                make().revoke(certificate, RevocationReason.UNSPECIFIED)
            assert refused.value.permanent

    def test_a_token_that_may_not_revoke_is_told(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The right to sign does not include it."""
        leaf = issue(make(), ask("shop.example.com")).leaf
        monkeypatch.setenv(TOKEN, openbao.new_token({f"{pki_mount.mount}/sign/any": ["update"]}))

        with pytest.raises(IssueError, match=r"^bao: .*/revoke: permission denied"):
            make().revoke(leaf, RevocationReason.UNSPECIFIED)


def _revoked_at(mount: PkiMount, certificate: Certificate) -> int:
    digits = f"{certificate.serial:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    serial = ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return int(mount.server.expect("GET", f"{mount.mount}/cert/{serial}")["data"]["revocation_time"])


def test_the_server_is_a_peer_where_it_speaks_tls(make: MakeIssuer) -> None:
    """Its certificate is one that rotator depends on."""
    assert make(url="https://vault.example.com:8200").peers == (Endpoint("vault.example.com", 8200),)
    assert make(url="https://vault.example.com").peers == (Endpoint("vault.example.com", 443),)
    assert make(url="http://vault.example.com:8200").peers == ()


def _make_intermediate(mount: PkiMount, root: Authority, *, with_root: bool = True) -> None:
    """Replace the mount's CA by an intermediate below this root."""
    server = mount.server
    answer = server.expect("POST", f"{mount.mount}/intermediate/generate/internal", {"common_name": "Issuing"})
    intermediate = _sign_intermediate(root, answer["data"]["csr"])
    bundle = intermediate + (certificate_pem(root.certificate).decode() if with_root else "")
    imported = server.expect("POST", f"{mount.mount}/intermediate/set-signed", {"certificate": bundle})["data"]
    issuing = next(issuer for issuer, key in imported["mapping"].items() if key)
    server.expect("POST", f"{mount.mount}/config/issuers", {"default": issuing})


def _sign_intermediate(root: Authority, csr: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    request = x509.load_pem_x509_csr(csr.encode())
    above = x509.load_der_x509_certificate(root.certificate.der)
    key: Any = root._private
    public: Any = request.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(above.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(root.certificate.not_before)
        .not_valid_after(root.certificate.not_after - DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class TestRefusals:
    """What OpenBao refuses, in its own words."""

    @pytest.mark.parametrize(
        ("role", "names", "key", "words"),
        [
            ({"allow_any_name": False, "allowed_domains": ["example.org"]}, ["a.example.com"], KeySpec(), "allowed"),
            ({"allow_ip_sans": False}, ["shop.example.com", "10.0.0.1"], KeySpec(), "IP"),
            ({"key_type": "rsa", "key_bits": 2048}, ["shop.example.com"], KeySpec(), "key"),
            ({}, [f"{'x' * 60}.example.com"], KeySpec(), "common_name"),
        ],
        ids=["name", "address", "key", "long name"],
    )  # fmt: skip
    def test_what_the_role_does_not_allow_is_permanent(
        self, pki_mount: PkiMount, make: MakeIssuer, role: dict[str, object], names: list[str], key: KeySpec, words: str
    ) -> None:
        """Trying again does not change the role; the operator reads why."""
        pki_mount.set_role(**role)  # type: ignore[arg-type]  # any setting of a role

        with pytest.raises(IssueError, match=rf"^bao: 127\.0\.0\.1 refuses .*/sign/any: .*{words}") as refused:
            issue(make(), ask(*names, key=key))

        assert refused.value.permanent

    def test_a_ca_that_ends_before_the_certificate_would_is_permanent(
        self, openbao: OpenBao, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """OpenBao does not sign past the end of its CA, and says so."""
        with new_pki_mount(openbao, root_ttl="24h") as short:
            monkeypatch.setenv(TOKEN, short.token)

            with pytest.raises(IssueError, match="beyond the expiration of the CA") as refused:
                issue(make(mount=short.mount), ask("shop.example.com", lifetime=30 * DAY))

        assert refused.value.permanent

    def test_a_token_that_may_not_sign_is_known_beforehand(self, make: MakeIssuer) -> None:
        """`preflight` says it without signing, and the issue says it too."""
        issuer = make(role="other")

        (problem,) = objections(issuer, "shop.example.com")
        with pytest.raises(IssueError, match="permission denied") as refused:
            issue(issuer, ask("shop.example.com"))

        assert problem.endswith("/sign/other; give its policy the capability update")
        assert refused.value.permanent

    def test_a_sealed_vault_passes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: MakeIssuer) -> None:
        """The wait that it names goes into the backoff; the preflight says it as well."""
        with private_openbao(tmp_path) as server, new_pki_mount(server) as mount:
            monkeypatch.setenv(TOKEN, mount.token)
            server.expect("PUT", "sys/seal")
            issuer = make(url=server.url, mount=mount.mount)

            with pytest.raises(IssueError, match="sealed") as sealed:
                issue(issuer, ask("shop.example.com"))
            (problem,) = objections(issuer, "shop.example.com")

        assert not sealed.value.permanent
        assert sealed.value.retry_after == timedelta(minutes=1)
        assert "sealed" in problem

    def test_a_mount_without_a_ca_names_no_roots(self, openbao: OpenBao, make: MakeIssuer) -> None:
        """An empty PKI mount is an error, not an empty trust."""
        openbao.expect("POST", "sys/mounts/pki-empty", {"type": "pki"})
        try:
            with pytest.raises(IssueError, match=r"^bao: "):
                make(mount="pki-empty").roots()
        finally:
            openbao.request("DELETE", "sys/mounts/pki-empty")


class TestLies:
    """A Vault, or something in front of it, that answers nonsense: refused, and nothing signed twice."""

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"certificate": ""},
            {"certificate": None, "ca_chain": []},
            {"certificate": "<html>"},
            {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA"},
            {"certificate": ["a", "list"], "ca_chain": [7]},
            {"certificate": 7, "ca_chain": 8},
            "a text",
        ],
        ids=["nothing", "empty", "null", "html", "half", "list", "numbers", "text"],
    )
    def test_an_answer_without_a_certificate_is_an_error(
        self, pki_mount: PkiMount, make: MakeIssuer, data: object
    ) -> None:
        """A success without a chain is none; it is no permanent error, because it may come out right next time."""

        def lie(request: Request, response: Response) -> Response:
            return replace(response, body=json.dumps({"data": data}).encode()) if "/sign/" in request.path else response

        with (
            HostileProxy(pki_mount.url, after=lie) as proxy,
            pytest.raises(IssueError, match="no certificate chain") as refused,
        ):
            issue(make(url=proxy.url), ask("shop.example.com"))

        assert not refused.value.permanent

    def test_a_broken_connection_does_not_sign_again_by_itself(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """OpenBao has signed, the answer is lost: one call is one signature, the retry is the caller's to count."""

        def cut(request: Request, response: Response) -> Response:
            if "/sign/" in request.path:
                raise Drop
            return response

        before = len(pki_mount.certificates())
        with HostileProxy(pki_mount.url, after=cut) as proxy, pytest.raises(IssueError) as broken:
            issue(make(url=proxy.url), ask("shop.example.com"))

        assert not broken.value.permanent
        assert len(pki_mount.certificates()) == before + 1
        assert proxy.count(path="/sign/") == 1


@pytest.mark.parametrize(
    "change", [{"role": "a/b"}, {"role": ".."}, {"mount": "../sys"}, {"mount": "/pki"}, {"lifetime": "0s"}]
)
def test_a_mistake_in_the_settings_is_refused(change: dict[str, str]) -> None:
    """A role or mount that climbs out of its place would sign with another CA."""
    standard = {"url": "https://vault", "auth": {"token": "${env:T}"}, "role": "web"}

    with pytest.raises(ValidationError):
        VaultIssuerSettings.model_validate({**standard, **change})
