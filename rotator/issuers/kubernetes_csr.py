"""CertificateSigningRequests of a Kubernetes cluster: whichever signer the cluster runs signs them.

A request is an object that is approved, by rotator itself (`approve: true`) or by whoever may, and then signed by the
controller that answers for its `signer`. Of the signers that come with Kubernetes none signs for any names of servers:
`kubernetes.io/kubelet-serving` signs for nodes, the others for clients.

Finished objects are deleted when the next is made; Kubernetes itself does so after an hour, and after a day with one
that nobody has approved. A request that was lost that way has failed, and the next try makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field, field_validator

from rotator.core.model import Certificate, Chain, Check, Endpoint, IssueRequest, PreflightRequest
from rotator.errors import IssueError, Pending
from rotator.lib.issued import read_issued
from rotator.lib.kube.asking import Asking
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
from rotator.lib.kube.resources import CERTIFICATE_SIGNING_REQUESTS, SIGNERS
from rotator.lib.kube.rights import may, missing
from rotator.lib.kube.signing import APPROVED, SHORTEST, Csr, csr_object, signer_name
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings, show_duration

AT_ONCE = timedelta(seconds=10)
"""How long a signer is waited for before the rotation is put aside: one that runs answers within a second or two."""


class KubernetesCsrSettings(KubeIssuerSettings):
    """Which signer of which cluster.

    Attributes:
        signer: its name, as example.com/signer.
        usages: what the certificates may be used for, in the words of the API.
        approve: rotator approves its own requests, which needs the verb `approve` on the signer.
    """

    signer: str
    usages: tuple[str, ...] = Field(default=("digital signature", "server auth"), min_length=1)
    approve: bool = False

    _signs_for_servers = field_validator("signer")(signer_name)

    @field_validator("lifetime")
    @classmethod
    def _long_enough(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < SHORTEST:
            raise ValueError(f"Kubernetes signs nothing that lives shorter than {show_duration(SHORTEST)}")
        return value


class KubernetesCsrIssuer:
    """Has a cluster's signer sign."""

    Settings: ClassVar[type[PluginSettings]] = KubernetesCsrSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: KubernetesCsrSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._cluster = cluster_of(settings, clock)
        self._asking = Asking(
            self._cluster,
            clock,
            name,
            settings.installed_as,
            CERTIFICATE_SIGNING_REQUESTS,
            namespace="",
            kind=Csr,
            word="CertificateSigningRequest",
            command="csr",
        )

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        return api_server(self._cluster)

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Make the request, or come back to it, and follow it as far as it goes within some seconds."""
        lifetime = request.lifetime or self._settings.lifetime
        if problem := self._too_short(lifetime):
            raise IssueError(problem, permanent=True)
        ca = read_ca(self._cluster, self._settings.ca, self.name)
        try:
            found = self._object(request, lifetime, resume, checkpoint)
            return completed(self._followed(found, looked_at_before=bool(resume)), ca)
        except KubeError as error:
            raise refused(error, self.name) from error

    def roots(self) -> tuple[Certificate, ...]:
        """The roots among the configured certificates of the CA."""
        return roots_in(read_ca(self._cluster, self._settings.ca, self.name))

    def _too_short(self, lifetime: timedelta | None) -> str:
        """Why the API takes no such lifetime; empty where it does."""
        if lifetime is None or lifetime >= SHORTEST:
            return ""
        return f"{self.name}: Kubernetes signs nothing that lives shorter than {show_duration(SHORTEST)}; ask for more"

    def _object(
        self, request: IssueRequest, lifetime: timedelta | None, resume: str | None, checkpoint: Callable[[str], None]
    ) -> Csr:
        """The object that asks for this: the one that the token speaks of, or a new one."""
        signer, usages = self._settings.signer, self._settings.usages
        name = object_name(request.names, request.csr, signer, *usages, str(lifetime), self.name)
        wanted = csr_object(name, self._asking.labels(), request.csr, signer, usages, lifetime)
        return self._asking.found(name, request.csr, wanted, resume=resume, checkpoint=checkpoint)

    # ------------------------------------------------------------ its course

    def _followed(self, found: Csr, *, looked_at_before: bool) -> Chain:
        """The answer, once it is there; a signer that runs, or an approver that is no person, needs a moment."""
        name = found.metadata.name
        for pause in (0.0, *pauses(AT_ONCE)):
            if pause:
                self._clock.wait(pause)
                found = self._asking.again(found)
            if found.verdict:
                raise IssueError(f"{self.name}: the CertificateSigningRequest {name} {found.verdict}", permanent=True)
            if found.certificate:
                return read_issued(found.certificate, f"{self.name}: {self._settings.signer}")
            if self._settings.approve and not found.condition(APPROVED):
                self._approve(name, found.metadata.uid)
            elif looked_at_before and not found.condition(APPROVED):
                break  # a person is waited for
        raise self._unanswered(found)

    def _approve(self, name: str, uid: str) -> None:
        """Approve our own request. A whole object is put, as `kubectl certificate approve` does."""
        whole: dict[str, Any] | None = self._cluster.get(self._asking.call("get", name), dict)
        if whole is None or whole["metadata"]["uid"] != uid:
            return  # seen at the next look
        status = whole.setdefault("status", {})
        approval = {
            "type": APPROVED,
            "status": "True",
            "reason": "ApprovedByRotator",
            "message": f"rotator asked for it itself (issuer {self.name}, approve: true)",
        }
        status["conditions"] = [*(status.get("conditions") or ()), approval]
        try:
            self._cluster.update(self._asking.call("update", name, "approval"), whole)
        except KubeError as error:
            if error.status != 409:
                raise  # a conflict: somebody else was faster, which the next look shows

    def _unanswered(self, found: Csr) -> Exception:
        name, signer = found.metadata.name, self._settings.signer
        approved_at = found.approved_at
        if approved_at is None:
            return Pending(
                f"{self.name}: the CertificateSigningRequest {name} waits for approval; look at it, then: "
                f"kubectl certificate approve {name}",
                retry_after=self._settings.ask_again,
            )
        waited = self._clock.now() - approved_at
        if waited < self._settings.signed_within:
            return Pending(
                f"{self.name}: the CertificateSigningRequest {name} is approved, and {signer} has not signed it yet",
                retry_after=self._settings.ask_again,
            )
        return IssueError(
            f"{self.name}: the CertificateSigningRequest {name} was approved {show_duration(waited)} ago and "
            f"{signer} has not signed it; see that the controller of this signer runs in the cluster, and that the "
            "name is written as it writes it",
            retry_after=self._settings.try_again,
        )

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether we may ask, and approve where that is ours; whether the signer leaves requests lying; the CA."""
        problem = self._too_short(request.lifetime)
        lifetime = (Check("lifetime", problem),) if problem else ()
        ca = ca_checks(self._cluster, self._settings.ca, self.name)
        return (self._rights(), self._signer(), *lifetime, *ca)

    def _rights(self) -> Check:
        needed = [self._asking.call("create"), self._asking.call("get", "any"), self._asking.call("delete", "any")]
        if self._settings.approve:
            needed.append(self._asking.call("update", "any", "approval"))
        try:
            lacking = [*map(str, missing(self._cluster, needed))]
            if self._settings.approve and not self._may_approve():
                lacking.append(f"approve {SIGNERS} {self._settings.signer}")
        except KubeError as error:
            return Check("rights", f"{self.name}: {error}", "see that the API server can be reached")
        if lacking:
            remedy = "give rotator's service account these verbs by a ClusterRole"
            return Check("rights", f"{self.name}: rotator may not {', '.join(lacking)}", remedy)
        return Check("rights", detail="it may ask" + (" and approve" if self._settings.approve else ""))

    def _may_approve(self) -> bool:
        """A rule may name one signer, or all of its domain."""
        domain = self._settings.signer.partition("/")[0]
        names = (self._settings.signer, f"{domain}/*")
        return any(may(self._cluster, Call("approve", SIGNERS, name=name)) for name in names)

    def _signer(self) -> Check:
        """There is no list of signers; whether one works shows in what becomes of its requests."""
        signer = self._settings.signer
        try:
            params = {"fieldSelector": f"spec.signerName={signer}"}
            found = [
                each for page in self._cluster.pages(self._asking.call("list"), Csr, params=params) for each in page
            ]
        except KubeError as error:
            return Check("signer", detail=f"it cannot be told whether {signer} signs: {error}", told=False)
        late = self._clock.now() - self._settings.signed_within
        approvals = [each.approved_at for each in found if not each.is_finished]
        left = [at for at in approvals if at is not None and at < late]
        signed = sum(1 for each in found if each.certificate)
        if left and not signed:
            problem = f"{self.name}: {signer} has left {len(left)} approved requests unsigned and signed none"
            return Check("signer", problem, "see that the controller of this signer runs in the cluster")
        return Check("signer", detail=f"{signer} has signed {signed} of the {len(found)} requests that are there")
