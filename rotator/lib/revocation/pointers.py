"""Where a certificate says that one may ask about it. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier

from rotator.core.model import Certificate
from rotator.core.pem import load

UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    InternalError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate, a CRL, an OCSP answer, or one field of it, that it cannot read."""

NO_REVOCATION = ObjectIdentifier("2.5.29.56")  # noRevAvail (RFC 9608, 2)
_MAX_URL = 1000

# The library warns on standard error of what is odd in what strangers sent; it is read all the same.
warnings.filterwarnings("ignore", category=UserWarning, module=r"rotator\.lib\.revocation")


@dataclass(frozen=True, slots=True)
class Point:
    """One CRL that a certificate names (RFC 5280, 4.2.1.13).

    Attributes:
        url: where it is.
        names: all names of its distribution point; one of them stands in the CRL if that covers a part only.
        foreign: another than the issuer of the certificate signs it (`cRLIssuer`).
        partial: it covers some reasons only.
    """

    url: str
    names: tuple[x509.GeneralName, ...] = ()
    foreign: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Pointers:
    """All that one certificate names.

    Attributes:
        crls: in the order of the certificate.
        responders: of OCSP.
        issuers: where the certificate of its issuer is.
        unasked: what is not asked, as it may be shown (`CRL ldap://…`).
        silent: its CA says that it gives no word on it (`noRevAvail`).
        problem: why its extensions cannot be read; empty when they can.
    """

    crls: tuple[Point, ...] = ()
    responders: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    silent: bool = False
    problem: str = ""


def read_pointers(certificate: Certificate) -> Pointers:
    """What it names; nothing, and a `problem`, where its extensions cannot be read."""
    try:
        extensions = load(certificate).extensions
        crls = [point for entry in _distribution(extensions) for point in _points(entry, certificate)]
        access = _access(extensions)
    except UNREADABLE as error:
        return Pointers(problem=str(error))
    responders = _locations(access, AuthorityInformationAccessOID.OCSP)
    issuers = _locations(access, AuthorityInformationAccessOID.CA_ISSUERS)
    named = [*(("CRL", point.url) for point in crls), *(("OCSP", url) for url in responders)]
    return Pointers(
        crls=tuple(point for point in crls if is_asked(point.url)),
        responders=tuple(filter(is_asked, responders)),
        issuers=tuple(filter(is_asked, issuers)),
        unasked=tuple(f"{kind} {shown(url)}" for kind, url in named if not is_asked(url)),
        silent=any(extension.oid == NO_REVOCATION for extension in extensions),
    )


def _distribution(extensions: x509.Extensions) -> list[x509.DistributionPoint]:
    try:
        return list(extensions.get_extension_for_class(x509.CRLDistributionPoints).value)
    except x509.ExtensionNotFound:
        return []


def _access(extensions: x509.Extensions) -> list[x509.AccessDescription]:
    try:
        return list(extensions.get_extension_for_class(x509.AuthorityInformationAccess).value)
    except x509.ExtensionNotFound:
        return []


def _points(entry: x509.DistributionPoint, certificate: Certificate) -> Iterable[Point]:
    names = tuple(entry.full_name or ())
    foreign = any(
        not isinstance(name, x509.DirectoryName) or name.value != load(certificate).issuer
        for name in entry.crl_issuer or ()
    )
    for name in names:
        if isinstance(name, x509.UniformResourceIdentifier):
            yield Point(name.value, names, foreign, bool(entry.reasons))


def _locations(access: Iterable[x509.AccessDescription], method: ObjectIdentifier) -> tuple[str, ...]:
    return tuple(
        entry.access_location.value
        for entry in access
        if entry.access_method == method and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    )


def is_asked(url: str) -> bool:
    """Whether an address may be asked at all: HTTP with a host, of an ordinary length, and printable."""
    if len(url) > _MAX_URL or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def shown(url: str) -> str:
    """An address as it may be shown on a terminal: nothing unprintable, not too long."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in url)
    return plain if len(plain) <= 200 else f"{plain[:200]}…"
