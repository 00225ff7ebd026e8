"""What issuers have in common that ask a cluster for a signature: which cluster, names of objects, CAs, and words.

An object that asks for a signature is made under a name that follows from what it asks for, and that name is kept
before the object is made: whoever comes back after a crash finds it, whether it had been made or not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Self

import msgspec
from msgspec import Struct
from pydantic import Field, field_validator, model_validator

from rotator.core.model import Certificate, Chain, Check, Endpoint
from rotator.core.pem import PemError, read_certificates
from rotator.core.trust import mended
from rotator.errors import IssueError
from rotator.lib import plainfile
from rotator.lib.clock import Clock
from rotator.lib.kube.cluster import Cluster, Pace, connect
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.installation import is_label_value, own_name
from rotator.lib.kube.resources import CONFIG_MAPS
from rotator.lib.kube.transport import Access, in_cluster
from rotator.settings import CertificatesFile, Duration, Kubeconfig, PluginSettings

OURS = "app.kubernetes.io/managed-by"
ISSUER = "rotator/issuer"
LONGEST_ASK_AGAIN = timedelta(minutes=30)
"""Kubernetes deletes a signed request an hour after its approval, and rotator what has ended as long ago: whoever looks
less often finds it gone."""

_LOOKED_AT_AGAIN = timedelta(hours=1)
_FORBIDDEN = frozenset({400, 401, 403, 404, 405, 422})
_SLUG = 40
_SHOWN = 300
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 2.0


class ConfigMapRef(PluginSettings):
    """A key of a ConfigMap.

    Attributes:
        name: the ConfigMap; `kube-root-ca.crt` is in every namespace and holds the cluster's own CA.
        namespace: its namespace; without it the pod's own, or the kubeconfig's.
        key: under which of its keys the certificates stand.
    """

    name: str = Field(min_length=1)
    namespace: str = ""
    key: str = Field(default="ca.crt", min_length=1)


class CaSettings(PluginSettings):
    """Where the CA's certificates are: exactly one place.

    Attributes:
        file: a PEM file.
        config_map: a key of a ConfigMap of the same cluster.
    """

    file: CertificatesFile | None = None
    config_map: ConfigMapRef | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.config_map is None):
            raise ValueError("say where the CA is: either file or config_map")
        return self


class KubeIssuerSettings(PluginSettings):
    """Which cluster signs, and what is known of its CA.

    Attributes:
        kubeconfig: a kubeconfig file; without it the pod's own credentials.
        kube_context: a context of the kubeconfig; without it the current one.
        ca: the CA's certificates: roots that the chains end in, and intermediates where the signer answers with the
            leaf alone.
        lifetime: to ask for, unless the certificate's own config says otherwise; without both the signer decides.
        ask_again: how often a request that nobody has answered yet is looked at; at least every half hour.
        signed_within: how long an approved request may stay unsigned before it counts as failed.
        installation: what tells this rotator's objects from those of another one whose issuer has the same name; a
            value of a label. Without it the namespace and name of the pod's service account, or the host's name.
    """

    kubeconfig: Kubeconfig = ""
    kube_context: str = ""
    ca: CaSettings | None = None
    lifetime: Duration | None = Field(default=None, gt=timedelta(0))
    ask_again: Duration = Field(default=timedelta(minutes=1), ge=timedelta(seconds=1), le=LONGEST_ASK_AGAIN)
    signed_within: Duration = Field(default=timedelta(hours=1), gt=timedelta(0))
    installation: str = ""

    @field_validator("installation")
    @classmethod
    def _is_a_label(cls, value: str) -> str:
        if value and not is_label_value(value):
            raise ValueError(f"{value!r} is no label of Kubernetes; write up to 63 letters, digits, dots and dashes")
        return value

    @property
    def try_again(self) -> timedelta:
        """When one that was given up is looked at again: a signer that signs at last is noticed within the hour."""
        return min(self.signed_within, _LOOKED_AT_AGAIN)

    @property
    def access(self) -> Access:
        return Access(self.kubeconfig, self.kube_context)

    @property
    def installed_as(self) -> str:
        """Which rotator this is, as its objects say it."""
        return self.installation or own_name(own_cluster=in_cluster(self.access))


def cluster_of(settings: KubeIssuerSettings, clock: Clock) -> Cluster:
    """The cluster that signs; nothing is sent yet."""
    return connect(settings.access, Pace(clock.wait, clock.monotonic))


def api_server(cluster: Cluster) -> tuple[Endpoint, ...]:
    """Where the API server listens, by the credentials at hand; nowhere when they cannot be read."""
    try:
        host, _, port = cluster.transport.server.rpartition(":")
    except KubeError:
        return ()
    if not host or not port.isdigit():
        host, port = cluster.transport.server, "443"
    return (Endpoint(host.strip("[]"), int(port)),)


# ---------------------------------------------------------------- objects


def object_name(names: Sequence[str], *asked: bytes | str) -> str:
    """A name (RFC 1123) for the object that asks for this and nothing else; people see by it what it is for."""
    digest = hashlib.sha256()
    for part in asked:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return "-".join(filter(None, ("rotator", slug(names[0]) if names else "", digest.hexdigest()[:12])))


def slug(text: str) -> str:
    """What may stand in names and label values of Kubernetes, from any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_SLUG].strip("-")


