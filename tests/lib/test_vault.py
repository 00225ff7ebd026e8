"""Tests of `rotator.lib.vault`: who we are to a Vault, and what its answers mean."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.lib.vault import Vault, VaultError, VaultSettings, api_path
from tests.servers.certificates import authority
from tests.servers.hostile import HostileProxy
from tests.servers.kube import KubeServer
from tests.servers.loopback import Drop, Request, Response
from tests.servers.openbao import OpenBao, private_openbao
from tests.servers.service import wait_until

TOKEN = "VAULT_TEST_TOKEN"


def vault(url: str, **settings: object) -> Vault:
    """A client with the token of the environment."""
    chosen = VaultSettings.model_validate({"url": url, "auth": {"token": f"${{env:{TOKEN}}}"}, **settings})
    return Vault(chosen, lambda: datetime.now(UTC))


@pytest.fixture
def proxy(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileProxy]:
    """OpenBao behind a proxy that may lie; the environment holds the root token."""
    monkeypatch.setenv(TOKEN, openbao.token)
    with HostileProxy(openbao.url) as proxy:
        yield proxy


class TestToken:
    """`auth: {token: …}`."""

    def test_a_rotated_token_is_seen(self, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
        """The secret is read for every request, so nobody has to restart anything."""
        client = vault(openbao.url)

        monkeypatch.setenv(TOKEN, "s.no-longer-valid")
        with pytest.raises(VaultError, match=r"the token may have expired") as refused:
            client.read("auth/token/lookup-self")
        monkeypatch.setenv(TOKEN, openbao.token)

        assert client.read("auth/token/lookup-self")["data"]["id"] == openbao.token
        assert refused.value.permanent
        assert refused.value.status == 403
        assert "s.no-longer-valid" not in str(refused.value)

    def test_a_token_in_the_second_half_of_its_life_is_prolonged(
        self, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A renewable token that is used now and then does not run out."""
        token = openbao.new_token({"auth/token/lookup-self": ["read"]}, ttl="6s")
        monkeypatch.setenv(TOKEN, token)
        client = vault(openbao.url)

        def left() -> int:
            return int(client.read("auth/token/lookup-self")["data"]["ttl"])

        wait_until(lambda: left() < 3, "half of its life is over")
        client.renew_token()

        assert left() >= 5

    def test_a_token_that_may_not_ask_about_itself_is_left_alone(
        self, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether it is good for what it is meant for is for the next request to say."""
        body = {"policies": [], "no_default_policy": True, "no_parent": True, "ttl": "1h"}
        monkeypatch.setenv(TOKEN, openbao.expect("POST", "auth/token/create", body)["auth"]["client_token"])

        vault(openbao.url).renew_token()

    def test_a_token_that_cannot_be_sent_is_said(self, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pasted with its typographic quotes: a person has to mend it, and it is not shown."""
        monkeypatch.setenv(TOKEN, "\u201chvs.hunter2\u201d")

        with pytest.raises(VaultError, match=r"127\.0\.0\.1 cannot be asked: .* a letter that HTTP") as refused:
            vault(openbao.url).read("auth/token/lookup-self")

        assert refused.value.permanent
        assert "hunter2" not in str(refused.value)

    @pytest.mark.parametrize(
        "said",
        [
            {"ttl": 10**20},
            {"ttl": 5, "renewable": True, "explicit_max_ttl": 10**12, "creation_time": 1},
            {"ttl": 5, "renewable": True, "explicit_max_ttl": 1, "creation_time": 10**18},
        ],
        ids=["left", "most", "made"],
    )
    def test_a_life_beyond_all_calendars_is_none_that_ends(self, proxy: HostileProxy, said: dict[str, object]) -> None:
        """Numbers that no clock can count to are no end that anybody has to be told of."""
        proxy.before = lambda request: Response(200, {}, json.dumps({"data": said}).encode())

        assert vault(proxy.url).token_left() is None

    def test_a_missing_token_is_said(self, openbao: OpenBao) -> None:
        """The sentence names the variable; nothing is sent."""
        with pytest.raises(VaultError, match=f"the environment variable {TOKEN} is not set") as missing:
            vault(openbao.url).read("sys/mounts")

        assert missing.value.permanent


@pytest.fixture
def login(openbao: OpenBao, kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> dict[str, Any]:
    """A Kubernetes auth mount of the test's own, with a role for the service account whose token lies in a file."""
    mount = f"kubernetes-{uuid.uuid4().hex[:8]}"
    for account in ("rotator", "reviewer"):
        kube_server.expect(
            "POST", f"/api/v1/namespaces/{kube_namespace}/serviceaccounts", {"metadata": {"name": account}}
        )
    binding = {
        "metadata": {"name": f"reviewer-{kube_namespace}"},
        "subjects": [{"kind": "ServiceAccount", "name": "reviewer", "namespace": kube_namespace}],
        "roleRef": {"kind": "ClusterRole", "name": "system:auth-delegator", "apiGroup": "rbac.authorization.k8s.io"},
    }
    kube_server.expect("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    openbao.expect("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
    config = {
        "kubernetes_host": kube_server.url,
        "kubernetes_ca_cert": kube_server.ca_file.read_text(),
        "token_reviewer_jwt": _service_account_token(kube_server, kube_namespace, "reviewer"),
    }
    openbao.expect("POST", f"auth/{mount}/config", config)
    role = {
        "bound_service_account_names": ["rotator"],
        "bound_service_account_namespaces": [kube_namespace],
        "policies": ["default"],
        "ttl": "1h",
    }
    openbao.expect("POST", f"auth/{mount}/role/issuing", role)
    token_file = tmp_path / "token"
    token_file.write_text(_service_account_token(kube_server, kube_namespace, "rotator") + "\n")
    return {"kubernetes": {"role": "issuing", "mount": mount, "token_file": str(token_file)}}


def _service_account_token(server: KubeServer, namespace: str, account: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    return str(server.expect("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"])


class TestKubernetes:
    """`auth: {kubernetes: …}`, with a real API server that reviews the tokens."""

    def test_the_service_account_logs_in_once(self, openbao: OpenBao, login: dict[str, Any]) -> None:
        """The token of the login is used until it is refused."""
        with HostileProxy(openbao.url) as proxy:
            client = vault(proxy.url, auth=login)

            client.read("auth/token/lookup-self")
            client.read("auth/token/lookup-self")

            assert proxy.count(path="/login") == 1

    def test_a_revoked_login_is_made_again(self, openbao: OpenBao, login: dict[str, Any]) -> None:
        """A 403 of a token that worked before costs one login, and the request succeeds."""
        client = vault(openbao.url, auth=login)
        first = client.read("auth/token/lookup-self")["data"]["id"]
        openbao.expect("POST", "auth/token/revoke", {"token": first})

        second = client.read("auth/token/lookup-self")["data"]["id"]

        assert second != first

    def test_what_the_role_may_not_do_is_asked_twice_at_most(self, openbao: OpenBao, login: dict[str, Any]) -> None:
        """A refusal that a new login does not mend is permanent, and no loop."""
        with HostileProxy(openbao.url) as proxy:
            client = vault(proxy.url, auth=login)
            client.read("auth/token/lookup-self")

            with pytest.raises(VaultError, match="permission denied") as refused:
                client.read("sys/mounts")

            assert refused.value.permanent
            assert proxy.count(path="/sys/mounts") == 2
            assert proxy.count(path="/login") == 2

    def test_a_role_that_is_not_there_is_said(self, openbao: OpenBao, login: dict[str, Any]) -> None:
        """The sentence has the path of the login in it."""
        login["kubernetes"]["role"] = "nobody"

        with pytest.raises(VaultError, match=r"refuses auth/kubernetes-.*/login: .*role"):
            vault(openbao.url, auth=login).read("auth/token/lookup-self")

    def test_a_service_account_token_that_is_not_there_is_said(self, openbao: OpenBao, login: dict[str, Any]) -> None:
        """Outside a pod the file is missing; the sentence names it."""
        login["kubernetes"]["token_file"] = "/no/such/token"

        with pytest.raises(VaultError, match=r"/no/such/token cannot be read") as missing:
            vault(openbao.url, auth=login).read("auth/token/lookup-self")

        assert missing.value.permanent


class TestAnswers:
    """What an answer means: trying again helps, or it does not."""

    def test_a_sealed_vault_is_asked_again_in_a_minute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unsealing is a person's work, but not ours; the sentence is Vault's own."""
        with private_openbao(tmp_path) as server:
            monkeypatch.setenv(TOKEN, server.token)
            server.expect("PUT", "sys/seal")

            with pytest.raises(VaultError, match="sealed") as sealed:
                vault(server.url).read("sys/mounts")

        assert not sealed.value.permanent
        assert sealed.value.retry_after == timedelta(minutes=1)

    def test_a_vault_that_is_down_is_no_permanent_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody listens there; the sentence names the host and no path."""
        monkeypatch.setenv(TOKEN, "any")

        with pytest.raises(VaultError, match=r"^127\.0\.0\.1 refuses the connection$") as down:
            vault("http://127.0.0.1:1").read("secret/data/x")

        assert not down.value.permanent

    def test_a_standby_redirects_to_the_active_server_once(self, openbao: OpenBao, proxy: HostileProxy) -> None:
        """Method, body and token go along (307), as Vault's own client does."""
        active = openbao.url
        proxy.before = lambda request: Response(307, {"Location": f"{active}{request.path}"})

        answer = vault(proxy.url).write("sys/capabilities-self", {"paths": ["sys/mounts"]})

        assert "root" in answer["capabilities"]

    def test_a_redirect_that_leads_nowhere_ends(self, proxy: HostileProxy) -> None:
        """Two standbys that point at each other are no loop."""
        proxy.before = lambda request: Response(307, {"Location": f"{proxy.url}{request.path}"})

        with pytest.raises(VaultError):
            vault(proxy.url).read("sys/mounts")

        assert len(proxy.calls) == 2

    def test_a_token_never_leaves_tls(self, openbao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A redirect from https to http is refused, so that nobody reads the token on the way."""
        monkeypatch.setenv(TOKEN, openbao.token)
        ca = authority(tmp_path)
        with HostileProxy(openbao.url, tls=ca.issue("front", "127.0.0.1")) as proxy:
            proxy.before = lambda request: Response(307, {"Location": f"{openbao.url}{request.path}"})

            with pytest.raises(VaultError, match="redirects out of TLS") as refused:
                vault(proxy.url, ca_file=str(ca.ca_file)).read("sys/mounts")

        assert refused.value.permanent

    @pytest.mark.parametrize(
        ("answer", "permanent", "wait"),
        [
            (Response(429, {"Retry-After": "17"}, b'{"errors": ["request rate limit"]}'), False, 17),
            (Response(412, {}, b'{"errors": ["behind"]}'), False, None),
            (Response(473, {}, b""), False, None),
            (Response(500, {}, b'{"errors": ["1 error occurred:\\n\\t* disk full\\n\\n"]}'), False, None),
            (Response(502, {}, b"<html>bad gateway</html>"), False, None),
            (Response(400, {}, b'{"errors": ["no"]}'), True, None),
            (Response(404, {}, b'{"errors": []}'), True, None),
            (Response(405, {}, b'{"errors": ["unsupported operation"]}'), True, None),
            (Response(200, {}, b"<html>sign in</html>"), False, None),
            (Response(200, {}, b'["a list"]'), False, None),
            (Response(200, {}, b""), False, None),
        ],
        ids=lambda value: str(value.status) if isinstance(value, Response) else None,
    )
    def test_an_answer_is_judged_by_its_status(
        self, proxy: HostileProxy, answer: Response, permanent: bool, wait: int | None
    ) -> None:
        """What passes by itself is not permanent; the message is one line."""
        proxy.before = lambda request: answer

        with pytest.raises(VaultError) as judged:
            vault(proxy.url).read("sys/mounts")

        assert judged.value.permanent is permanent
        assert judged.value.retry_after == (None if wait is None else timedelta(seconds=wait))
        assert "\n" not in str(judged.value)

    def test_vaults_own_words_are_shown_without_their_wrapping(self, proxy: HostileProxy) -> None:
        """`1 error occurred:` and its list signs say nothing; a long text is cut."""
        errors = json.dumps({"errors": ["1 error occurred:\n\t* disk full\n\n", "x" * 5000]}).encode()
        proxy.before = lambda request: Response(500, {}, errors)

        with pytest.raises(VaultError, match=r"^127\.0\.0\.1 refuses sys/mounts: disk full; xxx") as judged:
            vault(proxy.url).read("sys/mounts")

        assert len(str(judged.value)) < 600

    def test_a_huge_answer_and_a_slow_one_are_bounded(self, proxy: HostileProxy) -> None:
        """Fifty megabytes are not read, and a second is a second."""
        proxy.before = lambda request: Response(200, {}, b"x" * 50_000_000)
        with pytest.raises(VaultError, match="more than"):
            vault(proxy.url).read("sys/mounts")

        proxy.before = lambda request: Response(200, {}, b"{}", delay=20)
        with pytest.raises(VaultError, match="within 1 s"):
            vault(proxy.url, timeout="1s").read("sys/mounts")

    def test_a_connection_that_breaks_is_no_permanent_error(self, proxy: HostileProxy) -> None:
        """The server may have acted or not; the next attempt will tell."""

        def cut(request: Request, response: Response) -> Response:
            raise Drop

        proxy.after = cut

        with pytest.raises(VaultError) as broken:
            vault(proxy.url).read("sys/mounts")

        assert not broken.value.permanent

    def test_an_answer_that_is_cut_short_is_an_error(self, proxy: HostileProxy) -> None:
        """Half a JSON text is no answer."""
        proxy.after = lambda request, response: replace(response, body=response.body[:-20])

        with pytest.raises(VaultError, match="not Vault's JSON"):
            vault(proxy.url).read("sys/mounts")

    def test_the_namespace_goes_along(self, openbao: OpenBao, proxy: HostileProxy) -> None:
        """A namespace of the server's is asked, not the root's."""
        name = f"team-{uuid.uuid4().hex[:8]}"
        openbao.expect("POST", f"sys/namespaces/{name}", {})

        vault(proxy.url, namespace=name).read("sys/mounts")

        assert proxy.calls[-1].headers["x-vault-namespace"] == name

    def test_a_server_that_does_not_verify_is_not_asked(
        self, openbao: OpenBao, proxy: HostileProxy, tmp_path: Path
    ) -> None:
        """Another CA than the one of the settings, or none at all at that path, is said before a token is sent."""
        ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
        with HostileProxy(openbao.url, tls=theirs.issue("front", "127.0.0.1")) as front:
            with pytest.raises(VaultError, match="does not verify"):
                vault(front.url, ca_file=str(ours.ca_file)).read("sys/mounts")
            with pytest.raises(VaultError, match=r"/no/such/ca") as missing:
                vault(front.url, ca_file="/no/such/ca").read("sys/mounts")

            assert front.calls == []
            assert missing.value.permanent


class TestSettings:
    """What an operator may write."""

    @pytest.mark.parametrize("path", ["pki", "team/pki", "pki_int", "pki.v2", "a-b"])
    def test_a_path_is_segments(self, path: str) -> None:
        """Ordinary mounts pass."""
        assert api_path(path) == path

    @pytest.mark.parametrize(
        "path", ["", "/pki", "pki/", "a//b", "..", "pki/../sys", "pki/.", "a b", "pki?x", "pki%2f"]
    )
    def test_a_path_that_could_lead_elsewhere_is_refused(self, path: str) -> None:
        """`..` in a mount would reach any path of the API with our token."""
        with pytest.raises(ValueError, match="no path in Vault"):
            api_path(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"url": "vault.example.com"},
            {"url": "ftp://vault.example.com"},
            {"url": "https://user:secret@vault.example.com"},
            {"url": "https://vault.example.com?x=1"},
            {"url": "https://vault.example.com:82000"},
            {"url": "https://[::1:8200"},
            {"namespace": "team\nX-Other: 1"},
            {"namespace": "équipe"},
            {"auth": {}},
            {"auth": {"token": "${env:T}", "kubernetes": {"role": "r"}}},
            {"auth": {"token": "s.written-into-the-config"}},
            {"auth": {"kubernetes": {"role": "r", "mount": "../sys"}}},
        ],
    )
    def test_a_mistake_is_refused(self, change: dict[str, object]) -> None:
        """No address, a namespace that no header carries, no login or two, a secret in the open, a path that climbs."""
        with pytest.raises(ValidationError):
            VaultSettings.model_validate({"url": "https://vault", "auth": {"token": "${env:T}"}, **change})
