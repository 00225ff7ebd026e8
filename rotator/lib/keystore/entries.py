"""From groups of certificates to entries: each with a name that tells it from the others, and with its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rotator.core.model import Chain, KeyFacts, Use
from rotator.lib.keystore.contents import Entry
from rotator.lib.keystore.groups import Group
from rotator.lib.keystore.private import HeldKey

_LONGEST_ALIAS = 200


def entries_of(found: Sequence[Group], keys: Sequence[HeldKey]) -> tuple[Entry, ...]:
    """Groups as entries, told apart by position where there are several, with the keys of the same file."""
    several = len(found) > 1
    return tuple(
        Entry(
            str(group.position + 1) if several else "",
            group.certificates,
            group.use,
            _key_of(group, keys, several=several),
        )
        for group in found
    )


def _key_of(group: Group, keys: Sequence[HeldKey], *, several: bool) -> KeyFacts | None:
    """The key that fits; else, where there is no other certificate it could be for, the first."""
    if group.use is Use.TRUST:
        return None
    chain = Chain(group.certificates)
    fitting = next((key for key in keys if key.spki and key.spki == chain.spki), None)
    if fitting is None and not several:
        fitting = next((key for key in keys if key.encrypted), next(iter(keys), None))
    return fitting.facts(chain, None) if fitting else None


def distinct(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same, each with an alias of its own that can be shown: a name that comes again gets its position too."""
    taken: set[str] = set()
    found: list[Entry] = []
    for position, entry in enumerate(entries, start=1):
        alias = _shown(entry.alias)
        if alias in taken:
            alias = f"{alias}~{position}"
        taken.add(alias)
        found.append(entry if alias == entry.alias else replace(entry, alias=alias))
    return tuple(found)


def _shown(alias: str) -> str:
    """Aliases are anybody's text: no line breaks, no halves of characters, and not a page long."""
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in alias[:_LONGEST_ALIAS])
    return plain.encode("utf-8", "replace").decode()
