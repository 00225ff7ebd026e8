"""Who else writes a Secret, and what a person may run to have it renewed there.

In this order: a controller's ownerReference, the annotations and labels of known owners, then whoever the API server
recorded as the writer of `tls.crt` (`metadata.managedFields`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain

from rotator.core.model import Owner
from rotator.lib.kube.cluster import FIELD_MANAGER
from rotator.lib.kube.objects import Metadata

CERTIFICATE = "tls.crt"

OUR_WRITERS = (FIELD_MANAGER, "kubectl*", "oc", "before-first-apply")
"""Field managers that stand for us or for a person; `before-first-apply` is the API server's word for "unknown"."""


@dataclass(frozen=True, slots=True)
class Known:
    """An owner that is known by name. `{namespace}`, `{secret}` and `{owner}` are filled into the remedy."""

    kind: str
    remedy: str


CERT_MANAGER = Known("cert-manager", "cmctl renew -n {namespace} {owner}")
EXTERNAL_SECRETS = Known(
    "external-secrets",
    "renew it in the external store, then: "
    "kubectl annotate externalsecret -n {namespace} {owner} force-sync=$(date +%s) --overwrite",
)
VAULT = Known(
    "vault-secrets-operator",
    "renew it in Vault, the Vault Secrets Operator writes it here: "
    "kubectl describe vaultpkisecret,vaultstaticsecret,vaultdynamicsecret -n {namespace}",
)
SEALED_SECRETS = Known("sealed-secrets", "seal the new certificate with kubeseal and apply the SealedSecret {owner}")
SERVICE_CA = Known("openshift-service-ca", "oc delete secret -n {namespace} {secret}; service-ca makes a new one")
OPENSHIFT = Known("openshift", "an OpenShift operator ({owner}) renews it; see oc get clusteroperators")
HELM = Known("helm", "change the certificate in the values of the release {owner}, then helm upgrade")
ARGO_CD = Known("argocd", "change it in the Git repository of the Argo CD application {owner}, or exclude it there")
FLUX = Known("flux", "change it in the Git repository that Flux applies as {owner}, or exclude it there")
COPY = Known("copy", "it is a copy of {owner}; renew the original")
POLICY = Known("kyverno", "the policy {owner} generates it; renew its source")
CONTROLLER = Known("controller", "{owner} controls it; have its controller renew it")
FIELD = Known(
    "field-manager",
    "{owner} wrote {key} last; renew it there, or add it to allow_managers if it does not write again",
)


@dataclass(frozen=True, slots=True)
class Sign:
    """An annotation or label that a known owner leaves. `name` is the key that names the owning object."""

    known: Known
    key: str
    kind: str
    name: str = ""
    value: str = "*"


