"""Tests of the issuer `step_ca` on a real step-ca."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from rotator.core.model import Check, Endpoint, PreflightRequest, RevocationReason
from rotator.core.pem import certificate_pem, key_matches
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.acme import AcmeIssuer, AcmeSettings
from rotator.issuers.step_ca import StepCaIssuer, StepCaSettings
from tests.issuers.asking import Drawer, ask, issue, objections, real_clock
from tests.pki import Authority
from tests.servers.certificates import Pair, authority
from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Drop, Request, Response
from tests.servers.step_ca import (
    PASSWORD,
    PROVISIONER,
    StepCaServer,
    acme_turn,
    new_jwk,
    private_step_ca,
)
from tests.servers.step_ca import StepCaSettings as ServerSettings

SECRET = "STEP_CA_PASSWORD"
DAY = timedelta(days=1)

MakeIssuer = Callable[..., StepCaIssuer]


@pytest.fixture
def make(step_ca: StepCaServer, monkeypatch: pytest.MonkeyPatch) -> MakeIssuer:
    """Build the issuer on the run's step-ca, with other settings where the test says so; None leaves one out."""
    monkeypatch.setenv(SECRET, PASSWORD)

    def built(**settings: object) -> StepCaIssuer:
        standard = {
            "url": step_ca.url,
            "fingerprint": step_ca.fingerprint,
            "provisioner": PROVISIONER,
            "password": f"${{env:{SECRET}}}",
        }
        given = {name: value for name, value in {**standard, **settings}.items() if value is not None}
        return StepCaIssuer("step", StepCaSettings.model_validate(given), real_clock(), Drawer())

    return built


@pytest.fixture
def front(tmp_path: Path) -> Pair:
    """A certificate for a proxy that stands before the CA, beside the CA that clients of it trust."""
    return authority(tmp_path / "front").issue("front", "127.0.0.1")


def check(issuer: StepCaIssuer, name: str, request: PreflightRequest | None = None) -> Check:
    """One of the checks, by its name."""
    return next(each for each in issuer.preflight(request or PreflightRequest(("a.example.com",))) if each.name == name)


