"""By which domains the CAA records of a name call the well-known public CAs (RFC 8659, 4.2). Pure.

CAs state these domains in their certification practice statements (section 2.2 or 4.2) and to the CCADB, which
publishes them as AllCAAIdentifiersReport. The table follows a public collection of 2025 that cites both, among others
Amazon's CP/CPS 2.0, DigiCert's CP/CPS 7.06, D-Trust's TSPS, Let's Encrypt's CP/CPS 5.9, Microsoft's TLS CPS 3.3.2 and
Sectigo's TLS CPS 6.1.1. It errs on the side of silence: every domain that a CA was found to recognise counts, and a
CA that is not here has none.
"""

from __future__ import annotations

from collections.abc import Collection

from rotator.core.distinguished import organisation_and_name
from rotator.core.model import Caa

_AMAZON = frozenset({"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com", "aws.amazon.com"})
_DIGICERT = _AMAZON | {
    "digicert.com", "www.digicert.com", "digicert.ne.jp", "cybertrust.ne.jp", "thawte.com", "geotrust.com",
    "rapidssl.com", "symantec.com", "digitalcertvalidation.com", "volusion.digitalcertvalidation.com",
    "stratossl.digitalcertvalidation.com", "intermediatecertificate.digitalcertvalidation.com",
    "1and1.digitalcertvalidation.com", "quovadisglobal.com", "pkioverheid.nl", "www.pkioverheid.nl",
}  # fmt: skip
_ENTRUST = frozenset({"entrust.net", "affirmtrust.com"})
# Sectigo and SSL.com issue for Entrust's customers, too, since browsers distrust Entrust's own roots.
_SECTIGO = _ENTRUST | {
    "sectigo.com", "usertrust.com", "trust-provider.com", "comodo.com", "comodoca.com", "netsolssl.com", "zerossl.com",
}  # fmt: skip
_SSL_COM = _ENTRUST | {"ssl.com"}
_GODADDY = frozenset({"godaddy.com", "starfieldtech.com"})

_TABLE: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (_AMAZON, ("Amazon", "Amazon Trust Services")),
    (_AMAZON | _GODADDY, ("Starfield Technologies, Inc.",)),
    (_DIGICERT, (
        "DigiCert Inc", "DigiCert, Inc.", "GeoTrust", "GeoTrust Inc.", "RapidSSL", "thawte, Inc.", "Thawte",
        "Symantec Corporation", "QuoVadis Limited", "QuoVadis Trustlink B.V.", "QuoVadis Trustlink Deutschland GmbH",
        "QuoVadis Trustlink Schweiz AG", "Encryption Everywhere CA", "Verokey",
    )),
    (_DIGICERT | {"microsoft.com"}, ("Microsoft Corporation",)),
    (_SECTIGO | _SSL_COM, ("Entrust", "Entrust, Inc.", "Entrust Limited", "Entrust Corporation", "AffirmTrust")),
    (_SECTIGO, (
        "Sectigo Limited", "COMODO CA Limited", "The USERTRUST Network", "ZeroSSL", "Gehirn Inc.",
        "Genious Communications", "Network Solutions L.L.C.",
    )),
    (_SSL_COM, ("SSL Corporation", "SSL Corp")),
    (_GODADDY, ("GoDaddy.com, Inc.",)),
    (frozenset({"letsencrypt.org"}), ("Let's Encrypt", "Internet Security Research Group")),
    (frozenset({"pki.goog"}), ("Google Trust Services", "Google Trust Services LLC")),
    (frozenset({"globalsign.com"}), ("GlobalSign nv-sa", "GlobalSign")),
    (frozenset({"pki.apple.com", "digicert.com"}), ("Apple Inc.",)),
    (frozenset({"certum.pl", "certum.eu"}), ("Asseco Data Systems S.A.", "Certum", "Unizeto Technologies S.A.")),
    (frozenset({"buypass.com", "buypass.no"}), ("Buypass AS-983163327",)),
    (frozenset({"actalis.it"}), ("Actalis S.p.A.", "Actalis S.p.A./03358520967")),
    (frozenset({"harica.gr"}), (
        "Hellenic Academic and Research Institutions CA", "Hellenic Academic and Research Institutions Cert. Authority",
    )),
    (frozenset({"identrust.com"}), ("IdenTrust", "IdenTrust, Inc.")),
    (frozenset({"swisssign.com", "swisssign.net"}), ("SwissSign AG",)),
    (frozenset({"telia.com"}), ("Telia Finland Oyj", "Telia Company AB", "TeliaSonera")),
    (frozenset({"d-trust.net", "dtrust.de", "d-trust.de"}), ("D-Trust GmbH",)),
    (frozenset({"telesec.de", "pki.dfn.de", "dfn.de"}), ("Deutsche Telekom Security GmbH",)),
    (frozenset({"certainly.com"}), ("Certainly",)),
    (frozenset({"certigna.fr", "certigna.com"}), ("Certigna", "Dhimyotis")),
    (frozenset({"certsign.ro"}), ("CERTSIGN SA", "certSIGN")),
    (frozenset({"e-szigno.hu"}), ("Microsec Ltd.",)),
    (frozenset({"emsign.com"}), ("eMudhra Technologies Limited", "eMudhra Inc")),
    (frozenset({"secomtrust.net"}), ("SECOM Trust Systems CO.,LTD.",)),
    (frozenset({"trustasia.com"}), ("TrustAsia Technologies, Inc.",)),
    (frozenset({"twca.com.tw"}), ("TAIWAN-CA", "TAIWAN-CA Inc.")),
    (frozenset({"trustwave.com", "securetrust.com", "vikingcloud.com"}), (
        "Trustwave Holdings, Inc.", "Viking Cloud, Inc.",
    )),
)  # fmt: skip

_BY_ORGANISATION = {name.casefold(): domains for domains, names in _TABLE for name in names}

_ALL = frozenset[str]().union(*_BY_ORGANISATION.values())


def are_of_public_ca(domains: Collection[str]) -> bool:
    """Whether one of these is a domain of a well-known CA: one of your own may call itself something, too."""
    return not _ALL.isdisjoint(domains)


def ca_domains(issuer: str) -> frozenset[str]:
    """The domains of the CA with this distinguished name (RFC 4514), known by its organisation; empty where unknown."""
    organisation, _ = organisation_and_name(issuer)
    return domains_of(organisation)


def domains_of(organisation: str) -> frozenset[str]:
    """The domains of the CA that calls itself so in its certificates; empty where unknown."""
    return _BY_ORGANISATION.get(organisation.casefold(), frozenset())


def allowed(caa: Caa, name: str) -> tuple[str, ...] | None:
    """Which CAs the records let issue for a name (RFC 8659, 4.2 and 4.3); None where they leave it open to all.

    An empty domain among them is how a record forbids everybody.
    """
    wild = name.startswith("*.") and caa.issue_wild is not None
    if not caa.domain or not (wild or caa.issue):
        return None
    return (caa.issue_wild if wild else caa.issue) or ()