class Token(Struct):
    """A checkpoint: the object's name, and its uid once the API server has said that it was made."""

    name: str
    uid: str = ""

    def written(self) -> str:
        return msgspec.json.encode(self).decode()


def read_token(text: str | None, name: str) -> Token | None:
    """The token of the object of this name; None for none, another issuer's, or one that asked for something else."""
    if text is None:
        return None
    try:
        token = msgspec.json.decode(text, type=Token)
    except msgspec.MsgspecError:
        return None
    return token if token.name == name else None


# ---------------------------------------------------------------- CAs


class _ConfigMap(Struct):
    data: dict[str, str] | None = None


def read_ca(cluster: Cluster, ca: CaSettings | None, issuer: str) -> tuple[Certificate, ...]:
    """The configured certificates of the CA; none where none are configured.

    Read before anything is asked for: an answer that cannot be completed would be thrown away, and with it the
    approval of whoever gave one.

    Raises:
        IssueError: they cannot be read; `resumable`, because what has been asked for already stands meanwhile.
    """
    if ca is None:
        return ()
    where = str(ca.file)
    try:
        if ca.config_map is None:
            assert ca.file is not None
            text: bytes | None = plainfile.content(ca.file)
        else:
            where, text = _from_config_map(cluster, ca.config_map)
        return read_certificates(text or b"")
    except OSError as error:
        why = f"{issuer}: the CA in {where} cannot be read: {error.strerror}"
        raise IssueError(why, permanent=True, resumable=True) from error
    except PemError as error:
        why = f"{issuer}: {where} holds no certificate of a CA: {error}"
        raise IssueError(why, permanent=True, resumable=True) from error
    except KubeError as error:
        told = refused(error, issuer)
        told.resumable = True
        raise told from error


def ca_checks(cluster: Cluster, ca: CaSettings | None, issuer: str) -> tuple[Check, ...]:
    """Whether the configured certificates of the CA are there; nothing where none are configured."""
    if ca is None:
        return ()
    try:
        found = read_ca(cluster, ca, issuer)
    except IssueError as error:
        return (Check("ca", str(error), "put the CA's certificate there"),)
    return (Check("ca", detail=f"{len(found)} certificates, {len(roots_in(found))} of them roots"),)


def _from_config_map(cluster: Cluster, wanted: ConfigMapRef) -> tuple[str, bytes | None]:
    namespace = wanted.namespace or cluster.transport.namespace
    found = cluster.get(Call("get", CONFIG_MAPS, namespace, wanted.name), _ConfigMap)
    text = (found.data or {}).get(wanted.key) if found else None
    return f"ConfigMap {namespace}/{wanted.name}#{wanted.key}", text.encode() if text is not None else None


def completed(chain: Chain, ca: Sequence[Certificate]) -> Chain:
    """The chain with the intermediates that the signer left out; a superfluous one is never added."""
    above = tuple(certificate for certificate in ca if not certificate.self_signed)
    return mended(Chain((*chain.certificates, *above)), ca) if above else chain


def roots_in(ca: Sequence[Certificate]) -> tuple[Certificate, ...]:
    return tuple(certificate for certificate in ca if certificate.self_signed)


# ---------------------------------------------------------------- words and patience


def refused(error: KubeError, issuer: str) -> IssueError:
    """A call that failed, as an issuer tells it. What may have been carried out all the same is come back to."""
    permanent = error.status in _FORBIDDEN
    retry_after = timedelta(seconds=error.retry_after) if error.retry_after is not None else None
    return IssueError(f"{issuer}: {error}", permanent=permanent, retry_after=retry_after, resumable=not permanent)


def said(reason: str, message: str) -> str:
    """A condition's own words on one line, bounded: whoever may set conditions may write anything."""
    words = " ".join(" ".join(filter(None, (reason, message))).split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def pauses(limit: timedelta) -> Sequence[float]:
    """Growing pauses, in seconds, that fill a limit."""
    found: list[float] = []
    left, pause = limit.total_seconds(), _FIRST_WAIT
    while left > 0:
        found.append(min(pause, left))
        left, pause = left - pause, min(2 * pause, _LONGEST_WAIT)
    return found
