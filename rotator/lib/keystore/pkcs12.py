"""PKCS#12 stores (RFC 7292), also those of Java and of Windows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    PKCS12KeyAndCertificates,
    load_pkcs12,
)
from cryptography.x509 import InvalidVersion

from rotator.core.model import Certificate, KeyFacts, Use
from rotator.core.pem import MAX_CERTIFICATES, PemError, parse_certificate, public_spki
from rotator.core.usages import use_of
from rotator.lib.keystore import asn1
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, Locked, TooLarge, Unsupported
from rotator.lib.keystore.entries import distinct
from rotator.lib.keystore.groups import Group, bag, path_from

_MOST_WORK = 2_000_000
"""Rounds of key derivation for one password: three times what careful tools write, about a second."""

_MOST_WORK_IN_ALL = 20_000_000
_MOST_ELEMENTS = 200_000
_SHROUDED_KEY = bytes.fromhex("060b2a864886f70d010c0a0102")
_KEY = bytes.fromhex("060b2a864886f70d010c0a0101")

warnings.filterwarnings("ignore", category=UserWarning, module=r"rotator\.lib\.keystore")


def read_pkcs12(data: bytes, passwords: Sequence[str] = ()) -> Contents:
    """Open a store with the first password that fits, none and the empty one before those given.

    Raises:
        Locked: none fits; a store that is damaged inside cannot be told from that.
        Broken: it is cut off, or needs no password and is damaged.
        TooLarge: its passwords cost more than any real store's, or it has more certificates than are read.
        Unsupported: it is sealed in a way that the library does not know.
    """
    outer = asn1.item_at(data, 0)
    if outer is not None and outer.end is not None and outer.end > len(data):
        raise Broken(f"it is cut off: {len(data)} of {outer.end} bytes")
    store, sealed = _opened(data, passwords)
    certificates = _certificates(store)
    if not certificates:
        return Contents(Kind.PKCS12, remark="it holds a private key and no certificate" if store.key else "it is empty")
    return Contents(Kind.PKCS12, distinct(_entries(store, certificates, _keys(data), sealed=sealed)))


def _opened(data: bytes, passwords: Sequence[str]) -> tuple[PKCS12KeyAndCertificates, bool]:
    """The store, and whether its keys are sealed: the empty password keeps nobody out, nor does one for the digest."""
    work = sum(_derivations(data))
    if work > _MOST_WORK:
        raise TooLarge(f"a try of a password takes {work} rounds, and {_MOST_WORK} are the most that are spent")
    tries = [None, b"", *(password.encode("utf-8", "surrogatepass") for password in passwords)]
    for password in tries[: max(2, _MOST_WORK_IN_ALL // max(1, work))]:
        try:
            return load_pkcs12(data, password), bool(password) and _KEY not in data
        except UnsupportedAlgorithm as error:
            raise Unsupported("it is sealed with an algorithm that rotator does not know") from error
        except InvalidVersion as error:
            raise Broken("a certificate in it is of a version that does not exist") from error
        except (ValueError, TypeError):
            continue
    if not work:
        raise Broken("the PKCS#12 structure cannot be read")
    raise Locked("no password that rotator was given opens it")


def _derivations(data: bytes) -> Iterator[int]:
    """What each derivation of a key from a password costs, in rounds: a salt with what follows it, wherever it stands.

    That is `iterations` in MacData, in PBEParameter and in PBKDF2-params, and N × r × p in scrypt-params (RFC 7914).
    """
    for salt in asn1.elements(data, _MOST_ELEMENTS):
        if salt.item.tag != asn1.OCTET_STRING:
            continue
        numbers: list[int] = []
        item = asn1.after(salt.data, salt.item, asn1.INTEGER)
        while item is not None and len(numbers) < 3:
            numbers.append(max(1, asn1.number(salt.data, item) or 1 << 62))
            item = asn1.after(salt.data, item, asn1.INTEGER)
        if len(numbers) == 3:
            yield numbers[0] * numbers[1] * numbers[2]
        elif numbers:
            yield numbers[0]


def _keys(data: bytes) -> int:
    """How many private keys the store has, as far as they are not sealed together with the certificates."""
    return data.count(_SHROUDED_KEY) + data.count(_KEY)


def _certificates(store: PKCS12KeyAndCertificates) -> list[tuple[Certificate, str]]:
    """Every certificate with its friendly name, that of the key first."""
    found = [*([store.cert] if store.cert else []), *store.additional_certs]
    if len(found) > MAX_CERTIFICATES:
        raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
    try:
        return [(parse_certificate(one.certificate.public_bytes(Encoding.DER)), _name(one)) for one in found]
    except PemError as error:
        raise Broken(str(error)) from error


def _name(one: PKCS12Certificate) -> str:
    return (one.friendly_name or b"").decode("utf-8", "replace")


def _entries(
    store: PKCS12KeyAndCertificates, named: Sequence[tuple[Certificate, str]], keys: int, *, sealed: bool
) -> Iterator[Entry]:
    """The key's chain first. Of several keys the library gives one; that the others are there is all that is known."""
    found = [one for one, _ in named]
    rest = found
    if store.key is not None:
        spki = public_spki(store.key)
        first = next((one for one in found if one.spki == spki), None) or next(iter(bag(found))).certificates[0]
        path = path_from(first, found)
        rest = [one for one in found if one not in path]
        facts = KeyFacts(spki, first.spki == spki if first.spki else None, sealed=sealed)
        yield Entry(named[found.index(first)][1], path, use_of(first), facts)
    # A self-signed one may be that of another key, and then it is no root.
    others = KeyFacts(sealed=sealed) if keys > (store.key is not None) else None
    for group in bag(rest, old_roots=others is None):
        if group.use is Use.TRUST:
            yield from _trusted(group, named, found)
        else:
            position = found.index(group.certificates[0])
            yield Entry(named[position][1] or str(position + 1), group.certificates, group.use, others)


def _trusted(group: Group, named: Sequence[tuple[Certificate, str]], found: Sequence[Certificate]) -> Iterator[Entry]:
    """Each under its name, as it is called in the store; those without one together."""
    names = {one: named[found.index(one)][1] for one in group.certificates}
    for one, name in names.items():
        if name:
            yield Entry(name, (one,), Use.TRUST)
    nameless = tuple(one for one, name in names.items() if not name)
    if nameless:
        several = len(nameless) < len(found)
        yield Entry(str(found.index(nameless[0]) + 1) if several else "", nameless, Use.TRUST)
