"""With rights on some namespaces only, what may be read is observed, and what may not is named."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Action, Result, Stage
from tests.e2e.cas import Ca, own_ca
from tests.e2e.cluster import LOOKING, NAME, RBAC, Account, install
from tests.e2e.path import DAY, SECONDS, Later, config, decisions, environment, look, ordered, program, wired
from tests.lib.kube_builders import get_secret, put_secret, tls_data
from tests.servers.kube import KubeServer

pytestmark = pytest.mark.server

UNSEEN = 3  # exit status: nothing is wrong, but something could not be looked at
SECRET = "shop-tls"


@pytest.fixture
def ca(tmp_path: Path) -> Ca:
    """The CA that signs in all namespaces."""
    (tmp_path / "ca").mkdir()
    return own_ca(tmp_path / "ca")


@pytest.fixture
def namespaces(kube_server: KubeServer, kube_namespace: str) -> Iterator[tuple[str, str, str]]:
    """Three namespaces: rotator's own and one more that it may read, and one that it may not."""
    more = tuple(f"{kube_namespace}-{name}" for name in ("open", "shut"))
    for name in more:
        kube_server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield (kube_namespace, *more)  # type: ignore[misc]  # of a tuple of two mypy only knows that it is one
    for name in more:
        kube_server.request("DELETE", f"/api/v1/namespaces/{name}/secrets")
        kube_server.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def account(kube_server: KubeServer, namespaces: tuple[str, str, str], ca: Ca, tmp_path: Path) -> Account:
    """rotator as the chart installs it for the first two; a Secret with 60 days left is in each of the three."""
    for number, namespace in enumerate(namespaces):
        put_secret(kube_server, namespace, SECRET, tls_data(ca.old(f"shop-{number}.example.com", 60 * DAY)))
    own, readable, _ = namespaces
    return install(kube_server, own, tmp_path / "chart", reads=[own, readable], writes={})


def adopting(account: Account, ca: Ca, folder: Path, *namespaces: str) -> str:
    """A config that adopts whatever is found in these namespaces."""
    return config(
        folder,
        sources={"cluster": account.source(*namespaces)},
        issuers={"ca": ca.entry},
        adopt=[{"from": "cluster", "match": {}, "issuer": "ca", "settle": "2s"}],
    )


def test_readable_namespaces_are_observed_and_the_others_are_named(
    account: Account, namespaces: tuple[str, str, str], ca: Ca, tmp_path: Path
) -> None:
    """The plan has every Secret that may be read; the one problem names the namespace that may not, and the right that
    is missing."""
    *readable, shut = namespaces
    with wired(adopting(account, ca, tmp_path, *namespaces)) as wiring:
        ticked, outcomes = look(wiring)
    assert outcomes == {}
    assert {name: each.action for name, each in decisions(ticked).items()} == {
        f"{namespace}/{SECRET}": Action.KEEP for namespace in readable
    }
    (problem,) = ticked.inventory.problems
    assert f"may not read the Secrets in: {shut};" in problem.message
    assert f"grant {account.user}" in problem.message
    assert account.writes() == []


def test_the_plan_says_so_on_the_command_line(
    account: Account, namespaces: tuple[str, str, str], ca: Ca, tmp_path: Path
) -> None:
    """`rotator plan` shows what it saw, says what it could not see, and ends with the status for that."""
    file = tmp_path / "rotator.yaml"
    file.write_text(adopting(account, ca, tmp_path, *namespaces))
    ran = subprocess.run(
        program("plan", "--config", str(file), "--output", "json"),
        env=environment(tmp_path / "tmp"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = json.loads(ran.stdout)
    assert ran.returncode == UNSEEN, ran.stderr
    assert len(said["decisions"]) == 2
    assert namespaces[2] in json.dumps(said["unseen"])


def test_all_namespaces_means_those_that_may_be_read(
    kube_server: KubeServer, account: Account, namespaces: tuple[str, str, str], ca: Ca, tmp_path: Path
) -> None:
    """`namespaces: all` without the right to list all Secrets goes through them one by one, and names the others."""
    *readable, shut = namespaces
    text = config(
        tmp_path,
        sources={"cluster": {"kubernetes": {"namespaces": "all", "kubeconfig": str(account.kubeconfig)}}},
        issuers={"ca": ca.entry},
        adopt=[{"from": "cluster", "match": {}, "issuer": "ca"}],
    )
    with listing_namespaces(kube_server, account), wired(text) as wiring:
        ticked, _ = look(wiring)
    assert set(decisions(ticked)) == {f"{namespace}/{SECRET}" for namespace in readable}
    (problem,) = ticked.inventory.problems
    denied = problem.message.partition("may not read the Secrets in: ")[2].partition(";")[0].split(", ")
    assert shut in denied
    assert "kube-system" in denied
    assert not set(readable) & set(denied)


def test_a_secret_that_may_not_be_written_costs_one_order(
    kube_server: KubeServer, kube_namespace: str, ca: Ca, tmp_path: Path
) -> None:
    """A due Secret that the chart's values do not name cannot be written: the sentence says which right is missing,
    nothing is changed, and the certificate that was issued waits for the right instead of another being ordered."""
    later, name = Later(), f"{kube_namespace}/{SECRET}"
    old = ca.old("shop.example.com", 29 * DAY)
    put_secret(kube_server, kube_namespace, SECRET, tls_data(old))
    account = install(kube_server, kube_namespace, tmp_path / "chart", reads=[kube_namespace], writes={})
    with wired(adopting(account, ca, tmp_path, kube_namespace), later.clock) as wiring:
        for _ in range(3):
            _, outcomes = look(wiring)
            assert (outcomes[name].result, outcomes[name].stage) == (Result.FAILED, Stage.DEPLOY)
            assert f"grant {account.user} the verb `patch` on secrets" in outcomes[name].error
            later.skip(DAY)
        assert get_secret(kube_server, kube_namespace, SECRET)["data"] == tls_data(old)
        assert ordered(wiring) == [name]
    refused = {
        event["responseStatus"]["code"]
        for event in kube_server.audit(user=account.user, namespace=kube_namespace)
        if event["verb"] not in LOOKING
    }
    assert refused == {403}


@contextmanager
def listing_namespaces(server: KubeServer, account: Account) -> Iterator[None]:
    """Let a ServiceAccount list the namespaces of the cluster, and nothing in them."""
    base, name = f"/apis/{RBAC}/v1", f"list-{uuid.uuid4().hex[:8]}"
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}
    binding: Mapping[str, Any] = {
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": account.namespace}],
        "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": RBAC},
    }
    server.expect("POST", f"{base}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    server.expect("POST", f"{base}/clusterrolebindings", binding)
    try:
        yield
    finally:
        server.request("DELETE", f"{base}/clusterrolebindings/{name}")
        server.request("DELETE", f"{base}/clusterroles/{name}")
