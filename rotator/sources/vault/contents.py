"""What the fields of one secret hold: certificates in PEM, base64 DER or PKCS#12, and the keys beside them.

People store what their tools give them: `vault kv put … certificate=@tls.crt private_key=@tls.key`, the whole answer
of a PKI mount (with a list `ca_chain`), a Kubernetes Secret with its base64, a keystore and its password. Of a key only
its facts leave this module.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, pkcs12

from rotator.core.model import Certificate, Chain, KeyFacts, Problem, ProblemKind
from rotator.core.pem import MAX_PEM_BYTES, PemError, key_facts, key_pem, parse_certificate, read_certificates

_PEM = "-----BEGIN "
_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY-----")
_SEALED = b"ENCRYPTED"  # in the label of PKCS#8, in a header of OpenSSL's old way
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{48,}")
_DER = b"\x30"
_PKCS7_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
"""The object identifier that every PKCS#12 (RFC 7292, 4) has near its beginning, and a certificate never."""

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
    """What one field holds.

    Attributes:
        chain: completed with what the fields beside it hold; a root among them is left out.
        anchors: the roots in the fields beside it.
    """

    field: str
    chain: Chain | None = None
    problem: Problem | None = None
    key: KeyFacts | None = None
    anchors: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Key:
    field: str
    facts: KeyFacts


@dataclass(slots=True)
class _Found:
    """What was found so far; `chains` has the certificates of a field as they stand in it."""

    chains: dict[str, tuple[Certificate, ...]]
    keys: list[_Key]
    problems: list[Held]


def read_secret(value: Mapping[str, Any]) -> tuple[Held, ...]:
    """Every field with certificates in it, or with something that was meant to be one, in the order of the fields."""
    texts = dict(_texts(value))
    found = _Found({}, [], [])
    for field, text in texts.items():
        try:
            _take(field, text, texts, found)
        except PemError as error:
            found.problems.append(Held(field, problem=Problem(ProblemKind.UNREADABLE, str(error))))
    held = [_held(field, found) for field in found.chains]
    order = {field: number for number, field in enumerate(texts)}
    return tuple(sorted((*held, *found.problems), key=lambda each: order[each.field]))


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
    """PEM or DER; empty for everything else. A PEM whose line ends were written as `\\n` is mended."""
    if _PEM in text:
        return text.replace("\\r", "").replace("\\n", "\n").encode(errors="replace")
    if len(text) > 2 * MAX_PEM_BYTES or not _BASE64.fullmatch(text):
        return b""
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if content.startswith(_DER) or _PEM.encode() in content else b""


def _take(field: str, text: str, texts: Mapping[str, str], found: _Found) -> None:
    """Sort what a field holds; what is neither certificate nor key is nobody's business.

    Raises:
        PemError: it was meant to be a certificate, and is none.
    """
    content = _content(text)
    if content.startswith(_DER):
        _take_der(field, content, texts, found)
        return
    if _KEY.search(content):
        facts = KeyFacts() if _SEALED in content else key_facts(None, content)
        found.keys.append(_Key(field, facts))
    if _CERTIFICATE.search(content):
        found.chains[field] = read_certificates(content)


def _take_der(field: str, content: bytes, texts: Mapping[str, str], found: _Found) -> None:
    if _PKCS7_DATA in content[:64]:
        _take_keystore(field, content, texts, found)
        return
    try:
        found.chains[field] = (parse_certificate(content),)
    except PemError:  # any text may happen to be base64 of something in ASN.1
        try:
            key = load_der_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return
        found.keys.append(_Key(field, key_facts(None, key_pem(key))))


def _take_keystore(field: str, content: bytes, texts: Mapping[str, str], found: _Found) -> None:
    for password in _passwords(texts):
        try:
            store = pkcs12.load_pkcs12(content, password)
        except (ValueError, UnsupportedAlgorithm):
            continue
        inside = [each.certificate for each in (store.cert, *store.additional_certs) if each is not None]
        if inside:
            found.chains[field] = tuple(parse_certificate(each.public_bytes(Encoding.DER)) for each in inside)
        if store.key is not None:
            found.keys.append(_Key(field, key_facts(None, key_pem(store.key))))
        return
    message = "it is a PKCS#12 keystore, and no password beside it opens it"
    found.problems.append(Held(field, problem=Problem(ProblemKind.UNSEEN, message)))


def _passwords(texts: Mapping[str, str]) -> Iterator[bytes | None]:
    yield None
    yield b""
    named = [text for field, text in texts.items() if _PASSWORD.search(field) and 0 < len(text) <= 200]
    yield from (text.encode(errors="replace") for text in named[:_MOST_PASSWORDS])


# ---------------------------------------------------------------- what belongs together


def _held(field: str, found: _Found) -> Held:
    own = found.chains[field]
    if is_authority(own):
        return Held(field, Chain(own), key=_key_of(field, own[0], found))
    beside = [each for name, held in found.chains.items() if name != field for each in held if each.is_ca]
    chain = Chain((*own, *path_above(own[-1], beside, without=own)))
    roots = {each.fingerprint: each for each in beside if each.self_signed}
    return Held(field, chain, key=_key_of(field, chain.leaf, found), anchors=tuple(roots.values()))


def is_authority(certificates: Iterable[Certificate]) -> bool:
    """Whether there are only CA certificates among them: something to trust, nothing to show."""
    return all(each.is_ca for each in certificates)


def path_above(
    last: Certificate, known: Iterable[Certificate], *, without: Iterable[Certificate] = ()
) -> tuple[Certificate, ...]:
    """The issuers above a certificate, as far as they are known, the root left out (RFC 8446, 4.4.2)."""
    above: list[Certificate] = []
    rest = {each.fingerprint: each for each in known}
    for each in without:
        rest.pop(each.fingerprint, None)
    while not last.self_signed:
        issuer = next((each for each in rest.values() if _may_have_issued(each, last)), None)
        if issuer is None or issuer.self_signed:
            break
        above.append(issuer)
        del rest[issuer.fingerprint]
        last = issuer
    return tuple(above)


def _may_have_issued(issuer: Certificate, certificate: Certificate) -> bool:
    """By name and key identifier (RFC 5280, 4.2.1.1); whether the signature is good is for the rules to say."""
    identifiers = issuer.subject_key_id, certificate.authority_key_id
    return issuer.subject == certificate.issuer and (not all(identifiers) or identifiers[0] == identifiers[1])


def _key_of(field: str, leaf: Certificate, found: _Found) -> KeyFacts | None:
    """The key that belongs to a leaf: by content, else the one that its field's name or place says is meant."""
    if leaf.spki and any(key.facts.spki == leaf.spki for key in found.keys):
        return KeyFacts(leaf.spki, matches=True)
    meant = [key for key in found.keys if key.field == field]
    if not meant and not leaf.is_ca:
        taken = {each.spki for certificates in found.chains.values() for each in certificates}
        free = [key for key in found.keys if key.facts.spki not in taken or not key.facts.spki]
        meant = [key for key in free if _stem(key.field) == _stem(field)]
    if len(meant) != 1:
        return None
    facts = meant[0].facts
    return replace(facts, matches=False) if facts.spki else facts


def _stem(field: str) -> tuple[str, ...]:
    """`tls` of both `tls.crt` and `tls.key`; nothing of both `certificate` and `private_key`."""
    return tuple(word for word in _WORDS.findall(field.lower().replace("_", " ")) if word not in _KIND_WORDS)