class TestSigning:
    """What comes back when all is well."""

    def test_leaf_and_intermediate_come_back(self, step_ca: StepCaServer, make: MakeIssuer) -> None:
        """The root is left out; it is the one whose fingerprint is pinned."""
        issuer, asked = make(), ask("shop.example.com", "10.0.0.1", "spiffe://example.com/shop")

        chain = issue(issuer, asked)

        assert [each.self_signed for each in chain.certificates] == [False, False]
        assert set(chain.names) == {"shop.example.com", "10.0.0.1", "spiffe://example.com/shop"}
        assert key_matches(chain, asked.key)
        assert [root.fingerprint for root in issuer.roots()] == [step_ca.fingerprint]
        assert verify_path(chain, issuer.roots(), datetime.now(UTC), ("shop.example.com",)) is None

    def test_a_lifetime_is_asked_for(self, make: MakeIssuer) -> None:
        """The request's own goes before the issuer's, and without either the provisioner decides (72 h)."""
        asked, standard, provisioner = (
            issue(issuer, ask("shop.example.com", lifetime=lifetime)).lifetime
            for issuer, lifetime in ((make(lifetime="12h"), 5 * DAY), (make(lifetime="12h"), None), (make(), None))
        )

        assert abs(asked - 5 * DAY) < timedelta(minutes=5)
        assert abs(standard - timedelta(hours=12)) < timedelta(minutes=5)
        assert abs(provisioner - timedelta(hours=72)) < timedelta(minutes=5)

    def test_the_key_may_come_from_three_places(self, step_ca: StepCaServer, make: MakeIssuer) -> None:
        """From the CA by its password, from a file by its password, or as it is."""
        ways: tuple[dict[str, object], ...] = (
            {},
            {"encrypted_key": str(step_ca.encrypted_key)},
            {"password": None, "key": f"${{file:{step_ca.key}}}"},
        )
        for way in ways:
            assert issue(make(**way), ask("shop.example.com")).names == ("shop.example.com",)

    def test_a_ca_file_serves_as_well_as_a_fingerprint(self, step_ca: StepCaServer, make: MakeIssuer) -> None:
        """And the roots are then those that the CA gives."""
        issuer = make(fingerprint=None, ca_file=str(step_ca.ca_file))

        issue(issuer, ask("shop.example.com"))

        assert [root.fingerprint for root in issuer.roots()] == [step_ca.fingerprint]

    def test_a_token_is_for_one_request_alone(self, step_ca: StepCaServer, make: MakeIssuer, front: Pair) -> None:
        """Whoever sees it on the way can have neither the same request signed again, nor another one."""
        settings = {"fingerprint": None, "ca_file": str(front.certificate.parent / "ca.crt")}
        other = ask("shop.example.com").request.csr.decode()
        seen: list[dict[str, Any]] = []

        def swapped(request: Request) -> Response | None:
            if request.path.endswith("/sign"):
                seen.append(json.loads(request.body))
                raise Drop
            return None

        with HostileProxy(step_ca.url, verify=step_ca.ca_file, tls=front, before=swapped) as proxy:
            with pytest.raises(IssueError):
                issue(make(url=proxy.url, **settings), ask("shop.example.com"))
            proxy.before = None

            def post(body: dict[str, Any]) -> int:
                url = f"{step_ca.url}/1.0/sign"
                return requests.post(url, json=body, verify=str(step_ca.ca_file), timeout=10).status_code

            (kept,) = seen
            assert post({**kept, "csr": other}) == 403
            assert post(kept) == 401

    def test_the_acme_issuer_works_with_it_too(self, step_ca: StepCaServer, tmp_path: Path) -> None:
        """Its ACME provisioner proves the names itself; its private root is named as the CA's and the directory's."""
        settings = AcmeSettings.model_validate(
            {
                "directory": step_ca.acme_directory,
                "ca_file": str(step_ca.ca_file),
                "roots": str(step_ca.ca_file),
                "http01": {"listen": f"127.0.0.1:{step_ca.acme_port}"},
            }
        )
        issuer = AcmeIssuer("step-acme", settings, real_clock(), Drawer())

        with acme_turn():
            chain = issue(issuer, ask("localhost"))

        assert verify_path(chain, issuer.roots(), datetime.now(UTC), ("localhost",)) is None
        assert len(chain.certificates) == 2


class TestRevoking:
    """`revoke`, seen by the CRL that the CA publishes."""

    def test_a_certificate_is_revoked_once_and_again(self, step_ca: StepCaServer, make: MakeIssuer) -> None:
        """It is on the CRL, and the second time is no error."""
        issuer = make()
        leaf = issue(issuer, ask("shop.example.com")).leaf

        issuer.revoke(leaf, RevocationReason.KEY_COMPROMISE)
        issuer.revoke(leaf, RevocationReason.SUPERSEDED)

        assert leaf.serial in step_ca.revoked()

    def test_a_wrong_key_revokes_nothing(self, make: MakeIssuer, tmp_path: Path) -> None:
        """The token is what allows it."""
        (tmp_path / "key").write_text(json.dumps(new_jwk()[0]))
        leaf = issue(make(), ask("shop.example.com")).leaf

        with pytest.raises(IssueError, match=r"^step: 127\.0\.0\.1 refuses /revoke") as refused:
            make(password=None, key=f"${{file:{tmp_path}/key}}").revoke(leaf, RevocationReason.UNSPECIFIED)

        assert refused.value.permanent


