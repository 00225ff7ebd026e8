"""What one part of the config says of another: references that lead nowhere, names twice, rules that contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rotator.config.entries import Plugins
from rotator.config.keys import key_problems
from rotator.config.mistakes import unknown_key
from rotator.config.model import Adoption, Declared, File
from rotator.config.names import name_problems
from rotator.config.readable import Readable
from rotator.config.source import Document, Where, shown
from rotator.config.trusts import Trusts
from rotator.core.lead import FIXED_NEEDS, span
from rotator.core.model import TargetSpec
from rotator.core.places import SELF
from rotator.errors import ConfigProblem
from rotator.validating import as_far_as_read


def reference_problems(document: Document, read: Readable, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Everything that is wrong between entries, as far as they could be read."""
    tree = document.tree if isinstance(document.tree, dict) else {}
    yield from _lead_nowhere(document, tree)
    yield from _names_twice(document, tree)
    if SELF in _names(tree.get("sources")):
        message = "this name is taken: the source `self` is what rotator itself depends on; name it otherwise"
        yield document.problem(("sources", SELF), message, key=True)
    yield from _places_twice(document, plugins)
    yield from as_far_as_read(_ticks(document, read.file))
    yield from key_problems(document, read, plugins)
    yield from name_problems(document, read, plugins)
    for where, certificate in read.certificates.items():
        yield from as_far_as_read(_lifetime(document, where, certificate, read.file))
    trusts = Trusts(plugins.issuers)
    for where, either in read.both:
        yield from as_far_as_read(_trusted(document, where, either, trusts))


# ---------------------------------------------------------------- names


def _lead_nowhere(document: Document, tree: Mapping[str, object]) -> Iterator[ConfigProblem]:
    issuers, sources = _names(tree.get("issuers")), _names(tree.get("sources"))
    for section in ("adopt", "certificates"):
        for index, entry in _mappings(tree.get(section)):
            for where, name in _said((section, index, "issuer"), entry.get("issuer")):
                if name not in issuers:
                    yield document.problem(where, unknown_key(name, issuers, "name of an issuer"))
            for where, name in _said((section, index, "from"), entry.get("from") if section == "adopt" else None):
                if name not in sources:
                    yield document.problem(where, unknown_key(name, sources, "name of a source"))


def _names_twice(document: Document, tree: Mapping[str, object]) -> Iterator[ConfigProblem]:
    seen: dict[str, int] = {}
    for index, entry in _mappings(tree.get("certificates")):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            first = shown(("certificates", seen[name]))
            yield document.problem(("certificates", index, "name"), f"{name!r} is already the name of {first}")
        seen.setdefault(name, index)


def _places_twice(document: Document, plugins: Plugins) -> Iterator[ConfigProblem]:
    """Two certificates in one place would overwrite each other for ever."""
    seen: dict[str, Where] = {}
    for entries in plugins.targets.values():
        for entry in entries:
            canonical = TargetSpec(entry.kind, entry.raw).canonical
            if canonical in seen:
                yield document.problem(entry.where, f"this place is already {shown(seen[canonical])}")
            seen.setdefault(canonical, entry.where)


def _names(entries: object) -> list[str]:
    return [str(name) for name in entries] if isinstance(entries, dict) else []


def _mappings(entries: object) -> Iterator[tuple[int, dict[str, object]]]:
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def _said(where: Where, value: object) -> Iterator[tuple[Where, str]]:
    """One name, or each of a list of names, with its place."""
    if isinstance(value, str):
        yield where, value
    for index, name in enumerate(value if isinstance(value, list) else ()):
        if isinstance(name, str):
            yield (*where, index), name


# ---------------------------------------------------------------- rules


def _ticks(document: Document, file: File) -> Iterator[ConfigProblem]:
    if file.shortest_tick <= file.check_every:
        return
    if ("shortest_tick",) in document.values:
        message = f"it is longer than check_every ({span(file.check_every)})"
        yield document.problem(("shortest_tick",), message)
    else:
        message = f"it is shorter than shortest_tick ({span(file.shortest_tick)}); say that one too"
        yield document.problem(("check_every",), message)


def _trusted(document: Document, where: Where, either: Declared | Adoption, trusts: Trusts) -> Iterator[ConfigProblem]:
    yield from trusts.problems(document, where, either.trust, either.issuer)


def _lifetime(document: Document, where: Where, certificate: Declared, file: File) -> Iterator[ConfigProblem]:
    lifetime = certificate.lifetime
    if lifetime is None:
        return
    at = (*where, "lifetime")
    if file.due_rule == "fixed" and lifetime < FIXED_NEEDS:
        days = f"{span(FIXED_NEEDS)} or more; use due_rule: lifetime"
        yield document.problem(at, f"due_rule: fixed (30 days before the end) needs lifetimes of {days}")
    least: timedelta = 4 * file.shortest_tick
    if lifetime < least:
        yield document.problem(
            at,
            f"{certificate.name} cannot be kept alive: {span(lifetime)} is under four shortest ticks ({span(least)})",
        )
