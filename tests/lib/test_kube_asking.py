"""What is read of the objects that ask a cluster for a signature: whose they are, what they ask for, and since when."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from rotator.issuers.cert_manager import CertManagerSettings
from rotator.issuers.kubernetes_csr import KubernetesCsrIssuer, KubernetesCsrSettings
from rotator.lib.kube.certmanager import CmRequest
from rotator.lib.kube.installation import label_value, own_name
from rotator.lib.kube.signing import Csr
from tests.issuers.asking import Drawer, clock_at

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UID = "6f1c2a4e-0b1d-4c7e-9a51-2f2b8c3d4e5f"


def pod(folder: Path, claims: Mapping[str, object]) -> Path:
    """The folder of a pod's service account, with a token that says this."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    (folder / "token").write_text(f"eyJhbGciOiJSUzI1NiJ9.{body}.c2lnbmF0dXJl\n")
    return folder / "token"


PROJECTED = {
    "sub": "system:serviceaccount:platform:rotator",
    "kubernetes.io": {
        "namespace": "platform",
        "pod": {"name": "rotator-7c9d8b6f4-x2x7k", "uid": "0"},
        "serviceaccount": {"name": "rotator", "uid": UID},
    },
}


# ---------------------------------------------------------------- whose it is


def test_a_pod_is_known_by_its_service_account(tmp_path: Path) -> None:
    """Shows that neither a new pod nor a lost state changes the name, and that people can read it."""
    token = pod(tmp_path, PROJECTED)
    assert own_name(own_cluster=True, token=token, host="rotator-7c9d8b6f4-x2x7k") == "platform.rotator"
    assert own_name(own_cluster=True, token=token, host="rotator-5d5f9-aaaaa") == "platform.rotator"


def test_in_another_cluster_the_same_service_account_is_told_apart(tmp_path: Path) -> None:
    """Shows that ten clusters with the same chart, which ask an eleventh, are ten installations."""
    token = pod(tmp_path, PROJECTED)
    assert own_name(own_cluster=False, token=token, host="rotator-7c9d8b6f4-x2x7k") == "platform.rotator.6f1c2a4e"


def test_a_token_that_names_no_uid_still_names_the_account(tmp_path: Path) -> None:
    """Shows that a token of the old kind, without times and bindings, is enough."""
    token = pod(tmp_path, {"sub": "system:serviceaccount:platform:rotator"})
    assert own_name(own_cluster=True, token=token, host="pod") == "platform.rotator"
    assert own_name(own_cluster=False, token=token, host="pod") == "platform.rotator"


@pytest.mark.parametrize("text", ["", "opaque", "a.%%%.c", "a.e30.c", "a.bnVsbA.c", "a.eyJzdWIiOiJhbm5hIn0.c", "\xff"])
def test_outside_of_a_pod_it_is_the_host(tmp_path: Path, text: str) -> None:
    """Shows that a token that is not there, or says nothing of a service account, leaves the host's name."""
    assert own_name(own_cluster=True, token=tmp_path / "none", host="web1.example.com") == "web1.example.com"
    (tmp_path / "token").write_text(text, encoding="latin-1")
    assert own_name(own_cluster=True, token=tmp_path / "token", host="web1.example.com") == "web1.example.com"


def test_any_name_becomes_a_label_and_stays_its_own() -> None:
    """Shows that what Kubernetes takes is left as it is, and that what it does not take never becomes another's."""
    assert label_value("Web_1.example.com") == "Web_1.example.com"
    long = ["a" * 70, "a" * 71, "web 1", "web:1", "web/1", "-", "_web", "ümlaut", ""]
    made = [label_value(text) for text in long]
    assert len(set(made)) == len(long)
    for value in made:
        KubernetesCsrSettings(signer="example.com/one", installation=value)
        assert 0 < len(value) <= 63


@pytest.mark.parametrize("value", ["prod eu", "-prod", "prod.", "a" * 64, "prod/eu"])
def test_an_installation_that_is_no_label_is_refused(value: str) -> None:
    """Shows that the config says so, before the API server would."""
    with pytest.raises(ValidationError, match="no label of Kubernetes"):
        KubernetesCsrSettings(signer="example.com/one", installation=value)


