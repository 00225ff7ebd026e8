"""Which kinds of sources, issuers, targets and alerters there are: the entry points of installed packages.

A third party's package adds a kind by an entry point in `rotator.sources`, `.issuers`, `.targets` or `.alerters`; the
kinds that come with rotator are found the same way.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from rotator.errors import RotatorError
from rotator.settings import PluginSettings

Group = Literal["sources", "issuers", "targets", "alerters"]
_EXTRA = re.compile(r"""^(?P<name>[A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['"](?P<extra>[^'"]+)['"]""")


class PluginError(RotatorError):
    """A plugin cannot be used: its package is broken, or another one claims the same kind."""


class UnknownKind(PluginError):  # noqa: N818 - reads as what happened
    """No installed package has this kind.

    Attributes:
        nearest: the kind that was probably meant; empty when none comes near.
    """

    def __init__(self, message: str, *, nearest: str = "") -> None:
        super().__init__(message)
        self.nearest = nearest


def kinds(group: Group) -> tuple[str, ...]:
    """Every kind of a group, in order of the alphabet; nothing is imported."""
    return tuple(sorted(_entries(group, tuple(sys.path))))


def find(group: Group, kind: str) -> type:
    """The class of a kind; its module is imported now.

    Raises:
        UnknownKind: there is none of this name.
        PluginError: two packages have it, or its module cannot be imported, or it is no plugin.
    """
    entries = _entries(group, tuple(sys.path)).get(kind)
    if not entries:
        nearest = next(iter(get_close_matches(kind, kinds(group), n=1)), "")
        hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(kinds(group)) or 'none'}"
        raise UnknownKind(f"{kind!r} is no kind of {group}; {hint}", nearest=nearest)
    if len(entries) > 1:
        owners = ", ".join(sorted(_owner(entry) for entry in entries))
        raise PluginError(f"the kind {kind!r} of {group} is claimed by {owners}; uninstall all but one of them")
    return _loaded(group, entries[0])


def settings_class(group: Group, kind: str) -> type[PluginSettings]:
    """The settings of a kind: what an operator writes under it.

    Raises:
        UnknownKind: there is none of this name.
        PluginError: as for `find`.
    """
    settings: type[PluginSettings] = find(group, kind).Settings  # type: ignore[attr-defined]  # `find` made sure of it
    return settings


@lru_cache(maxsize=32)
def _entries(group: Group, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Entry points by kind; `path` is where packages are looked for, and only there for the cache."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=f"rotator.{group}"):
        others = found.get(entry.name, ())
        if all(other.value != entry.value or _owner(other) != _owner(entry) for other in others):
            found[entry.name] = (*others, entry)
    return found


def _loaded(group: Group, entry: EntryPoint) -> type:
    try:
        loaded = entry.load()
    except ImportError as error:
        raise PluginError(_why_not(group, entry, error)) from error
    except Exception as error:  # a third party's module may raise anything while it is imported
        raise PluginError(f"the {group} plugin {entry.name} of {_owner(entry)} cannot be loaded: {error}") from error
    settings = getattr(loaded, "Settings", None)
    if not isinstance(loaded, type) or not isinstance(settings, type) or not issubclass(settings, PluginSettings):
        raise PluginError(f"{entry.value} of {_owner(entry)} is no plugin: it has no Settings of rotator's kind")
    return loaded


def _why_not(group: Group, entry: EntryPoint, error: ImportError) -> str:
    missing = (error.name or "").partition(".")[0]
    extra = _extra_with(missing, entry) if missing else ""
    if extra:
        return (
            f"the {group} plugin {entry.name} needs {missing}; install it with: pip install '{_owner(entry)}[{extra}]'"
        )
    return f"the {group} plugin {entry.name} of {_owner(entry)} cannot be imported: {error}"


def _extra_with(module: str, entry: EntryPoint) -> str:
    """The extra of the plugin's package that brings a module; a module may be the end of its project's name."""
    wanted = _plain(module)
    for requirement in (entry.dist.requires or ()) if entry.dist else ():
        match = _EXTRA.match(requirement)
        if match and f"-{_plain(match['name'])}".endswith(f"-{wanted}"):
            return match["extra"]
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unknown package"
