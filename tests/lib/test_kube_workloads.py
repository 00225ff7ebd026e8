"""Restarting workloads through a real API server; the tests play their controllers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rotator.lib.kube.cluster import Cluster, Pace, connect
from rotator.lib.kube.errors import KubeError
from rotator.lib.kube.objects import Condition, Metadata
from rotator.lib.kube.transport import Access
from rotator.lib.kube.workloads import (
    RESTARTED_AT,
    Named,
    UpdateStrategy,
    Workload,
    WorkloadSpec,
    WorkloadStatus,
    refusal,
    restart,
    stuck,
    unavailable,
)
from tests.lib.kube_builders import NOW
from tests.servers.kube import MERGE_PATCH, KubeServer

LIMIT = timedelta(minutes=5)
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


def path(namespace: str, kind: str) -> str:
    """Return the path of the workload under test."""
    return f"/apis/apps/v1/namespaces/{namespace}/{PLURALS[kind]}/shop"


def create(server: KubeServer, namespace: str, kind: str) -> None:
    """Create a workload; nothing will ever run it."""
    labels = {"app": "shop"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "shop", "image": "shop"}]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        spec["replicas"] = 2
    body = {"metadata": {"name": "shop"}, "spec": spec}
    server.expect("POST", path(namespace, kind).rpartition("/")[0], body)


def report(server: KubeServer, namespace: str, kind: str, ready: int, **more: Any) -> None:
    """Report as the controller would: it has seen the newest generation, and so many of two pods are ready."""
    generation = server.expect("GET", path(namespace, kind))["metadata"]["generation"]
    status: dict[str, Any] = {"observedGeneration": generation, **more}
    if kind == "DaemonSet":
        status |= {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberMisscheduled": 0}
        status |= {"updatedNumberScheduled": ready, "numberAvailable": ready, "numberReady": ready}
    else:
        status |= {"replicas": 2, "updatedReplicas": ready, "readyReplicas": ready, "availableReplicas": ready}
    server.expect("PATCH", f"{path(namespace, kind)}/status", {"status": status}, content_type=MERGE_PATCH)


class Time:
    """Time that passes only while somebody waits; each wait plays the controller one step further."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.now = 0.0
        self.steps = list(steps)

    def wait(self, seconds: float) -> None:
        """Let the time pass and take the next step."""
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()


def connected(server: KubeServer, passing: Time) -> Cluster:
    """Connect with a time that the test controls."""
    return connect(Access(str(server.kubeconfig())), Pace(passing.wait, lambda: passing.now))


def named(namespace: str, kind: str = "Deployment") -> Named:
    """Name the workload under test."""
    return Named.parse(f"{kind}/shop", namespace)


@pytest.mark.parametrize("kind", PLURALS)
def test_restarts_and_waits_until_all_are_back(kube_server: KubeServer, kube_namespace: str, kind: str) -> None:
    """The restart is kubectl's annotation, and it has ended only when every pod is new and available."""
    create(kube_server, kube_namespace, kind)
    report(kube_server, kube_namespace, kind, 2)
    passing = Time(
        lambda: report(kube_server, kube_namespace, kind, 1), lambda: report(kube_server, kube_namespace, kind, 2)
    )
    told = restart(connected(kube_server, passing), named(kube_namespace, kind), NOW, LIMIT)
    assert told == f"{kind} {kube_namespace}/shop was restarted at 2026-11-01T12:00:00Z and is fully available again"
    template = kube_server.expect("GET", path(kube_namespace, kind))["spec"]["template"]
    assert template["metadata"]["annotations"] == {RESTARTED_AT: "2026-11-01T12:00:00Z"}
    assert not passing.steps


def test_a_workload_that_is_not_fully_available_is_left_alone(kube_server: KubeServer, kube_namespace: str) -> None:
    """A restart would make a bad moment worse, so nothing is written then."""
    create(kube_server, kube_namespace, "Deployment")
    report(kube_server, kube_namespace, "Deployment", 1)
    with pytest.raises(KubeError, match="is not restarted: 1 of 2 pods are updated"):
        restart(connected(kube_server, Time()), named(kube_namespace), NOW, LIMIT)
    template = kube_server.expect("GET", path(kube_namespace, "Deployment"))["spec"]["template"]
    assert "annotations" not in template["metadata"]