class TestRefusals:
    """What the CA refuses, in its own words, and what is known beforehand."""

    def test_what_the_policy_forbids_is_permanent(self, tmp_path: Path, make: MakeIssuer) -> None:
        """A name outside the CA's policy is denied; the operator reads which."""
        policy = {"x509": {"allow": {"dns": ["*.example.com"]}}}
        with private_step_ca(tmp_path, ServerSettings(policy=policy)) as server:
            issuer = make(url=server.url, fingerprint=server.fingerprint)
            issue(issuer, ask("shop.example.com"))

            with pytest.raises(IssueError, match=r"^step: .*bank\.example\.org.* not allowed") as refused:
                issue(issuer, ask("bank.example.org"))

        assert refused.value.permanent

    def test_a_lifetime_beyond_the_claims_is_permanent_and_known_beforehand(self, make: MakeIssuer) -> None:
        """Ninety days at most, five minutes at least, both said by the provisioner."""
        for lifetime in (400 * DAY, timedelta(minutes=1)):
            request = PreflightRequest(("a.example.com",), lifetime=lifetime)

            found = check(make(), "lifetime", request)
            with pytest.raises(IssueError, match=r"^step: .*duration") as refused:
                issue(make(), ask("a.example.com", lifetime=lifetime))

            bound = "90d at most" if lifetime > DAY else "5m at least"
            assert f"the provisioner rotator allows {bound}, not " in found.problem
            assert refused.value.permanent

    def test_claims_of_the_whole_ca_are_no_objection(self, tmp_path: Path, make: MakeIssuer) -> None:
        """They bound a provisioner that says nothing itself, and nobody is told of them; what is not known is said."""
        claims = {"maxTLSCertDuration": "2160h", "defaultTLSCertDuration": "72h"}
        with private_step_ca(tmp_path, ServerSettings(claims={}, ca_claims=claims)) as server:
            issuer = make(url=server.url, fingerprint=server.fingerprint)

            found = check(issuer, "lifetime", PreflightRequest(("a.example.com",), lifetime=30 * DAY))
            chain = issue(issuer, ask("a.example.com", lifetime=30 * DAY))

        assert not found.problem
        assert found.detail == "what the provisioner does not claim the CA does, and tells nobody"
        assert not found.told
        assert chain.lifetime > 29 * DAY

    def test_a_claim_of_the_provisioner_is_known_beside_one_of_the_ca(self, tmp_path: Path, make: MakeIssuer) -> None:
        """Of its two bounds it may say one alone."""
        claims = {"minTLSCertDuration": "12h"}
        with private_step_ca(
            tmp_path, ServerSettings(claims=claims, ca_claims={"maxTLSCertDuration": "240h"})
        ) as server:
            issuer = make(url=server.url, fingerprint=server.fingerprint)
            request = PreflightRequest(("a.example.com",), lifetime=timedelta(hours=1))

            found = check(issuer, "lifetime", request)
            with pytest.raises(IssueError, match="duration"):
                issue(issuer, ask("a.example.com", lifetime=timedelta(hours=1)))

        assert "the provisioner rotator allows 12h at least, not 1h" in found.problem

    def test_a_weak_key_is_refused(self, make: MakeIssuer) -> None:
        """What the CA says of the key is shown."""
        from rotator.core.csr import make_csr
        from rotator.core.model import IssueRequest
        from rotator.core.pem import key_pem
        from tests.pki import private_key

        csr = make_csr(key_pem(private_key("rsa-1024")), ("a.example.com",))

        with pytest.raises(IssueError, match=r"^step: .*2048") as refused:
            make().issue(IssueRequest(csr, ("a.example.com",)), resume=None, checkpoint=lambda token: None)

        assert refused.value.permanent

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"provisioner": "nobody"}, r"has no JWK provisioner nobody; it has rotator \(JWK\), acme \(ACME\)"),
            ({"provisioner": "acme"}, "has no JWK provisioner acme"),
            ({"password": "${env:NOT_SET}"}, "NOT_SET is not set"),
            ({"password": "${env:PATH}"}, "cannot be opened: the password does not open it"),
            ({"encrypted_key": "/no/such/key"}, "/no/such/key cannot be read"),
            ({"fingerprint": "0" * 64}, r"does not give the root with the fingerprint 0000"),
            ({"url": "https://127.0.0.1:1"}, "refuses the connection"),
        ],
        ids=["provisioner", "kind", "unset", "password", "file", "fingerprint", "down"],
    )
    def test_a_mistake_is_known_beforehand(self, make: MakeIssuer, settings: dict[str, object], words: str) -> None:
        """The preflight says it in the same words as the issue."""
        issuer = make(**settings)

        found = objections(issuer, "a.example.com")
        with pytest.raises(IssueError, match=words) as refused:
            issue(issuer, ask("a.example.com"))

        assert any(str(refused.value) == each for each in found)
        assert "\n" not in str(refused.value)

    def test_a_key_that_is_no_longer_the_provisioners_is_known_beforehand(
        self, make: MakeIssuer, tmp_path: Path
    ) -> None:
        """Somebody has replaced the provisioner's key; ours signs tokens that the CA does not take."""
        (tmp_path / "key").write_text(json.dumps(new_jwk()[0]))
        issuer = make(password=None, key=f"${{file:{tmp_path}/key}}")

        with pytest.raises(IssueError, match=r"refuses /sign: .* \(status 401\)") as refused:
            issue(issuer, ask("a.example.com"))

        assert "is not the one that the provisioner rotator has now" in check(issuer, "provisioner").problem
        assert refused.value.permanent

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "[]",
            '{"kty": "EC"}',
            '{"kty": "OKP", "crv": "Ed25519", "d": "x"}',
            '{"kty":"EC","crv":"P-256","d":"!"}',
            '{"kty":"EC","crv":"P-256","d":7,"x":7,"y":7}',
        ],
    )
    def test_a_key_that_cannot_sign_is_said(self, make: MakeIssuer, tmp_path: Path, key: str) -> None:
        """The sentence says why, and shows nothing of it."""
        (tmp_path / "key").write_text(key)

        with pytest.raises(IssueError, match=r"^step: the key of the provisioner rotator cannot sign: ") as refused:
            issue(make(password=None, key=f"${{file:{tmp_path}/key}}"), ask("a.example.com"))

        assert refused.value.permanent

    def test_a_ca_that_ends_first_is_known_beforehand(self, tmp_path: Path, make: MakeIssuer) -> None:
        """step-ca signs past its own end without a word, so somebody has to say it."""
        with private_step_ca(tmp_path, ServerSettings(ends_in=2 * DAY)) as server:
            issuer = make(url=server.url, fingerprint=server.fingerprint)

            found = check(issuer, "ca", PreflightRequest(("a.example.com",), lifetime=10 * DAY))
            enough = check(issuer, "ca", PreflightRequest(("a.example.com",), lifetime=DAY))

        assert "before a certificate of 10d would" in found.problem
        assert not enough.problem


