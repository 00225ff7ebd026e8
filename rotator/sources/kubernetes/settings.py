"""What an operator writes for the source `kubernetes`, and what a word on the command line means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Literal, Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from rotator.lib.kube.cluster import PAGE_SIZE
from rotator.settings import Kubeconfig, PluginSettings

SCHEME = "k8s://"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123, 2.1, as Kubernetes has it
_EKS = re.compile(r"arn:[^/]*:cluster/[^/]+")


class Also(StrEnum):
    """What is looked at beside the Secrets of type `kubernetes.io/tls`."""

    SECRETS = "secrets"
    CONFIG_MAPS = "config-maps"
    CA_BUNDLES = "ca-bundles"
    CONSUMERS = "consumers"


class KubernetesSettings(PluginSettings):
    """Which Secrets of which cluster to look at, and what else."""

    namespaces: tuple[str, ...] | Literal["all"] = Field(
        default=(), description="Namespaces to look at, or `all`; without it the pod's own, or the kubeconfig's."
    )
    kubeconfig: Kubeconfig = Field(default="", description="A kubeconfig file; without it the pod's own credentials.")
    kube_context: str = Field(default="", description="A context of the kubeconfig; without it the current one.")
    contexts: tuple[str, ...] = Field(
        default=(), description="Several contexts of the kubeconfig, each a cluster to look at in the same way."
    )
    label_selector: str = Field(default="", description="Only Secrets with these labels, as in `kubectl -l`.")
    field_selector: str = Field(default="", description="Only Secrets with these fields, beside their type.")
    page_size: int = Field(default=PAGE_SIZE, ge=1, le=5000, description="How many Secrets to ask for at a time.")
    fronts: bool = Field(
        default=True, description="Look up which Ingresses, Gateways and pods serve each Secret, and which webhooks."
    )
    allow_managers: tuple[str, ...] = Field(
        default=(), description="Field managers beside kubectl that may have written `tls.crt` (globs)."
    )
    also: tuple[Also, ...] = Field(
        default=(),
        description="What to look at beside TLS Secrets: `secrets` of other types, CA bundles in `config-maps`, the "
        "`ca-bundles` of webhooks, aggregated APIs and CRDs, and the `consumers` of each Secret.",
    )
    everything: bool = Field(default=False, description="All of `also`, for an audit.")

    @model_validator(mode="after")
    def _one_way_to_name_contexts(self) -> Self:
        if self.kube_context and self.contexts:
            raise ValueError("kube_context and contexts are two ways to say the same; keep one of them")
        return self

    def looks_at(self, what: Also) -> bool:
        """Whether something is looked at beside TLS Secrets."""
        return self.everything or what in self.also

    @property
    def audits(self) -> bool:
        """Whether more than TLS Secrets is looked at."""
        return self.everything or bool(self.also)


def settings_from_word(word: str) -> KubernetesSettings:
    """Everything with a certificate in it that `k8s://[CONTEXT[/NAMESPACE]]` names; without NAMESPACE, in all of them.

    A `/` in a context is written `%2F`; that of an EKS cluster (`arn:aws:eks:…:cluster/NAME`) may stay as it is.

    Raises:
        ValueError: it is no such word.
    """
    if not word.startswith(SCHEME):
        raise ValueError(f"{word!r} is no cluster; write {SCHEME}, {SCHEME}CONTEXT or {SCHEME}CONTEXT/NAMESPACE")
    rest = word.removeprefix(SCHEME)
    eks = _EKS.match(rest)
    cut = eks.end() if eks else rest.find("/") if "/" in rest else len(rest)
    context, namespace = unquote(rest[:cut]), rest[cut + 1 :]
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"{namespace!r} in {word!r} is no namespace; write {SCHEME}CONTEXT/NAMESPACE, and a / in CONTEXT as %2F"
        )
    namespaces: tuple[str, ...] | Literal["all"] = (namespace,) if namespace else "all"
    return KubernetesSettings(kube_context=context, namespaces=namespaces, everything=True)


def settings_from_words(words: Iterable[str]) -> Iterator[tuple[str, KubernetesSettings]]:
    """One source for each context that words name, with all the namespaces that they name in it, and its first word.

    What belongs to no namespace is so read once, and references between the namespaces are seen.

    Raises:
        ValueError: one of them is no such word.
    """
    found: dict[str, tuple[str, KubernetesSettings]] = {}
    for word in words:
        settings = settings_from_word(word)
        first, before = found.get(settings.kube_context, (word, settings))
        every = "all" in (before.namespaces, settings.namespaces)
        namespaces = "all" if every else tuple(dict.fromkeys((*before.namespaces, *settings.namespaces)))
        found[settings.kube_context] = first, before.model_copy(update={"namespaces": namespaces})
    yield from found.values()
