"""One namespace, or all of them at once: what is known of it beside its Secrets. Each part is looked at when needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.consumers import Takings
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare, Metadata
from rotator.lib.kube.reading import EVERYWHERE, Reader
from rotator.lib.kube.references import References, namespace_of, references
from rotator.lib.kube.resources import NAMESPACES
from rotator.lib.kube.transport import IGNORE_UNSEEN


class Scope:
    """What surrounds the Secrets of one scope of one look.

    Attributes:
        namespace: its name; `EVERYWHERE` for all.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, takings: Takings | None, *, fronts: bool, audits: bool
    ) -> None:
        self._cluster = cluster
        self._takings = takings
        self._fronts = fronts
        self._audits = audits
        self.namespace = namespace

    @cached_property
    def namespaces(self) -> Mapping[str, Metadata]:
        """Its namespaces, for what is said on them; empty when there is no such one.

        Without the right to read them nothing is known of them.
        """
        try:
            if self.namespace == EVERYWHERE:
                return all_namespaces(self._cluster)
            found = namespace_of(self._cluster, self.namespace)
        except KubeError as error:
            if error.status != 403:
                raise
            self._cluster.transport.say_once(IGNORE_UNSEEN, str(error))
            return {self.namespace: Metadata(name=self.namespace)}
        return {self.namespace: found} if found else {}

    @cached_property
    def references(self) -> References:
        """Who refers to its Secrets."""
        if not (self._fronts and self.namespaces):
            return References()
        return references(self._cluster, self.namespace, each=self._each, takings=self._takings)

    def reader(self) -> Reader:
        """Lists what is in it."""
        return Reader(self._cluster, self.namespace, self._each)

    @property
    def _each(self) -> tuple[str, ...]:
        """Where all of them may be read at once, that need not hold for every kind of object; an audit tries each."""
        if self.namespace != EVERYWHERE or not self._audits:
            return ()
        return tuple(sorted(filter(None, self.namespaces)))


def all_namespaces(cluster: Cluster) -> Mapping[str, Metadata]:
    """Every namespace of a cluster.

    Raises:
        KubeError: they could not be read.
    """
    call = Call("list", NAMESPACES)
    return {each.metadata.name: each.metadata for page in cluster.pages(call, Bare) for each in page}
