"""Trying a write without writing: as a dry run, which authorisation and admission answer as they would the real one.

Only where a dry run is refused is RBAC asked by itself (SelfSubjectAccessReview), so that all missing verbs are named
at once, and not one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec import field as member

from rotator.core.model import Check
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.resources import Resource
from rotator.lib.kube.secrets import TLS
from rotator.lib.kube.workloads import Named, Workload, refusal

_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io")

Calls = Callable[[str], Call]
"""The call on one object by its verb."""


def rehearse_secret(cluster: Cluster, call: Calls, annotation: str, *, there: bool) -> Check:
    """Whether a TLS Secret could be patched, or created where it is not there.

    Args:
        annotation: what the dry run writes; nobody ever reads it.

    Raises:
        KubeError: the API server cannot be asked.
    """
    verb = "patch" if there else "create"
    try:
        if there:
            cluster.patch(call(verb), {"metadata": {"annotations": {annotation: "rehearsal"}}}, dry_run=True)
        else:
            cluster.create(call(verb), _empty(call(verb)), dry_run=True)
    except KubeError as error:
        if error.status == 403:
            return _refused(cluster, call, verb, error)
        raise
    return Check("write", detail=f"it may be {'patched' if there else 'created'}")


def _empty(call: Call) -> Mapping[str, object]:
    """The smallest Secret that the API server takes for one of this type."""
    metadata = {"name": call.name, "namespace": call.namespace}
    data = {"tls.crt": "", "tls.key": ""}
    return {"apiVersion": "v1", "kind": "Secret", "type": TLS, "metadata": metadata, "data": data}


def _refused(cluster: Cluster, call: Calls, verb: str, error: KubeError) -> Check:
    missing = may_not(cluster, [call("get"), call(verb)])
    if missing:
        return _ungranted(missing)
    # RBAC grants it: a policy at admission has refused it.
    return Check("write", str(error), "look at the admission policies and webhooks of the cluster")


def _ungranted(missing: tuple[Call, ...]) -> Check:
    verbs = " and ".join(call.verb for call in missing)
    first = missing[0]
    where = f" {first.name} in namespace {first.namespace}" if first.name else f" in namespace {first.namespace}"
    return Check(
        "write",
        f"rotator's account may not {verbs} {first.resource}{where}",
        f"grant {verbs} on {first.resource}{where} by a Role; the chart does for what `rotate` names in its values",
    )


def rehearse_restart(cluster: Cluster, workload: str, namespace: str) -> Check:
    """Whether a workload is there and could be restarted now; raises nothing."""
    check = f"restart {workload}"
    try:
        named = Named.parse(workload, namespace)
        found = cluster.get(named.call("get"), Workload)
        if found is None:
            return Check(check, f"there is no {named} to restart", "mend `restart` in the config")
        cluster.patch(named.call("patch"), {"spec": {"template": {"metadata": {"annotations": {}}}}}, dry_run=True)
        why = refusal(found, named.kind)
    except (KubeError, ValueError) as error:
        return Check(check, str(error))
    return Check(check, detail=f"not now: {why}" if why else "it may be restarted")


def may_not(cluster: Cluster, calls: Iterable[Call]) -> tuple[Call, ...]:
    """Which of these calls RBAC refuses us (SelfSubjectAccessReview).

    Raises:
        KubeError: the API server cannot be asked.
    """
    return tuple(call for call in calls if not _allowed(cluster, call))


def _allowed(cluster: Cluster, call: Call) -> bool:
    attributes = {
        "namespace": call.namespace,
        "verb": call.verb,
        "group": call.resource.group,
        "resource": call.resource.plural,
        "name": "" if call.verb == "create" else call.name,  # RBAC knows no name of what is not there yet
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return cluster.made(Call("create", _REVIEWS), review, _Review).status.allowed


class _ReviewStatus(Struct):
    allowed: bool = False


class _Review(Struct):
    status: _ReviewStatus = member(default_factory=_ReviewStatus)
