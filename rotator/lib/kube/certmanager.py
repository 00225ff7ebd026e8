"""The kinds of cert-manager (`cert-manager.io/v1`), as far as they are read, and the objects that are made of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from rotator.lib.kube.asking import AskingMetadata
from rotator.lib.kube.issuing import said
from rotator.settings import parse_duration

GROUP = "cert-manager.io"
READY, APPROVED, DENIED, INVALID, ISSUING = "Ready", "Approved", "Denied", "InvalidRequest", "Issuing"
FAILED = "Failed"
"""The reason beside `Ready=False` with which cert-manager gives a request up."""


class CmCondition(Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None

    @property
    def words(self) -> str:
        return said(self.reason, self.message)


def held(conditions: Sequence[CmCondition] | None, kind: str, status: str = "True") -> CmCondition | None:
    """The condition of this type, where it has this status."""
    return next((one for one in conditions or () if one.type == kind and one.status == status), None)


# ---------------------------------------------------------------- issuers


class _IssuerStatus(Struct):
    conditions: list[CmCondition] | None = None


class CmIssuer(Struct):
    """An Issuer or ClusterIssuer."""

    status: _IssuerStatus = field(default_factory=_IssuerStatus)

    @property
    def problem(self) -> str:
        """Why it signs nothing now, in cert-manager's words; empty when it is ready."""
        if held(self.status.conditions, READY):
            return ""
        refused = held(self.status.conditions, READY, "False")
        return refused.words if refused else "cert-manager has not looked at it; see that its controller runs"


# ---------------------------------------------------------------- requests


class _IssuerRef(Struct, frozen=True):
    name: str = ""
    kind: str = ""
    group: str = ""


class _RequestSpec(Struct, rename="camel"):
    request: bytes = b""
    issuer_ref: _IssuerRef = _IssuerRef()
    usages: list[str] | None = None
    duration: str = ""

    @property
    def lifetime(self) -> object:
        """Go writes `7200s` as `2h0m0s`, which is no other wish."""
        try:
            return parse_duration(self.duration)
        except ValueError:
            return self.duration


class _RequestStatus(Struct):
    conditions: list[CmCondition] | None = None
    certificate: bytes | None = None
    ca: bytes | None = None


class CmRequest(Struct):
    """A CertificateRequest."""

    metadata: AskingMetadata = field(default_factory=AskingMetadata)
    spec: _RequestSpec = field(default_factory=_RequestSpec)
    status: _RequestStatus = field(default_factory=_RequestStatus)

    @property
    def request(self) -> bytes:
        """The CSR in it."""
        return self.spec.request

    @property
    def asked(self) -> object:
        """Everything that is asked for: the CSR, of whom, for what use, for how long."""
        spec = self.spec
        return (spec.request, spec.issuer_ref, frozenset(spec.usages or ()), spec.lifetime)

    @property
    def certificate(self) -> bytes:
        """The chain, once cert-manager says that it is whole."""
        return (self.status.certificate or b"").strip() if held(self.status.conditions, READY) else b""

    @property
    def refusal(self) -> str:
        """Who refused it and why: no other try of the same changes that; empty where nobody has."""
        for kind, word in ((DENIED, "was denied"), (INVALID, "is invalid")):
            found = held(self.status.conditions, kind)
            if found:
                return f"{word}: {found.words}"
        return ""

    @property
    def failure(self) -> str:
        """Why cert-manager gave it up, in its words; empty where it has not."""
        found = held(self.status.conditions, READY, "False")
        return f"failed: {found.words}" if found and found.reason == FAILED else ""

    @property
    def progress(self) -> str:
        """What cert-manager says it waits for; empty where it says nothing."""
        found = held(self.status.conditions, READY, "False")
        return found.words if found else ""

    @property
    def approved_at(self) -> datetime | None:
        """When it was approved, as far as that can be told; None while it is not."""
        approval = held(self.status.conditions, APPROVED)
        return (approval.last_transition_time or self.metadata.answered_at) if approval else None

    @property
    def changed_at(self) -> datetime | None:
        """When its last condition changed."""
        times = (one.last_transition_time for one in self.status.conditions or ())
        return max((at for at in times if at is not None), default=self.metadata.answered_at)

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return bool(self.certificate or self.refusal or self.failure)


def request_object(
    name: str,
    labels: Mapping[str, str],
    csr: bytes,
    issuer: Mapping[str, str],
    usages: Sequence[str],
    lifetime: timedelta | None,
) -> dict[str, Any]:
    """The CertificateRequest to create; `duration` is a wish, which the issuer may cut."""
    spec: dict[str, Any] = {
        "request": base64.b64encode(csr).decode(),
        "issuerRef": dict(issuer),
        "usages": list(usages),
    }
    if lifetime is not None:
        spec["duration"] = f"{int(lifetime.total_seconds())}s"
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": spec,
    }
