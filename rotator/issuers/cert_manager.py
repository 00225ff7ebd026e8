"""CertificateRequests of cert-manager: any Issuer or ClusterIssuer that it knows signs for certificates of rotator's.

The key stays here; cert-manager gets the request alone and writes no Secret. For Secrets that cert-manager itself keeps
see `rotator.core.holds.owned`: those are never written, they are renewed by it.

cert-manager never deletes a request that belongs to no Certificate: finished ones go when the next is made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from rotator.core.model import Certificate, Chain, Check, Endpoint, IssueRequest, PreflightRequest
from rotator.core.pem import PemError, certificate_pem, read_certificates
from rotator.errors import IssueError, Pending
from rotator.lib.issued import read_issued
from rotator.lib.kube.asking import Asking
from rotator.lib.kube.certmanager import GROUP, CmIssuer, CmRequest, request_object
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.issuing import (
    KubeIssuerSettings,
    api_server,
    ca_checks,
    cluster_of,
    completed,
    object_name,
    pauses,
    read_ca,
    refused,
    roots_in,
)
from rotator.lib.kube.resources import CM_CLUSTER_ISSUERS, CM_ISSUERS, CM_REQUESTS
from rotator.lib.kube.rights import missing
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings, show_duration

AT_ONCE = timedelta(seconds=10)
"""How long cert-manager is waited for before the rotation is put aside: a CA of its own answers within a second."""

_CA = "ca"
_KINDS = ("Issuer", "ClusterIssuer")


class IssuerReference(PluginSettings):
    """Which issuer of cert-manager's signs.

    Attributes:
        name: its name.
        kind: `Issuer`, which is found in `namespace`, `ClusterIssuer`, or the kind of an external issuer.
        group: the API group of the kind; other than cert-manager's own for external issuers.
    """

    name: str = Field(min_length=1)
    kind: str = Field(default="Issuer", min_length=1)
    group: str = GROUP

    @model_validator(mode="after")
    def _kind_exists(self) -> Self:
        if self.group == GROUP and self.kind not in _KINDS:
            raise ValueError(
                f"{self.kind!r} is no kind of cert-manager's own; there are {' and '.join(_KINDS)}, and an external "
                "issuer has its `group` beside its kind"
            )
        return self


class CertManagerSettings(KubeIssuerSettings):
    """Which issuer of cert-manager's, and where the requests are made.

    Attributes:
        issuer: the issuer that signs.
        namespace: where the requests are made, and an `Issuer` lies; without it the pod's own, or the kubeconfig's.
        usages: what the certificates may be used for, in cert-manager's words.
    """

    issuer: IssuerReference
    namespace: str = ""
    usages: tuple[str, ...] = Field(default=("digital signature", "server auth"), min_length=1)


class CertManagerIssuer:
    """Has an issuer of cert-manager's sign."""

    Settings: ClassVar[type[PluginSettings]] = CertManagerSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: CertManagerSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._keep = keep
        self._cluster = cluster_of(settings, clock)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        return api_server(self._cluster)

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Make the request, or come back to it, and follow it as far as it goes within some seconds."""
        ca = read_ca(self._cluster, self._settings.ca, self.name)
        try:
            asking = self._asking()
            found = self._object(asking, request, resume, checkpoint)
            return self._chain(self._followed(asking, found, looked_at_before=bool(resume)), ca)
        except KubeError as error:
            raise self._refused(error) from error

    def roots(self) -> tuple[Certificate, ...]:
        """The configured roots, else the one that cert-manager named beside the last certificate."""
        if self._settings.ca is not None:
            return roots_in(read_ca(self._cluster, self._settings.ca, self.name))
        kept = self._keep.get(_CA)
        return roots_in(read_certificates(kept)) if kept else ()

    # ------------------------------------------------------------ the object

    def _asking(self) -> Asking[CmRequest]:
        return Asking(
            self._cluster,
            self._clock,
            self.name,
            self._settings.installed_as,
            CM_REQUESTS,
            namespace=self._settings.namespace or self._cluster.transport.namespace,
            kind=CmRequest,
            word="CertificateRequest",
            command="certificaterequest",
        )

    def _object(
        self,
        asking: Asking[CmRequest],
        request: IssueRequest,
        resume: str | None,
        checkpoint: Callable[[str], None],
    ) -> CmRequest:
        settings, issuer = self._settings, self._settings.issuer
        lifetime = request.lifetime or settings.lifetime
        parts = (issuer.name, issuer.kind, issuer.group, *settings.usages, str(lifetime), self.name)
        name = object_name(request.names, request.csr, *parts)
        wanted = request_object(name, asking.labels(), request.csr, issuer.model_dump(), settings.usages, lifetime)
        return asking.found(name, request.csr, wanted, resume=resume, checkpoint=checkpoint)

    # ------------------------------------------------------------ its course

    def _followed(self, asking: Asking[CmRequest], found: CmRequest, *, looked_at_before: bool) -> CmRequest:
        """The request once its answer is there; an issuer that answers at once, or an approver that is no person, needs
        a moment."""
        who = f"{self.name}: the CertificateRequest {asking.namespace}/{found.metadata.name}"
        for pause in (0.0, *pauses(AT_ONCE)):
            if pause:
                self._clock.wait(pause)
                found = asking.again(found)
            if found.refusal:
                raise IssueError(f"{who} {found.refusal}", permanent=True)
            if found.failure:
                raise IssueError(f"{who} {found.failure}")
            if found.certificate:
                return found
            if looked_at_before:
                break
        raise self._unanswered(found, who)

    def _unanswered(self, found: CmRequest, who: str) -> Exception:
        """It is taken and waits: for approval as long as that takes, for the issuer no longer than `signed_within`."""
        again = self._settings.ask_again
        approved_at = found.approved_at
        if approved_at is None:
            command = f"cmctl approve {found.metadata.name} -n {found.metadata.namespace}"
            return Pending(
                f"{who} waits for approval; look at it, then: {command}",
                retry_after=again,
            )
        waited = self._clock.now() - approved_at
        why = found.progress or "cert-manager has said nothing of it"
        if waited < self._settings.signed_within:
            return Pending(f"{who} is not signed yet: {why}", retry_after=again)
        return IssueError(
            f"{who} was approved {show_duration(waited)} ago and is not signed: {why}; see what its issuer "
            f"{self._settings.issuer.name} says",
            retry_after=self._settings.try_again,
        )

    def _chain(self, found: CmRequest, ca: tuple[Certificate, ...]) -> Chain:
        issued = read_issued(found.certificate, f"{self.name}: cert-manager")
        named = self._named_ca(found)
        root = roots_in(named)
        if root:
            self._keep.put(_CA, b"".join(certificate_pem(each) for each in root))
        return completed(issued, ca or named)

    def _named_ca(self, found: CmRequest) -> tuple[Certificate, ...]:
        """What cert-manager says the chain ends in; public CAs name none."""
        if not (found.status.ca or b"").strip():
            return ()
        try:
            return read_certificates(found.status.ca or b"")
        except PemError as error:
            raise IssueError(f"{self.name}: cert-manager names a CA that cannot be read: {error}") from error

    def _refused(self, error: KubeError) -> IssueError:
        if error.status == 404:
            return IssueError(
                f"{self.name}: {error}; see that cert-manager is installed in this cluster, and that the namespace "
                "exists",
                permanent=True,
            )
        return refused(error, self.name)

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether we may ask, and whether the issuer is ready; the CA."""
        try:
            asking = self._asking()
            ca = ca_checks(self._cluster, self._settings.ca, self.name)
            return (self._rights(asking), self._issuer(asking.namespace), *ca)
        except KubeError as error:
            return (Check("rights", f"{self.name}: {error}", "see that the API server can be reached"),)

    def _rights(self, asking: Asking[CmRequest]) -> Check:
        needed = [asking.call("create"), *(asking.call(verb, "any") for verb in ("get", "delete"))]
        lacking = missing(self._cluster, needed)
        if lacking:
            remedy = f"give rotator's service account these verbs by a Role in {asking.namespace}"
            return Check("rights", f"{self.name}: rotator may not {', '.join(map(str, lacking))}", remedy)
        return Check("rights", detail=f"it may ask in {asking.namespace}")

    def _issuer(self, namespace: str) -> Check:
        wanted = self._settings.issuer
        if wanted.group != GROUP:
            return Check(
                "issuer",
                detail=f"{wanted.kind}.{wanted.group} is no kind of cert-manager's, so not looked at",
                told=False,
            )
        clusterwide = wanted.kind == "ClusterIssuer"
        call = Call(
            "get", CM_CLUSTER_ISSUERS if clusterwide else CM_ISSUERS, "" if clusterwide else namespace, wanted.name
        )
        where = wanted.name if clusterwide else f"{namespace}/{wanted.name}"
        try:
            found = self._cluster.get(call, CmIssuer)
        except KubeError as error:
            return Check("issuer", detail=f"it cannot be told whether the {wanted.kind} is ready: {error}", told=False)
        remedy = f"kubectl describe {wanted.kind.lower()} {wanted.name}"
        if found is None:
            return Check("issuer", f"{self.name}: there is no {wanted.kind} {where}", "name one that exists")
        if found.problem:
            return Check("issuer", f"{self.name}: the {wanted.kind} {where} is not ready: {found.problem}", remedy)
        return Check("issuer", detail=f"the {wanted.kind} {where} is ready")
