"""Scans read back from their JSON, as far as comparing two of them needs it.

Keys that are not known are passed over, and older documents may lack newer ones: the `id` of a place is made again from
its name and its location, and what could not be looked at is a source or a place by how it is written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from rotator.core.model import Location, Severity

_On = TypeVar("_On", "Place", "Found")

_PATH = re.compile(r"(?:[^/:]*:)?(/(?!/).*)", re.DOTALL)
"""A path, with the host that it is on or without."""


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
    """

    id: str
    name: str
    location: Location
    held: Held


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


# ---------------------------------------------------------------- what could not be looked at


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the gaps of a scan hide.

    Attributes:
        whole: a source is among them, and nobody can tell which places were its own.
        named: the gaps as people say them.
        ids: of endpoints, files and folders.
    """

    whole: bool
    named: frozenset[str]
    ids: frozenset[str]

    def hides(self, place: Place) -> bool:
        """Whether nothing can be said of a place that is not there: itself, or what it is part of, was not seen."""
        names = (place.name, place.location.system, str(place.location), place.location.address)
        around = (place.id, *_around(place.id))
        return self.whole or any(name in self.named for name in names) or any(each in self.ids for each in around)


def hidden(scan: Scan, before: Scan) -> Hidden:
    """What the gaps of a scan hide of what an earlier one saw."""
    gaps = [gap for gap in scan.gaps if gap.whole is None]
    known = _known(before) if gaps else frozenset()
    unseen_before = {gap.where for gap in before.gaps}
    whole = any(gap.whole for gap in scan.gaps) or any(_is_source(gap, known, unseen_before) for gap in gaps)
    return Hidden(whole, frozenset(gap.where for gap in scan.gaps), frozenset(gap.id for gap in scan.gaps))


def _is_source(gap: Gap, known: Container[str], unseen_before: Container[str]) -> bool:
    """Whether a gap that does not say so may be a source: unless it is a place that the scan before it knows."""
    if gap.where in known or gap.id in known:
        return False
    return "://" in gap.where or ":" not in gap.where or gap.where not in unseen_before


def _known(scan: Scan) -> frozenset[str]:
    """Every name of a place, and of what is around it."""
    places = [place for many in scan.places.values() for place in many]
    names = {name for place in places for name in (place.id, place.name, str(place.location), place.location.address)}
    return frozenset(names.union(*(_around(place.id) for place in places)))


def _around(path: str) -> Iterator[str]:
    """The keystore of an entry (`/srv/a.p12#alias`), and the folders of a file."""
    if not path.startswith("/"):
        return
    if "#" in path:
        path = path.rpartition("#")[0]
        yield path
    while path != "/":
        path = posixpath.dirname(path)
        yield path


# ---------------------------------------------------------------- the things of a document


def _place(one: Mapping[str, object]) -> Place:
    location, told = _location(one), _text(one, "place")
    served = one.get("kind") == "served"
    certificate = one.get("certificate")
    return Place(
        _text(one, "id") or (told if served else _lasting(location)),
        _with_address(told, location) if served else told,
        location,
        _held(certificate) if isinstance(certificate, Mapping) else Held(),
    )


def _with_address(endpoint: str, location: Location) -> str:
    """`shop.example.com:443 at 192.0.2.1`; the endpoint alone where it is an address itself."""
    address = location.address.removeprefix(f"{endpoint}@")
    host = endpoint.rpartition("//")[2].rpartition("@")[2].rpartition(":")[0].strip("[]")
    return endpoint if address in {location.address, host} else f"{endpoint} at {address}"


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
    path = _PATH.fullmatch(where)
    known_as = (path[1].rstrip("/") or "/") if path else where.partition(" at ")[0]
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
