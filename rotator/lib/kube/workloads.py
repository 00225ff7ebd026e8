"""Restart a workload the way `kubectl rollout restart` does, and wait until it is fully available again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec import field as member

from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Condition, Metadata
from rotator.lib.kube.resources import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Resource

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
POLL_SECONDS = 2.0
KINDS: dict[str, Resource] = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}


@dataclass(frozen=True, slots=True)
class Named:
    """One workload, from `Kind/name` in a namespace.

    Raises:
        ValueError: not such a name, or of a kind that is not restarted here.
    """

    kind: str
    name: str
    namespace: str

    @classmethod
    def parse(cls, text: str, namespace: str) -> Named:
        kind, _, name = text.partition("/")
        if kind not in KINDS or not name:
            raise ValueError(f"{text!r} is no workload; write {', '.join(f'{known}/name' for known in KINDS)}")
        return cls(kind, name, namespace)

    def call(self, verb: str) -> Call:
        return Call(verb, KINDS[self.kind], self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def unavailable(workload: Workload, kind: str) -> str:
    """Why a workload is not fully available, in a clause (as `kubectl rollout status` judges it); empty when it is."""
    spec, status = workload.spec, workload.status
    if status.observed_generation < workload.metadata.generation:
        return "its controller has not seen the last change yet"
    if kind == "DaemonSet":
        wanted, updated, available = (
            status.desired_number_scheduled,
            status.updated_number_scheduled,
            status.number_available,
        )
    else:
        wanted = 1 if spec.replicas is None else spec.replicas
        updated, available = status.updated_replicas, status.available_replicas
    if kind == "StatefulSet" and status.current_revision == status.update_revision:
        updated = status.replicas  # the count of updated ones is cleared when the roll-out has ended
    if updated < wanted:
        return f"{updated} of {wanted} pods are updated"
    if kind != "DaemonSet" and status.replicas > wanted:
        return f"{status.replicas - wanted} old pods are still there"
    if available < wanted:
        return f"{available} of {wanted} pods are available"
    return ""


def refusal(workload: Workload, kind: str) -> str:
    """Why a restart would do nothing or harm, in a clause; empty when it may begin."""
    if workload.spec.paused:
        return "its roll-out is paused"
    if kind != "Deployment" and workload.spec.update_strategy.type == "OnDelete":
        return "its update strategy is OnDelete, so only deleting its pods restarts them"
    return unavailable(workload, kind)


def stuck(workload: Workload) -> str:
    """What the controller itself says of a roll-out that has failed; empty while it goes on."""
    for condition in workload.status.conditions or ():
        if condition.type == "Progressing" and condition.status == "False":
            return condition.message or condition.reason
    return ""


def restart(cluster: Cluster, named: Named, at: datetime, limit: timedelta) -> str:
    """Restart a workload that is fully available, and wait until it is again; says what was done.

    Raises:
        KubeError: it does not exist, may not be restarted now, or did not come back in time.
    """
    why = refusal(_read(cluster, named), named.kind)
    if why:
        raise KubeError(f"{named} is not restarted: {why}")
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    annotations = {"metadata": {"annotations": {RESTARTED_AT: stamp}}}
    cluster.patch(named.call("patch"), {"spec": {"template": annotations}}, repeatable=True)
    _wait(cluster, named, limit)
    return f"{named} was restarted at {stamp} and is fully available again"


def _wait(cluster: Cluster, named: Named, limit: timedelta) -> None:
    began = cluster.pace.monotonic()
    while True:
        workload = _read(cluster, named)
        why = unavailable(workload, named.kind)
        if not why:
            return
        failed = stuck(workload)
        if failed:
            raise KubeError(f"{named} was restarted and does not come back: {failed}")
        now = cluster.pace.monotonic()
        if now - began > limit.total_seconds():
            raise KubeError(f"{named} was restarted and is not back after {limit.total_seconds():g} s: {why}")
        cluster.pace.wait(POLL_SECONDS)
        if cluster.pace.monotonic() - now < POLL_SECONDS / 2:
            raise KubeError(f"{named} was restarted; rotator is asked to stop and no longer waits for it: {why}")


def _read(cluster: Cluster, named: Named) -> Workload:
    found = cluster.get(named.call("get"), Workload)
    if found is None:
        raise KubeError(f"there is no {named} to restart")
    return found


# ---------------------------------------------------------------- the fields that are read


class UpdateStrategy(Struct):
    type: str = ""


class WorkloadSpec(Struct, rename="camel"):
    replicas: int | None = None
    paused: bool = False
    update_strategy: UpdateStrategy = member(default_factory=UpdateStrategy)


class WorkloadStatus(Struct, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    conditions: list[Condition] | None = None


class Workload(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    spec: WorkloadSpec = member(default_factory=WorkloadSpec)
    status: WorkloadStatus = member(default_factory=WorkloadStatus)