SIGNS: tuple[Sign, ...] = (
    Sign(CERT_MANAGER, "cert-manager.io/certificate-name", "Certificate", "cert-manager.io/certificate-name"),
    Sign(CERT_MANAGER, "controller.cert-manager.io/fao", "Certificate", value="true"),
    Sign(CERT_MANAGER, "cert-manager.io/issuer-name", "Certificate"),
    Sign(CERT_MANAGER, "cert-manager.io/next-private-key", "Certificate", value="true"),
    Sign(EXTERNAL_SECRETS, "reconcile.external-secrets.io/managed", "ExternalSecret", value="true"),
    Sign(EXTERNAL_SECRETS, "reconcile.external-secrets.io/created-by", "ExternalSecret"),
    Sign(EXTERNAL_SECRETS, "reconcile.external-secrets.io/data-hash", "ExternalSecret"),
    Sign(VAULT, "secrets.hashicorp.com/vso-ownerRefUID", "VaultSecret"),
    Sign(VAULT, "app.kubernetes.io/managed-by", "VaultSecret", value="hashicorp-vso"),
    Sign(SEALED_SECRETS, "sealedsecrets.bitnami.com/managed", "SealedSecret", value="true"),
    Sign(SERVICE_CA, "service.beta.openshift.io/originating-service-name", "Service",
         "service.beta.openshift.io/originating-service-name"),
    Sign(SERVICE_CA, "service.alpha.openshift.io/originating-service-name", "Service",
         "service.alpha.openshift.io/originating-service-name"),
    Sign(OPENSHIFT, "openshift.io/owning-component", "component", "openshift.io/owning-component"),
    Sign(OPENSHIFT, "auth.openshift.io/certificate-not-after", "operator"),
    Sign(ARGO_CD, "argocd.argoproj.io/tracking-id", "Application", "argocd.argoproj.io/tracking-id"),
    Sign(ARGO_CD, "argocd.argoproj.io/instance", "Application", "argocd.argoproj.io/instance"),
    Sign(FLUX, "kustomize.toolkit.fluxcd.io/name", "Kustomization", "kustomize.toolkit.fluxcd.io/name"),
    Sign(FLUX, "helm.toolkit.fluxcd.io/name", "HelmRelease", "helm.toolkit.fluxcd.io/name"),
    Sign(HELM, "meta.helm.sh/release-name", "release", "meta.helm.sh/release-name"),
    Sign(HELM, "app.kubernetes.io/managed-by", "release", value="Helm"),
    Sign(COPY, "reflector.v1.k8s.emberstack.com/reflects", "Secret", "reflector.v1.k8s.emberstack.com/reflects"),
    Sign(COPY, "replicator.v1.mittwald.de/replicate-from", "Secret", "replicator.v1.mittwald.de/replicate-from"),
    Sign(COPY, "replicator.v1.mittwald.de/replicated-from-version", "Secret"),
    Sign(COPY, "kubed.appscode.com/origin", "Secret"),
    Sign(POLICY, "generate.kyverno.io/policy-name", "policy", "generate.kyverno.io/policy-name"),
)  # fmt: skip

_BY_OWNER_KIND = {
    "Certificate": CERT_MANAGER,
    "ExternalSecret": EXTERNAL_SECRETS,
    "ClusterExternalSecret": EXTERNAL_SECRETS,
    "VaultPKISecret": VAULT,
    "VaultStaticSecret": VAULT,
    "VaultDynamicSecret": VAULT,
    "SealedSecret": SEALED_SECRETS,
}
_BY_WRITER = (
    ("cert-manager*", CERT_MANAGER),
    ("*external-secrets*", EXTERNAL_SECRETS),
    ("vault-secrets-operator*", VAULT),
    ("argocd*", ARGO_CD),
    ("kustomize-controller", FLUX),
    ("helm-controller", FLUX),
    ("helm", HELM),
    ("service-ca-operator", SERVICE_CA),
)

_SIGN_KEYS = frozenset(sign.key for sign in SIGNS)

# These write the contents of Secrets by themselves, so two of them are at odds. What only deploys manifests (Helm,
# Argo CD, Flux) leaves its marks beside theirs, and a copy has those of its original.
_WRITERS = {CERT_MANAGER, EXTERNAL_SECRETS, VAULT, SEALED_SECRETS, SERVICE_CA}

# Annotations on an Ingress or Gateway that make cert-manager own the Secrets it names.
TRIGGERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")


def owner_of(metadata: Metadata, allowed: Sequence[str] = (), key: str = CERTIFICATE) -> Owner | None:
    """The other writer of a Secret, None when it is ours to write.

    Args:
        allowed: globs of further field managers that may have written the key.
    """
    found = chain(_referenced(metadata), _signed(metadata), _written(metadata, allowed, key))
    return next((owner for _, owner in found), None)


def rivals_of(
    metadata: Metadata,
    owner: Owner | None,
    others: Sequence[Owner] = (),
    allowed: Sequence[str] = (),
    key: str = CERTIFICATE,
) -> tuple[Owner, ...]:
    """Further writers beside `owner`, one of each kind; none where nobody is known to write, or of a copy.

    Args:
        others: Ingresses and Gateways that have cert-manager write the Secret; two of them are rivals as well.
    """
    if owner is None or owner.kind == COPY.kind:
        return ()
    marked = [found for known, found in (*_referenced(metadata), *_signed(metadata)) if known in _WRITERS]
    wrote = [found for known, found in _written(metadata, allowed, key) if _counts(known, owner)]
    rivals: list[Owner] = []
    for found in (*marked, *wrote, *others[:1]):
        same_kind = {found.kind} & {each.kind for each in (owner, *rivals)}
        if not same_kind or (found.kind == FIELD.kind and found not in (owner, *rivals)):
            rivals.append(found)
    return (*rivals, *others[1:])


