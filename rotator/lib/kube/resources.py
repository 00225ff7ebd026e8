"""The kinds of the Kubernetes API that rotator knows, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object: its plural in paths and RBAC rules, its API group (empty for the core) and version."""

    plural: str
    group: str = ""
    version: str = "v1"

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of the collection, or of one object; an empty namespace means all, or a cluster-wide kind."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{root}{place}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


SECRETS = Resource("secrets")
NAMESPACES = Resource("namespaces")
PODS = Resource("pods")
SERVICES = Resource("services")
ENDPOINT_SLICES = Resource("endpointslices", "discovery.k8s.io")
INGRESSES = Resource("ingresses", "networking.k8s.io")
GATEWAYS = Resource("gateways", "gateway.networking.k8s.io")
HTTP_ROUTES = Resource("httproutes", "gateway.networking.k8s.io")
VALIDATING_WEBHOOKS = Resource("validatingwebhookconfigurations", "admissionregistration.k8s.io")
MUTATING_WEBHOOKS = Resource("mutatingwebhookconfigurations", "admissionregistration.k8s.io")
API_SERVICES = Resource("apiservices", "apiregistration.k8s.io")
CUSTOM_RESOURCES = Resource("customresourcedefinitions", "apiextensions.k8s.io")
DEPLOYMENTS = Resource("deployments", "apps")
STATEFUL_SETS = Resource("statefulsets", "apps")
DAEMON_SETS = Resource("daemonsets", "apps")
CONFIG_MAPS = Resource("configmaps")
REFERENCE_GRANTS = Resource("referencegrants", "gateway.networking.k8s.io", "v1beta1")
CERTIFICATE_SIGNING_REQUESTS = Resource("certificatesigningrequests", "certificates.k8s.io")
SIGNERS = Resource("signers", "certificates.k8s.io")
"""Nothing can be read of it: it stands in RBAC rules only, and its names are those of signers."""
ACCESS_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io")
CM_CERTIFICATES = Resource("certificates", "cert-manager.io")
CM_REQUESTS = Resource("certificaterequests", "cert-manager.io")
CM_ISSUERS = Resource("issuers", "cert-manager.io")
CM_CLUSTER_ISSUERS = Resource("clusterissuers", "cert-manager.io")
