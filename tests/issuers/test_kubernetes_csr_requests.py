"""The requests that `kubernetes_csr` makes: they wait for a person, are found again, and are told from others'."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.pem import key_matches
from rotator.errors import IssueError
from rotator.lib.kube.signing import csr_object
from tests.issuers.asking import Asked, ask, clock_at
from tests.issuers.asking import issue_in_time as issue
from tests.issuers.csr_asking import NOBODY, MakeIssuer, issuer_maker, name_of, put_off_for
from tests.servers.kube import KubeServer
from tests.servers.signing import CSR, CertManager, decide, forget


@pytest.fixture
def make(kube_server: KubeServer) -> MakeIssuer:
    """Build the issuer on the run's API server; the signer is one that nobody answers for unless a test says so."""
    return issuer_maker(kube_server)


class TestApprovedByAPerson:
    """A request that waits, over looks and crashes."""

    def test_it_waits_and_says_what_to_run(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Pending, with the command; the checkpoint names the object and its uid; the object says whose it is."""
        token, put_off = put_off_for(make(), ask("*.shop.example.com"))

        name = name_of(token)
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
        token, _ = put_off_for(issuer, asked)
        decide(kube_server, name_of(token), "Approved")

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
        put_off_for(make(), asked, tokens[0])

        assert len(_ours(kube_server, NOBODY, asked)) == 1

    def test_a_denial_is_final_and_quoted(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Denied is a permanent error with the words of whoever denied, on one line; the next try asks anew."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        first = kube_server.expect("GET", f"{CSR}/{name_of(token)}")["metadata"]["uid"]
        decide(kube_server, name_of(token), "Denied", "NotYours", "ask the\nplatform team")

        with pytest.raises(IssueError, match=r"was denied: NotYours ask the platform team$") as denied:
            issue(issuer, asked, resume=token)
        assert denied.value.permanent
        assert not denied.value.resumable
        again, _ = put_off_for(issuer, asked)
        assert kube_server.expect("GET", f"{CSR}/{name_of(again)}")["metadata"]["uid"] != first

    def test_one_that_is_gone_has_failed_and_is_made_again(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Deleted, or collected by Kubernetes: this try fails, not for good, and the next one makes another."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        forget(kube_server, name_of(token))

        with pytest.raises(IssueError, match="is gone") as gone:
            issue(issuer, asked, resume=token)
        assert not gone.value.permanent
        assert not gone.value.resumable
        put_off_for(issuer, asked)

    def test_one_of_the_same_name_that_came_later_is_not_ours(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """The checkpoint holds the uid: an object that was made anew under the name is not taken for the old one."""
        issuer, asked = make(), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        forget(kube_server, name_of(token))
        put_off_for(issuer, asked)

        with pytest.raises(IssueError, match="is gone"):
            issue(issuer, asked, resume=token)

    def test_a_name_that_somebody_else_took_is_told(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """An object of our name with another request in it is neither approved nor used."""
        issuer, asked = make(approve=True, clock=clock_at(datetime.now(UTC))), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        found = kube_server.expect("GET", f"{CSR}/{name_of(token)}")
        forget(kube_server, name_of(token))
        other = {**found["spec"], "request": base64.b64encode(ask("evil.example.com").request.csr).decode()}
        kube_server.expect("POST", CSR, {"metadata": {"name": name_of(token)}, "spec": other})

        with pytest.raises(IssueError, match="not ours") as taken:
            issue(issuer, asked)
        assert taken.value.permanent
        assert "conditions" not in kube_server.expect("GET", f"{CSR}/{name_of(token)}").get("status", {})


def _ours(kube: KubeServer, signer: str, asked: Asked) -> list[dict[str, Any]]:
    found = kube.request("GET", CSR, params={"fieldSelector": f"spec.signerName={signer}"}).json()["items"]
    request = base64.b64encode(asked.request.csr).decode()
    return [each for each in found if each["spec"]["request"] == request]


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
        token, _ = put_off_for(make(lifetime="1h"), asked)

        again, _ = put_off_for(make(**{"lifetime": "1h", **change}), asked, token)

        assert name_of(again) != name_of(token)
        spec = kube_server.expect("GET", f"{CSR}/{name_of(again)}")["spec"]
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
        token, _ = put_off_for(issuer, asked)
        _made_anew(kube_server, name_of(token), spec=change, labels={})

        with pytest.raises(IssueError, match="not ours") as taken:
            issue(issuer, asked)
        assert taken.value.permanent
        assert "conditions" not in kube_server.expect("GET", f"{CSR}/{name_of(token)}").get("status", {})

    def test_one_that_we_made_otherwise_is_made_again(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """With our labels on it, it is ours, as an admission policy or an older config left it: not used, replaced."""
        issuer, asked = make(lifetime="1h"), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        before = _made_anew(kube_server, name_of(token), spec={"expirationSeconds": 600})

        again, _ = put_off_for(issuer, asked)

        found = kube_server.expect("GET", f"{CSR}/{name_of(again)}")
        assert found["metadata"]["uid"] != before
        assert found["spec"]["expirationSeconds"] == 3600

    def test_what_a_policy_made_of_ours_is_still_ours(self, make: MakeIssuer) -> None:
        """The uid in the checkpoint says which object it was: nobody's opinion of its settings loses it."""
        issuer, asked = make(lifetime="1h"), ask("shop.example.com")
        token, _ = put_off_for(issuer, asked)
        capped = csr_object(name_of(token), {}, asked.request.csr, NOBODY, ("client auth",), None)
        found = issuer._asking.found(name_of(token), asked.request.csr, capped, resume=token, checkpoint=_never)
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
