"""Certificates and chains."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import lru_cache

from rotator.core.model import Certificate, Chain
from rotator.core.pem import parse_certificate


def certificate_to_json(certificate: Certificate) -> str:
    return b64encode(certificate.der).decode("ascii")


@lru_cache(maxsize=8192)
def certificate_from_json(text: str) -> Certificate:
    """Parse the DER again; remembered, because a fleet shares its intermediates and every look reads the same leaves.

    Raises:
        ValueError: it is no base64, or no certificate.
    """
    return parse_certificate(b64decode(text, validate=True))


def certificates_to_json(certificates: tuple[Certificate, ...]) -> list[str]:
    return [certificate_to_json(certificate) for certificate in certificates]


def certificates_from_json(texts: list[str]) -> tuple[Certificate, ...]:
    return tuple(certificate_from_json(text) for text in texts)


def chain_to_json(chain: Chain) -> list[str]:
    """Base64 of each DER, the leaf first."""
    return certificates_to_json(chain.certificates)


def chain_from_json(texts: list[str]) -> Chain:
    return Chain(certificates_from_json(texts))


def maybe_chain_to_json(chain: Chain | None) -> list[str] | None:
    return None if chain is None else chain_to_json(chain)


def maybe_chain_from_json(texts: list[str] | None) -> Chain | None:
    return None if texts is None else chain_from_json(texts)
