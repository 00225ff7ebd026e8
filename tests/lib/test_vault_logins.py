"""Tests of the ways to log in to a Vault: AppRole, JWT, client certificates and AWS."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.jws import JWS
from pydantic import ValidationError

from rotator.lib.vault import Vault, VaultError, VaultSettings
from tests.servers.aws_login import ACCESS_KEY, PATH, SECRET_KEY, SERVER_ID, AwsLogin
from tests.servers.certificates import Authority, authority
from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Response
from tests.servers.openbao import OpenBao, tls_openbao

SECRET = "VAULT_LOGIN_SECRET"
SELF = "auth/token/lookup-self"


def client_of(url: str, auth: Mapping[str, object], *, late: timedelta = timedelta(0), **settings: object) -> Vault:
    """A client that logs in this way; after its first look at the clock that is `late`."""
    chosen = VaultSettings.model_validate({"url": url, "auth": auth, **settings})
    looks = iter([timedelta(0)])
    return Vault(chosen, lambda: datetime.now(UTC) + next(looks, late))


def identity(vault: Vault) -> str:
    """The token that it is known by now."""
    return str(vault.read(SELF)["data"]["id"])


@pytest.fixture
def proxy(openbao: OpenBao) -> Iterator[HostileProxy]:
    """OpenBao behind a proxy that counts."""
    with HostileProxy(openbao.url) as proxy:
        yield proxy


@pytest.fixture
def approle(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An AppRole of the test's own, its secret id in the environment."""
    mount = f"approle-{uuid.uuid4().hex[:8]}"
    openbao.expect("POST", f"sys/auth/{mount}", {"type": "approle"})
    openbao.expect("POST", f"auth/{mount}/role/rotator", {"token_policies": ["default"], "token_ttl": "1h"})
    role_id = openbao.expect("GET", f"auth/{mount}/role/rotator/role-id")["data"]["role_id"]
    monkeypatch.setenv(SECRET, _secret_id(openbao, mount))
    return {"approle": {"role_id": role_id, "secret_id": f"${{env:{SECRET}}}", "mount": mount}}


def _secret_id(openbao: OpenBao, mount: str) -> str:
    return str(openbao.expect("POST", f"auth/{mount}/role/rotator/secret-id", {})["data"]["secret_id"])


class TestAppRole:
    """`auth: {approle: …}`; what is the same for every login is tested here."""

    def test_it_logs_in_once(self, proxy: HostileProxy, approle: dict[str, Any]) -> None:
        """The token of the login serves until it is refused."""
        vault = client_of(proxy.url, approle)

        assert identity(vault) == identity(vault)
        assert proxy.count(path="/login") == 1

    def test_a_revoked_login_is_made_again(self, openbao: OpenBao, approle: dict[str, Any]) -> None:
        """A 403 of a token that worked before costs one login."""
        vault = client_of(openbao.url, approle)
        first = identity(vault)
        openbao.expect("POST", "auth/token/revoke", {"token": first})

        assert identity(vault) != first

    def test_a_login_is_made_again_before_it_ends(self, proxy: HostileProxy, approle: dict[str, Any]) -> None:
        """With nine tenths of its life over, the next request has a new token and is refused by nobody."""
        vault = client_of(proxy.url, approle, late=timedelta(minutes=55))

        first = identity(vault)

        assert identity(vault) != first
        assert proxy.count(path=SELF) == 2

    def test_a_rotated_secret_id_is_seen(self, openbao: OpenBao, approle: dict[str, Any]) -> None:
        """It is read for each login: a secret id that was replaced needs no restart."""
        vault, mount = client_of(openbao.url, approle), approle["approle"]["mount"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SECRET, "not-a-secret-id")
            with pytest.raises(VaultError, match=rf"refuses auth/{mount}/login: invalid") as refused:
                identity(vault)
            patch.setenv(SECRET, _secret_id(openbao, mount))

            assert identity(vault)

        assert refused.value.permanent
        assert "not-a-secret-id" not in str(refused.value)

    def test_a_role_id_that_is_not_known_is_said(self, openbao: OpenBao) -> None:
        """Where the login itself is refused no token is to blame: the sentence names what was shown."""
        with pytest.raises(
            VaultError, match=r"refuses auth/approle/login: permission denied \(status 403\)"
        ) as refused:
            identity(client_of(openbao.url, {"approle": {"role_id": "nobody"}}))

        assert str(refused.value).endswith("; the mount, the role, or what proves who we are may be another")

    @pytest.mark.parametrize("seconds", [10**11, 10**20])
    def test_a_lease_beyond_all_calendars_never_ends(self, proxy: HostileProxy, seconds: int) -> None:
        """A login that nobody can count the end of is used until it is refused."""
        said = {"auth": {"client_token": "x", "lease_duration": seconds}}
        proxy.before = lambda request: (
            Response(200, {}, json.dumps(said).encode())
            if request.path.endswith("/login")
            else Response(200, {}, b"{}")
        )

        assert client_of(proxy.url, {"approle": {"role_id": "r"}}).read(SELF) == {}

    def test_a_missing_secret_id_is_said(self, openbao: OpenBao, approle: dict[str, Any]) -> None:
        """The sentence names the variable; nothing is sent."""
        approle["approle"]["secret_id"] = "${env:NOT_SET_ANYWHERE}"

        with pytest.raises(VaultError, match="NOT_SET_ANYWHERE is not set") as missing:
            identity(client_of(openbao.url, approle))

        assert missing.value.permanent

    def test_a_role_without_secret_ids_needs_none(self, openbao: OpenBao, approle: dict[str, Any]) -> None:
        """`bind_secret_id: false`, as for a role that is bound to addresses."""
        mount = approle["approle"]["mount"]
        role = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8"], "token_policies": ["default"]}
        openbao.expect("POST", f"auth/{mount}/role/bound", role)
        role_id = openbao.expect("GET", f"auth/{mount}/role/bound/role-id")["data"]["role_id"]

        assert identity(client_of(openbao.url, {"approle": {"role_id": role_id, "mount": mount}}))

    def test_a_login_inside_a_namespace(self, openbao: OpenBao) -> None:
        """The auth method lies in the namespace, not above it."""
        name = f"team-{uuid.uuid4().hex[:8]}"
        openbao.expect("POST", f"sys/namespaces/{name}", {})
        openbao.expect("POST", f"{name}/sys/auth/approle", {"type": "approle"})
        role = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8"]}
        openbao.expect("POST", f"{name}/auth/approle/role/rotator", role)
        role_id = openbao.expect("GET", f"{name}/auth/approle/role/rotator/role-id")["data"]["role_id"]
        auth = {"approle": {"role_id": role_id}}

        assert client_of(openbao.url, auth, namespace=name).read(SELF)["data"]["path"] == "auth/approle/login"
        with pytest.raises(VaultError, match="refuses auth/approle/login"):
            identity(client_of(openbao.url, auth))


