"""Which CAA domains stand for the CA that issued a certificate. Pure; by the organisation in the issuer's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_ORGANISATION = re.compile(r"(?:^|,)O=((?:\\.|[^,+\\])+)")  # in the form of RFC 4514

_DOMAINS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "let's encrypt": frozenset({"letsencrypt.org"}),
        "google trust services": frozenset({"pki.goog"}),
    }
)


def ca_domains(issuer: str) -> frozenset[str]:
    """The domains that a CAA record may name for this issuer (RFC 4514 text); empty where they are not known."""
    found = _ORGANISATION.search(issuer)
    return _DOMAINS.get(found[1].lower() if found else "", frozenset())
