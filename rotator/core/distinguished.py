"""Pieces of a distinguished name. Pure."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID


@lru_cache(maxsize=4096)
def organisation_and_name(dn: str) -> tuple[str, str]:
    """The organisation, and the common name or else the unit, of a name as RFC 4514 writes it.

    Empty where there is none, or the text is no such name.
    """
    try:
        name = x509.Name.from_rfc4514_string(dn)
    except (ValueError, TypeError):
        return "", ""
    common = _first(name, NameOID.COMMON_NAME) or _first(name, NameOID.ORGANIZATIONAL_UNIT_NAME)
    return _first(name, NameOID.ORGANIZATION_NAME), common


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
