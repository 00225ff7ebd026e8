"""Tests of the issuer `cert_manager` on a real API server with cert-manager's own controllers."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.core.pem import certificate_pem, key_matches
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.cert_manager import CertManagerIssuer, CertManagerSettings, IssuerReference
from rotator.ports import Clock
from tests.issuers.asking import Asked, Drawer, ask, clock_at, hurried_clock, objections
from tests.issuers.asking import issue_in_time as issue
from tests.servers.kube import ADMIN, LIMITED, MERGE_PATCH, KubeServer
from tests.servers.signing import CertManager

_TYPED = {"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest"}
EXTERNAL = {"name": "far", "kind": "FarIssuer", "group": "example.com"}

MakeIssuer = Callable[..., CertManagerIssuer]


@pytest.fixture
def make(cert_manager: CertManager, kube_namespace: str) -> MakeIssuer:
    """Build the issuer on the run's cert-manager; its ClusterIssuer signs unless a test says otherwise."""

    def built(
        *, token: str = ADMIN, clock: Clock | None = None, drawer: Drawer | None = None, **settings: object
    ) -> CertManagerIssuer:
        standard = {
            "issuer": {"name": cert_manager.issuer, "kind": "ClusterIssuer"},
            "namespace": kube_namespace,
            "kubeconfig": str(cert_manager.server.kubeconfig(token)),
        }
        chosen = CertManagerSettings.model_validate({**standard, **settings})
        return CertManagerIssuer("cm", chosen, clock or hurried_clock(), drawer or Drawer())

    return built


def _where(namespace: str) -> str:
    return f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificaterequests"


