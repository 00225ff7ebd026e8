"""What has changed between two scans, from their JSON.

Places are the same by their id, findings by rule, id and what they are about: neither a renewal nor another address of
a name nor another machine makes anything new. Where several addresses share an id, it is the certificates at all of
them that are compared. A place that could not be looked at the second time has neither gone nor been mended, and an
address of it is taken to show what it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rotator.core.model import Location, Severity
from rotator.core.served import SYSTEM
from rotator.report.gaps import Hidden, hidden
from rotator.report.scans import Found, Gap, Held, Place, Scan, read


@dataclass(frozen=True, slots=True)
class Swap:
    """Another certificate at the same place; of several the one that ends first."""

    name: str
    before: Held
    after: Held


@dataclass(frozen=True, slots=True)
class Alteration:
    """What a swap changed beside the dates: `issuer`, `key`, `names` or `certificate` (none before, or none after)."""

    name: str
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed.

    Attributes:
        since, until: when the two scans looked; empty where a document does not say.
        unclear: places that are not in the second scan, and may be there all the same.
        renewed, replaced: another certificate at the same place, ending later, or not.
        partly: another certificate at some addresses of a place, while others still show what was there.
        lost, regained: where and why: could be looked at no more, or could again.
    """

    since: str
    until: str
    new: tuple[Place, ...]
    gone: tuple[Place, ...]
    unclear: tuple[Place, ...]
    renewed: tuple[Swap, ...]
    replaced: tuple[Swap, ...]
    partly: tuple[Swap, ...]
    altered: tuple[Alteration, ...]
    found: tuple[Found, ...]
    resolved: tuple[Found, ...]
    lost: tuple[tuple[str, str], ...]
    regained: tuple[tuple[str, str], ...]

    @property
    def worst(self) -> Severity | None:
        """The worst of the new findings."""
        return max((one.severity for one in self.found), key=lambda severity: severity.rank, default=None)


def changes(before: object, after: object) -> Changes:
    """Compare two documents of `rotator scan --output json`.

    Raises:
        ValueError: one of them is no scan; says which, and why.
    """
    old, new = read(before, "the first"), read(after, "the second")
    unseen = hidden(new, old)
    left = {known_as: _left(places, new, unseen) for known_as, places in old.places.items()}
    missing = {known_as: _one(places) for known_as, places in old.places.items() if known_as not in new.places}
    shifts = [
        _shift(places, new.places[known_as], left[known_as])
        for known_as, places in old.places.items()
        if known_as in new.places
    ]
    return Changes(
        since=old.at,
        until=new.at,
        new=tuple(_one(places) for known_as, places in new.places.items() if known_as not in old.places),
        gone=tuple(place for known_as, place in missing.items() if not left[known_as]),
        unclear=tuple(place for known_as, place in missing.items() if left[known_as]),
        renewed=tuple(shift.swap for shift in shifts if shift.is_renewal),
        replaced=tuple(shift.swap for shift in shifts if shift.is_whole and not shift.is_renewal),
        partly=tuple(shift.swap for shift in shifts if shift.is_partial),
        altered=tuple(alteration for shift in shifts for alteration in shift.alterations()),
        found=_once(_without(new.findings, old.findings)),
        resolved=_once(_resolved(old, new, left)),
        lost=tuple((gap.where, gap.why) for gap in _beyond(new.gaps, old.gaps)),
        regained=tuple(
            (gap.where, gap.why)
            for gap in _beyond(old.gaps, new.gaps)
            if gap.whole or not unseen.whole or gap.id in new.places
        ),
    )


def _left(places: Sequence[Place], new: Scan, unseen: Hidden) -> Sequence[Place]:
    """Of the addresses of a place in the first scan those that may still be as they were: the second did not look."""
    known_as = places[0].id
    now = new.places.get(known_as, ())
    if not now:
        return places if any(unseen.hides(place) for place in places) else ()
    looked = {place.location for place in now}
    others = [place for place in places if place.location not in looked]
    if unseen.whole and len(now) < len(places):
        return others
    return [place for place in others if unseen.hides_address(place)]


# ---------------------------------------------------------------- places


def _one(places: Sequence[Place]) -> Place:
    """A place of several addresses as one, with the certificate that ends first."""
    soonest = min(places, key=lambda place: _end(place.held))
    return replace(soonest, name=_name(soonest, len(places)))


def _name(place: Place, addresses: int, of: int = 0) -> str:
    """`shop.example.com:443 at 40 addresses`, or `at 2 of 3 addresses`; as people say it where there is one alone."""
    if max(addresses, of) < 2 or place.location.system != SYSTEM:
        return place.name
    return f"{place.id} at {f'{addresses} of {of}' if of else addresses} addresses"


def _end(held: Held) -> float:
    return held.ends.timestamp() if held.ends else 0.0