def test_one_that_does_not_come_back(kube_server: KubeServer, kube_namespace: str) -> None:
    """After the limit it is said how far it came."""
    create(kube_server, kube_namespace, "Deployment")
    report(kube_server, kube_namespace, "Deployment", 2)
    passing = Time(lambda: report(kube_server, kube_namespace, "Deployment", 1))
    with pytest.raises(KubeError, match="is not back after 4 s: 1 of 2 pods are updated"):
        restart(connected(kube_server, passing), named(kube_namespace), NOW, timedelta(seconds=4))


def test_one_that_its_controller_gave_up(kube_server: KubeServer, kube_namespace: str) -> None:
    """The controller's own word that a roll-out has failed ends the wait at once."""
    create(kube_server, kube_namespace, "Deployment")
    report(kube_server, kube_namespace, "Deployment", 2)
    failed = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    passing = Time(lambda: report(kube_server, kube_namespace, "Deployment", 1, conditions=[failed]))
    with pytest.raises(KubeError, match="does not come back: timed out"):
        restart(connected(kube_server, passing), named(kube_namespace), NOW, LIMIT)


def test_a_stop_ends_the_wait(kube_server: KubeServer, kube_namespace: str) -> None:
    """When waits return early because rotator is to stop, it stops too and does not spin."""
    create(kube_server, kube_namespace, "Deployment")
    report(kube_server, kube_namespace, "Deployment", 2)
    stopped = connect(Access(str(kube_server.kubeconfig())), Pace(lambda _: None, time.monotonic))
    with pytest.raises(KubeError, match="asked to stop"):
        restart(stopped, named(kube_namespace), NOW, LIMIT)


def test_one_that_is_not_there(kube_server: KubeServer, kube_namespace: str) -> None:
    """A mistyped workload is named."""
    with pytest.raises(KubeError, match=f"there is no Deployment {kube_namespace}/shop to restart"):
        restart(connected(kube_server, Time()), named(kube_namespace), NOW, LIMIT)


@pytest.mark.parametrize("text", ["shop", "Deployment/", "Pod/shop", "deployment/shop"])
def test_what_is_no_workload(text: str) -> None:
    """Only kind and name of the three kinds that can be restarted are taken."""
    with pytest.raises(ValueError, match="write Deployment/name, StatefulSet/name, DaemonSet/name"):
        Named.parse(text, "shop")


def full(**changes: int | str) -> WorkloadStatus:
    """A status of two pods that are all new and available."""
    fields: dict[str, Any] = {"observed_generation": 3, "replicas": 2, "updated_replicas": 2, "available_replicas": 2}
    fields |= {"desired_number_scheduled": 2, "updated_number_scheduled": 2, "number_available": 2}
    return WorkloadStatus(**{**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("Deployment", full(), ""),
        ("Deployment", full(observed_generation=2), "its controller has not seen the last change yet"),
        ("Deployment", full(replicas=3), "1 old pods are still there"),
        ("Deployment", full(available_replicas=1), "1 of 2 pods are available"),
        ("StatefulSet", full(current_revision="a", update_revision="b", updated_replicas=1), "1 of 2 pods are updated"),
        ("StatefulSet", full(updated_replicas=0, current_revision="b", update_revision="b"), ""),
        ("DaemonSet", full(replicas=0, updated_replicas=0, available_replicas=0), ""),
        ("DaemonSet", full(updated_number_scheduled=1), "1 of 2 pods are updated"),
    ],
)
def test_when_a_workload_is_available(kind: str, status: WorkloadStatus, expected: str) -> None:
    """The three kinds report in different fields; each is judged as kubectl judges it."""
    workload = Workload(Metadata(generation=3), WorkloadSpec(replicas=2), status)
    assert unavailable(workload, kind) == expected


def test_what_is_never_restarted() -> None:
    """A paused roll-out and one that only follows deletions would ignore the annotation."""
    metadata, status = Metadata(generation=3), full()
    assert "paused" in refusal(Workload(metadata, WorkloadSpec(2, paused=True), status), "Deployment")
    by_hand = WorkloadSpec(2, update_strategy=UpdateStrategy("OnDelete"))
    assert "OnDelete" in refusal(Workload(metadata, by_hand, status), "StatefulSet")
    assert stuck(Workload(status=WorkloadStatus(conditions=[Condition("Available", "False")]))) == ""