def test_issuers_of_like_names_are_two(tmp_path: Path) -> None:
    """Shows that the label of an issuer is its own: `le.prod` does not clear away what `le-prod` made."""
    settings = KubernetesCsrSettings(signer="example.com/one", kubeconfig=str(tmp_path / "none"))
    names = ["le.prod", "le-prod", "LE-prod", "le prod", "le:prod"]
    issuers = [KubernetesCsrIssuer(name, settings, clock_at(MADE), Drawer()) for name in names]
    assert len({issuer._asking.labels()["rotator/issuer"] for issuer in issuers}) == len(names)


# ---------------------------------------------------------------- how long it is waited for


def test_what_is_asked_for_is_looked_at_before_it_is_cleared_away() -> None:
    """Shows the bounds of `ask_again`: Kubernetes deletes a signed request an hour after its approval."""
    for settings in (
        {"signer": "example.com/one", "ask_again": "30m"},
        {"signer": "example.com/one", "ask_again": "1s"},
    ):
        KubernetesCsrSettings.model_validate(settings)
    for wrong in ("31m", "30d", "0s"):
        with pytest.raises(ValidationError, match="ask_again"):
            KubernetesCsrSettings.model_validate({"signer": "example.com/one", "ask_again": wrong})
        with pytest.raises(ValidationError, match="ask_again"):
            CertManagerSettings.model_validate({"issuer": {"name": "ca"}, "ask_again": wrong})


def written(**metadata: object) -> dict[str, object]:
    return {"name": "one", "creationTimestamp": "2026-03-01T12:00:00Z", **metadata}


APPROVED = {"type": "Approved", "status": "True"}
AT_13, AT_14 = {"lastTransitionTime": "2026-03-01T13:00:00Z"}, {"lastUpdateTime": "2026-03-01T14:00:00Z"}
FIELDS = [
    {"manager": "rotator", "time": "2026-03-01T18:00:00Z"},
    {"manager": "kubectl", "subresource": "approval", "time": "2026-03-01T15:00:00Z"},
    {"manager": "controller", "subresource": "status", "time": "2026-03-01T14:30:00Z"},
]


@pytest.mark.parametrize("kind", [Csr, CmRequest])
@pytest.mark.parametrize(
    ("condition", "metadata", "hours"),
    [
        ({**APPROVED, **AT_13}, written(managedFields=FIELDS), 1),
        (APPROVED, written(managedFields=FIELDS), 3),
        (APPROVED, written(managedFields=FIELDS[:1]), 0),
        (APPROVED, written(), 0),
        ({**APPROVED, "lastTransitionTime": None}, written(), 0),
        ({**APPROVED, "status": "False"}, written(), None),
    ],
    ids=["told", "when it was written", "nothing was written", "nothing is known", "null", "not approved"],
)
def test_an_approval_has_a_time(
    kind: type[Csr | CmRequest], condition: dict[str, object], metadata: dict[str, object], hours: int | None
) -> None:
    """Shows that a missing `lastTransitionTime` is made up for: by who wrote the status when, else by the creation."""
    found = msgspec.convert({"metadata": metadata, "status": {"conditions": [condition]}}, kind, strict=False)
    assert found.approved_at == (None if hours is None else MADE + hours * HOUR)


def test_a_request_of_kubernetes_own_kind_has_a_second_time() -> None:
    """Shows that `lastUpdateTime`, which only CertificateSigningRequests have, counts where the other is missing."""
    condition = {**APPROVED, **AT_14}
    found = msgspec.convert({"metadata": written(), "status": {"conditions": [condition]}}, Csr, strict=False)
    assert found.approved_at == MADE + 2 * HOUR


@pytest.mark.parametrize("duration", ["7200s", "2h", "2h0m0s"])
def test_a_duration_is_the_same_however_it_is_written(duration: str) -> None:
    """Shows that Go's way to write what was asked for makes it no other request."""
    spec = {"request": "eA==", "issuerRef": {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}}
    one = msgspec.convert({"spec": {**spec, "usages": ["a", "b"], "duration": "7200s"}}, CmRequest)
    other = msgspec.convert({"spec": {**spec, "usages": ["b", "a"], "duration": duration}}, CmRequest)
    assert one.asked == other.asked
    assert one.asked != msgspec.convert({"spec": {**spec, "usages": ["a", "b"], "duration": "5h"}}, CmRequest).asked