def _counts(writer: Known, owner: Owner) -> bool:
    """Whether a writer of the field is another one than the owner.

    A writer that nobody knows may be the owning controller by another name, unless the owner is such a writer itself.
    """
    if writer is FIELD:
        return owner.kind == FIELD.kind
    return writer in _WRITERS or owner.kind != CONTROLLER.kind


def triggered(metadata: Metadata, by: str) -> Owner:
    """cert-manager owns this Secret because an annotated Ingress or Gateway (`by`) names it.

    Its ingress-shim names the Certificate after the Secret.
    """
    remedy = CERT_MANAGER.remedy.format(namespace=metadata.namespace, owner=metadata.name)
    return Owner(CERT_MANAGER.kind, by, remedy, asks=metadata.name)


def is_trigger(metadata: Metadata) -> bool:
    """Whether an Ingress or Gateway asks cert-manager for its certificates."""
    annotations = metadata.annotations or {}
    return any(annotations.get(key, "false") != "false" for key in TRIGGERS)


def writers(metadata: Metadata, key: str = CERTIFICATE) -> tuple[str, ...]:
    """Who the API server recorded as a writer of a key of `data`, in alphabetical order."""
    name = f"f:{key}"
    found = {
        entry.manager
        for entry in metadata.managed_fields or ()
        if entry.fields_v1 and entry.fields_v1.data and name in entry.fields_v1.data
    }
    return tuple(sorted(found))


Found = Iterator[tuple[Known, Owner]]


def _referenced(metadata: Metadata) -> Found:
    for reference in metadata.owner_references or ():
        known = _BY_OWNER_KIND.get(reference.kind)
        if known or reference.controller:
            yield known or CONTROLLER, _owner(known or CONTROLLER, metadata, reference.kind, reference.name)


def _signed(metadata: Metadata) -> Found:
    if _SIGN_KEYS.isdisjoint(metadata.labels or ()) and _SIGN_KEYS.isdisjoint(metadata.annotations or ()):
        return
    marks: Mapping[str, str] = {**(metadata.labels or {}), **(metadata.annotations or {})}
    for sign in SIGNS:
        if sign.key in marks and fnmatchcase(marks[sign.key], sign.value):
            yield sign.known, _owner(sign.known, metadata, sign.kind, marks.get(sign.name, ""))


def _written(metadata: Metadata, allowed: Sequence[str], key: str) -> Found:
    for writer in writers(metadata, key):
        if is_allowed(writer, (*OUR_WRITERS, *allowed)):
            continue
        known = next((known for pattern, known in _BY_WRITER if fnmatchcase(writer, pattern)), FIELD)
        # These two name their object like the Secret unless told otherwise; of the others only the writer is known.
        guess = known if known in {CERT_MANAGER, EXTERNAL_SECRETS} else FIELD
        owner = metadata.name if guess is known and known is not FIELD else writer
        remedy = guess.remedy.format(namespace=metadata.namespace, secret=metadata.name, owner=owner, key=key)
        yield known, Owner(known.kind, f"field manager {writer}", remedy, asks=_asked(known, owner))


@lru_cache(maxsize=256)
def is_allowed(writer: str, patterns: Sequence[str]) -> bool:
    """Whether a field manager is one of these globs; there are few of them, and each wrote thousands of Secrets."""
    return any(fnmatchcase(writer, pattern) for pattern in patterns)


def _owner(known: Known, metadata: Metadata, kind: str, name: str) -> Owner:
    """An owner whose name is not told is taken to be named like the Secret, as most are."""
    name = name or metadata.name
    shown = f"{kind} {name}" if "/" in name else f"{kind} {metadata.namespace}/{name}"
    named = shown if known in {CONTROLLER, COPY} else name
    remedy = known.remedy.format(namespace=metadata.namespace, secret=metadata.name, owner=named)
    return Owner(known.kind, shown, remedy, asks=_asked(known, name))


def _asked(known: Known, name: str) -> str:
    """The Certificate that cert-manager can be asked to renew; where its name is a guess, it says what it keeps."""
    return name if known is CERT_MANAGER else ""
