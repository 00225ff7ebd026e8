"""What the fields of one secret hold: certificates in whatever format people store them, and the keys beside them.

People store what their tools give them: `vault kv put … certificate=@tls.crt private_key=@tls.key`, the whole answer
of a PKI mount (with a list `ca_chain`), a Kubernetes Secret with its base64, a keystore and its password, a kubeconfig.
Of a key only its facts leave this module.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rotator.core.model import Certificate, Chain, KeyFacts, Problem, ProblemKind, Use
from rotator.lib.keystore import Broken, Entry, HeldKey, KeystoreError, Kind, Unknown, held_keys, read, sniff
from rotator.lib.keystore.groups import path_from

_PEM = "-----BEGIN "
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{48,}")
_TEXTS = {Kind.PEM, Kind.KUBECONFIG, Kind.JWKS}
_PASSWORD = re.compile(r"pass|pwd|pin\b|secret", re.IGNORECASE)
_MOST_PASSWORDS = 8  # each costs as much work as whoever made the keystore wanted
_MOST_FIELDS = 1000
_MOST_DEEP = 6
_WORDS = re.compile(r"[A-Za-z0-9]+")
_KIND_WORDS = {
    "b64", "base64", "cert", "certificate", "chain", "crt", "full", "fullchain", "key", "pem", "priv", "private",
    "privkey",
}  # fmt: skip
"""What a field's name says of the kind of its content; the rest of the name says what it belongs to."""


@dataclass(frozen=True, slots=True)
class Held:
    """Certificates that belong together in one field.

    Attributes:
        part: tells it from the others of its field: the alias of a keystore, or a position; empty where it is alone.
        chain: completed with what the fields beside it hold; a root among them is left out.
        anchors: the roots in the fields beside it.
    """

    field: str
    part: str = ""
    chain: Chain | None = None
    problem: Problem | None = None
    key: KeyFacts | None = None
    anchors: tuple[Certificate, ...] = ()
    use: Use = Use.SERVE


@dataclass(slots=True)
class _Found:
    """What was found so far, by field and in the order of the fields."""

    entries: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    keys: list[tuple[str, HeldKey]] = field(default_factory=list)


def read_secret(value: Mapping[str, Any]) -> tuple[Held, ...]:
    """Every field with certificates in it, or with something that was meant to be one, in the order of the fields."""
    texts = dict(_texts(value))
    passwords = [text for name, text in texts.items() if _PASSWORD.search(name) and 0 < len(text) <= 200]
    found = _Found()
    for name, text in texts.items():
        _take(name, text, passwords[:_MOST_PASSWORDS], found)
    held: list[Held] = []
    for name in texts:
        held += [_held(name, entry, found) for entry in found.entries.get(name, ())]
        held += [Held(name, problem=found.problems[name])] if name in found.problems else []
    return tuple(held)


# ---------------------------------------------------------------- fields


def _texts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text with the name of its field, those within others as `outer.inner`; a list of PEM blocks is one text."""
    waiting: list[tuple[str, Any, int]] = [(name, each, 0) for name, each in reversed(list(value.items()))]
    given = 0
    while waiting and given < _MOST_FIELDS:
        name, each, deep = waiting.pop()
        if isinstance(each, list) and each and all(isinstance(part, str) and _PEM in part for part in each):
            each = "\n".join(each)
        if isinstance(each, str):
            given += 1
            yield name, each
        elif isinstance(each, dict | list) and deep < _MOST_DEEP:
            inner = list(each.items()) if isinstance(each, dict) else list(enumerate(each))
            waiting += [(f"{name}.{key}", part, deep + 1) for key, part in reversed(inner)]


def _content(text: str) -> bytes:
    """The text itself, or what it is the base64 of. A PEM whose line ends were written as `\\n` is mended."""
    plain = text.encode(errors="replace")
    if _PEM in text and "\\n" in text and sniff(plain) is Kind.PEM:
        return text.replace("\\r", "").replace("\\n", "\n").encode(errors="replace")
    if sniff(plain) in _TEXTS or not _BASE64.fullmatch(text):
        return plain
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return plain


def _take(name: str, text: str, passwords: Sequence[str], found: _Found) -> None:
    """Sort what a field holds; what is neither certificate nor key is nobody's business."""
    content = _content(text)
    if sniff(content) in {Kind.PEM, None}:
        found.keys += [(name, key) for key in held_keys(content)]
    if sniff(content) is None:
        return
    try:
        found.entries[name] = read(content, passwords).entries
    except Unknown:
        return
    except Broken as error:
        found.problems[name] = Problem(ProblemKind.UNREADABLE, str(error))
    except KeystoreError as error:
        found.problems[name] = Problem(ProblemKind.UNSEEN, str(error))


# ---------------------------------------------------------------- what belongs together


def _held(name: str, entry: Entry, found: _Found) -> Held:
    if entry.problem or not entry.certificates:
        return Held(name, entry.alias, problem=Problem(ProblemKind.UNREADABLE, entry.problem))
    key = _key_of(name, entry, found)
    if entry.use is Use.TRUST and not (key and key.matches):
        return Held(name, entry.alias, Chain(entry.certificates), use=Use.TRUST)
    beside = [
        each
        for other, entries in found.entries.items()
        for group in entries
        if other != name and group.use is Use.TRUST
        for each in group.certificates
    ]
    own = entry.certificates
    roots = {each.fingerprint: each for each in beside if each.self_signed}
    use = Use.SERVE if entry.use is Use.TRUST else entry.use
    chain = Chain((*own, *issuers_above(own, beside)))
    return Held(name, entry.alias, chain, key=key, anchors=tuple(roots.values()), use=use)


def issuers_above(own: Sequence[Certificate], known: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """What completes a chain, as far as it is known; the root is left out (RFC 8446, 4.4.2)."""
    path = path_from(own[-1], known)[1:]
    return tuple(each for each in path if not each.self_signed and each not in own)


def _key_of(name: str, entry: Entry, found: _Found) -> KeyFacts | None:
    """The key that belongs to a leaf: by content, else the one that its field's name or place says is meant."""
    leaf = Chain(entry.certificates[:1])
    if (entry.key and entry.key.matches) or (leaf.spki and any(key.spki == leaf.spki for _, key in found.keys)):
        return KeyFacts(leaf.spki, matches=True)
    if entry.key is not None or entry.use is Use.TRUST:
        return entry.key
    certified = {each.spki for entries in found.entries.values() for one in entries for each in one.certificates}
    free = [(other, key) for other, key in found.keys if not key.spki or key.spki not in certified]
    meant = [key for other, key in free if _stem(other) == _stem(name)]
    return meant[0].facts(leaf, None) if len(meant) == 1 else None


def _stem(name: str) -> tuple[str, ...]:
    """`tls` of both `tls.crt` and `tls.key`; nothing of both `certificate` and `private_key`."""
    return tuple(word for word in _WORDS.findall(name.lower().replace("_", " ")) if word not in _KIND_WORDS)
