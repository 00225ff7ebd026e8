"""The certificates of Java's own keystores, JKS and JCEKS. Private keys in them are passed over, never decrypted.

The format is what `sun.security.provider.JavaKeyStore` of OpenJDK reads: numbers are big-endian, texts are in Java's
modified UTF-8 with their length before them.

    magic, version (1 or 2), count
    count × entry: tag, alias, time of creation, and
        1, a private key: the sealed key; count × certificate, the leaf first
        2, a trusted certificate: certificate
        3, a secret key (JCEKS): a serialised Java object
        certificate: its type (version 2 only), length, DER
    SHA-1 over the password, the words "Mighty Aphrodite" and all of the above
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence

from rotator.core.model import Certificate, KeyFacts, Use
from rotator.core.pem import MAX_CERTIFICATES, PemError, parse_certificate
from rotator.core.usages import use_of
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, TooLarge
from rotator.lib.keystore.entries import distinct
from rotator.lib.keystore.javastream import Cursor, end_of_object, java_text

_KEY, _CERTIFICATE, _SECRET = 1, 2, 3
_DIGEST = 20
_WHITENER = b"Mighty Aphrodite"
_TYPES = {"X.509", "X509"}


def read_jks(data: bytes, kind: Kind, passwords: Sequence[str] = ()) -> Contents:
    """Read the certificates of a store; that needs no password, which only the digest over the whole does.

    Raises:
        Broken: it is cut off or damaged.
        TooLarge: more certificates than are read.
    """
    cursor = Cursor(data[:-_DIGEST], 4)
    version, count = cursor.number(4), cursor.number(4)
    if version not in {1, 2}:
        raise Broken(f"it is a {kind.upper()} store of version {version}, which does not exist")
    if count > len(data):
        raise Broken("it is cut off, or its number of entries is wrong")
    entries = distinct(_entries(cursor, count, version))
    intact = _is_intact(data, passwords)
    if cursor.left:
        raise Broken("there is more in it than its entries")
    if not entries:
        return Contents(kind, intact=intact, remark="it is empty" if not count else "it holds no certificate")
    return Contents(kind, entries, intact=intact)


def _entries(cursor: Cursor, count: int, version: int) -> Iterator[Entry]:
    certificates = 0
    for _ in range(count):
        tag, alias = cursor.number(4), java_text(cursor.sized(2))
        cursor.take(8)  # when it was made
        if tag == _SECRET:
            cursor.at = end_of_object(cursor.data, cursor.at)
            continue
        if tag not in {_KEY, _CERTIFICATE}:
            raise Broken(f"an entry is of a kind that does not exist ({tag})")
        if tag == _KEY:
            cursor.sized(4)
        length = cursor.number(4) if tag == _KEY else 1
        certificates += length
        if certificates > MAX_CERTIFICATES:
            raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
        stored = [_stored(cursor, version) for _ in range(length)]
        if stored:
            yield _entry(alias, stored, is_key=tag == _KEY)


def _stored(cursor: Cursor, version: int) -> tuple[str, bytes]:
    kind = java_text(cursor.sized(2)) if version == 2 else "X.509"
    return kind, cursor.sized(4)


def _entry(alias: str, stored: Sequence[tuple[str, bytes]], *, is_key: bool) -> Entry:
    found: list[Certificate] = []
    for kind, der in stored:
        if kind not in _TYPES:
            return Entry(alias, problem="it is a certificate of another kind than X.509")
        try:
            found.append(parse_certificate(der))
        except PemError as error:
            return Entry(alias, problem=str(error))
    use = use_of(found[0]) if is_key else Use.TRUST
    return Entry(alias, tuple(found), use, KeyFacts(sealed=True) if is_key else None)


def _is_intact(data: bytes, passwords: Sequence[str]) -> bool | None:
    """Whether the digest is right for one of the passwords; None where none is: they may be another store's."""
    for password in passwords:
        secret = password.encode("utf-16-be", "surrogatepass")
        digest = hashlib.sha1(secret + _WHITENER + data[:-_DIGEST]).digest()  # noqa: S324 - the format's own digest
        if hmac.compare_digest(digest, data[-_DIGEST:]):
            return True
    return None
