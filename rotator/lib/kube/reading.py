"""Lists kinds of objects in one namespace or in all of them; what may not be read is noted, and the rest is read."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rotator.lib.kube.cluster import PAGE_SIZE, Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.resources import Resource

EVERYWHERE = ""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Denied:
    """A list that is refused: in one namespace, or in all of them at once; `why` names the missing right."""

    resource: Resource
    namespace: str
    why: str


@dataclass(slots=True)
class Reader:
    """What may be read of one scope.

    Attributes:
        namespace: the scope; `EVERYWHERE` is all namespaces at once.
        each: the namespaces to try one by one where all at once are refused.
        denied: what was refused so far.
        absent: kinds of an API that is not installed.
    """

    cluster: Cluster
    namespace: str = EVERYWHERE
    each: Sequence[str] = ()
    denied: list[Denied] = field(default_factory=list)
    absent: list[Resource] = field(default_factory=list)

    def pages(
        self,
        resource: Resource,
        kind: type[T],
        *,
        limit: int = PAGE_SIZE,
        params: Mapping[str, str] | None = None,
    ) -> Iterator[list[T]]:
        """List in pages. An API that is not installed has nothing.

        Raises:
            KubeError: the cluster cannot be asked at all.
        """
        refused = yield from self._scope(resource, kind, self.namespace, limit, params)
        if refused is None:
            return
        if self.namespace != EVERYWHERE or not self.each:
            self.denied.append(refused)
            return
        for namespace in self.each:
            refused = yield from self._scope(resource, kind, namespace, limit, params)
            if refused:
                self.denied.append(refused)

    def all(self, resource: Resource, kind: type[T], *, limit: int = PAGE_SIZE) -> Iterator[T]:
        """The same, one object after the other."""
        for page in self.pages(resource, kind, limit=limit):
            yield from page

    def _scope(
        self, resource: Resource, kind: type[T], namespace: str, limit: int, params: Mapping[str, str] | None
    ) -> Generator[list[T], None, Denied | None]:
        try:
            yield from self.cluster.pages(Call("list", resource, namespace), kind, limit=limit, params=params)
        except KubeError as error:
            if error.status == 403:
                return Denied(resource, namespace, str(error))
            if error.status != 404:
                raise
            self.absent.append(resource)
        return None
