"""Which rotator made an object: what tells its own objects from those of another one in the same cluster.

It has to outlive a restart and the loss of the state, so it is nothing that is drawn and kept; and people read it in
`kubectl get --show-labels`. In a pod it is the service account, which all replicas share, elsewhere the host.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from pathlib import Path

import msgspec
from msgspec import Struct, field

from rotator.lib.kube.transport import OWN_NAMESPACE

INSTALLATION = "rotator/installation"
"""The label's key."""

_TOKEN = OWN_NAMESPACE.with_name("token")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_KEPT = 54  # of a name that does not fit, before its digest
_UID = 8


class _Account(Struct):
    uid: str = ""


class _Bound(Struct):
    serviceaccount: _Account = field(default_factory=_Account)


class _Claims(Struct):
    """What a service account's token says of whose it is; the bound ones since Kubernetes 1.21 have the uid as well."""

    sub: str = ""
    bound: _Bound = field(name="kubernetes.io", default_factory=_Bound)


def own_name(*, own_cluster: bool, token: Path = _TOKEN, host: str = "") -> str:
    """What this installation is called where the config does not say it, as a value of a label.

    Args:
        own_cluster: the objects are made in the cluster of the pod itself. In another one the same service account of
            several clusters may ask, so a part of its uid tells them apart.
        token: of the pod's service account; it is only read, for nobody relies on what it says.
        host: the name of this host; else as the system says it.
    """
    claims = _claims(token)
    account = _ACCOUNT.fullmatch(claims.sub)
    if account is None:
        return label_value(host or socket.gethostname())
    uid = "" if own_cluster else claims.bound.serviceaccount.uid[:_UID]
    return label_value(".".join(filter(None, (*account.groups(), uid))))


def _claims(token: Path) -> _Claims:
    try:
        claims = token.read_text(encoding="ascii").split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(claims + "=="), type=_Claims)
    except (OSError, ValueError, IndexError, msgspec.MsgspecError):
        return _Claims()  # no pod, or none that says who it is


def is_label_value(text: str) -> bool:
    """Whether it may stand in a label as it is."""
    return _LABEL.fullmatch(text) is not None


def label_value(text: str) -> str:
    """A value of a label from any text: itself where that may be, else what is left of it and a digest of the whole."""
    if is_label_value(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    left = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:_KEPT].strip("-_.")
    return f"{left}-{digest}" if left else digest
