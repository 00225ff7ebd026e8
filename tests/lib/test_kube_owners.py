"""Who owns a Secret, told from its metadata alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.owners import SIGNS, is_trigger, owner_of, rivals_of, triggered, writers


def metadata(**fields: Any) -> Metadata:
    """Metadata of the Secret shop/shop-tls, as the API server writes it."""
    return msgspec.convert({"name": "shop-tls", "namespace": "shop", **fields}, Metadata)


def written_by(*managers: str, what: str = "f:tls.crt") -> list[dict[str, Any]]:
    """`managedFields` in which these have written one key of `data`."""
    return [{"manager": each, "fieldsV1": {"f:data": {".": {}, what: {}}}} for each in managers]


def reference(kind: str, name: str, controller: bool | None = True) -> dict[str, Any]:
    """An ownerReference."""
    return {"apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": "1", "controller": controller}


@pytest.mark.parametrize(
    ("fields", "kind", "name", "remedy"),
    [
        (
            {"ownerReferences": [reference("Certificate", "shop")]},
            "cert-manager", "Certificate shop/shop", "cmctl renew -n shop shop",
        ),
        (
            {"ownerReferences": [reference("Widget", "edge")]},
            "controller", "Widget shop/edge", "Widget shop/edge controls it; have its controller renew it",
        ),
        (
            {"ownerReferences": [reference("ExternalSecret", "pull", controller=None)]},
            "external-secrets", "ExternalSecret shop/pull", "externalsecret -n shop pull force-sync",
        ),
        (
            {"annotations": {"cert-manager.io/certificate-name": "web"}},
            "cert-manager", "Certificate shop/web", "cmctl renew -n shop web",
        ),
        (
            {"labels": {"controller.cert-manager.io/fao": "true"}},
            "cert-manager", "Certificate shop/shop-tls", "cmctl renew -n shop shop-tls",
        ),
        (
            {"labels": {"reconcile.external-secrets.io/managed": "true"}},
            "external-secrets", "ExternalSecret shop/shop-tls", "force-sync",
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"}},
            "vault-secrets-operator", "VaultSecret shop/shop-tls", "renew it in Vault",
        ),
        (
            {"annotations": {"sealedsecrets.bitnami.com/managed": "true"}},
            "sealed-secrets", "SealedSecret shop/shop-tls", "kubeseal",
        ),
        (
            {"annotations": {"service.beta.openshift.io/originating-service-name": "api"}},
            "openshift-service-ca", "Service shop/api", "oc delete secret -n shop shop-tls",
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "web"}},
            "helm", "release shop/web", "values of the release web",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "web:/Secret:shop/shop-tls"}},
            "argocd", "Application web:/Secret:shop/shop-tls", "Argo CD application",
        ),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
            "flux", "Kustomization shop/apps", "Flux applies as apps",
        ),
        (
            {"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "certs/wildcard"}},
            "copy", "Secret certs/wildcard", "it is a copy of Secret certs/wildcard; renew the original",
        ),
        (
            {"managedFields": written_by("cert-manager-certificates-issuing")},
            "cert-manager", "field manager cert-manager-certificates-issuing", "cmctl renew -n shop shop-tls",
        ),
        (
            {"managedFields": written_by("kubectl-edit", "edge-operator")},
            "field-manager", "field manager edge-operator", "edge-operator wrote tls.crt last",
        ),
        (
            {"managedFields": written_by("argocd-controller")},
            "argocd", "field manager argocd-controller", "argocd-controller wrote tls.crt last",
        ),
    ],
)  # fmt: skip
def test_owner(fields: dict[str, Any], kind: str, name: str, remedy: str) -> None:
    """Each sign of an owner gives its kind, its name, and what a person can do."""
    owner = owner_of(metadata(**fields))
    assert owner is not None
    assert (owner.kind, owner.name) == (kind, name)
    assert remedy in owner.remedy


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ownerReferences": [reference("ConfigMap", "config", controller=False)]},
        {"labels": {"app.kubernetes.io/managed-by": "rotator", "controller.cert-manager.io/fao": "false"}},
        {"managedFields": written_by("kubectl-client-side-apply", "kubectl", "rotator", "oc", "before-first-apply")},
        {"managedFields": written_by("edge-operator", what="f:other")},
        {"managedFields": [{"manager": "labeller", "fieldsV1": {"f:metadata": {"f:labels": {}}}}, {"manager": "odd"}]},
    ],
)
def test_ours_to_write(fields: dict[str, Any]) -> None:
    """People, rotator itself, and those who wrote something else than the certificate own nothing."""
    assert owner_of(metadata(**fields)) is None


def test_allowed_managers_are_globs() -> None:
    """A field manager that the operator allows is no owner; another one still is."""
    found = metadata(managedFields=written_by("edge-operator", "pipeline"))
    assert owner_of(found, ["edge-*", "pipeline"]) is None
    owner = owner_of(found, ["edge-*"])
    assert owner is not None
    assert owner.name == "field manager pipeline"
    assert writers(found) == ("edge-operator", "pipeline")


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.key)
def test_every_sign_fills_its_remedy(sign: Any) -> None:
    """No remedy has a placeholder left, whichever key gave the owner away."""
    value = "x" if sign.value == "*" else sign.value
    owner = owner_of(metadata(annotations={sign.key: value}))
    assert owner is not None
    assert owner.kind == sign.known.kind
    assert "{" not in owner.remedy


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"cert-manager.io/issuer": "internal"}, True),
        ({"kubernetes.io/tls-acme": "true"}, True),
        ({"kubernetes.io/tls-acme": "false"}, False),
        ({}, False),
    ],
)
def test_triggers(annotations: dict[str, str], expected: bool) -> None:
    """An Ingress asks cert-manager for its certificates by one of three annotations."""
    assert is_trigger(metadata(annotations=annotations)) is expected


CERT_MANAGER = {"annotations": {"cert-manager.io/certificate-name": "shop"}}
PULLED = {"ownerReferences": [reference("ExternalSecret", "pull")]}


@pytest.mark.parametrize(
    ("fields", "owner", "rivals"),
    [
        ({}, None, []),
        (CERT_MANAGER, "cert-manager", []),
        ({**CERT_MANAGER, "ownerReferences": [reference("Certificate", "shop")]}, "cert-manager", []),
        ({**CERT_MANAGER, **PULLED}, "external-secrets", ["cert-manager"]),
        ({**CERT_MANAGER, "managedFields": written_by("cert-manager-certificates-issuing")}, "cert-manager", []),
        ({**CERT_MANAGER, "managedFields": written_by("kubectl-create")}, "cert-manager", []),
        (
            {"managedFields": written_by("cert-manager-certificates-issuing", "external-secrets")},
            "cert-manager", ["external-secrets"],
        ),
        ({"managedFields": written_by("edge-operator", "site-operator")}, "field-manager", ["field-manager"]),
        ({"ownerReferences": [reference("Widget", "edge")], "managedFields": written_by("widgets")}, "controller", []),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop"}}, "argocd", []),
        (
            {"annotations": {"replicator.v1.mittwald.de/replicate-from": "certs/shop",
                             "cert-manager.io/certificate-name": "shop"}},
            "cert-manager", [],
        ),
    ],
)  # fmt: skip
def test_rivals(fields: dict[str, Any], owner: str | None, rivals: list[str]) -> None:
    """Two that write contents by themselves are rivals; what only deploys manifests, or is one by two signs, is not."""
    found = metadata(**fields)
    first = owner_of(found)
    assert (first.kind if first else None) == owner
    assert [each.kind for each in rivals_of(found, first)] == rivals


def test_two_ingresses_that_ask_for_one_certificate_are_rivals() -> None:
    """cert-manager's Certificate belongs to one of them; the other never gets its hosts into it."""
    found = metadata(**CERT_MANAGER)
    asked = [triggered(found, f"Ingress shop/{name}") for name in ("one", "two")]
    assert rivals_of(found, owner_of(found), asked[:1]) == ()
    assert [each.name for each in rivals_of(found, owner_of(found), asked)] == ["Ingress shop/two"]
    assert [each.kind for each in rivals_of(metadata(**PULLED), owner_of(metadata(**PULLED)), asked[:1])] == [
        "cert-manager"
    ]
