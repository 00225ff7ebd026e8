"""Tests of what the issuer `vault` says beforehand, on a real OpenBao that is then asked to sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import KeySpec, PreflightRequest
from rotator.errors import IssueError
from rotator.issuers.vault.role import Role
from tests.issuers.asking import ask, issue, objections
from tests.issuers.vault_asking import TOKEN, MakeIssuer, check, issuer_maker
from tests.servers.openbao import OpenBao, PkiMount
from tests.servers.service import wait_until

DAY = timedelta(days=1)


@pytest.fixture
def make(pki_mount: PkiMount, monkeypatch: pytest.MonkeyPatch) -> MakeIssuer:
    """Build the issuer on the test's mount, with other settings where the test says so."""
    return issuer_maker(pki_mount, monkeypatch)


class TestRole:
    """Whatever is said beforehand of a role, the server says when it is asked."""

    NAMES = (
        "example.com", "a.example.com", "a.b.example.com", "*.example.com", "*.a.example.com", "aexample.com",
        "EXAMPLE.com", "example.org", "localhost", "10.0.0.1", "::1", "https://example.com/x", "spiffe://x/y",
    )  # fmt: skip
    ROLES: tuple[Mapping[str, Any], ...] = (
        {"allow_any_name": True},
        {"allow_any_name": True, "allow_ip_sans": False},
        {"allow_any_name": True, "allow_wildcard_certificates": False},
        {"allow_any_name": True, "allowed_uri_sans": ["https://*"]},
        {"allowed_domains": ["example.com"]},
        {"allowed_domains": ["example.com"], "allow_bare_domains": True},
        {"allowed_domains": ["example.com"], "allow_subdomains": True},
        {"allowed_domains": ["example.com"], "allow_subdomains": True, "allow_wildcard_certificates": False},
        {"allowed_domains": ["a*.com", "*.example.com"], "allow_glob_domains": True},
        {"allowed_domains": ["*.example.com"], "allow_subdomains": True},
        {"allowed_domains": ["*.example.com"], "allow_bare_domains": True},
        {"allow_localhost": False, "allowed_domains": ["localhost"], "allow_bare_domains": True},
        {"allow_localhost": False},
        {"allowed_domains": ["{{identity.entity.name}}"], "allowed_domains_template": True, "allow_subdomains": True},
    )

    @pytest.mark.parametrize("role", ROLES, ids=str)
    def test_no_name_is_objected_to_that_is_signed(
        self, pki_mount: PkiMount, make: MakeIssuer, role: Mapping[str, Any]
    ) -> None:
        """Of thirteen names each is refused by the server where it was objected to, and signed where it was not."""
        asked = {"allow_any_name": False, "allow_localhost": True, "require_cn": False, **role}
        pki_mount.set_role(**asked)
        read = Role(pki_mount.server.expect("GET", f"{pki_mount.mount}/roles/{pki_mount.role}")["data"])
        issuer = make()

        foretold = {name for name in self.NAMES if not list(read.objections((name,), KeySpec()))}
        signed = set()
        for name in self.NAMES:
            try:
                issue(issuer, ask(name))
            except IssueError:
                continue
            signed.add(name)

        if asked.get("allowed_domains_template"):
            assert foretold >= signed
        else:
            assert foretold == signed

    @pytest.mark.parametrize(
        ("role", "key", "words"),
        [
            ({"key_type": "rsa", "key_bits": 2048}, KeySpec(), "it signs rsa keys only"),
            ({"key_type": "ec", "key_bits": 384}, KeySpec(), "of at least 384 bits, and the key would have 256"),
            ({"key_type": "ec", "key_bits": 256}, KeySpec("ecdsa", 384), ""),
            ({"key_type": "rsa", "key_bits": 4096}, KeySpec("rsa", 2048), "of at least 4096 bits"),
            ({"key_type": "ed25519"}, KeySpec("ed25519", 0), ""),
            ({"key_type": "any"}, KeySpec("rsa", 2048), ""),
        ],
        ids=str,
    )
    def test_a_key_is_objected_to_that_is_refused(
        self, pki_mount: PkiMount, make: MakeIssuer, role: dict[str, object], key: KeySpec, words: str
    ) -> None:
        """Kind and size of the key are the role's to say."""
        pki_mount.set_role(**role)  # type: ignore[arg-type]  # any setting of a role

        found = check(make(), "role", PreflightRequest(("a.example.com",), key=key))

        assert words in found.problem
        assert bool(found.problem) == bool(words)
        if words:
            with pytest.raises(IssueError):
                issue(make(), ask("a.example.com", key=key))
        else:
            issue(make(), ask("a.example.com", key=key))

    def test_a_name_too_long_for_a_required_common_name_is_said(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """The default role wants a common name; the sentence says which setting mends that."""
        name = f"{'x' * 60}.example.com"

        (problem,) = objections(make(), name)

        assert "require_cn=false" in problem
        pki_mount.set_role(require_cn=False)
        assert objections(make(), name) == ()

    def test_a_role_that_may_not_be_read_is_no_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The right to sign is enough to issue; what is not known is said to be unknown."""
        monkeypatch.setenv(TOKEN, openbao.new_token({f"{pki_mount.mount}/sign/{pki_mount.role}": ["update"]}))

        found = check(make(), "role")

        assert not found.problem
        assert "what it allows is not known beforehand" in found.detail
        assert not found.told
        assert objections(make(), "a.example.com") == ()

    def test_a_role_that_is_not_there_is_a_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The token may use it, as far as its policy goes; the mount does not have it."""
        paths = {f"{pki_mount.mount}/sign/web": ["update"], f"{pki_mount.mount}/roles/web": ["read"]}
        monkeypatch.setenv(TOKEN, openbao.new_token(paths))

        assert check(make(role="web"), "role").problem == f"bao: the mount {pki_mount.mount} has no role web"
        with pytest.raises(IssueError, match="unknown role"):
            issue(make(role="web"), ask("a.example.com"))

    @given(
        st.dictionaries(
            st.sampled_from(["allowed_domains", "key_bits", "key_type", "max_ttl", "issuer_ref"]),
            st.none() | st.integers() | st.text("a.*/{é") | st.lists(st.integers()),
        )
    )
    def test_a_role_of_any_shape_can_be_read(self, said: dict[str, object]) -> None:
        """A newer server, or something in front of it, may answer what nobody has seen."""
        role = Role(said)

        assert role.issuer_ref
        assert role.max_ttl >= timedelta(0)
        assert all(isinstance(each, str) for each in role.objections(("a.example.com", "10.0.0.1"), KeySpec()))


class TestToken:
    """A token that is not there any more when it is needed."""

    @pytest.mark.parametrize("reads", [True, False], ids=["reads the role", "only signs"])
    def test_a_token_without_the_policy_default_is_told_apart_from_a_dead_one(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch, reads: bool
    ) -> None:
        """It may not ask what it may do, and signs all the same: what shows that it lives is no problem."""
        paths = {f"{pki_mount.mount}/sign/any": ["update"]}
        paths |= {f"{pki_mount.mount}/roles/any": ["read"]} if reads else {}
        monkeypatch.setenv(TOKEN, openbao.new_token(paths, default_policy=False))
        alone = check(make(), "token")
        issue(make(), ask("a.example.com"))
        monkeypatch.setenv(TOKEN, "s.dead")
        dead = check(make(), "token")

        if reads:
            assert not alone.problem
            assert "what it may write is not known beforehand" in alone.detail
            assert not alone.told
        else:
            assert "the token may have expired" in alone.problem
            assert "policy `default`" in alone.remedy
        assert "the token may have expired" in dead.problem

    def test_a_login_without_the_policy_default_is_no_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer
    ) -> None:
        """Who has just logged in lives; what it may do is not known beforehand."""
        policy, mount = f"sign-{pki_mount.mount}", f"approle-{pki_mount.mount}"
        rule = f'path "{pki_mount.mount}/sign/any" {{ capabilities = ["update"] }}'
        openbao.expect("PUT", f"sys/policies/acl/{policy}", {"policy": rule})
        openbao.expect("POST", f"sys/auth/{mount}", {"type": "approle"})
        role = {"token_policies": [policy], "token_no_default_policy": True, "bind_secret_id": False}
        openbao.expect("POST", f"auth/{mount}/role/rotator", {**role, "token_bound_cidrs": ["127.0.0.0/8"]})
        role_id = openbao.expect("GET", f"auth/{mount}/role/rotator/role-id")["data"]["role_id"]
        issuer = make(auth={"approle": {"role_id": role_id, "mount": mount}})

        assert objections(issuer, "a.example.com") == ()
        assert issue(issuer, ask("a.example.com")).names == ("a.example.com",)

    def test_a_token_that_ends_first_is_a_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that cannot be prolonged and ends before the certificate; a renewable one is none."""
        paths = {f"{pki_mount.mount}/sign/{pki_mount.role}": ["update"]}
        current = issue(make(), ask("a.example.com", lifetime=10 * DAY)).leaf
        request = PreflightRequest(("a.example.com",), current=current)

        monkeypatch.setenv(TOKEN, openbao.new_token(paths, ttl="24h", renewable=False))
        ending = check(make(), "token", request)
        monkeypatch.setenv(TOKEN, openbao.new_token(paths, ttl="24h"))
        lasting = check(make(), "token", request)

        assert "ends before the certificate that it is to renew" in ending.problem
        assert not lasting.problem

    def test_an_expired_token_is_a_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Vault answers it as any wrong token; both the check and the issue say so."""
        token = openbao.new_token({f"{pki_mount.mount}/sign/{pki_mount.role}": ["update"]}, ttl="1s", renewable=False)
        monkeypatch.setenv(TOKEN, token)
        wait_until(lambda: not openbao.request("GET", "auth/token/lookup-self", token=token).ok, "the token has ended")

        (problem,) = objections(make(), "a.example.com")
        with pytest.raises(IssueError, match="the token may have expired"):
            issue(make(), ask("a.example.com"))

        assert "the token may have expired" in problem

    def test_an_empty_mount_is_a_problem(self, openbao: OpenBao, make: MakeIssuer) -> None:
        """A mount without a CA can sign nothing."""
        openbao.expect("POST", "sys/mounts/pki-hollow", {"type": "pki"})
        try:
            found = objections(make(mount="pki-hollow", auth={"token": f"${{env:{TOKEN}}}"}), "a.example.com")
        finally:
            openbao.request("DELETE", "sys/mounts/pki-hollow")

        assert any("pki-hollow" in each for each in found)
