"""Objects of kind CertificateSigningRequest (`certificates.k8s.io/v1`): what of them is read, and as they are made."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from rotator.lib.kube.asking import AskingMetadata
from rotator.lib.kube.issuing import said

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
SHORTEST = timedelta(seconds=600)
"""The API refuses an `expirationSeconds` below that."""

_BUILT_IN = "kubernetes.io/"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
_CLIENTS_ONLY = frozenset({"kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"})
_LEGACY = "kubernetes.io/legacy-unknown"


class CsrCondition(Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None

    @property
    def at(self) -> datetime | None:
        return self.last_transition_time or self.last_update_time


class CsrSpec(Struct, rename="camel"):
    request: bytes = b""
    signer_name: str = ""
    usages: list[str] | None = None
    expiration_seconds: int | None = None


class CsrStatus(Struct):
    conditions: list[CsrCondition] | None = None
    certificate: bytes | None = None


class Csr(Struct):
    metadata: AskingMetadata = field(default_factory=AskingMetadata)
    spec: CsrSpec = field(default_factory=CsrSpec)
    status: CsrStatus = field(default_factory=CsrStatus)

    def condition(self, kind: str) -> CsrCondition | None:
        """The condition of this type, where it holds."""
        held = (one for one in self.status.conditions or () if one.type == kind and one.status == "True")
        return next(held, None)

    @property
    def request(self) -> bytes:
        """The CSR in it."""
        return self.spec.request

    @property
    def asked(self) -> object:
        """Everything that is asked for: the CSR, of whom, for what use, for how long."""
        spec = self.spec
        return (spec.request, spec.signer_name, frozenset(spec.usages or ()), spec.expiration_seconds)

    @property
    def approved_at(self) -> datetime | None:
        """When it was approved, as far as that can be told; None while it is not."""
        approval = self.condition(APPROVED)
        return (approval.at or self.metadata.answered_at) if approval else None

    @property
    def certificate(self) -> bytes:
        return (self.status.certificate or b"").strip()

    @property
    def changed_at(self) -> datetime | None:
        """When its last condition changed."""
        times = (one.at for one in self.status.conditions or ())
        return max((at for at in times if at is not None), default=self.metadata.answered_at)

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return bool(self.certificate or self.condition(DENIED) or self.condition(FAILED))

    @property
    def verdict(self) -> str:
        """Why there will be no certificate, in the words of whoever decided; empty while there may be one."""
        for kind, word in ((DENIED, "was denied"), (FAILED, "failed")):
            condition = self.condition(kind)
            if condition:
                return f"{word}: {said(condition.reason, condition.message)}"
        return ""


def signer_name(value: str) -> str:
    """The name of a signer that can sign certificates for servers, as far as the name alone says.

    Raises:
        ValueError: it is no name of a signer, or that of a built-in one that never signs for servers.
    """
    domain, _, path = value.partition("/")
    if not domain or not path or len(value) > 571 or any(letter.isspace() for letter in value):
        raise ValueError(f"{value!r} is no name of a signer; write it like example.com/signer")
    if value == _LEGACY:
        raise ValueError(f"certificates.k8s.io/v1 accepts no requests for {_LEGACY}; name a signer of your own")
    if value in _CLIENTS_ONLY:
        raise ValueError(f"{value} signs certificates for clients of the API server only; name a signer for servers")
    if value.startswith(_BUILT_IN) and value != KUBELET_SERVING:
        raise ValueError(f"Kubernetes has no signer {value}; for servers it has {KUBELET_SERVING} alone")
    return value


def csr_object(
    name: str, labels: Mapping[str, str], csr: bytes, signer: str, usages: Sequence[str], lifetime: timedelta | None
) -> dict[str, Any]:
    """The object to create; `expirationSeconds` is a wish, which the signer may cut."""
    spec: dict[str, Any] = {
        "request": base64.b64encode(csr).decode(),
        "signerName": signer,
        "usages": list(usages),
    }
    if lifetime is not None:
        spec["expirationSeconds"] = int(lifetime.total_seconds())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": spec,
    }
