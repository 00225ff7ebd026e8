"""One look at one cluster: its namespaces, and in each what the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from rotator.core.model import Observation
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.consumers import Takings
from rotator.lib.kube.contents import (
    AnySecret,
    Bundles,
    ConfigMap,
    missed,
    observe_bundle,
    observe_config_map,
    observe_values,
)
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare, Metadata, Secret
from rotator.lib.kube.reading import EVERYWHERE, Denied
from rotator.lib.kube.resources import CONFIG_MAPS, NAMESPACES, SECRETS
from rotator.lib.kube.secrets import TLS, Surroundings, observe
from rotator.lib.kube.sharing import Key
from rotator.lib.kube.transport import ENDPOINTS_UNKNOWN
from rotator.lib.kube.webhooks import Dependencies, dependencies
from rotator.sources.kubernetes.scope import Scope, all_namespaces
from rotator.sources.kubernetes.settings import Also, KubernetesSettings
from rotator.sources.kubernetes.unseen import Unseen

LARGE_PAGE = 50
"""Objects of any kind may be a megabyte each."""

# These hold no certificate of anybody's: releases of Helm, tokens, credentials of registries.
_NEVER = (
    "helm.sh/release.v1",
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/dockercfg",
    "bootstrap.kubernetes.io/token",
)
OTHER_TYPES = ",".join(f"type!={each}" for each in (TLS, *_NEVER))


T = TypeVar("T")


class Look:
    """What one look sees; `unseen` is complete when `observe` has ended."""

    def __init__(self, cluster: Cluster, settings: KubernetesSettings, context: str) -> None:
        self._cluster = cluster
        self._settings = settings
        self._labels = MappingProxyType(_labels(settings, context))
        self._bundles = Bundles()
        self._takings = Takings() if settings.looks_at(Also.CONSUMERS) else None
        self._present: set[Key] = set()
        self._waiting: list[tuple[Key, Observation]] = []
        self.unseen = Unseen()

    def observe(self) -> Iterator[Observation]:
        """Everything that may be read.

        Raises:
            KubeError: the cluster cannot be read.
        """
        depends = self._dependencies()
        scopes = {name: self._scope(name) for name in self._scopes()}
        if self._takings is not None:
            for scope in scopes.values():
                self._look_around(scope)  # all of them first: a Gateway may take a Secret of another namespace
        for scope in scopes.values():
            yield from self._within(scope, depends)
        yield from self._bundles.observations()
        if self._settings.looks_at(Also.CA_BUNDLES):
            nowhere = Surroundings(self._cluster.identity(), labels=self._labels)
            yield from (observe_bundle(bundle, nowhere) for bundle in depends.bundles)
        if self._takings is not None:
            yield from self._settled(self._takings)
            yield from self._missed(self._takings, scopes)

    # ------------------------------------------------------------ where to look

    def _scopes(self) -> Sequence[str]:
        """The namespaces to list one by one; or `EVERYWHERE` alone, where that is wanted and allowed.

        Where it is wanted and not allowed, every namespace is tried by itself.
        """
        wanted, cluster = self._settings.namespaces, self._cluster
        if wanted != "all":
            return wanted or (cluster.transport.namespace,)
        try:
            next(cluster.pages(Call("list", SECRETS), Bare, limit=1))
        except KubeError as error:
            if error.status != 403:
                raise
            cluster.transport.say_once("the namespaces are read one by one", str(error))
        else:
            return (EVERYWHERE,)
        try:
            return sorted(all_namespaces(cluster))
        except KubeError as error:
            if error.status != 403 or not self._settings.audits:
                raise
            self.unseen.refuse([Denied(NAMESPACES, EVERYWHERE, str(error))])
            return (cluster.transport.namespace,)

    def _scope(self, namespace: str) -> Scope:
        fronts = self._settings.fronts or self._takings is not None
        return Scope(self._cluster, namespace, self._takings, fronts=fronts, audits=self._settings.audits)

    # ------------------------------------------------------------ what is there

    def _within(self, scope: Scope, depends: Dependencies) -> Iterator[Observation]:
        if not scope.namespaces:
            self.unseen.missing.append(scope.namespace)
            return
        yield from self._tls_secrets(scope, depends)
        reader = scope.reader()
        if self._settings.looks_at(Also.SECRETS) and not self._is_denied(scope.namespace):
            around = self._around(scope, depends)
            for page in reader.pages(SECRETS, AnySecret, limit=LARGE_PAGE, params=self._selectors(OTHER_TYPES)):
                while page:
                    secret = page.pop()
                    self._note(secret.metadata)
                    yield from self._told(secret.metadata, observe_values(secret, around, self._bundles))
        if self._settings.looks_at(Also.CONFIG_MAPS):
            around = self._around(scope, depends)
            for maps in reader.pages(CONFIG_MAPS, ConfigMap, limit=LARGE_PAGE):
                while maps:
                    yield from observe_config_map(maps.pop(), around, self._bundles)
        self.unseen.refuse(reader.denied)

    def _tls_secrets(self, scope: Scope, depends: Dependencies) -> Iterator[Observation]:
        if self._settings.looks_at(Also.SECRETS):
            yield from self._tls(scope, depends, AnySecret, self._whole)
        else:
            yield from self._tls(scope, depends, Secret, self._pair)

    def _tls(
        self,
        scope: Scope,
        depends: Dependencies,
        kind: type[T],
        made: Callable[[T, Surroundings], Iterable[Observation]],
    ) -> Iterator[Observation]:
        """Page by page; a Secret and its key are forgotten as soon as its observations are made."""
        call, params = Call("list", SECRETS, scope.namespace), self._selectors(f"type={TLS}")
        pages = self._cluster.pages(call, kind, limit=self._settings.page_size, params=params, ahead=True)
        try:
            first = next(pages)
        except KubeError as error:
            if error.status != 403:
                raise
            self.unseen.refuse([Denied(SECRETS, scope.namespace, str(error))])
            return
        around = self._around(scope, depends)
        for page in chain((first,), pages):
            page.reverse()
            while page:
                yield from made(page.pop(), around)

    def _pair(self, secret: Secret, around: Surroundings) -> Iterable[Observation]:
        self._note(secret.metadata)
        return self._told(secret.metadata, (observe(secret, around),))

    def _whole(self, secret: AnySecret, around: Surroundings) -> Iterable[Observation]:
        yield from self._pair(secret.tls, around)
        yield from self._told(secret.metadata, observe_values(secret, around, self._bundles))

    def _note(self, metadata: Metadata) -> None:
        if self._takings is not None:
            self._present.add((metadata.namespace, metadata.name))

    def _selectors(self, fields: str) -> Mapping[str, str]:
        settings = self._settings
        params = {"fieldSelector": ",".join(filter(None, (fields, settings.field_selector)))}
        return {**params, "labelSelector": settings.label_selector} if settings.label_selector else params

    # ------------------------------------------------------------ what is around it

    def _around(self, scope: Scope, depends: Dependencies) -> Surroundings:
        self._look_around(scope)
        return Surroundings(
            system=self._cluster.identity(),
            namespaces=scope.namespaces,
            references=scope.references,
            dependencies=depends,
            allow_managers=self._settings.allow_managers,
            labels=self._labels,
            takings=self._takings,
        )

    def _look_around(self, scope: Scope) -> None:
        """Look at what refers to Secrets, once; what may not be read is an answer that was asked for, or a remark."""
        denied = scope.references.denied
        if self._takings is not None:
            self.unseen.refuse(denied)
        elif denied:
            self._cluster.transport.say_once(ENDPOINTS_UNKNOWN, "; ".join(scope.references.unread))

    def _dependencies(self) -> Dependencies:
        asked = self._settings.looks_at(Also.CA_BUNDLES)
        if not (self._settings.fronts or asked):
            return Dependencies()
        found = dependencies(self._cluster)
        if asked:
            self.unseen.refuse(found.denied)
        elif found.unread:
            event = "Secrets that webhooks depend on are not recognised"
            self._cluster.transport.say_once(event, "; ".join(found.unread))
        return found

    # ------------------------------------------------------------ hosts that several Secrets serve

    def _told(self, metadata: Metadata, observations: Iterable[Observation]) -> Iterator[Observation]:
        """Pass on what a Secret holds; what serves hosts together with other Secrets waits until all were seen."""
        key = (metadata.namespace, metadata.name)
        if self._takings is None or not self._takings.shares(key):
            yield from observations
            return
        for each in observations:
            if not each.consumers:
                yield each
                continue
            self._takings.saw(key, each.chain.names if each.chain else ())
            self._waiting.append((key, each))

    def _settled(self, takings: Takings) -> Iterator[Observation]:
        for key, each in self._waiting:
            yield replace(each, consumers=takings.settled(key, each.consumers))

    # ------------------------------------------------------------ what is missed

    def _missed(self, takings: Takings, scopes: Mapping[str, Scope]) -> Iterator[Observation]:
        """Secrets that somebody needs and that are not there; each is asked for by name, for selectors hide some."""
        for key, consumers in takings.required():
            namespace, name = key
            if key in self._present or self._is_denied(namespace) or self._exists(namespace, name):
                continue
            around = Surroundings(self._cluster.identity(), labels=self._labels)
            scope = scopes.get(namespace) or scopes.get(EVERYWHERE)
            if scope is not None:
                around = replace(around, namespaces=scope.namespaces, references=scope.references)
            yield missed(key, consumers, around)

    def _exists(self, namespace: str, name: str) -> bool:
        """Whether there is such a Secret; one that may not be asked for is taken to be there."""
        try:
            return self._cluster.get(Call("get", SECRETS, namespace, name), Bare) is not None
        except KubeError as error:
            if error.status != 403:
                raise
            return True

    def _is_denied(self, namespace: str) -> bool:
        return any((str(SECRETS), each) in self.unseen.denied for each in (namespace, EVERYWHERE))


def _labels(settings: KubernetesSettings, context: str) -> dict[str, str]:
    """What a target that adopts a Secret of this source must know to reach the same cluster in the same way."""
    labels = {
        "kubeconfig": settings.kubeconfig,
        "kube_context": context,
        "allow_managers": " ".join(settings.allow_managers),
    }
    return {key: value for key, value in labels.items() if value}
