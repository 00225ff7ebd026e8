"""Scans read back from their JSON, as far as comparing two of them needs it.

Keys that are not known are passed over, and older documents may lack newer ones: the `id` of a place is made again from
its name and its location, and what could not be looked at is a source or a place by how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from rotator.core.model import Location, Severity
from rotator.core.served import SYSTEM

_On = TypeVar("_On", "Place", "Found")

_PATH = re.compile(r"(?:[^/:]*:)?(/(?!/).*)", re.DOTALL)
"""A path, with the host that it is on or without."""

_SERVED = re.compile(r"(\S+?)(?: at (\S+))?( \([\w-]+\))?")
"""An endpoint, with the address that its name led to, and with the kind of key that it was asked for."""


@dataclass(frozen=True, slots=True)
class Held:
    """The certificate at a place, as far as a document tells; all empty where there is none."""

    fingerprint: str = ""
    ends: datetime | None = None
    issuer: str = ""
    key: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A place of a document.

    Attributes:
        id: the same over time and on every machine; the addresses of an endpoint share one.
        name: how people say it.
        address: that was asked; empty for what is stored.
    """

    id: str
    name: str
    location: Location
    held: Held
    address: str = ""

    @property
    def family(self) -> str:
        """How people say that a machine has no route to addresses of its kind; empty for what is stored."""
        return f"{SYSTEM}:{'IPv6' if ':' in self.address else 'IPv4'}" if self.address else ""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of a document; `about` is None where the document is too old to say."""

    rule: str
    title: str
    severity: Severity
    id: str
    name: str
    location: Location
    about: str | None
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be looked at.

    Attributes:
        id: as that of a place, where it is one.
        whole: whether it is a source; None where the document is too old to say.
    """

    where: str
    why: str
    id: str
    whole: bool | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A document.

    Attributes:
        at: when it looked; empty where it does not say.
        places: by id, one for each address.
        findings: by id.
        excused: rule, id and what it is about, of what its baseline took for known.
    """

    at: str
    places: Mapping[str, tuple[Place, ...]]
    findings: Mapping[str, tuple[Found, ...]]
    excused: frozenset[tuple[str, str, str]]
    gaps: tuple[Gap, ...]


def read(document: object, which: str) -> Scan:
    """The scan that a document holds.

    Args:
        which: `the first`, `the second`: for the message.

    Raises:
        ValueError: it is no scan.
    """
    if not isinstance(document, Mapping) or not all(
        isinstance(document.get(key), list) for key in ("places", "findings")
    ):
        raise ValueError(f"{which} document is no scan: write one with `rotator scan --output json`")
    told = [(each, _place(each)) for each in _objects(document, "places")]
    known = {place.location: place for _, place in told}
    return Scan(
        _text(document, "at"),
        _by_id(place for _, place in told),
        _by_id(_found(each, known) for each in _objects(document, "findings")),
        frozenset(
            (_text(excused, "rule"), place.id, _text(excused, "about"))
            for each, place in told
            for excused in _objects(each, "excused")
        ),
        tuple(_gap(each) for each in _objects(document, "unseen")),
    )


def _by_id(many: Iterable[_On]) -> Mapping[str, tuple[_On, ...]]:
    found: dict[str, list[_On]] = {}
    for one in many:
        found.setdefault(one.id, []).append(one)
    return MappingProxyType({known_as: tuple(each) for known_as, each in found.items()})


# ---------------------------------------------------------------- the things of a document


def _place(one: Mapping[str, object]) -> Place:
    location, told = _location(one), _text(one, "place")
    served = one.get("kind") == "served"
    address = _address(one, told, location) if served else ""
    certificate = one.get("certificate")
    return Place(
        _text(one, "id") or (told if served else _lasting(location)),
        _with_address(told, address) if served else told,
        location,
        _held(certificate) if isinstance(certificate, Mapping) else Held(),
        address,
    )


def _address(one: Mapping[str, object], endpoint: str, location: Location) -> str:
    """The address that was asked; a document that is too old to say so has it in the location."""
    asked = one.get("addresses")
    if isinstance(asked, list) and asked and isinstance(asked[0], str):
        return asked[0]
    at = f"{endpoint}@"
    return location.address.removeprefix(at) if location.address.startswith(at) else ""


def _with_address(told: str, address: str) -> str:
    """`shop.example.com:443 at 192.0.2.1`; the endpoint alone where it is an address itself."""
    parts = _SERVED.fullmatch(told)
    endpoint, key = (parts[1], parts[3] or "") if parts else (told, "")
    host = endpoint.rpartition("//")[2].rpartition("@")[2].rpartition(":")[0].strip("[]")
    return f"{endpoint} at {address}{key}" if address not in {"", host} else told


def _found(one: Mapping[str, object], known: Mapping[Location, Place]) -> Found:
    location, severity = _location(one), _text(one, "severity")
    place = known.get(location)
    return Found(
        rule=_text(one, "rule"),
        title=_text(one, "name"),
        severity=Severity(severity) if severity in set(Severity) else Severity.INFO,
        id=_text(one, "id") or (place.id if place else _lasting(location)),
        name=place.name if place else _text(one, "place"),
        location=location,
        about=_text(one, "about") if "about" in one else None,
        message=_text(one, "message"),
        remedy=_text(one, "remedy"),
    )


def _gap(one: Mapping[str, object]) -> Gap:
    where, whole = _text(one, "where"), one.get("source")
    path, served = _PATH.fullmatch(where), _SERVED.fullmatch(where)
    known_as = where
    if path:
        known_as = path[1].rstrip("/") or "/"
    elif served:
        known_as = f"{served[1]}{served[3] or ''}"
    return Gap(where, _text(one, "message"), known_as, whole if isinstance(whole, bool) else None)


def _location(one: Mapping[str, object]) -> Location:
    location = one.get("location")
    if isinstance(location, Mapping):
        return Location(_text(location, "system"), _text(location, "address"))
    system, _, address = _text(one, "place").partition(":")
    return Location(system, address)


def _lasting(location: Location) -> str:
    return location.address if location.address.startswith("/") else str(location)


def _held(one: Mapping[str, object]) -> Held:
    names = one.get("names")
    return Held(
        _text(one, "fingerprint"),
        _moment(_text(one, "not_after")),
        _text(one, "issuer"),
        _text(one, "key"),
        tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else (),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _objects(of: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = of.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _text(of: Mapping[str, object], key: str) -> str:
    found = of.get(key)
    return found if isinstance(found, str) else ""
