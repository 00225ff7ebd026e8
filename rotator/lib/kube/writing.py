"""What rotator writes into a Secret of type `kubernetes.io/tls`, as the API wants it. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from rotator.core.model import Bundle, Chain
from rotator.core.pem import PemError, chain_pem, key_matches, read_certificates, read_key
from rotator.lib.kube.anchors import renewed_ca
from rotator.lib.kube.objects import TlsData
from rotator.lib.kube.secrets import TLS

FINGERPRINT = "rotator/fingerprint"
"""The annotation that says which certificate rotator put there."""

Change = Mapping[str, Any]
"""A merge patch without the resourceVersion, or a whole object where there was none."""


class Before(msgspec.Struct):
    """What a snapshot keeps to put a Secret back; sealed by whoever stores it."""

    certificate: bytes
    key: bytes
    ca: bytes | None
    fingerprint: str | None

    def __repr__(self) -> str:
        return "Before(hidden)"


def whole(namespace: str, name: str, bundle: Bundle) -> Change:
    """The Secret where there was none."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "rotator"},
        "annotations": {FINGERPRINT: bundle.chain.fingerprint},
    }
    contents = {"tls.crt": _encoded(chain_pem(bundle.chain)), "tls.key": _encoded(bundle.key)}
    return {"apiVersion": "v1", "kind": "Secret", "type": TLS, "metadata": metadata, "data": contents}


def ca_to_restore(held: TlsData, before: Before, old: Chain | None, new: Chain | None) -> bytes | None:
    """The old `ca.crt`, unless somebody else has changed it since our deploy."""
    if new is None:
        return before.ca
    ours, _ = renewed_ca(before.ca, old, new)
    return before.ca if held.ca == ours else held.ca


def patch(wanted: TlsData, held: TlsData, fingerprint: str | None) -> Change:
    """The merge patch for both keys, our annotation, and `ca.crt` where it is to change."""
    contents: dict[str, str | None] = {"tls.crt": _encoded(wanted.certificate), "tls.key": _encoded(wanted.key)}
    if wanted.ca != held.ca:
        contents["ca.crt"] = _encoded(wanted.ca) if wanted.ca is not None else None
    return {"metadata": {"annotations": {FINGERPRINT: fingerprint}}, "data": contents}


def holds(held: TlsData, bundle: Bundle) -> bool:
    """Whether the Secret holds this very bundle: the same chain, and a key that belongs to it."""
    try:
        same = tuple(each.fingerprint for each in read_certificates(held.certificate))
        return same == tuple(each.fingerprint for each in bundle.chain.certificates) and key_matches(
            bundle.chain, read_key(held.key)
        )
    except PemError:
        return False


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
