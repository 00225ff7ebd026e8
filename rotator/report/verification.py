"""Whether what is stored is served and verified, one certificate at a time: the data, and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.model import Chain, Facts, ProblemKind, Sighting
from rotator.core.sightings import place
from rotator.report.table import grid
from rotator.report.words import count, day


class Verdict(StrEnum):
    """What one place or address shows."""

    OK = "ok"  # the current certificate, verified where it is served
    DIFFERS = "differs"  # another certificate than the current one
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    UNTRUSTED = "untrusted"  # the current one, but its clients cannot verify it
    UNSEEN = "unseen"  # could not be looked at

    @property
    def wrong(self) -> bool:
        return self not in {Verdict.OK, Verdict.UNSEEN}


@dataclass(frozen=True, slots=True)
class Seen:
    """One place or address; `kind` is `stored` or `served`."""

    where: str
    kind: str
    verdict: Verdict
    detail: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """One certificate: what is current, and what every place and address shows."""

    certificate: str
    current: Chain | None
    seen: tuple[Seen, ...]

    @property
    def wrong(self) -> bool:
        return self.current is None or any(one.verdict.wrong for one in self.seen)

    @property
    def unseen(self) -> bool:
        return any(one.verdict is Verdict.UNSEEN for one in self.seen)


def verified(facts: Facts, verify: Callable[[Sighting], str | None]) -> Verified:
    """Judge what was just seen; `verify` says in a clause what a client would object to, None when nothing."""
    return Verified(facts.spec.name, facts.newest, (*_stored(facts), *_served(facts, verify)))


def _stored(facts: Facts) -> Iterator[Seen]:
    current = facts.newest.fingerprint if facts.newest else ""
    for location, o in facts.installed.items():
        where = str(location)
        if o.problem is not None:
            unseen = o.problem.kind is ProblemKind.UNSEEN
            yield Seen(where, "stored", Verdict.UNSEEN if unseen else Verdict.UNREADABLE, o.problem.message)
        elif o.chain is None:
            yield Seen(where, "stored", Verdict.EMPTY, "there is nothing")
        elif o.chain.fingerprint != current:
            detail = f"holds another one, which ends {day(o.chain.not_after)}"
            yield Seen(where, "stored", Verdict.DIFFERS, detail, o.chain.fingerprint)
        elif o.key is not None and o.key.matches is False:
            detail = "its private key belongs to another certificate"
            yield Seen(where, "stored", Verdict.DIFFERS, detail, current)
        else:
            yield Seen(where, "stored", Verdict.OK, "", current)


def _served(facts: Facts, verify: Callable[[Sighting], str | None]) -> Iterator[Seen]:
    current = facts.newest.fingerprint if facts.newest else ""
    for sighting in (s for many in facts.served.values() for s in many):
        where = place(sighting)
        if sighting.chain is None:
            detail = f"{sighting.state}: {sighting.detail}" if sighting.detail else sighting.state.value
            yield Seen(where, "served", Verdict.UNSEEN, detail)
        elif sighting.fingerprint != current:
            detail = f"serves another one, which ends {day(sighting.chain.not_after)}"
            yield Seen(where, "served", Verdict.DIFFERS, detail, sighting.fingerprint)
        elif problem := verify(sighting):
            yield Seen(where, "served", Verdict.UNTRUSTED, problem, current)
        else:
            yield Seen(where, "served", Verdict.OK, "served and verified", current)


# ---------------------------------------------------------------- table


def table(many: Sequence[Verified]) -> RenderableType:
    """Every place and address of every certificate, then the count."""
    rows = grid("CERTIFICATE", "ENDS", "WHERE", "VERDICT")
    for one in many:
        name, ends = one.certificate, day(one.current.not_after if one.current else None)
        for seen in one.seen or (Seen("", "", Verdict.EMPTY, "no place and no endpoint is known"),):
            rows.add_row(name, ends, seen.where, _verdict(seen))
            name = ends = ""
    return Group(rows, "", Text(line(many), "bold"))


def _verdict(seen: Seen) -> Text:
    style = "green" if seen.verdict is Verdict.OK else "red" if seen.verdict.wrong else "yellow"
    said = Text(seen.kind if seen.verdict is Verdict.OK and not seen.detail else str(seen.verdict), style)
    return said.append(f": {seen.detail}", "") if seen.detail else said


def line(many: Iterable[Verified]) -> str:
    """`3 certificates: 2 served and verified, 1 wrong.`"""
    certificates = list(many)
    wrong = sum(one.wrong for one in certificates)
    unseen = sum(one.unseen and not one.wrong for one in certificates)
    unserved = sum(
        not one.wrong and not one.unseen and all(seen.kind != "served" for seen in one.seen) for one in certificates
    )
    parts = {
        "served and verified": len(certificates) - wrong - unseen - unserved,
        "stored, with no endpoint known": unserved,
        "wrong": wrong,
        "not seen everywhere": unseen,
    }
    said = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{count(len(certificates), 'certificate')}{f': {said}' if said else ''}."
