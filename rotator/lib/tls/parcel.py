"""Sightings on their way between processes: plain rows, and each certificate only once as long as it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rotator.core.model import Certificate, Chain, Endpoint, Handshake, Sighting, SightingState

REMEMBERED = 4096

Row: TypeAlias = tuple[
    tuple[str, int, str, str], str, str, str, tuple[int, ...], tuple[str, str, bool] | None, str, str
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parcel:
    """Some sightings.

    Attributes:
        anew: forget the certificates that came before.
        certificates: those that were not sent yet; rows name each by its number, counted over all parcels.
    """

    anew: bool
    certificates: tuple[Certificate, ...]
    rows: tuple[Row, ...]


class Packer:
    """The sender's side.

    Args:
        remembered: how many certificates; then both sides forget them all and begin anew.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._numbers: dict[bytes, int] = {}

    def pack(self, sightings: Sequence[Sighting]) -> Parcel:
        anew = len(self._numbers) >= self._remembered
        if anew:
            self._numbers.clear()
        known = len(self._numbers)
        certificates: list[Certificate] = []
        rows = tuple(self._row(sighting, certificates, known) for sighting in sightings)
        return Parcel(anew, tuple(certificates), rows)

    def _row(self, sighting: Sighting, certificates: list[Certificate], known: int) -> Row:
        numbers: list[int] = []
        for certificate in sighting.chain.certificates if sighting.chain else ():
            number = self._numbers.setdefault(certificate.der, known + len(certificates))
            if number == known + len(certificates):
                certificates.append(certificate)
            numbers.append(number)
        endpoint, shaken = sighting.endpoint, sighting.handshake
        return (
            (endpoint.host, endpoint.port, endpoint.server_name, endpoint.starttls),
            sighting.address,
            sighting.state.value,
            sighting.fingerprint,
            tuple(numbers),
            (shaken.version, shaken.cipher, shaken.client_certificate_wanted) if shaken else None,
            sighting.detail,
            sighting.key,
        )


class Unpacker:
    """The receiver's side; it has to see every parcel of one sender in turn."""

    def __init__(self) -> None:
        self._certificates: list[Certificate] = []

    def unpack(self, parcel: Parcel) -> list[Sighting]:
        if parcel.anew:
            self._certificates.clear()
        self._certificates += parcel.certificates
        return [self._sighting(row) for row in parcel.rows]

    def _sighting(self, row: Row) -> Sighting:
        endpoint, address, state, fingerprint, numbers, shaken, detail, key = row
        return Sighting(
            endpoint=Endpoint(*endpoint),
            address=address,
            state=SightingState(state),
            fingerprint=fingerprint,
            chain=Chain(tuple(self._certificates[number] for number in numbers)) if numbers else None,
            handshake=Handshake(*shaken) if shaken else None,
            detail=detail,
            key=key,
        )