class TestLies:
    """Somebody between us and the CA, or a CA that answers nonsense."""

    def test_another_ca_in_its_place_is_not_trusted(self, step_ca: StepCaServer, make: MakeIssuer, front: Pair) -> None:
        """With a fingerprint it may pass the root on, but its own TLS does not verify, and it sees no token."""
        with HostileProxy(step_ca.url, verify=step_ca.ca_file, tls=front) as proxy:
            with pytest.raises(IssueError, match="does not verify"):
                issue(make(url=proxy.url), ask("a.example.com"))

            assert {call.path for call in proxy.calls} == {f"/1.0/root/{step_ca.fingerprint}"}

    def test_another_root_than_the_pinned_one_is_refused(
        self, step_ca: StepCaServer, make: MakeIssuer, front: Pair
    ) -> None:
        """The fingerprint of what was answered is what counts."""
        now = datetime.now(UTC)
        other = certificate_pem(Authority("Other", not_before=now - DAY, not_after=now + DAY).certificate).decode()
        with HostileProxy(step_ca.url, verify=step_ca.ca_file, tls=front) as proxy:
            proxy.after = lambda request, response: replace(response, body=json.dumps({"ca": other}).encode())

            with pytest.raises(IssueError, match="it is another CA, or somebody stands between") as refused:
                issue(make(url=proxy.url), ask("a.example.com"))

        assert refused.value.permanent

    @pytest.mark.parametrize(
        ("status", "body", "permanent"),
        [
            (201, b"<html>sign in</html>", False),
            (201, b"{}", False),
            (201, b'{"certChain": [7], "crt": 8}', False),
            (201, b'{"certChain": ["-----BEGIN CERTIFICATE-----\\nAAAA"]}', False),
            (500, b'{"message": "disk full"}', False),
            (502, b"<html>bad gateway</html>", False),
            (429, b"", False),
            (403, b'{"message": "The request was forbidden.\\nsee the logs"}', True),
            (302, b"", True),
        ],
    )
    def test_an_answer_is_judged(
        self, step_ca: StepCaServer, make: MakeIssuer, front: Pair, status: int, body: bytes, permanent: bool
    ) -> None:
        """A success without a chain is none; what passes by itself is not permanent; one line each."""
        settings = {"fingerprint": None, "ca_file": str(front.certificate.parent / "ca.crt")}

        def lie(request: Request) -> Response | None:
            return Response(status, {"Location": "https://127.0.0.1:1/"}, body) if "/sign" in request.path else None

        with (
            HostileProxy(step_ca.url, verify=step_ca.ca_file, tls=front, before=lie) as proxy,
            pytest.raises(IssueError, match=r"^step: ") as refused,
        ):
            issue(make(url=proxy.url, **settings), ask("a.example.com"))

        assert refused.value.permanent is permanent
        assert "\n" not in str(refused.value)
        assert proxy.count(path="/sign") == 1

    @pytest.mark.parametrize(
        "said",
        [{"key": "text"}, {"key": {"kid": 7}}, {"key": None}, {"claims": []}, {"claims": {"maxTLSCertDuration": 7}}],
    )
    def test_a_provisioner_of_any_shape_can_be_looked_at(
        self, step_ca: StepCaServer, make: MakeIssuer, front: Pair, said: dict[str, object]
    ) -> None:
        """The preflight raises nothing, whatever somebody between us and the CA makes of its answer."""
        settings = {"fingerprint": None, "ca_file": str(front.certificate.parent / "ca.crt")}
        body = json.dumps({"provisioners": [{"type": "JWK", "name": PROVISIONER, **said}]}).encode()

        def lie(request: Request) -> Response | None:
            return Response(200, {}, body) if "/provisioners?" in request.path else None

        with HostileProxy(step_ca.url, verify=step_ca.ca_file, tls=front, before=lie) as proxy:
            found = check(make(url=proxy.url, encrypted_key=str(step_ca.encrypted_key), **settings), "provisioner")

        assert "is not the one that the provisioner rotator has now" in found.problem


