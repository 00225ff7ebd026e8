"""What earlier orders of `kubernetes_csr` left behind: which requests go when the next is made, and which stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.issuers.asking import ask, clock_at
from tests.issuers.csr_asking import MakeIssuer, issuer_maker, name_of, put_off_for
from tests.servers.kube import MERGE_PATCH, KubeServer
from tests.servers.signing import CSR, decide, unique


@pytest.fixture
def make(kube_server: KubeServer) -> MakeIssuer:
    """Build the issuer as an installation of the test's own: tests at other times clear what is theirs, not this."""
    return partial(issuer_maker(kube_server), installation=unique("host"))


class TestCleaning:
    """What earlier orders left behind."""

    def test_finished_ones_go_when_the_next_is_made(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """A finished one is deleted after a while; one that waits, and one of another issuer, are not."""
        issuer, denied, waiting = make(), ask("denied.example.com"), ask("waiting.example.com")
        (old, _), (open_one, _) = put_off_for(issuer, denied), put_off_for(issuer, waiting)
        decide(kube_server, name_of(old), "Denied")
        put_off_for(make(), ask("soon.example.com"))
        assert kube_server.request("GET", f"{CSR}/{name_of(old)}").ok, "too early: somebody may come back to it"

        put_off_for(make(clock=clock_at(datetime.now(UTC) + timedelta(hours=2))), ask("later.example.com"))

        assert kube_server.request("GET", f"{CSR}/{name_of(old)}").status_code == 404
        assert kube_server.request("GET", f"{CSR}/{name_of(open_one)}").ok

    @pytest.mark.parametrize("theirs", ["elsewhere", None], ids=["another one's", "without the label"])
    def test_those_of_another_installation_stay(
        self, make: MakeIssuer, kube_server: KubeServer, theirs: str | None
    ) -> None:
        """Another rotator whose issuer has the same name, and one that does not say whose it is: not ours to delete."""
        token, _ = put_off_for(make(installation="elsewhere"), ask("theirs.example.com"))
        label = {"metadata": {"labels": {"rotator/installation": theirs}}}
        kube_server.expect("PATCH", f"{CSR}/{name_of(token)}", label, content_type=MERGE_PATCH)
        decide(kube_server, name_of(token), "Denied")
        later = clock_at(datetime.now(UTC) + timedelta(hours=2))

        put_off_for(make(clock=later), ask("ours.example.com"))
        assert kube_server.request("GET", f"{CSR}/{name_of(token)}").ok

    def test_a_name_of_its_own_outlives_the_host(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """With `installation` in the config, whichever host it runs on clears what an earlier one made."""
        token, _ = put_off_for(make(installation="prod-eu"), ask("old.example.com"))
        decide(kube_server, name_of(token), "Denied")
        later = clock_at(datetime.now(UTC) + timedelta(hours=2))

        put_off_for(make(installation="prod-eu", clock=later), ask("new.example.com"))
        assert kube_server.request("GET", f"{CSR}/{name_of(token)}").status_code == 404

    def test_one_that_was_decided_late_is_not_deleted_at_once(self, make: MakeIssuer, kube_server: KubeServer) -> None:
        """Its time counts from its end: the one who waited hours for a person still finds the answer."""
        token, _ = put_off_for(make(), ask("patient.example.com"))
        decided = datetime.now(UTC) + timedelta(hours=5)
        found = kube_server.expect("GET", f"{CSR}/{name_of(token)}")
        condition = {"type": "Denied", "status": "True", "reason": "ByHand"}
        found["status"] = {"conditions": [{**condition, "lastTransitionTime": decided.strftime("%Y-%m-%dT%H:%M:%SZ")}]}
        kube_server.expect("PUT", f"{CSR}/{name_of(token)}/approval", found)

        put_off_for(make(clock=clock_at(decided + timedelta(minutes=1))), ask("next.example.com"))

        assert kube_server.request("GET", f"{CSR}/{name_of(token)}").ok
