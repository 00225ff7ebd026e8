"""PKI mounts: the CAs themselves, and what they have issued.

An issued certificate here is the CA's own record, not a place of service: it has no key, and nobody reads it from
here. It is worth a look all the same, for it is the only list of what exists. Expired ones are history, renewed ones
are superseded, and revoked ones are out of service by somebody's decision: all of them are left out. Whether one is
good is asked of the mount's own CAs, which no system trusts.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from rotator.core.adoptable import issuer_name
from rotator.core.model import Certificate, Chain, Location, Observation, Problem, ProblemKind, Use
from rotator.core.pem import PemError, read_certificates
from rotator.core.usages import use_of
from rotator.lib.ahead import ahead
from rotator.lib.keystore.groups import path_from
from rotator.lib.vault import VaultError, data_of
from rotator.sources.vault.contents import issuers_above
from rotator.sources.vault.kv import Pace
from rotator.sources.vault.reading import Reader, Unseen, names_of
from rotator.sources.vault.records import Records

ISSUED = "it is a CA's record of what it issued; declare the place that it is deployed to"
AUTHORITY = "it is a CA certificate"

_ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.BAD_REQUEST}
"""What servers answer that do not know a path yet: several issuers came with Vault 1.11, details with OpenBao 2."""

_SERIAL = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2})*")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of all that was issued is looked at: not what ended before `since`, and no more than `most`."""

    now: datetime
    since: datetime
    most: int


@dataclass(frozen=True, slots=True)
class Above:
    """The CAs of a mount.

    Attributes:
        anchors: its roots; of a CA whose root is kept elsewhere, the highest that the mount knows.
    """

    authorities: tuple[Certificate, ...]
    anchors: tuple[Certificate, ...]

    @classmethod
    def of(cls, authorities: Sequence[Certificate]) -> Above:
        known = {each.fingerprint: each for each in authorities}
        highest = [path_from(each, tuple(known.values()))[-1] for each in known.values()]
        return cls(tuple(known.values()), tuple({each.fingerprint: each for each in highest}.values()))


class _Issued(NamedTuple):
    """A line of the list; without details it has its serial number alone."""

    begins: datetime
    serial: str


