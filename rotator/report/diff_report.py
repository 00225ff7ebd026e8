"""What has changed between two scans, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.model import Location
from rotator.report.diff import Changes, Swap
from rotator.report.grid import SEVERITY_STYLE, grid, headed
from rotator.report.objects import Object
from rotator.report.plain import visible
from rotator.report.scans import Found, Held, Place
from rotator.report.words import count, day, iso

_MOST_SIGNS = 500
_SHOWN = 2


def table(one: Changes) -> RenderableType:
    """New findings first, then what is mended, what came, went and was renewed; then the count."""
    parts: list[RenderableType] = []
    parts += _findings("New findings", one.found)
    parts += _findings("Resolved", one.resolved)
    parts += _rows("Can be looked at no more", ((_said(where), _said(why)) for where, why in one.lost))
    parts += _rows("Can be looked at again", ((_said(where), "") for where, _ in one.regained))
    parts += _rows("New places", map(_place, one.new))
    parts += _rows("Gone", map(_place, one.gone))
    parts += _rows("Not looked at this time", map(_place, one.unclear))
    parts += _swaps("Renewed", one.renewed)
    parts += _swaps("Replaced by one that ends no later", one.replaced)
    parts += _swaps("At some of its addresses only", one.partly)
    changed = ((_said(a.name), f"{a.what}: {_said(a.before)} → {_said(a.after)}") for a in one.altered)
    parts += _rows("Changed", changed)
    return Group(*parts, *([""] if parts else []), Text(line(one), "bold"))


def line(one: Changes) -> str:
    """`Since 2026-03-02: 1 new finding, 2 resolved; 3 new places, 1 gone, 12 renewed.`"""
    since = f"Since {one.since[:10]}: " if one.since else ""
    findings = [(len(one.found), "new finding", "new findings"), (len(one.resolved), "resolved", "resolved")]
    places = [
        (len(one.new), "new place", "new places"),
        (len(one.gone), "gone", "gone"),
        (len(one.renewed), "renewed", "renewed"),
        (len(one.replaced), "replaced", "replaced"),
        (len(one.partly), "partly", "partly"),
        (len(one.altered), "change", "changes"),
        (max(len(one.unclear), len(one.lost)), "not looked at", "not looked at"),
        (len(one.regained), "looked at again", "looked at again"),
    ]
    said = [", ".join(count(number, *words) for number, *words in part if number) for part in (findings, places)]
    return f"{since}{'; '.join(filter(None, said)) or 'nothing has changed'}."


def _findings(title: str, found: Sequence[Found]) -> Iterator[RenderableType]:
    if found:
        rows = grid("", "", "")
        for one in sorted(found, key=lambda each: -each.severity.rank):
            said = Text.assemble((_said(one.name), "bold"), f": {_said(one.message)}")
            rows.add_row(Text(one.severity.value, SEVERITY_STYLE[one.severity]), Text(_said(one.rule)), said)
        yield headed(title, rows)


def _rows(title: str, cells: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    rows = list(cells)
    if rows:
        table = grid("", "")
        for where, what in rows:
            table.add_row(Text(where, "bold"), Text(what))
        yield headed(title, table)


def _place(one: Place) -> tuple[str, str]:
    ends = f"ends {day(one.held.ends)}" if one.held.ends else "no certificate"
    names = f"{_said(' '.join(one.held.names[:3]))}, " if one.held.names else ""
    return _said(one.name), f"{names}{ends}"


def _swaps(title: str, swaps: Sequence[Swap]) -> Iterator[RenderableType]:
    """Places of one certificate together."""
    same: dict[tuple[str, str], list[Swap]] = {}
    for swap in swaps:
        same.setdefault((swap.before.fingerprint, swap.after.fingerprint), []).append(swap)
    yield from _rows(title, (_swap(many) for many in same.values()))


def _swap(many: Sequence[Swap]) -> tuple[str, str]:
    shown = [_said(swap.name) for swap in many[: _SHOWN + 1]]
    if len(many) > _SHOWN + 1:
        shown[_SHOWN:] = [f"and {len(many) - _SHOWN} more"]
    ends = f"{day(many[0].before.ends)} → {day(many[0].after.ends)}"
    return "\n".join(shown), ends


def _said(text: str) -> str:
    return visible(text, _MOST_SIGNS)


# ---------------------------------------------------------------- JSON


def json(one: Changes) -> Object:
    """`since`, `until`, `new`, `gone`, `unclear` (not looked at this time), `renewed`, `replaced`, `partly` (at some of
    its addresses), `changed` (`issuer`, `key`, `names`, `certificate`), `found`, `resolved`, `lost`, `regained`,
    `summary` (how many of each)."""
    lists: dict[str, list[Object]] = {
        "new": [_place_object(each) for each in one.new],
        "gone": [_place_object(each) for each in one.gone],
        "unclear": [_place_object(each) for each in one.unclear],
        "renewed": [_swap_object(each) for each in one.renewed],
        "replaced": [_swap_object(each) for each in one.replaced],
        "partly": [_swap_object(each) for each in one.partly],
        "changed": [
            {"place": each.name, "what": each.what, "before": each.before, "after": each.after} for each in one.altered
        ],
        "found": [_found_object(each) for each in one.found],
        "resolved": [_found_object(each) for each in one.resolved],
        "lost": [{"where": where, "message": why} for where, why in one.lost],
        "regained": [{"where": where, "message": why} for where, why in one.regained],
    }
    summary: Object = {name: len(items) for name, items in lists.items()}
    document: Object = {"since": one.since or None, "until": one.until or None}
    for name, items in lists.items():
        document[name] = [*items]
    document["summary"] = summary
    return document


def _place_object(one: Place) -> Object:
    return {"place": one.name, "id": one.id, "location": _location(one.location), "certificate": _held(one.held)}


def _swap_object(one: Swap) -> Object:
    return {"place": one.name, "before": _held(one.before), "after": _held(one.after)}


def _held(one: Held) -> Object | None:
    if not one.fingerprint:
        return None
    return {
        "fingerprint": one.fingerprint,
        "not_after": iso(one.ends),
        "issuer": one.issuer,
        "key": one.key,
        "names": [*one.names],
    }


def _found_object(one: Found) -> Object:
    return {
        "rule": one.rule,
        "name": one.title or None,
        "severity": one.severity.value,
        "place": one.name,
        "id": one.id,
        "location": _location(one.location),
        "about": one.about or None,
        "message": one.message,
        "remedy": one.remedy,
    }


def _location(one: Location) -> Object:
    return {"system": one.system, "address": one.address}
