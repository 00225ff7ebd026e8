"""What has changed between two scans, from their JSON.

Places are the same by their location, findings by rule, location and what they are about: a renewal makes no new
finding. Keys that are not known are passed over, and older documents may lack newer ones. A place that could not be
looked at the second time has neither gone nor been mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from rotator.core.model import Severity

Identity = tuple[str, str]
"""System and address of a location."""


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
    """A place of a document; `name` is how people say it."""

    identity: Identity
    name: str
    held: Held


@dataclass(frozen=True, slots=True)
class Swap:
    """Another certificate at the same place."""

    name: str
    before: Held
    after: Held


@dataclass(frozen=True, slots=True)
class Alteration:
    """What a swap changed beside the dates: `issuer`, `key`, `names` or `certificate` (there is one no more)."""

    name: str
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of a document; `about` is None where the document is too old to say."""

    rule: str
    title: str
    severity: Severity
    identity: Identity
    name: str
    about: str | None
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed.

    Attributes:
        since, until: when the two scans looked; empty where a document does not say.
        unclear: places that are not in the second scan, and may be there all the same.
        renewed, replaced: another certificate at the same place, ending later, or not.
        lost, regained: where and why: could be looked at no more, or could again.
    """

    since: str
    until: str
    new: tuple[Place, ...]
    gone: tuple[Place, ...]
    unclear: tuple[Place, ...]
    renewed: tuple[Swap, ...]
    replaced: tuple[Swap, ...]
    altered: tuple[Alteration, ...]
    found: tuple[Found, ...]
    resolved: tuple[Found, ...]
    lost: tuple[tuple[str, str], ...]
    regained: tuple[tuple[str, str], ...]

    @property
    def worst(self) -> Severity | None:
        """The worst of the new findings."""
        return max((one.severity for one in self.found), key=lambda severity: severity.rank, default=None)


@dataclass(frozen=True, slots=True)
class _Scan:
    at: str
    places: Mapping[Identity, Place]
    findings: tuple[Found, ...]
    unseen: Mapping[str, str]


def changes(before: object, after: object) -> Changes:
    """Compare two documents of `rotator scan --output json`.

    Raises:
        ValueError: one of them is no scan; says which, and why.
    """
    old, new = _scan(before, "the first"), _scan(after, "the second")
    gone, unclear = _missing(old, new)
    swaps = [
        Swap(place.name, old.places[identity].held, place.held)
        for identity, place in new.places.items()
        if identity in old.places and old.places[identity].held.fingerprint != place.held.fingerprint
    ]
    looked = {*new.places, *(place.identity for place in gone)}
    return Changes(
        since=old.at,
        until=new.at,
        new=tuple(place for identity, place in new.places.items() if identity not in old.places),
        gone=gone,
        unclear=unclear,
        renewed=tuple(swap for swap in swaps if _is_renewal(swap)),
        replaced=tuple(swap for swap in swaps if swap.after.fingerprint and not _is_renewal(swap)),
        altered=tuple(alteration for swap in swaps for alteration in _alterations(swap)),
        found=_without(new.findings, old.findings),
        resolved=tuple(one for one in _without(old.findings, new.findings) if one.identity in looked),
        lost=tuple((where, why) for where, why in new.unseen.items() if where not in old.unseen),
        regained=tuple((where, why) for where, why in old.unseen.items() if where not in new.unseen),
    )


def _missing(old: _Scan, new: _Scan) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Places that are not in the second scan: those that have gone, and those that were not looked at."""
    gone: list[Place] = []
    unclear: list[Place] = []
    whole_source = any(":" not in where for where in new.unseen)  # every name of a place has a colon, none of a source
    for identity, place in old.places.items():
        if identity not in new.places:
            system, address = identity
            names = (place.name, place.name.partition(" at ")[0], system, f"{system}:{address}")
            (unclear if whole_source or any(name in new.unseen for name in names) else gone).append(place)
    return tuple(gone), tuple(unclear)


def _is_renewal(swap: Swap) -> bool:
    return bool(swap.before.ends and swap.after.ends and swap.after.ends > swap.before.ends)


def _alterations(swap: Swap) -> Iterable[Alteration]:
    before, after = swap.before, swap.after
    if before.fingerprint and not after.fingerprint:
        yield Alteration(swap.name, "certificate", before.fingerprint[:16], "none")
    if not (before.fingerprint and after.fingerprint):
        return
    for what, old, new in (("issuer", before.issuer, after.issuer), ("key", before.key, after.key)):
        if old != new:
            yield Alteration(swap.name, what, old, new)
    if set(before.names) != set(after.names):
        yield Alteration(swap.name, "names", " ".join(before.names), " ".join(after.names))


def _without(these: Sequence[Found], others: Sequence[Found]) -> tuple[Found, ...]:
    """Those that are not among others; one that does not say what it is about is the same as any of its rule there."""
    exact = {(one.rule, one.identity, one.about) for one in others}
    loose = {(one.rule, one.identity) for one in others}
    vague = {(one.rule, one.identity) for one in others if one.about is None}
    return tuple(
        one
        for one in these
        if (one.rule, one.identity) not in vague
        and (one.rule, one.identity, one.about) not in exact
        and not (one.about is None and (one.rule, one.identity) in loose)
    )


# ---------------------------------------------------------------- documents


def _scan(document: object, which: str) -> _Scan:
    if not isinstance(document, Mapping) or not all(
        isinstance(document.get(key), list) for key in ("places", "findings")
    ):
        raise ValueError(f"{which} document is no scan: write one with `rotator scan --output json`")
    places = [_place(each) for each in _objects(document, "places")]
    unseen = {_text(each, "where"): _text(each, "message") for each in _objects(document, "unseen")}
    names = {place.identity: place.name for place in places}
    findings = tuple(_found(each, names) for each in _objects(document, "findings"))
    return _Scan(_text(document, "at"), MappingProxyType({p.identity: p for p in places}), findings, unseen)


def _objects(of: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = of.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _text(of: Mapping[str, object], key: str) -> str:
    found = of.get(key)
    return found if isinstance(found, str) else ""


def _place(one: Mapping[str, object]) -> Place:
    identity, name = _identity(one), _text(one, "place")
    address = identity[1].removeprefix(f"{name}@")
    if one.get("kind") == "served" and address != identity[1] and f"@{address}:" not in f"@{name}".replace("//", "@"):
        name = f"{name} at {address}"
    certificate = one.get("certificate")
    return Place(identity, name, _held(certificate) if isinstance(certificate, Mapping) else Held())


def _identity(one: Mapping[str, object]) -> Identity:
    location = one.get("location")
    if isinstance(location, Mapping):
        return _text(location, "system"), _text(location, "address")
    system, _, address = _text(one, "place").partition(":")
    return system, address


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


def _found(one: Mapping[str, object], names: Mapping[Identity, str]) -> Found:
    identity, severity = _identity(one), _text(one, "severity")
    return Found(
        rule=_text(one, "rule"),
        title=_text(one, "name"),
        severity=Severity(severity) if severity in set(Severity) else Severity.INFO,
        identity=identity,
        name=names.get(identity, _text(one, "place")),
        about=_text(one, "about") if "about" in one else None,
        message=_text(one, "message"),
        remedy=_text(one, "remedy"),
    )
