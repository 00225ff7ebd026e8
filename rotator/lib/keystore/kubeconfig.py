"""The certificates in a kubeconfig: those it trusts clusters by, and those its users show.

Layout: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from rotator.core.model import Chain, Use
from rotator.core.pem import PemError, read_chain
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, Reference
from rotator.lib.keystore.entries import distinct
from rotator.lib.keystore.private import held_keys

_MOST_ENTRIES = 5000


def read_kubeconfig(data: bytes) -> Contents:
    """Read what is in it, and name the files that it refers to.

    Raises:
        Broken: it is no YAML, or not laid out as a kubeconfig.
    """
    document = _parsed(data)
    clusters = list(_named(document.get("clusters"), "cluster"))
    users = list(_named(document.get("users"), "user"))
    entries = [*filter(None, map(_cluster, clusters)), *filter(None, map(_user, users))]
    references = [*_trusted_files(clusters), *_client_files(users)]
    remark = "" if entries or references else "it names no certificate"
    return Contents(Kind.KUBECONFIG, distinct(entries), tuple(references), remark=remark)


def _parsed(data: bytes) -> Mapping[str, Any]:
    import msgspec

    try:
        document = msgspec.yaml.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise Broken("it looks like a kubeconfig, and is no YAML") from error
    if not isinstance(document, dict):
        raise Broken("it looks like a kubeconfig, and is not laid out as one")
    return document


Named = tuple[str, Mapping[str, Any]]


def _named(listed: Any, what: str) -> Iterator[Named]:
    """The entries of a list of named ones: `{name: …, cluster: {…}}`; what is laid out otherwise is none."""
    for one in listed[:_MOST_ENTRIES] if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get(what), dict):
            yield f"{what}/{one.get('name', '')}", one[what]


def _cluster(named: Named) -> Entry | None:
    alias, fields = named
    text = fields.get("certificate-authority-data")
    if not text:
        return None
    try:
        return Entry(alias, read_chain(_decoded(text)).certificates, Use.TRUST)
    except (PemError, Broken) as error:
        return Entry(alias, problem=f"certificate-authority-data: {error}")


def _user(named: Named) -> Entry | None:
    alias, fields = named
    text = fields.get("client-certificate-data")
    if not text:
        return None
    try:
        chain = read_chain(_decoded(text))
    except (PemError, Broken) as error:
        return Entry(alias, problem=f"client-certificate-data: {error}")
    try:
        keys = held_keys(_decoded(fields.get("client-key-data") or ""))
    except Broken as error:
        return Entry(alias, problem=f"client-key-data: {error}")
    return Entry(
        alias, chain.certificates, Use.CLIENT, keys[0].facts(Chain(chain.certificates), None) if keys else None
    )


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Broken("it is no base64") from error


def _trusted_files(clusters: list[Named]) -> Iterator[Reference]:
    """Data goes before a file where both are given."""
    for alias, fields in clusters:
        path = fields.get("certificate-authority")
        if isinstance(path, str) and path and not fields.get("certificate-authority-data"):
            yield Reference(alias, path, Use.TRUST)


def _client_files(users: list[Named]) -> Iterator[Reference]:
    for alias, fields in users:
        path, key = fields.get("client-certificate"), fields.get("client-key")
        if isinstance(path, str) and path and not fields.get("client-certificate-data"):
            yield Reference(alias, path, Use.CLIENT, key if isinstance(key, str) else "")
