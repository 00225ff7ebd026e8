"""rotator in a cluster as the chart installs it: its own ServiceAccount, with the rights that the chart renders."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.kube import KubeServer
from tests.test_chart import RESOURCES, of_kind, render

NAME = "rotator"
LOOKING = frozenset({"get", "list"})
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Account:
    """The ServiceAccount that rotator is in a cluster.

    Attributes:
        kubeconfig: a file that lets a process be it.
    """

    server: KubeServer
    namespace: str
    kubeconfig: Path

    @property
    def user(self) -> str:
        """Its name in the audit log."""
        return f"system:serviceaccount:{self.namespace}:{NAME}"

    def writes(self, namespace: str | None = None, name: str | None = None) -> list[str]:
        """What it did beyond looking, oldest first, refused attempts among it: `patch secrets/shop-tls`."""
        return [
            f"{event['verb']} {event['objectRef']['resource']}/{event['objectRef'].get('name', '')}"
            for event in self.server.audit(user=self.user, namespace=namespace)
            if event["verb"] not in LOOKING and name in (None, event["objectRef"].get("name"))
        ]

    def source(self, *namespaces: str, **more: object) -> dict[str, Any]:
        """The entry of a source for these namespaces."""
        return {"kubernetes": {"namespaces": list(namespaces), "kubeconfig": str(self.kubeconfig), **more}}


def install(
    server: KubeServer,
    namespace: str,
    folder: Path,
    *,
    reads: Sequence[str],
    writes: Mapping[str, Sequence[str]],
    asks: Mapping[str, Sequence[str]] | None = None,
) -> Account:
    """Install the chart's ServiceAccount and rights: to read namespaces, to write Secrets by name in namespaces, and to
    ask cert-manager for Certificates by name."""
    folder.mkdir(exist_ok=True)
    values = {
        "namespaces": list(reads),
        "config": {"mode": "rotate"},
        "rotate": {
            "secrets": {where: list(names) for where, names in writes.items()},
            "certificates": {where: list(names) for where, names in (asks or {}).items()},
        },
    }
    objects = render(values, folder, namespace)
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        for each in of_kind(objects, kind):
            server.expect("POST", RESOURCES[kind].format(each["metadata"]["namespace"]), each)
    return account(server, namespace, folder)


def account(server: KubeServer, namespace: str, folder: Path) -> Account:
    """Log in as the ServiceAccount of a namespace."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}/token"
    answer = server.expect("POST", path, {"spec": {"expirationSeconds": 3600}})
    return Account(server, namespace, kubeconfig(server, answer["status"]["token"], folder))


def kubeconfig(server: KubeServer, token: str, folder: Path) -> Path:
    """Write a kubeconfig file for whoever has this token."""
    folder.mkdir(exist_ok=True)
    place = folder / f"kubeconfig-{uuid.uuid4().hex[:8]}.json"
    place.touch(mode=0o600)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server.url, "certificate-authority": str(server.ca_file)}}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": NAME}}],
        "current-context": "test",
    }
    place.write_text(json.dumps(document))
    return place


def allow(server: KubeServer, who: Account, rules: Sequence[Mapping[str, Sequence[str]]], namespace: str) -> None:
    """Give a ServiceAccount more rights than the chart does, in one namespace."""
    name = f"more-{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "namespace": namespace}
    server.expect("POST", RESOURCES["Role"].format(namespace), {"metadata": metadata, "rules": list(rules)})
    binding = {
        "metadata": metadata,
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": who.namespace}],
        "roleRef": {"kind": "Role", "name": name, "apiGroup": RBAC},
    }
    server.expect("POST", RESOURCES["RoleBinding"].format(namespace), binding)
