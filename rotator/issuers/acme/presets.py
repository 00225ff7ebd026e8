"""The directories that have a name, and what is known of these CAs before they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rotator.core.caa_domains import domains_of


@dataclass(frozen=True, slots=True)
class Preset:
    """A well-known CA.

    Attributes:
        url: its directory.
        external_account: an account there begins on the CA's web site (RFC 8555, 7.3.4).
        organisation: what it calls itself in its certificates.
    """

    url: str
    organisation: str
    external_account: bool = False

    @property
    def caa_domains(self) -> tuple[str, ...]:
        """What CAA records call it (RFC 8659, 4.2)."""
        return tuple(sorted(domains_of(self.organisation)))


_GOOGLE, _SSLCOM = "Google Trust Services", "SSL Corporation"

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "letsencrypt": Preset("https://acme-v02.api.letsencrypt.org/directory", "Let's Encrypt"),
        "letsencrypt-staging": Preset("https://acme-staging-v02.api.letsencrypt.org/directory", "Let's Encrypt"),
        "google": Preset("https://dv.acme-v02.api.pki.goog/directory", _GOOGLE, external_account=True),
        "google-staging": Preset("https://dv.acme-v02.test-api.pki.goog/directory", _GOOGLE, external_account=True),
        "zerossl": Preset("https://acme.zerossl.com/v2/DV90", "ZeroSSL", external_account=True),
        "sslcom": Preset("https://acme.ssl.com/sslcom-dv-ecc", _SSLCOM, external_account=True),
        "sslcom-rsa": Preset("https://acme.ssl.com/sslcom-dv-rsa", _SSLCOM, external_account=True),
        "actalis": Preset("https://acme-api.actalis.com/acme/directory", "Actalis S.p.A.", external_account=True),
    }
)

ENDED: Mapping[str, str] = MappingProxyType(
    {"buypass": "Buypass ended its ACME service in April 2026; use letsencrypt, or actalis for another CA in Europe"}
)
"""Names of CAs that are no more, each with a sentence that says so."""

_ENDED_HOSTS = MappingProxyType({"api.buypass.com": "buypass", "api.test4.buypass.no": "buypass"})


def preset_of(directory: str) -> str:
    """The name of a directory that is written by its name or by its address; empty for any other."""
    if directory in PRESETS:
        return directory
    return next((name for name, preset in PRESETS.items() if preset.url == directory.rstrip("/")), "")


def why_ended(directory: str, host: str) -> str:
    """The sentence about a CA that is no more, named by its name or by its host; empty for any other."""
    return ENDED.get(directory, "") or ENDED.get(_ENDED_HOSTS.get(host, ""), "")
