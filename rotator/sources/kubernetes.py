"""Source `kubernetes`: every Secret of type `kubernetes.io/tls` in the named namespaces, or in all of them.

Read page by page; a page is dropped when its Secrets have become observations: memory does not grow with the cluster.
Nothing is ever written, and no private key leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from rotator.core.model import Observation
from rotator.errors import SourceError
from rotator.lib.kube.cluster import PAGE_SIZE, Cluster, Pace, connect
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare, Metadata, Secret
from rotator.lib.kube.references import References, namespace_of, references
from rotator.lib.kube.resources import NAMESPACES, SECRETS
from rotator.lib.kube.secrets import TLS, Surroundings, observe
from rotator.lib.kube.transport import ENDPOINTS_UNKNOWN, IGNORE_UNSEEN, Access
from rotator.lib.kube.webhooks import Dependencies, dependencies
from rotator.ports import Clock
from rotator.settings import PluginSettings

EVERYWHERE = ""


class KubernetesSettings(PluginSettings):
    """Which Secrets of which cluster to look at."""

    namespaces: tuple[str, ...] | Literal["all"] = Field(
        default=(), description="Namespaces to look at, or `all`; without it the pod's own, or the kubeconfig's."
    )
    kubeconfig: str = Field(default="", description="A kubeconfig file; without it the pod's own credentials.")
    kube_context: str = Field(default="", description="A context of the kubeconfig; without it the current one.")
    label_selector: str = Field(default="", description="Only Secrets with these labels, as in `kubectl -l`.")
    field_selector: str = Field(default="", description="Only Secrets with these fields, beside their type.")
    page_size: int = Field(default=PAGE_SIZE, ge=1, le=5000, description="How many Secrets to ask for at a time.")
    fronts: bool = Field(
        default=True, description="Look up which Ingresses, Gateways and pods serve each Secret, and which webhooks."
    )
    allow_managers: tuple[str, ...] = Field(
        default=(), description="Field managers beside kubectl that may have written `tls.crt` (globs)."
    )


class KubernetesSource:
    """The TLS Secrets of one cluster."""

    Settings: ClassVar[type[PluginSettings]] = KubernetesSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, KubernetesSettings)
        self.name = name
        self._settings = settings
        self._pace = Pace(clock.wait, clock.monotonic)

    def observe(self) -> Iterator[Observation]:
        """Look at every Secret once; what may be read is yielded before what may not be is raised.

        Raises:
            SourceError: the cluster cannot be read, or some of its namespaces may not be; the message names them.
        """
        cluster = connect(Access(self._settings.kubeconfig, self._settings.kube_context), self._pace)
        unseen = _Unseen()
        try:
            depends = self._dependencies(cluster)
            for namespace in self._scopes(cluster):
                yield from self._scope(cluster, namespace, depends, unseen)
        except KubeError as error:
            raise SourceError(f"source {self.name}: {error}") from error
        if unseen:
            raise SourceError(f"source {self.name}: {unseen}")

    # ------------------------------------------------------------ where to look

    def _scopes(self, cluster: Cluster) -> tuple[str, ...]:
        """The namespaces to list one by one; or `EVERYWHERE` alone, where that is wanted and allowed.

        Where it is wanted and not allowed, every namespace is tried by itself.
        """
        wanted = self._settings.namespaces
        if wanted != "all":
            return wanted or (cluster.transport.namespace,)
        try:
            next(cluster.pages(Call("list", SECRETS), Bare, limit=1))
        except KubeError as error:
            if error.status != 403:
                raise
            cluster.transport.say_once("the namespaces are read one by one", str(error))
            return tuple(sorted(self._all_namespaces(cluster)))
        return (EVERYWHERE,)

    def _all_namespaces(self, cluster: Cluster) -> Mapping[str, Metadata]:
        call = Call("list", NAMESPACES)
        return {each.metadata.name: each.metadata for page in cluster.pages(call, Bare) for each in page}

    def _namespaces(self, cluster: Cluster, namespace: str) -> Mapping[str, Metadata]:
        """The namespaces of a scope, for what is said on them; without the right to read them nothing is known."""
        try:
            if namespace == EVERYWHERE:
                return self._all_namespaces(cluster)
            found = namespace_of(cluster, namespace)
        except KubeError as error:
            if error.status != 403:
                raise
            cluster.transport.say_once(IGNORE_UNSEEN, str(error))
            return {namespace: Metadata(name=namespace)}
        return {namespace: found} if found else {}

    # ------------------------------------------------------------ what is there

    def _scope(self, cluster: Cluster, namespace: str, depends: Dependencies, unseen: _Unseen) -> Iterator[Observation]:
        namespaces = self._namespaces(cluster, namespace)
        if not namespaces:
            unseen.missing.append(namespace)
            return
        pages = self._pages(cluster, namespace)
        try:
            page = next(pages)
        except KubeError as error:
            if error.status != 403:
                raise
            unseen.denied.append((namespace, str(error)))
            return
        around = Surroundings(
            system=cluster.identity(),
            namespaces=namespaces,
            references=self._references(cluster, namespace),
            dependencies=depends,
            allow_managers=self._settings.allow_managers,
            labels=MappingProxyType(self._labels()),
        )
        yield from _observed(page, around)
        del page
        for page in pages:
            yield from _observed(page, around)

    def _pages(self, cluster: Cluster, namespace: str) -> Iterator[list[Secret]]:
        settings = self._settings
        fields = ",".join(filter(None, (f"type={TLS}", settings.field_selector)))
        params = {"fieldSelector": fields}
        if settings.label_selector:
            params["labelSelector"] = settings.label_selector
        call = Call("list", SECRETS, namespace)
        return cluster.pages(call, Secret, limit=settings.page_size, params=params)

    def _references(self, cluster: Cluster, namespace: str) -> References:
        if not self._settings.fronts:
            return References()
        found = references(cluster, namespace)
        if found.unread:
            cluster.transport.say_once(ENDPOINTS_UNKNOWN, "; ".join(found.unread))
        return found

    def _dependencies(self, cluster: Cluster) -> Dependencies:
        if not self._settings.fronts:
            return Dependencies()
        found = dependencies(cluster)
        if found.unread:
            event = "Secrets that webhooks depend on are not recognised"
            cluster.transport.say_once(event, "; ".join(found.unread))
        return found

    def _labels(self) -> dict[str, str]:
        """What a target that adopts a Secret of this source must know to reach the same cluster in the same way."""
        settings = self._settings
        labels = {
            "kubeconfig": settings.kubeconfig,
            "kube_context": settings.kube_context,
            "allow_managers": " ".join(settings.allow_managers),
        }
        return {key: value for key, value in labels.items() if value}


@dataclass(slots=True)
class _Unseen:
    """Namespaces whose Secrets could not be looked at: the API's sentence beside those that may not be read."""

    denied: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.denied or self.missing)

    def __str__(self) -> str:
        pieces = []
        if self.denied:
            names = ", ".join(namespace for namespace, _ in self.denied)
            pieces.append(f"may not read the Secrets in: {names}; {self.denied[0][1]}")
        if self.missing:
            pieces.append(f"there is no namespace {', '.join(self.missing)}; check `namespaces`")
        return "; ".join(pieces)


def _observed(page: list[Secret], around: Surroundings) -> Iterator[Observation]:
    """One observation after the other; a Secret and its key are forgotten as soon as its observation is made."""
    page.reverse()
    while page:
        yield observe(page.pop(), around)
