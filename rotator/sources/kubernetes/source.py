"""The source itself: one cluster after the other.

Read page by page; a page is dropped when its objects have become observations: memory does not grow with the cluster.
Nothing is ever written, and no private key leaves the look.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rotator.core.model import Endpoint, Observation
from rotator.errors import SourceError
from rotator.lib.kube.cluster import Pace, connect
from rotator.lib.kube.errors import KubeError
from rotator.lib.kube.transport import Access
from rotator.ports import Clock
from rotator.settings import PluginSettings
from rotator.sources.kubernetes.look import Look
from rotator.sources.kubernetes.settings import KubernetesSettings


class KubernetesSource:
    """The certificates of one cluster, or of several in one kubeconfig."""

    Settings: ClassVar[type[PluginSettings]] = KubernetesSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, KubernetesSettings)
        self.name = name
        self._settings = settings
        self._pace = Pace(clock.wait, clock.monotonic)

    def observe(self) -> Iterator[Observation]:
        """Look at everything once; what may be read is yielded before what may not be is raised.

        A cluster that cannot be read does not keep the others from being read.

        Raises:
            SourceError: a cluster cannot be read, or some of it may not be; the message names it.
        """
        settings = self._settings
        contexts = self._contexts
        failed: list[str] = []
        looked: set[tuple[str, str]] = set()
        for context in contexts:
            cluster = connect(Access(settings.kubeconfig, context), self._pace)
            look = Look(cluster, settings, context)
            try:
                if len(contexts) > 1:
                    this = (cluster.identity(), "" if settings.namespaces else cluster.transport.namespace)
                    if this in looked:
                        continue  # another name for the same cluster
                yield from look.observe()
                if len(contexts) > 1:
                    looked.add(this)
            except KubeError as error:
                failed.append(self._told(context, str(error)))
            if look.unseen:
                failed.append(self._told(context, str(look.unseen)))
        if failed:
            raise SourceError(f"source {self.name}: {'; '.join(failed)}")

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The API server of each cluster."""
        accesses = (Access(self._settings.kubeconfig, context) for context in self._contexts)
        found = (connect(access, self._pace).transport.peers for access in accesses)
        return tuple(dict.fromkeys(endpoint for peers in found for endpoint in peers))

    @property
    def _contexts(self) -> tuple[str, ...]:
        return self._settings.contexts or (self._settings.kube_context,)

    def _told(self, context: str, why: str) -> str:
        """With the name of the cluster, where there are several."""
        return f"context {context}: {why}" if self._settings.contexts else why