@dataclass(frozen=True, slots=True)
class PkiMount:
    """A PKI mount as one token sees it; the fields as in `KvMount`."""

    system: str
    mount: str
    reader: Reader
    unseen: Unseen
    pace: Pace
    bounds: Bounds

    def observe(self) -> Iterator[Observation]:
        """The CAs, then what they have issued: of records for the same names the newest, told when all were read.

        A CA that ended before `since` is history, but not the one that the mount issues from.

        Raises:
            VaultError: the server cannot be asked any further; which of the records are superseded is not known then.
        """
        authorities: list[Certificate] = []
        for observation in self._authorities():
            if observation.chain:
                authorities += observation.chain.certificates
                if observation.chain.not_after < self.bounds.since and "default" not in observation.labels:
                    continue
            yield observation
        above = Above.of(authorities)
        records = Records(self.bounds.now)
        serials = (issued.serial for issued in self._newest())
        for found in ahead(partial(_issued, self, above), serials, at_once=self.pace.at_once):
            if found is not None and found.chain is None:
                yield found
            elif found is not None:
                records.add(found)
        yield from records.newest()

    # ------------------------------------------------------------ the CAs

    def _authorities(self) -> Iterator[Observation]:
        try:
            for page in self.reader.pages(f"{self.mount}/issuers", most=self.pace.page_size, public=True):
                details = page.get("key_info")
                for issuer in names_of(page):
                    known = details.get(issuer) if isinstance(details, dict) else None
                    is_default = isinstance(known, dict) and known.get("is_default") is True
                    yield from self._authority(f"issuer/{issuer}", f"issuer/{issuer}/json", is_default=is_default)
        except VaultError as error:
            if error.status not in {*_ABSENT, HTTPStatus.FORBIDDEN}:
                raise
            yield from self._authority("cert/ca_chain", "cert/ca_chain", is_default=True)

    def _authority(self, place: str, path: str, *, is_default: bool) -> Iterator[Observation]:
        """One CA with those above it; nothing where the mount has none yet."""
        try:
            answer = data_of(self.reader.read(f"{self.mount}/{path}", public=True))
        except VaultError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                self.unseen.denied.note(f"{self.mount}/{place}", str(error))
            elif error.status not in _ABSENT:
                raise
            return
        text = _chain_text(answer)
        if not text.strip():
            return
        labels = {"kind": "ca", "mount": self.mount, "path": place, "name": self.mount}
        name = answer.get("issuer_name")
        if isinstance(name, str) and name:
            labels["name"] = name
        if is_default:
            labels["default"] = "true"
        yield self.observation(place, text, labels, AUTHORITY)

    # ------------------------------------------------------------ what they have issued

    def _newest(self) -> list[_Issued]:
        """The lines to read, the newest first; what the list itself says to be over is not among them."""
        count = 0

        def counted() -> Iterator[_Issued]:
            nonlocal count
            for line in self._listed():
                count += 1
                yield line

        newest = heapq.nlargest(self.bounds.most, counted(), key=lambda line: line.begins)
        if count > self.bounds.most:
            self.unseen.cut.note(f"{self.mount} ({count})")
        return newest

    def _listed(self) -> Iterator[_Issued]:
        for path in (f"{self.mount}/certs/detailed", f"{self.mount}/certs"):
            try:
                for page in self.reader.pages(path, most=self.pace.page_size, stored_as=_stored):
                    yield from self._lines(page)
            except VaultError as error:
                if error.status == HTTPStatus.FORBIDDEN and path.endswith("/certs"):
                    self.unseen.denied.note(f"{self.mount}/certs", str(error))
                elif error.status not in {*_ABSENT, HTTPStatus.FORBIDDEN}:
                    raise
            else:
                return

    def _lines(self, page: Mapping[str, Any]) -> Iterator[_Issued]:
        details = page.get("key_info")
        for serial in names_of(page):
            if not _SERIAL.fullmatch(serial):
                continue
            known = details.get(serial) if isinstance(details, dict) else None
            known = known if isinstance(known, dict) else {}
            ends = _moment(known.get("not_after"))
            if ends is None or ends >= self.bounds.since:
                yield _Issued(_moment(known.get("not_before")) or _LONG_AGO, serial)

    def observation(self, place: str, text: str, labels: dict[str, str], never_adopt: str) -> Observation:
        """What a text of certificates at a place of this mount is."""
        location = Location(self.system, f"{self.mount}/{place}")
        try:
            chain = Chain(read_certificates(text.encode(errors="replace")))
        except PemError as error:
            problem = Problem(ProblemKind.UNREADABLE, f"{location.address}: {error}")
            return Observation(location, problem=problem, labels=MappingProxyType(labels), never_adopt=never_adopt)
        labels["issuer"] = issuer_name(chain.leaf)
        use = Use.TRUST if chain.leaf.is_ca else use_of(chain.leaf)
        return Observation(location, chain, labels=MappingProxyType(labels), never_adopt=never_adopt, use=use)


def _issued(pki: PkiMount, above: Above, serial: str) -> Observation | None:
    """One certificate that was issued; None where it is out of service, tidied away, or one of the CAs themselves."""
    try:
        answer = data_of(pki.reader.read(f"{pki.mount}/cert/{serial}", public=True))
    except VaultError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    revoked, text = answer.get("revocation_time"), answer.get("certificate")
    if (isinstance(revoked, int) and revoked > 0) or not isinstance(text, str):
        return None
    labels = {"kind": "issued", "mount": pki.mount, "path": f"cert/{serial}", "name": serial}
    found = pki.observation(f"cert/{serial}", text, labels, ISSUED)
    return _completed(found, above, pki.bounds.since)


def _completed(found: Observation, above: Above, since: datetime) -> Observation | None:
    """With the CAs of the mount above it, and a name that people know; None where it is history or such a CA itself."""
    if found.chain is None:
        return found
    leaf = found.chain.leaf
    if leaf.not_after < since or any(leaf.fingerprint == each.fingerprint for each in above.authorities):
        return None
    chain = Chain((leaf, *issuers_above((leaf,), above.authorities)))
    labels = {**found.labels, "name": next(iter(leaf.names), found.labels["name"])}
    return replace(found, chain=chain, labels=MappingProxyType(labels), anchors=above.anchors)


def _stored(serial: str) -> str:
    """As OpenBao stores it: `2a-0f` for `2a:0f`, which sorts otherwise."""
    return serial.replace(":", "-")


def _chain_text(answer: Mapping[str, Any]) -> str:
    """A CA, then those above it: older servers give one text, newer ones a list that begins with the CA itself."""
    own, above = answer.get("certificate"), answer.get("ca_chain")
    texts = [own, *above] if isinstance(above, list) else [above or own]
    return "\n".join(dict.fromkeys(text.strip() for text in texts if isinstance(text, str)))


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