class TestJwt:
    """`auth: {jwt: …}`, with a public key that OpenBao was given."""

    @pytest.fixture
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the identity provider."""
        return ec.generate_private_key(ec.SECP256R1())

    @pytest.fixture
    def auth(self, openbao: OpenBao, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> dict[str, Any]:
        """A JWT auth mount that trusts the key, and a token in a file."""
        mount = f"jwt-{uuid.uuid4().hex[:8]}"
        openbao.expect("POST", f"sys/auth/{mount}", {"type": "jwt"})
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        openbao.expect("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [public]})
        role = {"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": ["default"]}
        openbao.expect("POST", f"auth/{mount}/role/rotator", role)
        (tmp_path / "jwt").write_text(f"{_jwt(key)}\n")
        return {"jwt": {"jwt": f"${{file:{tmp_path}/jwt}}", "role": "rotator", "mount": mount}}

    def test_it_logs_in_with_the_token_of_the_file(self, openbao: OpenBao, auth: dict[str, Any]) -> None:
        """The identity provider's token becomes one of Vault's."""
        assert client_of(openbao.url, auth).read(SELF)["data"]["meta"]["role"] == "rotator"

    def test_a_token_of_another_audience_is_refused(
        self, openbao: OpenBao, auth: dict[str, Any], key: ec.EllipticCurvePrivateKey, tmp_path: Path
    ) -> None:
        """The sentence has Vault's words and not the token; the next token in the file is taken."""
        stranger = _jwt(key, audience="somebody else")
        (tmp_path / "jwt").write_text(stranger)
        vault = client_of(openbao.url, auth)

        with pytest.raises(VaultError, match=r"refuses auth/jwt-.*/login: .*aud") as refused:
            identity(vault)
        (tmp_path / "jwt").write_text(_jwt(key))

        assert refused.value.permanent
        assert stranger not in str(refused.value)
        assert identity(vault)


def _jwt(key: ec.EllipticCurvePrivateKey, *, audience: str = "vault") -> str:
    now = int(time.time())
    claims = {"sub": "rotator", "aud": audience, "iat": now, "exp": now + 600}
    signed = JWS.sign(
        json.dumps(claims).encode(), key=JWKEC(key=key), alg=ES256, include_jwk=False, protect=frozenset({"alg"})
    )
    return str(signed.to_compact().decode())


