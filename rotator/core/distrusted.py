"""CAs that browsers do not trust, or not for certificates from some day on. Pure.

Only what a browser's vendor has published is here, with where; what merely left a root store at its owner's wish, or
for its age, is not. Each is known by organisation and common name of its roots (the unit where a root has no common
name), as the root stores had them. Issuing CAs of other owners that sell under such a CA's brand have other roots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from rotator.core.distinguished import organisation_and_name
from rotator.core.model import Certificate, Chain


@dataclass(frozen=True, slots=True)
class Distrust:
    """One decision against a CA.

    Attributes:
        owner: whom it is about.
        roots: organisation and common name of each.
        clause: who does not trust it, in words.
        source: where that was published.
        after: certificates that begin later are meant; None means all of them. Chrome goes by the first signed
            certificate timestamp, which is made as a certificate begins, or a little later.
        issuing: organisations that had issuing CAs below these roots alone, for chains that end there.
        spared: organisations of issuing CAs below these roots that are run by others and still count.
    """

    owner: str
    roots: tuple[tuple[str, str], ...]
    clause: str
    source: str
    after: datetime | None = None
    issuing: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()


def _day(year: int, month: int, day: int) -> datetime:
    """The end of a day, UTC."""
    return datetime(year, month, day, 23, 59, 59, tzinfo=UTC)


def _of(organisation: str, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((organisation, name) for name in names)


_CA = "Certification Authority"
_CNNIC = "China Internet Network Information Center"

DISTRUSTED: tuple[Distrust, ...] = (
    Distrust(
        "Entrust",
        (
            *_of("Entrust, Inc.", *(f"Entrust Root {_CA}{end}" for end in ("", " - EC1", " - G2", " - G4"))),
            *_of("Entrust.net", "Entrust.net Certification Authority (2048)"),
            *_of("AffirmTrust", "AffirmTrust Commercial", "AffirmTrust Networking", "AffirmTrust Premium"),
            *_of("AffirmTrust", "AffirmTrust Premium ECC"),
        ),
        "Chrome does not trust its certificates from 2024-11-12 on, Firefox not those from 2024-12-01 on",
        "security.googleblog.com 2024-06 “Entrust Certificate Distrust” (updated 2024-09-10); NSS bug 1922387",
        _day(2024, 11, 11),
    ),
    Distrust(
        "Chunghwa Telecom",
        _of("Chunghwa Telecom Co., Ltd.", "ePKI Root Certification Authority", "HiPKI Root CA - G1"),
        "Chrome does not trust its certificates from 2025-08-01 on",
        "security.googleblog.com 2025 “Upcoming Changes to the Chrome Root Store”; Chrome Root Store, sct_not_after",
        _day(2025, 7, 31),
    ),
    Distrust(
        "Netlock",
        _of("NetLock Kft.", "NetLock Arany (Class Gold) Főtanúsítvány"),
        "Chrome does not trust its certificates from 2025-08-01 on",
        "security.googleblog.com 2025 “Upcoming Changes to the Chrome Root Store”; Chrome Root Store, sct_not_after",
        _day(2025, 7, 31),
    ),
    Distrust(
        "Izenpe",
        _of("IZENPE S.A.", "Izenpe.com"),
        "Chrome and Firefox do not trust its certificates from 2026-04-16 on",
        "NSS bug 2017322; Chrome Root Store, sct_not_after 2026-04-14",
        _day(2026, 4, 15),
    ),
    Distrust(
        "e-commerce monitoring",
        _of("e-commerce monitoring GmbH", "GLOBALTRUST 2020"),
        "Chrome and Firefox do not trust its certificates from 2024-07-01 on",
        "ccadb.org public list 2024-05-24 “Upcoming change for GLOBALTRUST 2020”; NSS bug 1901080",
        _day(2024, 6, 30),
    ),
    Distrust(
        "TrustCor",
        _of("TrustCor Systems S. de R.L.", "TrustCor RootCert CA-1", "TrustCor RootCert CA-2", "TrustCor ECA-1"),
        "Chrome and Firefox do not trust it since 2023",
        "security.googleblog.com 2023-01 “TrustCor Certificate Distrust”; NSS bugs 1803453, 1851049",
        issuing=frozenset({"TrustCor Systems S. de R.L."}),
    ),
    Distrust(
        "E-Tugra",
        (
            *_of("E-Tuğra EBG Bilişim Teknolojileri ve Hizmetleri A.Ş.", "E-Tugra Certification Authority"),
            *_of("E-Tugra EBG A.S.", "E-Tugra Global Root CA ECC v3", "E-Tugra Global Root CA RSA v3"),
        ),
        "Firefox does not trust it since 2023",
        "dev-security-policy 2023-06-05 “Review of e-Tugra's Inclusion”; NSS bugs 1822936, 1842928; CVE-2023-37920",
    ),
    Distrust(
        "Camerfirma",
        (
            *_of("AC Camerfirma S.A.", "Chambers of Commerce Root - 2008", "Global Chambersign Root - 2008"),
            *_of("AC Camerfirma SA CIF A82743287", "Chambers of Commerce Root", "Global Chambersign Root"),
        ),
        "Chrome and Firefox do not trust it since 2021",
        "Chrome 90 and Firefox 88, dev-security-policy 2021-01 “Camerfirma Issues”; NSS bug 1850982",
    ),
    Distrust(
        "Symantec (VeriSign, GeoTrust, thawte)",
        (
            *_of("VeriSign, Inc.", *(f"VeriSign Class {number} Public Primary {_CA} - G3" for number in (1, 2, 3, 4))),
            *_of("VeriSign, Inc.", *(f"VeriSign Class 3 Public Primary {_CA} - {end}" for end in ("G4", "G5"))),
            *_of("VeriSign, Inc.", "VeriSign Universal Root Certification Authority"),
            *_of("Symantec Corporation", *(f"Symantec Class {n} Public Primary {_CA} - G4" for n in (1, 2))),
            *_of("Symantec Corporation", *(f"Symantec Class {n} Public Primary {_CA} - G6" for n in (1, 2))),
            *_of("GeoTrust Inc.", "GeoTrust Global CA", "GeoTrust Global CA 2", "GeoTrust Universal CA"),
            *_of("GeoTrust Inc.", "GeoTrust Universal CA 2"),
            *_of("GeoTrust Inc.", *(f"GeoTrust Primary {_CA}{end}" for end in ("", " - G2", " - G3"))),
            *_of("thawte, Inc.", *(f"thawte Primary Root CA{end}" for end in ("", " - G2", " - G3"))),
        ),
        "Chrome and Firefox do not trust it since 2018",
        "security.googleblog.com 2017-09 “Chrome's Plan to Distrust Symantec Certificates”; NSS bugs 1618404, 1670769",
        issuing=frozenset({"Symantec Corporation", "VeriSign, Inc.", "GeoTrust Inc.", "thawte, Inc."}),
        spared=frozenset({"Apple Inc.", "Google Inc", "DigiCert Inc"}),
    ),
    Distrust(
        "WoSign",
        _of("WoSign CA Limited", "CA 沃通根证书", "CA WoSign ECC Root", "Certification Authority of WoSign",
            "Certification Authority of WoSign G2"),
        "Chrome and Firefox do not trust it since 2017",
        "chromium.org net-dev 2017-07-06 “Final removal of trust in WoSign and StartCom Certificates”",
    ),
    Distrust(
        "StartCom",
        _of("StartCom Ltd.", "StartCom Certification Authority", "StartCom Certification Authority G2"),
        "Chrome and Firefox do not trust it since 2017",
        "chromium.org net-dev 2017-07-06 “Final removal of trust in WoSign and StartCom Certificates”",
        issuing=frozenset({"StartCom Ltd."}),
    ),
    Distrust(
        "CNNIC",
        (
            *_of("CNNIC", "CNNIC ROOT"),
            *_of(_CNNIC, f"{_CNNIC} EV Certificates Root"),
        ),
        "Firefox does not trust its certificates from 2015-04-01 on, Chrome none of them",
        "blog.mozilla.org/security/2015/04/02 “Distrusting New CNNIC Certificates”",
        _day(2015, 3, 31),
    ),
    Distrust(
        "DigiNotar",
        (
            *_of("DigiNotar", "DigiNotar Root CA", "DigiNotar Cyber CA", "DigiNotar Services 1024 CA"),
            *_of("DigiNotar B.V.", "DigiNotar PKIoverheid CA Organisatie - G2"),
            *_of("DigiNotar B.V.", "DigiNotar PKIoverheid CA Overheid en Bedrijven"),
        ),
        "no browser trusts it since its break-in of 2011",
        "blog.mozilla.org/security/2011/09/02 “DigiNotar Removal Follow Up”; NSS certdata, explicitly distrusted",
        issuing=frozenset({"DigiNotar"}),
    ),
)  # fmt: skip

_BY_ROOT = {(org.casefold(), name.casefold()): entry for entry in DISTRUSTED for org, name in entry.roots}
_BY_ISSUING = {org.casefold(): entry for entry in DISTRUSTED for org in entry.issuing}


def distrusted(chain: Chain) -> str | None:
    """Why browsers do not trust what issued the leaf, in a clause that names it; None where they may.

    The issuer of the leaf and the issuer of that are looked at. Further up a path may lead elsewhere: a root that is
    trusted itself may also have been signed by one that is not.
    """
    for issuer in _issuers(chain):
        organisation, name = (piece.casefold() for piece in issuer)
        entry = _BY_ROOT.get((organisation, name)) or _BY_ISSUING.get(organisation)
        if entry is not None and _is_meant(entry, chain.leaf):
            return f"it is from {entry.owner} (“{issuer[1]}”): {entry.clause}"
    return None


def _issuers(chain: Chain) -> Iterator[tuple[str, str]]:
    yield organisation_and_name(chain.leaf.issuer)
    for certificate in chain.certificates[1:]:
        if certificate.subject == chain.leaf.issuer:
            yield organisation_and_name(certificate.issuer)


def _is_meant(entry: Distrust, leaf: Certificate) -> bool:
    if organisation_and_name(leaf.issuer)[0] in entry.spared:
        return False
    return entry.after is None or leaf.not_before > entry.after