def test_the_ca_is_a_peer(make: MakeIssuer) -> None:
    """Its own certificate is one that rotator depends on."""
    assert make(url="https://ca.example.com:9000").peers == (Endpoint("ca.example.com", 9000),)


def test_no_key_is_in_a_repr(step_ca: StepCaServer, make: MakeIssuer) -> None:
    """Whoever logs the provisioner's key does not log its numbers."""
    secret = json.loads(step_ca.key.read_text())["d"]

    assert secret not in repr(make()._key())


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://ca"},
        {"url": "ca:9000"},
        {"url": "https://ca:90000"},
        {"fingerprint": "abc"},
        {"password": None},
        {"password": "in-the-open"},
        {"key": "${env:K}"},
        {"password": None, "key": "${env:K}", "encrypted_key": "/k"},
        {"ca_file": "/ca", "fingerprint": "0" * 64},
        {"provisioner": ""},
        {"lifetime": "0s"},
    ],
)
def test_a_mistake_in_the_settings_is_refused(change: dict[str, object]) -> None:
    """No TLS, a port that there is not, two ways or none to a key, secrets in the open."""
    standard = {"url": "https://ca", "provisioner": "p", "password": "${env:P}"}
    given = {name: value for name, value in {**standard, **change}.items() if value is not None}

    with pytest.raises(ValidationError):
        StepCaSettings.model_validate(given)