class TestCertificate:
    """`auth: {certificate: …}`, over the TLS listener of a private OpenBao."""

    @pytest.fixture
    def ca(self, tmp_path: Path) -> Authority:
        """The CA of the clients."""
        return authority(tmp_path / "clients")

    @pytest.fixture
    def server(self, ca: Authority, tmp_path: Path) -> Iterator[OpenBao]:
        """OpenBao with TLS, which lets this CA's clients in by the role `rotator`."""
        with tls_openbao(tmp_path / "bao") as server:
            server.expect("POST", "sys/auth/cert", {"type": "cert"})
            role = {"certificate": ca.ca_file.read_text(), "token_policies": ["default"]}
            server.expect("POST", "auth/cert/certs/rotator", role)
            yield server

    def test_the_client_certificate_logs_in(self, server: OpenBao, ca: Authority) -> None:
        """It is shown in the handshake of the login; another CA's, another role and a missing file are refused."""
        pair = ca.issue_client("rotator")
        shown = {"certificate": str(pair.certificate), "key": str(pair.key), "role": "rotator"}
        settings: dict[str, Any] = {"ca_file": str(server.ca_file)}
        vault = client_of(server.url, {"certificate": shown}, **settings)

        first = identity(vault)
        server.expect("POST", "auth/token/revoke", {"token": first})

        assert identity(vault) != first
        for change, words in (
            ({"role": "nobody"}, "refuses auth/cert/login"),
            ({"key": "/no/such/key"}, "/no/such/key"),
        ):
            with pytest.raises(VaultError, match=words) as refused:
                identity(client_of(server.url, {"certificate": {**shown, **change}}, **settings))
            assert refused.value.permanent
        stranger = authority(ca.folder / "others").issue_client("rotator")
        strange = {**shown, "certificate": str(stranger.certificate), "key": str(stranger.key)}
        with pytest.raises(VaultError, match=r"refuses auth/cert/login|TLS with"):
            identity(client_of(server.url, {"certificate": strange}, **settings))

    def test_without_tls_there_is_nothing_to_show_it_in(self) -> None:
        """An address with http:// is a mistake in the settings."""
        with pytest.raises(ValidationError, match="over TLS alone"):
            client_of("http://vault", {"certificate": {"certificate": "/c", "key": "/k"}})


class TestAws:
    """`auth: {aws: …}`: Vault gets a request that we signed, which proves who we are and gives no secret away."""

    @pytest.fixture(autouse=True)
    def _credentials(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Credentials in the environment alone."""
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)

    @pytest.mark.parametrize(
        ("region", "host", "signed_for"),
        [
            ("", "sts.amazonaws.com", "us-east-1"),
            ("eu-west-1", "sts.eu-west-1.amazonaws.com", "eu-west-1"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ],
    )
    def test_the_signature_is_good(self, openbao: OpenBao, region: str, host: str, signed_for: str) -> None:
        """STS verifies it for its own region, and the header that ties it to this Vault is signed along."""
        with AwsLogin(openbao.url, lambda: openbao.new_token({SELF: ["read"]}), sts=host) as server:
            auth = {"aws": {"role": "rotator", "server_id": SERVER_ID, "region": region}}

            assert identity(client_of(server.url, auth))

            (login,) = [call for call in server.calls if call.path == PATH]
            assert server.regions == [signed_for]
            assert SECRET_KEY.encode() not in login.body

    def test_a_revoked_login_is_signed_again(self, openbao: OpenBao) -> None:
        """The second login is a new signature, as the first has a date in it."""
        with AwsLogin(openbao.url, lambda: openbao.new_token({SELF: ["read"]})) as server:
            vault = client_of(server.url, {"aws": {"server_id": SERVER_ID}})
            openbao.expect("POST", "auth/token/revoke", {"token": identity(vault)})

            assert identity(vault)
            assert len(server.regions) == 2

    def test_a_server_id_that_is_missing_is_said_by_vault(self, openbao: OpenBao) -> None:
        """Vault's own words name the header."""
        with (
            AwsLogin(openbao.url, lambda: openbao.new_token({SELF: ["read"]})) as server,
            pytest.raises(VaultError, match="missing header X-Vault-AWS-IAM-Server-ID"),
        ):
            identity(client_of(server.url, {"aws": {"role": "rotator"}}))

    def test_without_credentials_nothing_is_sent(self, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
        """The sentence says where credentials come from."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with (
            AwsLogin(openbao.url, lambda: "none") as server,
            pytest.raises(VaultError, match="there are no credentials for AWS; set AWS_PROFILE"),
        ):
            identity(client_of(server.url, {"aws": {"server_id": SERVER_ID}}))
        assert server.calls == []


@pytest.mark.parametrize(
    "auth",
    [
        {"approle": {"role_id": ""}},
        {"approle": {"role_id": "r", "secret_id": "in-the-open"}},
        {"approle": {"role_id": "r", "mount": "../sys"}},
        {"jwt": {"jwt": "in-the-open"}},
        {"jwt": {"jwt": "${env:J}"}, "approle": {"role_id": "r"}},
        {"aws": {"region": "evil.example.com/"}},
        {"aws": {"mount": "/aws"}},
        {"certificate": {"certificate": "/c"}},
    ],
)
def test_a_mistake_in_a_login_is_refused(auth: dict[str, object]) -> None:
    """Secrets in the open, paths that climb, regions that become host names, and two ways at once."""
    with pytest.raises(ValidationError):
        client_of("https://vault", auth)