@dataclass(frozen=True, slots=True)
class _Shift:
    """The certificates of a place in two scans: those that went, those that came, those that are in both."""

    places: Sequence[Place]
    addresses: int
    went: Sequence[Held]
    came: Sequence[Held]
    kept: Sequence[Held]

    @property
    def is_partial(self) -> bool:
        return bool(self.came and self.kept)

    @property
    def is_whole(self) -> bool:
        return bool(self.went and (self.came or self.kept)) and not self.is_partial

    @property
    def is_renewal(self) -> bool:
        """All that went is replaced by what ends later."""
        after = self.came or self.kept
        known = all(held.ends for held in (*self.went, *after))
        return self.is_whole and known and min(map(_end, after)) > max(map(_end, self.went))

    @property
    def swap(self) -> Swap:
        return Swap(self._name, min(self.went or self.kept, key=_end), min(self.came or self.kept, key=_end))

    @property
    def _name(self) -> str:
        if self.is_partial:
            came = {held.fingerprint for held in self.came}
            changed = [place for place in self.places if place.held.fingerprint in came]
            return _name(changed[0], len(changed), self.addresses)
        return _name(self.places[0], len(self.places))

    def alterations(self) -> Iterator[Alteration]:
        before, after = self.went or self.kept, self.came or self.kept
        if not (self.went or self.came):
            return
        if not (before and after):
            told = [each[0].fingerprint[:16] if each else "none" for each in (before, after)]
            yield Alteration(self._name, "certificate", *told)
            return
        for what, old, new in (
            ("issuer", [held.issuer for held in before], [held.issuer for held in after]),
            ("key", [held.key for held in before], [held.key for held in after]),
        ):
            if self._differ(old, new):
                yield Alteration(self._name, what, *(", ".join(dict.fromkeys(each)) for each in (old, new)))
        names = [[name for held in each for name in held.names] for each in (before, after)]
        if self._differ(*names):
            yield Alteration(self._name, "names", *(" ".join(dict.fromkeys(each)) for each in names))

    def _differ(self, old: Sequence[str], new: Sequence[str]) -> bool:
        return bool(set(new) - set(old)) if self.is_partial else set(old) != set(new)


def _shift(before: Sequence[Place], after: Sequence[Place], left: Sequence[Place]) -> _Shift:
    """Compare the certificates of a place; what was not looked at again shows what it did."""
    was, now = ({p.held.fingerprint: p.held for p in each if p.held.fingerprint} for each in (before, (*after, *left)))
    return _Shift(
        places=after,
        addresses=len(after) + len(left),
        went=[held for print_, held in was.items() if print_ not in now],
        came=[held for print_, held in now.items() if print_ not in was],
        kept=[held for print_, held in now.items() if print_ in was],
    )


# ---------------------------------------------------------------- findings


def _resolved(old: Scan, new: Scan, left: Mapping[str, Sequence[Place]]) -> Iterator[Found]:
    """Findings that are there no more, where that was looked at; what a baseline takes for known is still there."""
    unlooked: set[Location] = {place.location for places in left.values() for place in places}
    unclear = {
        (one.rule, one.id, one.about) for each in old.findings.values() for one in each if one.location in unlooked
    }
    for one in _without(old.findings, new.findings):
        excused = (one.rule, one.id, one.about or "") in new.excused
        known = one.id in new.places or one.id in old.places
        if known and not excused and (one.rule, one.id, one.about) not in unclear:
            yield one


def _without(these: Mapping[str, Sequence[Found]], others: Mapping[str, Sequence[Found]]) -> Iterator[Found]:
    """Those that are not among others; one that does not say what it is about is the same as any of its rule there."""
    for known_as, many in these.items():
        there = {(one.rule, one.about) for one in others.get(known_as, ())}
        rules = {rule for rule, _ in there}
        for one in many:
            same = one.rule in rules if one.about is None else {(one.rule, one.about), (one.rule, None)} & there
            if not same:
                yield one


def _once(many: Iterable[Found]) -> tuple[Found, ...]:
    """The same finding at several addresses once, as the worst of them."""
    together: dict[tuple[str, str, str | None], list[Found]] = {}
    for one in many:
        together.setdefault((one.rule, one.id, one.about), []).append(one)
    return tuple(_worst(each) for each in together.values())


def _worst(same: Sequence[Found]) -> Found:
    worst = max(same, key=lambda one: one.severity.rank)
    addresses = len({one.location for one in same})
    if addresses < 2 or worst.location.system != SYSTEM:
        return worst
    return replace(worst, name=f"{worst.id} at {addresses} addresses")


# ---------------------------------------------------------------- what could not be looked at


def _beyond(these: Sequence[Gap], others: Sequence[Gap]) -> Iterator[Gap]:
    """Gaps that others do not have; another address of a name in place of one that was hidden before is no other."""
    told, mine = {gap.where for gap in others}, {gap.where for gap in these}
    moved: dict[str, int] = {}
    for gap in others:
        if gap.where not in mine:
            moved[gap.id] = moved.get(gap.id, 0) + 1
    for gap in these:
        if gap.where in told:
            continue
        if moved.get(gap.id, 0):
            moved[gap.id] -= 1
        else:
            yield gap
