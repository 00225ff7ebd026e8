"""Routes through a cluster's entrance to our listener: made for an order, taken away with it, cleared after a crash.

cert-manager starts a pod for each challenge; here the daemon's own listener answers, so there is nothing to start and
nothing to pull. The EndpointSlice names this very pod, because another replica does not know the proof.

Two orders, also of two replicas, may share a pending authorization, and its proof with it. Then the first to come makes
the entrance, and the other comes back when that is gone: the CA has looked by then.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from rotator.errors import IssueError, Pending
from rotator.issuers.acme.kubernetes_objects import ATTEMPT, HOLDER, SELECTOR, UNTIL, Made, Plan
from rotator.issuers.acme.patience import BUSY
from rotator.issuers.acme.proving import Http01Kubernetes
from rotator.issuers.acme.solver import Desk, Proof, Undoing
from rotator.issuers.acme.traces import LONGEST, Holder
from rotator.lib.kube.cluster import Cluster, Pace, connect
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare, Metadata
from rotator.lib.kube.resources import ENDPOINT_SLICES, HTTP_ROUTES, INGRESSES, SERVICES, Resource
from rotator.lib.kube.transport import Access
from rotator.lib.reach import own_address
from rotator.log import logger

log = logger(__name__)


class Routes:
    """One entrance of one cluster."""

    def __init__(self, settings: Http01Kubernetes, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        pace = Pace(desk.clock.wait, desk.clock.monotonic)
        self._cluster: Cluster = connect(Access(settings.kubeconfig, settings.kube_context), pace)

    def address(self) -> str:
        """Of this pod.

        Raises:
            IssueError: it cannot be found out.
        """
        said = self._settings.address or os.environ.get("POD_IP", "")
        if said or self._settings.selector:
            return said or "0.0.0.0"  # noqa: S104 - the Service finds the pod by its labels
        try:
            server = urlsplit(f"//{self._cluster.transport.server}")
        except KubeError as error:
            raise IssueError(f"{self._desk.issuer}: {error}") from error
        try:
            found = own_address(server.hostname or "", server.port or 443)
        except OSError:
            found = ""
        if not found:
            raise IssueError(
                f"{self._desk.issuer}: this pod's address is not known; set POD_IP by the downward API, or address",
                permanent=True,
            )
        return found

    @contextmanager
    def to(self, pod: str, port: int, proofs: Sequence[Proof], left: list[str] | None = None) -> Iterator[None]:
        """Have requests for these proofs led to a port of the pod as long as the context lasts.

        Raises:
            IssueError: the cluster refuses or cannot be asked.
            Pending: another order shows one of them right now.
        """
        with _attempt() as attempt, Undoing(self._desk.issuer, left) as undoing:
            try:
                plan = self._plan(pod, port, attempt)
                self._sweep(plan.namespace)
                for made in plan.objects(tuple(proofs)):
                    self._make(made, plan.namespace, attempt, undoing)
            except KubeError as error:
                raise IssueError(f"{self._desk.issuer}: {error}", permanent=error.status in {403, 404, 422}) from error
            yield

    def _plan(self, pod: str, port: int, attempt: str) -> Plan:
        own = os.environ.get("POD_NAMESPACE") or self._cluster.transport.namespace
        namespace = self._settings.namespace or own
        until = self._desk.clock.now() + LONGEST
        marks = {HOLDER: json.dumps(asdict(self._desk.traces.us())), UNTIL: until.isoformat(), ATTEMPT: attempt}
        owner = _owner() if namespace == own else ()
        return Plan(self._settings, self._desk.issuer, namespace, pod, port, marks, owner)

    def _make(self, made: Made, namespace: str, attempt: str, undoing: Undoing) -> None:
        call = Call("create", made.resource, namespace, made.name)
        undoing.later(str(call), partial(self._take_away, made.resource, namespace, made.name, attempt))
        try:
            self._cluster.create(call, made.body)
        except KubeError as error:
            if error.status != 409:
                raise
            self._make_way(made.resource, namespace, made.name)
            self._cluster.create(call, made.body)

    def _make_way(self, resource: Resource, namespace: str, name: str) -> None:
        """Take away what the same order has left behind, or wait for another one that shows the same proof."""
        found = self._found(resource, namespace, name)
        if found is None:
            return
        if self._is_in_use(found):
            which = Call("get", resource, namespace, name)
            raise Pending(
                f"{self._desk.issuer}: another order is proving the same right now ({which})", retry_after=BUSY
            )
        self._cluster.delete(Call("delete", resource, namespace, name), found.uid)

    def _take_away(self, resource: Resource, namespace: str, name: str, attempt: str) -> None:
        """Delete it where it is ours: another order may have made it before us, or after."""
        try:
            found = self._found(resource, namespace, name)
            if found is not None and (found.annotations or {}).get(ATTEMPT) == attempt:
                self._cluster.delete(Call("delete", resource, namespace, name), found.uid)
        except KubeError as error:
            raise IssueError(f"{self._desk.issuer}: {error}") from error

    def _found(self, resource: Resource, namespace: str, name: str) -> Metadata | None:
        found = self._cluster.get(Call("get", resource, namespace, name), Bare)
        return None if found is None else found.metadata

    def _sweep(self, namespace: str) -> None:
        """Take away what a crashed attempt of any rotator left here, the entrances first."""
        entrance = HTTP_ROUTES if self._settings.gateway is not None else INGRESSES
        slices = () if self._settings.selector else (ENDPOINT_SLICES,)
        for resource in (entrance, *slices, SERVICES):
            for page in self._cluster.pages(
                Call("list", resource, namespace), Bare, params={"labelSelector": SELECTOR}
            ):
                for each in page:
                    if self._is_in_use(each.metadata) is False:
                        name = each.metadata.name
                        log.info("removing what a crashed attempt left", issuer=self._desk.issuer, what=name)
                        call = Call("delete", resource, namespace, name)
                        with Undoing(self._desk.issuer) as sweeping:  # a dead object that stays costs no order
                            sweeping.later(str(call), partial(self._cluster.delete, call, each.metadata.uid))

    def _is_in_use(self, metadata: Metadata) -> bool | None:
        """Whether an order may be using it; None where it does not say whose it is."""
        marks = metadata.annotations or {}
        try:
            holder, until = Holder(**json.loads(marks[HOLDER])), datetime.fromisoformat(marks[UNTIL])
            if until <= self._desk.clock.now() or self._desk.traces.has_ended(holder):
                return False
        except (ValueError, TypeError, KeyError):
            return None
        # What this process has made, and could not take away, has no attempt any more.
        return marks.get(ATTEMPT) in _ATTEMPTS if holder.is_us else True


_ATTEMPTS: set[str] = set()
"""Those of this process that last."""


@contextmanager
def _attempt() -> Iterator[str]:
    attempt = secrets.token_hex(8)
    _ATTEMPTS.add(attempt)
    try:
        yield attempt
    finally:
        _ATTEMPTS.discard(attempt)


def _owner() -> tuple[Mapping[str, Any], ...]:
    """This pod, if the downward API says which it is: the cluster then clears up after it."""
    name, uid = os.environ.get("POD_NAME", ""), os.environ.get("POD_UID", "")
    return ({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid},) if name and uid else ()
