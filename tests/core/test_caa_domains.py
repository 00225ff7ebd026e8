"""Which domains of CAA records mean a CA."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.caa_domains import ca_domains
from rotator.core.distinguished import organisation_and_name


@pytest.mark.parametrize(
    ("issuer", "domain"),
    [
        ("CN=R12,O=Let's Encrypt,C=US", "letsencrypt.org"),
        ("CN=WE1,O=Google Trust Services,C=US", "pki.goog"),
        ("CN=GeoTrust TLS RSA CA G1,OU=www.digicert.com,O=DigiCert Inc,C=US", "geotrust.com"),
        ("CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US", "digicert.com"),
        ("CN=Sectigo Public Server Authentication CA DV R36,O=Sectigo Limited,C=GB", "sectigo.com"),
        ("CN=ZeroSSL ECC Domain Secure Site CA,O=ZeroSSL,C=AT", "sectigo.com"),
        ("CN=GlobalSign RSA OV SSL CA 2018,O=GlobalSign nv-sa,C=BE", "globalsign.com"),
        ("CN=Amazon RSA 2048 M02,O=Amazon,C=US", "amazontrust.com"),
        ("CN=Entrust OV TLS Issuing RSA CA 2,O=Entrust Limited,C=CA", "entrust.net"),
        (
            "CN=Go Daddy Secure Certificate Authority - G2,O=GoDaddy.com\\, Inc.,L=Scottsdale,ST=Arizona,C=US",
            "godaddy.com",
        ),
        ("CN=HARICA DV TLS RSA,O=Hellenic Academic and Research Institutions CA,C=GR", "harica.gr"),
        ("CN=Buypass Class 2 CA 5,O=BUYPASS AS-983163327,C=NO", "buypass.com"),
    ],
)
def test_the_domains_of_public_cas(issuer: str, domain: str) -> None:
    """Issuing CAs as they sign today are known by their organisation, in whatever case."""
    assert domain in ca_domains(issuer)


@pytest.mark.parametrize("issuer", ["CN=Services CA,O=Corp", "CN=R12", "", "nonsense", "O=Let's Encrypt Fake"])
def test_an_unknown_ca_has_no_domains(issuer: str) -> None:
    """A private or unknown CA, or what is no name, gives nothing, so that a rule keeps quiet."""
    assert ca_domains(issuer) == frozenset()


@given(st.text(max_size=60))
def test_any_text_may_be_an_issuer(text: str) -> None:
    """Whatever stands in a certificate as its issuer, the answer is pieces of text, maybe empty."""
    assert all(isinstance(piece, str) for piece in organisation_and_name(text))
