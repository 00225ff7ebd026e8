"""ACME (RFC 8555): Let's Encrypt and every CA that speaks it. Loads the `acme` package only when it issues."""

from __future__ import annotations

from rotator.issuers.acme.issuer import AcmeIssuer
from rotator.issuers.acme.settings import AcmeSettings

__all__ = ["AcmeIssuer", "AcmeSettings"]
