"""Files that match a pattern, where nothing is passed over in silence.

As in a shell: `*` and `?` within one name, `[…]`, `**` for any number of folders; names that begin with a dot only
where the pattern does. `**` does not follow links to folders, so it ends, and finds each file once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

_ANY_DEPTH = "**"
_MAGIC = frozenset("*?[")

Unlooked = Callable[[str], None]
"""Told, in a clause, of each place that could not be looked at."""


def expand(pattern: str, unlooked: Unlooked) -> Iterator[Path]:
    """Yield what is no folder and matches an absolute pattern, by name; a plain path that does not exist is told of."""
    parts = Path(pattern).parts
    plain = next((index for index, part in enumerate(parts) if _is_magic(part)), len(parts))
    root = Path(*parts[:plain])
    if plain == len(parts):
        yield from _one(root, unlooked)
        return
    if parts[-1] == _ANY_DEPTH:
        parts = (*parts, "*")
    seen: set[Path] = set()
    for path in _matches(root, parts[plain:], unlooked):
        if path not in seen:  # `a/**/b/**` can reach a file in two ways
            seen.add(path)
            yield path


def _is_magic(part: str) -> bool:
    return not _MAGIC.isdisjoint(part)


def _one(path: Path, unlooked: Unlooked) -> Iterator[Path]:
    if path.is_dir():
        unlooked(f"{path} is a folder; write {path}/*.crt")
    elif path.is_symlink() or path.exists():
        yield path
    else:
        unlooked(f"{path} does not exist")


def _matches(folder: Path, parts: Sequence[str], unlooked: Unlooked) -> Iterator[Path]:
    part, rest = parts[0], parts[1:]
    if not _is_magic(part):
        yield from _named(folder / part, rest, unlooked)
        return
    entries = _entries(folder, unlooked)
    if part == _ANY_DEPTH:
        yield from _matches(folder, rest, unlooked)
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield from _matches(folder / entry.name, parts, unlooked)
        return
    for entry in entries:
        if not _fits(entry.name, part):
            continue
        is_folder = _leads_to_folder(entry)
        if rest and is_folder:
            yield from _matches(folder / entry.name, rest, unlooked)
        elif not rest and not is_folder:
            yield folder / entry.name


def _named(path: Path, rest: Sequence[str], unlooked: Unlooked) -> Iterator[Path]:
    """A plain name behind a pattern: where it does not exist it just does not match."""
    if rest and path.is_dir():
        yield from _matches(path, rest, unlooked)
    elif not rest and not path.is_dir() and (path.is_symlink() or path.exists()):
        yield path


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # links in a circle: whoever opens it says so


def _entries(folder: Path, unlooked: Unlooked) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        unlooked(f"{folder}: {error.strerror}")
        return []
