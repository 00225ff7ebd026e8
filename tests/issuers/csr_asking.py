"""The issuer `kubernetes_csr` on the run's API server, and what it says while a request waits."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rotator.errors import Pending
from rotator.issuers.kubernetes_csr import KubernetesCsrIssuer, KubernetesCsrSettings
from rotator.ports import Clock
from tests.issuers.asking import Asked, Drawer, hurried_clock
from tests.servers.kube import ADMIN, KubeServer

NOBODY = "example.com/nobody"

MakeIssuer = Callable[..., KubernetesCsrIssuer]


def issuer_maker(kube_server: KubeServer) -> MakeIssuer:
    """Build the issuer on the run's API server; the signer is one that nobody answers for unless a test says so."""

    def built(*, token: str = ADMIN, clock: Clock | None = None, **settings: object) -> KubernetesCsrIssuer:
        standard = {"signer": NOBODY, "kubeconfig": str(kube_server.kubeconfig(token))}
        chosen = KubernetesCsrSettings.model_validate({**standard, **settings})
        return KubernetesCsrIssuer("cluster", chosen, clock or hurried_clock(), Drawer())

    return built


def put_off_for(issuer: KubernetesCsrIssuer, asked: Asked, resume: str | None = None) -> tuple[str, Pending]:
    """Ask, and expect to be put off; the name of the object, and what was said."""
    tokens: list[str] = []
    with pytest.raises(Pending) as put_off:
        issuer.issue(asked.request, resume=resume, checkpoint=tokens.append)
    token = tokens[-1] if tokens else resume
    assert token is not None
    return token, put_off.value


def name_of(token: str) -> str:
    return str(json.loads(token)["name"])
