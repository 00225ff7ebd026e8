"""Have cert-manager renew a Certificate, as `cmctl renew` does, and follow it until its Secret holds the new one.

What is asked for is the condition `Issuing=True` in the Certificate's status. cert-manager takes it away again when the
Secret is written, or when its request failed, which it counts in `status.failedIssuanceAttempts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from rotator.core.model import Chain
from rotator.errors import IssueError, Pending
from rotator.lib.clock import Clock
from rotator.lib.kube.certmanager import ISSUING, READY, CmCondition, CmRequest, held
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.issuing import pauses, refused, said
from rotator.lib.kube.objects import Metadata, Secret
from rotator.lib.kube.owners import CERT_MANAGER, owner_of
from rotator.lib.kube.references import references
from rotator.lib.kube.resources import CM_CERTIFICATES, CM_REQUESTS, SECRETS
from rotator.lib.kube.secrets import read
from rotator.settings import show_duration

AT_ONCE = timedelta(seconds=20)
"""How long cert-manager is waited for before the rotation is put aside: a CA of its own answers within seconds."""

ASK_AGAIN = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
"""How long one renewal is followed before it counts as failed; cert-manager may go on with it all the same."""

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_TRIGGER, _TRIGGERED = "ManuallyTriggered", "Certificate re-issuance manually triggered by rotator"


@dataclass(frozen=True, slots=True)
class Kept:
    """A Secret that cert-manager keeps."""

    namespace: str
    name: str
    allow_managers: Sequence[str] = ()

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"


class _Spec(Struct, rename="camel"):
    secret_name: str = ""


class _Status(Struct, rename="camel"):
    conditions: list[CmCondition] | None = None
    failed_issuance_attempts: int | None = None


class _Certificate(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: _Spec = field(default_factory=_Spec)
    status: _Status = field(default_factory=_Status)

    @property
    def is_issuing(self) -> bool:
        return held(self.status.conditions, ISSUING) is not None

    @property
    def failures(self) -> int:
        return self.status.failed_issuance_attempts or 0

    @property
    def words(self) -> str:
        """What cert-manager says of it: of the renewal, else of its state."""
        for kind, status in ((ISSUING, "False"), (READY, "False"), (ISSUING, "True")):
            found = held(self.status.conditions, kind, status)
            if found:
                return found.words
        return "it says nothing of it"


class _Asked(Struct):
    """The checkpoint: of which Certificate a renewal was asked, when, and what was so before.

    Attributes:
        held: the leaf that the Secret held, empty for none.
        failures: how many requests had failed in a row.
        at: seconds since 1970.
        triggered: the condition was set; once is all, since each time makes another request of cert-manager.
    """

    certificate: str
    uid: str
    held: str
    failures: int
    at: float
    triggered: bool = False


def renew(
    cluster: Cluster, clock: Clock, kept: Kept, *, resume: str | None, checkpoint: Callable[[str], None]
) -> Chain:
    """The chain that the Secret holds once cert-manager has renewed it; asked for once, then followed.

    Raises:
        Pending: cert-manager is at it.
        IssueError: it cannot be asked, its request failed, or it takes longer than `LONGEST`.
    """
    try:
        asked = _resumed(cluster, resume) or _begun(cluster, clock, kept, checkpoint)
        return _followed(cluster, clock, kept, asked, checkpoint)
    except KubeError as error:
        failed = refused(error, str(kept))
        raise IssueError(
            str(error), permanent=failed.permanent, retry_after=failed.retry_after, resumable=failed.resumable
        ) from error


def _resumed(cluster: Cluster, token: str | None) -> _Asked | None:
    if token is None:
        return None
    try:
        return msgspec.json.decode(token, type=_Asked)
    except msgspec.MsgspecError:
        return None  # an earlier version's: what is under way is followed all the same


def _begun(cluster: Cluster, clock: Clock, kept: Kept, checkpoint: Callable[[str], None]) -> _Asked:
    """Remember what is so before anything is asked for."""
    secret = _secret(cluster, kept)
    owner = owner_of(secret.metadata, kept.allow_managers) or next(
        iter(references(cluster, kept.namespace).owners(secret.metadata)), None
    )
    if owner is None or owner.kind != CERT_MANAGER.kind:
        raise IssueError(f"{kept} does not belong to cert-manager any more", permanent=True)
    certificate = _certificate(cluster, kept, owner.asks)
    if certificate.spec.secret_name != kept.name:
        raise IssueError(
            f"the Certificate {kept.namespace}/{owner.asks} keeps the Secret {certificate.spec.secret_name}, not "
            f"{kept.name}; annotate {kept} with the name of its own Certificate, or declare it without it",
            permanent=True,
        )
    asked = _Asked(owner.asks, certificate.metadata.uid, _leaf(secret), certificate.failures, clock.now().timestamp())
    checkpoint(msgspec.json.encode(asked).decode())
    return asked


def _followed(cluster: Cluster, clock: Clock, kept: Kept, asked: _Asked, checkpoint: Callable[[str], None]) -> Chain:
    where = f"Certificate {kept.namespace}/{asked.certificate}"
    for pause in (0.0, *pauses(AT_ONCE)):
        if pause:
            clock.wait(pause)
        certificate = _certificate(cluster, kept, asked.certificate)
        if certificate.metadata.uid != asked.uid:
            raise IssueError(f"the {where} was made anew while it was renewed; it is looked at again")
        if certificate.failures > asked.failures:
            words = _words(cluster, kept, certificate)
            raise IssueError(f"the renewal of the {where} failed: {words}")
        if certificate.is_issuing:
            continue
        secret = _secret(cluster, kept)
        chain, _ = read(secret)
        if chain is not None and chain.fingerprint != asked.held:
            return chain
        if not asked.triggered and _trigger(cluster, clock, kept, asked.certificate):
            asked = msgspec.structs.replace(asked, triggered=True)
            checkpoint(msgspec.json.encode(asked).decode())
    words = _words(cluster, kept, certificate)
    waited = timedelta(seconds=clock.now().timestamp() - asked.at)
    if waited < LONGEST:
        raise Pending(f"the {where} is being renewed: {words}", retry_after=ASK_AGAIN)
    raise IssueError(f"the {where} is being renewed for {show_duration(waited)} and not finished: {words}")


def _trigger(cluster: Cluster, clock: Clock, kept: Kept, name: str) -> bool:
    """Set the condition; not where somebody else has changed the status meanwhile, which the next look shows."""
    whole: dict[str, Any] | None = cluster.get(Call("get", CM_CERTIFICATES, kept.namespace, name), dict)
    if whole is None:
        return False
    status = whole.setdefault("status", {})
    issuing = {
        "type": ISSUING,
        "status": "True",
        "reason": _TRIGGER,
        "message": _TRIGGERED,
        "lastTransitionTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": whole["metadata"].get("generation", 1),
    }
    status["conditions"] = [each for each in status.get("conditions") or () if each.get("type") != ISSUING] + [issuing]
    try:
        cluster.update(Call("update", CM_CERTIFICATES, kept.namespace, name, "status"), whole)
    except KubeError as error:
        if error.status != 409:
            raise
        return False
    return True


def _certificate(cluster: Cluster, kept: Kept, name: str) -> _Certificate:
    found = cluster.get(Call("get", CM_CERTIFICATES, kept.namespace, name), _Certificate)
    if found is None:
        raise IssueError(
            f"{kept} says that the Certificate {kept.namespace}/{name} keeps it, but there is none (any more); have "
            "it made again, or take cert-manager's annotations away for rotator to keep it",
            permanent=True,
        )
    return found


def _secret(cluster: Cluster, kept: Kept) -> Secret:
    return cluster.get(Call("get", SECRETS, kept.namespace, kept.name), Secret) or Secret()


def _leaf(secret: Secret) -> str:
    chain, _ = read(secret)
    return chain.fingerprint if chain else ""


def _words(cluster: Cluster, kept: Kept, certificate: _Certificate) -> str:
    """cert-manager's own words, with those of the newest request where it may be read: the cause stands there."""
    words, uid = certificate.words, certificate.metadata.uid
    try:
        pages = cluster.pages(Call("list", CM_REQUESTS, kept.namespace), CmRequest)
        own = [each for page in pages for each in page if uid in each.metadata.owners]
    except KubeError:
        return words  # may not be read, which costs nothing but words
    newest = max(own, key=lambda each: each.metadata.creation_timestamp or _LONG_AGO, default=None)
    more = (newest.refusal or newest.progress) if newest else ""
    return said("", f"{words}; {more}") if more and more not in words else words
