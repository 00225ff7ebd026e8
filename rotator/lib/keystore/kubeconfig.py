"""The certificates in a kubeconfig: those it trusts clusters by, and those its users show.

Layout: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rotator.core.model import Chain, Use
from rotator.core.pem import PemError, read_chain
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, Reference, TooLarge
from rotator.lib.keystore.entries import distinct
from rotator.lib.keystore.private import held_keys

_MOST_ENTRIES = 5000
_MOST_NODES = 50_000
_STRUCTURE = (b": ", b"- ", b",", b"[", b"{", b"\n", b"&", b"*")
_NO_KEY = object()


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
    try:
        document = json.loads(data) if data.lstrip()[:1] == b"{" else _yaml(data)
    except (ValueError, RecursionError) as error:
        raise Broken("it looks like a kubeconfig, and is neither YAML nor JSON") from error
    if not isinstance(document, dict):
        raise Broken("it looks like a kubeconfig, and is not laid out as one")
    return document


def _yaml(data: bytes) -> Any:
    """Read YAML with every value as a text, and what stands for another part (`*alias`) left out.

    Anybody may have written it: nothing is nested in calls, repeated or made into an object. The loaders of the
    libraries do; that of PyYAML in C takes the process with it where a text is nested deep enough.
    """
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import YAMLError

    if sum(map(data.count, _STRUCTURE)) > _MOST_NODES:
        raise TooLarge(f"it has more than the {_MOST_NODES} parts that are read of a kubeconfig")
    tree = _Tree()
    try:
        for event in YAML(typ="safe", pure=True).parse(data):
            if isinstance(event, events.MappingStartEvent):
                tree.begin({})
            elif isinstance(event, events.SequenceStartEvent):
                tree.begin([])
            elif isinstance(event, events.CollectionEndEvent):
                tree.end()
            elif isinstance(event, events.ScalarEvent):
                tree.add(event.value)
            elif isinstance(event, events.AliasEvent):
                tree.add(None)
            elif isinstance(event, events.DocumentEndEvent):
                break
    except YAMLError as error:
        raise ValueError("no YAML") from error
    return tree.top


class _Tree:
    """Mappings and lists as they are read, without a call for each level."""

    def __init__(self) -> None:
        self.top: Any = None
        self._open: list[dict[Any, Any] | list[Any]] = []
        self._keys: list[Any] = []

    def begin(self, collection: dict[Any, Any] | list[Any]) -> None:
        self.add(collection)
        self._open.append(collection)
        self._keys.append(_NO_KEY)

    def end(self) -> None:
        self._open.pop()
        self._keys.pop()

    def add(self, value: Any) -> None:
        if not self._open:
            self.top = value
            return
        inmost = self._open[-1]
        if isinstance(inmost, list):
            inmost.append(value)
        elif self._keys[-1] is _NO_KEY:
            self._keys[-1] = value if isinstance(value, str) else None
        else:
            inmost[self._keys[-1]] = value
            self._keys[-1] = _NO_KEY


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
