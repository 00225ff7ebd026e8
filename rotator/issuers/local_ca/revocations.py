"""What a local CA has revoked, and the CRL that tells it.

`revoked.json` in the CA's folder is the truth; the CRL is made from it. Both are replaced at once, the list first: a
crash between the two leaves an older CRL, and the next look at it writes the newer one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rotator.core.model import Certificate, RevocationReason
from rotator.core.pem import load
from rotator.issuers.local_ca.settings import CrlSettings
from rotator.lib import atomicfile
from rotator.lib.jsonobject import read_object
from rotator.lib.signing import Authority, RevokedSerial, make_crl

RECORD = "revoked.json"
RENEWED_AT = 3  # when a third of its time is left
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class RevocationsError(Exception):
    """The list cannot be read or written; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate that was revoked; `ends` is when it would have ended anyway."""

    serial: int
    at: datetime
    reason: RevocationReason
    ends: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What `revoked.json` says.

    Attributes:
        number: of the last CRL; it only ever grows (RFC 5280, 5.2.3).
        written: when that was.
    """

    number: int = 0
    written: datetime = _BEGINNING
    revoked: tuple[Revoked, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record of a CA; an empty one where nothing was ever revoked.

        Raises:
            RevocationsError: it is there and cannot be understood. It is never begun anew: that would take back what
                was revoked.
            OSError: it cannot be read.
        """
        try:
            said = read_object(path.read_bytes()) or {}
        except FileNotFoundError:
            return cls()
        try:
            revoked = tuple(
                Revoked(
                    int(each["serial"], 16),
                    _moment(each["at"]),
                    RevocationReason(each["reason"]),
                    _moment(each["ends"]),
                )
                for each in said["revoked"]
            )
            return cls(int(said["number"]), _moment(said["written"]), revoked)
        except (KeyError, TypeError, ValueError) as error:
            raise RevocationsError(
                f"{path} cannot be understood; restore it from a backup, since it says what was revoked"
            ) from error

    def write(self, path: Path) -> None:
        """Replace the record.

        Raises:
            OSError: it stays as it was.
        """
        said = {
            "number": self.number,
            "written": self.written.isoformat(),
            "revoked": [
                {
                    "serial": f"{each.serial:x}",
                    "at": each.at.isoformat(),
                    "reason": each.reason.value,
                    "ends": each.ends.isoformat(),
                }
                for each in self.revoked
            ],
        }
        atomicfile.write(path, json.dumps(said, indent=1).encode(), mode=0o600)

    def with_revoked(self, certificate: Certificate, reason: RevocationReason, now: datetime) -> Record:
        """The record with one certificate more; the same where it has it already."""
        if any(each.serial == certificate.serial for each in self.revoked):
            return self
        entry = Revoked(certificate.serial, now, reason, certificate.not_after)
        return replace(self, revoked=(*self.revoked, entry))

    def next(self, now: datetime, least: int) -> Record:
        """The record of the next CRL: without what had ended before the last one was written, and so was on it.

        Args:
            least: the number of the CRL that is there, which the next one has to exceed.
        """
        left = tuple(each for each in self.revoked if max(each.ends, each.at) > self.written)
        return Record(max(self.number, least) + 1, now, left)


@dataclass(frozen=True, slots=True)
class CrlFile:
    """The CRL of a CA, where clients get it from."""

    settings: CrlSettings
    record: Path

    def is_due(self, authority: Authority, now: datetime) -> str:
        """Why it has to be written anew; empty where it has not.

        Raises:
            RevocationsError, OSError: the record, or the file, cannot be read.
        """
        kept = Record.read(self.record)
        crl = self._present()
        if crl is None:
            return "there is none yet"
        end = crl.next_update_utc
        if end is None or end - now <= self.settings.next_update / RENEWED_AT:
            return "it ends soon"
        if crl.issuer != load(authority.certificate).subject or not _is_signed(crl, authority):
            return "another CA signed it"
        listed = {each.serial_number for each in crl}
        missing = [each for each in kept.revoked if each.serial not in listed]
        return "it does not have what was revoked last" if missing else ""

    def write(self, authority: Authority, now: datetime, backdate: timedelta) -> None:
        """Write the next CRL, the record first.

        Args:
            backdate: how far its beginning lies in the past, for clients whose clocks are slow.

        Raises:
            RevocationsError: the record cannot be understood.
            OSError: one of the two could not be written.
        """
        following = Record.read(self.record).next(now, _number(self._present()))
        following.write(self.record)
        text = make_crl(
            authority,
            [RevokedSerial(each.serial, each.at, each.reason.code) for each in following.revoked],
            number=following.number,
            this_update=now - backdate,
            next_update=now + self.settings.next_update,
        )
        if self.settings.path.suffix == ".pem":
            text = x509.load_der_x509_crl(text).public_bytes(Encoding.PEM)
        atomicfile.write(self.settings.path, text, mode=0o644)

    def ends(self) -> datetime | None:
        """When the CRL that is there ends."""
        crl = self._present()
        return crl.next_update_utc if crl is not None else None

    def _present(self) -> x509.CertificateRevocationList | None:
        """The CRL that is there; None where there is none, or something else, which is written over."""
        try:
            text = self.settings.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            pem = text.startswith(b"-----")
            return x509.load_pem_x509_crl(text) if pem else x509.load_der_x509_crl(text)
        except ValueError:
            return None


def _number(crl: x509.CertificateRevocationList | None) -> int:
    if crl is None:  # one without entries is falsy, too
        return 0
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError):
        return 0


def _is_signed(crl: x509.CertificateRevocationList, authority: Authority) -> bool:
    return crl.is_signature_valid(authority.key.public_key())


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a moment without its zone")
    return found