def _requests(kube: KubeServer, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.expect("GET", _where(namespace))["items"]
    return found


def _pending(issuer: CertManagerIssuer, asked: Asked, resume: str | None = None) -> tuple[str, Pending]:
    """Ask, and expect to be put off; the last token, and what was said."""
    tokens: list[str] = [resume] if resume else []
    with pytest.raises(Pending) as put_off:
        issuer.issue(asked.request, resume=resume, checkpoint=tokens.append)
    return tokens[-1], put_off.value


def _say(kube: KubeServer, namespace: str, token: str, **conditions: tuple[str, str, str]) -> None:
    """Set conditions (status, reason, message), as an approver or an external issuer does."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    written = [
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": moment}
        for kind, (status, reason, message) in conditions.items()
    ]
    where = f"{_where(namespace)}/{json.loads(token)['name']}/status"
    kube.expect("PATCH", where, {"status": {"conditions": written}}, content_type=MERGE_PATCH)


class TestSigning:
    """An issuer that answers."""

    def test_a_cluster_issuer_signs(self, make: MakeIssuer, cert_manager: CertManager) -> None:
        """Made, approved by cert-manager, and signed within one call; the intermediate comes along."""
        issuer, asked = make(), ask("shop.example.com", "*.shop.example.com", "10.0.0.1", lifetime=timedelta(hours=5))
        assert issuer.roots() == ()

        chain = issue(issuer, asked)

        assert key_matches(chain, asked.key)
        assert len(chain.certificates) == 2
        assert abs(chain.lifetime - timedelta(hours=5)) < timedelta(minutes=10)
        assert issuer.roots() == (cert_manager.root,)
        assert verify_path(chain, issuer.roots(), datetime.now(UTC), asked.request.names) is None

    def test_what_it_learnt_of_the_root_outlives_it(self, make: MakeIssuer, cert_manager: CertManager) -> None:
        """The root that cert-manager named is kept in the store's drawer, for a process that starts later."""
        drawer = Drawer()
        issue(make(drawer=drawer), ask("shop.example.com"))
        assert make(drawer=drawer).roots() == (cert_manager.root,)

    def test_an_issuer_of_the_namespace_signs(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """An Issuer, which only its own namespace can use."""
        authority = cert_manager.make_issuer(kube_namespace)
        issuer = make(issuer={"name": "ca"})

        chain = issue(issuer, ask("shop.example.com"))

        assert chain.leaf.issuer == authority.certificate.subject
        assert objections(issuer, "shop.example.com") == ()

    def test_the_request_says_what_is_asked_for(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """One object, labelled as ours, with the lifetime and usages; no Secret was written."""
        issue(make(), ask("shop.example.com", lifetime=timedelta(hours=2)))

        (found,) = _requests(cert_manager.server, kube_namespace)
        assert found["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "rotator",
            "rotator/issuer": "cm",
            "rotator/installation": socket.gethostname(),
        }
        assert found["spec"]["usages"] == ["digital signature", "server auth"]
        assert found["spec"]["duration"] == "7200s"
        secrets = cert_manager.server.expect("GET", f"/api/v1/namespaces/{kube_namespace}/secrets")["items"]
        assert secrets == []


def test_a_kind_that_cert_manager_does_not_have_is_a_mistake() -> None:
    """A misspelled kind is seen in the config, not when a request waits for ever; an external issuer's is its own."""
    with pytest.raises(ValidationError, match="'ClusterIsuer' is no kind of cert-manager's own"):
        IssuerReference.model_validate({"name": "ca", "kind": "ClusterIsuer"})
    assert IssuerReference.model_validate(EXTERNAL).kind == "FarIssuer"


class TestWaiting:
    """A request that is not answered at once."""

    def test_an_issuer_that_does_not_exist_is_told_in_cert_managers_words(self, make: MakeIssuer) -> None:
        """Pending at first, for it may come yet; after `signed_within` an error, not a permanent one."""
        asked = ask("shop.example.com")
        token, put_off = _pending(make(issuer={"name": "nobody"}), asked)
        assert 'Referenced "Issuer" not found' in str(put_off)

        late = make(issuer={"name": "nobody"}, clock=clock_at(datetime.now(UTC) + timedelta(hours=2)))
        with pytest.raises(
            IssueError, match=r"was approved 2h\S* ago and is not signed.*see what its issuer"
        ) as late_one:
            issue(late, asked, resume=token)
        assert not late_one.value.permanent

    def test_an_approval_without_a_time_is_waited_for_no_longer(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """`lastTransitionTime` is optional: without it the time counts from when the status was written."""
        asked = ask("shop.example.com")
        token, _ = _pending(make(issuer=EXTERNAL), asked)
        where = f"{_where(kube_namespace)}/{json.loads(token)['name']}/status"
        approval = {"type": "Approved", "status": "True", "reason": "ByHand", "message": "well"}
        body = {"status": {"conditions": [approval]}}
        cert_manager.server.expect("PATCH", where, body, content_type=MERGE_PATCH)

        _pending(make(issuer=EXTERNAL, clock=clock_at(datetime.now(UTC))), asked, token)
        late = make(issuer=EXTERNAL, clock=clock_at(datetime.now(UTC) + timedelta(hours=2)))
        with pytest.raises(IssueError, match=r"was approved (1h59m|2h)\S* ago and is not signed") as given_up:
            issue(late, asked, resume=token)
        assert not given_up.value.permanent

    def test_who_gives_up_looks_again_within_the_hour(self, make: MakeIssuer) -> None:
        """However long an issuer may take, one that signs at last is noticed soon."""
        asked = ask("shop.example.com")
        token, _ = _pending(make(issuer=EXTERNAL, signed_within="7d"), asked)
        clock = clock_at(datetime.now(UTC) + timedelta(days=8))
        with pytest.raises(IssueError, match="is not signed") as given_up:
            issue(make(issuer=EXTERNAL, signed_within="7d", clock=clock), asked, resume=token)
        assert given_up.value.retry_after == timedelta(hours=1)

    def test_what_is_signed_later_is_fetched(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """The checkpoint leads back to the object once its issuer is there; no second one is made."""
        issuer, asked = make(issuer={"name": "ca"}), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        cert_manager.make_issuer(kube_namespace)

        chain = issue(issuer, asked, resume=token)

        assert key_matches(chain, asked.key)
        assert len(_requests(cert_manager.server, kube_namespace)) == 1

    @pytest.mark.parametrize("made", [False, True])
    def test_a_crash_around_its_creation_makes_no_second_one(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str, made: bool
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
            make(issuer=EXTERNAL).issue(asked.request, resume=None, checkpoint=crash)
        _pending(make(issuer=EXTERNAL), asked, tokens[0])

        assert len(_requests(cert_manager.server, kube_namespace)) == 1

    def test_without_approval_it_waits_as_long_as_that_takes(self, make: MakeIssuer, cert_manager: CertManager) -> None:
        """Nobody is hurried who has to approve: it stays pending for days, with the command."""
        asked = ask("shop.example.com")
        cert_manager.process.send(signal.SIGSTOP)  # its approver is as slow as a person
        try:
            token, put_off = _pending(make(clock=clock_at(datetime.now(UTC))), asked)
            late = make(clock=clock_at(datetime.now(UTC) + timedelta(days=3)))
            again, put_off_again = _pending(late, asked, token)
        finally:
            cert_manager.process.send(signal.SIGCONT)
        assert token == again
        for each in (put_off, put_off_again):
            assert "waits for approval" in str(each)
            assert f"cmctl approve {json.loads(token)['name']}" in str(each)


class TestRefused:
    """What is over."""

    @pytest.mark.parametrize(
        ("conditions", "says", "permanent"),
        [
            ({"Denied": ("True", "policy", "not\nyours")}, "was denied: policy not yours", True),
            ({"InvalidRequest": ("True", "BadRequest", "no such name")}, "is invalid: BadRequest no such name", True),
            ({"Ready": ("False", "Failed", "the CA is on holiday")}, "failed: Failed the CA is on holiday", False),
        ],
    )
    def test_it_ends_in_the_words_of_whoever_refused(
        self,
        make: MakeIssuer,
        cert_manager: CertManager,
        kube_namespace: str,
        conditions: dict[str, tuple[str, str, str]],
        says: str,
        permanent: bool,
    ) -> None:
        """Denied and invalid are final; what failed is tried again by a new request."""
        issuer, asked = make(issuer=EXTERNAL), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        _say(cert_manager.server, kube_namespace, token, **conditions)

        with pytest.raises(IssueError, match=says) as over:
            issue(issuer, asked, resume=token)
        assert (over.value.permanent, over.value.resumable) == (permanent, False)
        before = _requests(cert_manager.server, kube_namespace)[0]["metadata"]["uid"]
        _pending(issuer, asked)
        (again,) = _requests(cert_manager.server, kube_namespace)
        assert again["metadata"]["uid"] != before

    def test_one_that_is_gone_has_failed_and_is_made_again(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """Somebody deleted it: this try fails, not for good, and the next one makes another."""
        issuer, asked = make(issuer=EXTERNAL), ask("shop.example.com")
        token, _ = _pending(issuer, asked)
        cert_manager.server.expect("DELETE", f"{_where(kube_namespace)}/{json.loads(token)['name']}")

        with pytest.raises(IssueError, match="is gone") as gone:
            issue(issuer, asked, resume=token)
        assert not gone.value.permanent
        _pending(issuer, asked)

    def test_without_the_right_it_is_a_permanent_error(self, make: MakeIssuer) -> None:
        """The API server's refusal names the right; preflight says it beforehand."""
        issuer = make(token=LIMITED)
        with pytest.raises(IssueError, match="certificaterequests") as denied:
            issue(issuer, ask("shop.example.com"))
        assert denied.value.permanent
        said = "; ".join(objections(issuer, "shop.example.com"))
        for verb in ("create", "get", "delete"):
            assert f"{verb} certificaterequests.cert-manager.io" in said


class TestOtherSettings:
    """What was asked for otherwise than the config says now."""

    @pytest.mark.parametrize(
        "change",
        [{"issuer": {**EXTERNAL, "name": "near"}}, {"usages": ["server auth"]}, {"lifetime": "2h"}],
        ids=["issuer", "usages", "lifetime"],
    )
    def test_a_changed_config_asks_anew(self, make: MakeIssuer, change: dict[str, object]) -> None:
        """The token of a request that was made before does not lead back to it."""
        asked, before = ask("shop.example.com"), {"issuer": EXTERNAL, "lifetime": "1h"}
        token, _ = _pending(make(**before), asked)
        again, _ = _pending(make(**{**before, **change}), asked, token)
        assert json.loads(again)["name"] != json.loads(token)["name"]

    @pytest.mark.parametrize(
        "change",
        [{"issuerRef": {**EXTERNAL, "name": "near"}}, {"usages": ["client auth"]}, {"duration": "2h0m0s"}],
        ids=["issuer", "usages", "lifetime"],
    )
    @pytest.mark.parametrize("ours", [False, True], ids=["a stranger's", "ours"])
    def test_one_of_our_name_that_asks_for_something_else_is_not_used(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str, change: dict[str, object], ours: bool
    ) -> None:
        """The same CSR for another issuer, use or lifetime: told where somebody else made it, else made again."""
        issuer, asked = make(issuer=EXTERNAL, lifetime="1h"), ask("shop.example.com")
        _pending(issuer, asked)
        (found,) = _requests(cert_manager.server, kube_namespace)
        name, labels = found["metadata"]["name"], found["metadata"]["labels"] if ours else {}
        cert_manager.server.expect("DELETE", f"{_where(kube_namespace)}/{name}")
        spec = {key: found["spec"][key] for key in ("request", "issuerRef", "usages", "duration")} | change
        body = {**_TYPED, "metadata": {"name": name, "labels": labels}, "spec": spec}
        cert_manager.server.expect("POST", _where(kube_namespace), body)

        if not ours:
            with pytest.raises(IssueError, match="not ours") as taken:
                issue(issuer, asked)
            assert taken.value.permanent
            return
        _pending(issuer, asked)
        (left,) = _requests(cert_manager.server, kube_namespace)
        assert left["spec"]["issuerRef"] == EXTERNAL
        assert left["spec"]["usages"] == ["digital signature", "server auth"]
        assert left["spec"]["duration"] == "3600s"

    def test_the_same_in_gos_words_is_the_same(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """A lifetime that a webhook has written as Go does is what we asked for: the request is come back to."""
        issuer, asked = make(issuer=EXTERNAL, lifetime="1h"), ask("shop.example.com")
        _pending(issuer, asked)
        (found,) = _requests(cert_manager.server, kube_namespace)
        cert_manager.server.expect("DELETE", f"{_where(kube_namespace)}/{found['metadata']['name']}")
        spec = {key: found["spec"][key] for key in ("request", "issuerRef", "usages")} | {"duration": "1h0m0s"}
        body = {**_TYPED, "metadata": {"name": found["metadata"]["name"]}, "spec": spec}
        uid = cert_manager.server.expect("POST", _where(kube_namespace), body)["metadata"]["uid"]

        token, _ = _pending(issuer, asked)
        assert json.loads(token)["uid"] == uid


class TestBeforehand:
    """What preflight tells of the issuer."""

    def test_an_issuer_that_is_not_there_is_told(self, make: MakeIssuer, kube_namespace: str) -> None:
        """By kind, namespace and name."""
        assert objections(make(issuer={"name": "nobody"}), "shop.example.com") == (
            f"cm: there is no Issuer {kube_namespace}/nobody",
        )

    def test_an_issuer_that_is_not_ready_is_told_in_cert_managers_words(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """Its Secret is missing, which cert-manager says in the issuer's Ready condition."""
        body = {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "broken", "namespace": kube_namespace},
            "spec": {"ca": {"secretName": "nowhere"}},
        }
        where = f"/apis/cert-manager.io/v1/namespaces/{kube_namespace}/issuers"
        cert_manager.server.expect("POST", where, body)
        issuer = make(issuer={"name": "broken"})

        said: tuple[str, ...] = ()
        for _ in range(100):
            said = objections(issuer, "shop.example.com")
            if "nowhere" in "".join(said):
                break
            issuer._clock.wait(4.0)
        (problem,) = said
        assert problem.startswith(f"cm: the Issuer {kube_namespace}/broken is not ready: ")
        assert '"nowhere" not found' in problem

    def test_a_ca_that_is_not_there_is_told_beforehand_and_costs_no_request(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """An answer could not be completed without it, so it is read before anything is asked for."""
        issuer = make(ca={"file": "/nonexistent/ca.pem"})

        (problem,) = objections(issuer, "shop.example.com")
        with pytest.raises(IssueError) as refused:
            issue(issuer, ask("shop.example.com"))

        assert problem == str(refused.value)
        assert "/nonexistent/ca.pem cannot be read: No such file or directory" in problem
        assert refused.value.permanent
        assert refused.value.resumable
        assert _requests(cert_manager.server, kube_namespace) == []

    def test_a_configured_root_goes_before_what_cert_manager_names(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """`ca` is what the operator trusts, whatever stands beside an answer."""
        body = {"metadata": {"name": "ca"}, "data": {"ca.crt": certificate_pem(cert_manager.root).decode()}}
        cert_manager.server.expect("POST", f"/api/v1/namespaces/{kube_namespace}/configmaps", body)
        issuer = make(ca={"config_map": {"namespace": kube_namespace, "name": "ca"}}, drawer=Drawer({"ca": b"junk"}))
        assert issuer.roots() == (cert_manager.root,)


class TestCleaning:
    """What earlier orders left behind."""

    def test_finished_ones_go_when_the_next_is_made(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str
    ) -> None:
        """cert-manager never deletes them, so rotator does, after a while; those of others stay."""
        issue(make(), ask("one.example.com"))
        issue(make(), ask("two.example.com"))
        assert len(_requests(cert_manager.server, kube_namespace)) == 2, "too early: somebody may come back to it"
        later = hurried_clock()
        ahead = Clock(lambda: later.now() + timedelta(hours=2), later.monotonic, later.wait)

        issue(make(clock=ahead), ask("three.example.com"))

        (left,) = _requests(cert_manager.server, kube_namespace)
        assert left["metadata"]["name"].startswith("rotator-three-example-com-")

    @pytest.mark.parametrize("theirs", ["elsewhere", None], ids=["another one's", "without the label"])
    def test_those_of_another_installation_stay(
        self, make: MakeIssuer, cert_manager: CertManager, kube_namespace: str, theirs: str | None
    ) -> None:
        """Another rotator whose issuer has the same name, and one that does not say whose it is: not ours to delete."""
        issue(make(installation="elsewhere"), ask("theirs.example.com"))
        (found,) = _requests(cert_manager.server, kube_namespace)
        label = {"metadata": {"labels": {"rotator/installation": theirs}}}
        where = f"{_where(kube_namespace)}/{found['metadata']['name']}"
        cert_manager.server.expect("PATCH", where, label, content_type=MERGE_PATCH)
        later = hurried_clock()
        ahead = Clock(lambda: later.now() + timedelta(hours=2), later.monotonic, later.wait)

        issue(make(clock=ahead), ask("ours.example.com"))

        assert len(_requests(cert_manager.server, kube_namespace)) == 2
