"""Certificates in DER, one or several one after the other."""

from __future__ import annotations

from rotator.core.model import Certificate
from rotator.core.pem import MAX_CERTIFICATES, PemError, parse_certificate
from rotator.lib.keystore import asn1
from rotator.lib.keystore.contents import Broken, Contents, Kind, TooLarge
from rotator.lib.keystore.entries import entries_of
from rotator.lib.keystore.groups import groups


def read_der(data: bytes) -> Contents:
    """Read a DER file. What lies behind the last certificate (a line end, as a rule) is passed over.

    Raises:
        Broken: it is cut off, or one of them is no certificate.
        TooLarge: more certificates than are read.
    """
    found: list[Certificate] = []
    at = 0
    while (item := asn1.item_at(data, at)) is not None and item.tag == asn1.SEQUENCE:
        end = item.end if item.end is not None else len(data)
        if end > len(data):
            raise Broken(f"it is cut off: {len(data)} of {end} bytes")
        if len(found) == MAX_CERTIFICATES:
            raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
        try:
            found.append(parse_certificate(data[at:end]))
        except PemError as error:
            raise Broken(str(error)) from error
        at = end
    return Contents(Kind.DER, entries_of(groups(found), ()))
