"""What of an earlier scan a later one could say nothing of, since it could not look there."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator
from dataclasses import dataclass

from rotator.report.scans import Gap, Place, Scan


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the gaps of a scan hide.

    Attributes:
        whole: a source is among them, and nobody can tell which places were its own.
        named: the gaps as people say them, with the system that they belong to and without.
        ids: of endpoints, files and folders.
    """

    whole: bool
    named: frozenset[str]
    ids: frozenset[str]

    def hides(self, place: Place) -> bool:
        """Whether nothing can be said of a place that is not there: itself, or what it is part of, was not seen."""
        names = (place.name, place.family, place.location.system, str(place.location), place.location.address)
        around = (place.id, *_around(place.id))
        return self.whole or any(name in self.named for name in names) or any(each in self.ids for each in around)

    def hides_address(self, place: Place) -> bool:
        """Whether nothing can be said of an address that is not there, though others of its endpoint are."""
        around = (place.id, *_around(place.id)) if place.address else ()
        return place.family in self.named or any(each in self.ids for each in around)


def hidden(scan: Scan, before: Scan) -> Hidden:
    """What the gaps of a scan hide of what an earlier one saw."""
    gaps = [gap for gap in scan.gaps if gap.whole is None]
    known = _known(before) if gaps else frozenset()
    unseen_before = {gap.where for gap in before.gaps}
    whole = any(gap.whole for gap in scan.gaps) or any(_is_source(gap, known, unseen_before) for gap in gaps)
    wheres = [gap.where for gap in scan.gaps]
    named = frozenset(filter(None, (*wheres, *(where.partition(":")[2] for where in wheres))))
    return Hidden(whole, named, frozenset(gap.id for gap in scan.gaps))


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
    """The keystore of an entry (`/srv/a.p12#alias`), the folders of a file, the endpoint whatever its key."""
    if not path.startswith("/"):
        if path.endswith(")"):
            yield path.rpartition(" (")[0]
        return
    if "#" in path:
        path = path.rpartition("#")[0]
        yield path
    while path != "/":
        path = posixpath.dirname(path)
        yield path
