"""What the API server says we may do, asked without doing it (SelfSubjectAccessReview).

Everybody may ask this of themselves: the group `system:authenticated` has the right by default.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call
from rotator.lib.kube.resources import ACCESS_REVIEWS


class _Status(Struct):
    allowed: bool = False


class _Review(Struct):
    status: _Status = field(default_factory=_Status)


def may(cluster: Cluster, call: Call) -> bool:
    """Whether a call would be allowed; it is not made.

    Raises:
        KubeError: it could not be asked.
    """
    wanted = {
        "verb": call.verb,
        "group": call.resource.group,
        "version": call.resource.version,
        "resource": call.resource.plural,
        "subresource": call.subresource,
        "namespace": call.namespace,
        "name": call.name,
    }
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}},
    }
    return cluster.made(Call("create", ACCESS_REVIEWS), asked, _Review).status.allowed


def missing(cluster: Cluster, calls: Iterable[Call]) -> tuple[Call, ...]:
    """Those of the calls that would be refused, in their order.

    Raises:
        KubeError: it could not be asked.
    """
    return tuple(call for call in calls if not may(cluster, call))
