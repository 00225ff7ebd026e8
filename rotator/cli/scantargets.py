"""What `rotator scan` is pointed at: words on the command line, in `@file`s and on standard input.

Endpoints may be millions, so they are read as they are looked at; what else is named is put aside until they end.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Mistake
from rotator.cli.scanlists import bounded, check_list, lines_in, refused, words_of
from rotator.cli.screen import remark
from rotator.core.audit import Unseen

if TYPE_CHECKING:
    from rotator.core.model import Endpoint

WIDE = 1024
"""Addresses of one range (a /22); what is wider is only looked at with `--yes`."""

PLUGIN_SCHEMES: Mapping[str, str] = {"k8s": "kubernetes", "vault": "vault", "acm": "aws_acm"}
"""What stands before `://` where a source is meant that is no endpoint, and the kind of that source."""

_GLOB = "*?"
_HOST_AND_PORT = re.compile(r"^[A-Za-z0-9._-]+:\d{1,5}$")
_SUFFIXES = (".pem", ".crt", ".cer", ".der", ".p12", ".pfx", ".p7b", ".jks", ".key")
"""Endings that no host has, so that a mistyped file is not looked up in the DNS."""


@dataclass(slots=True)
class Targets:
    """The words of one scan; `endpoints` reads them, once.

    Attributes:
        words: as given; `@file` and `-` stand for their lines.
        wide: look at ranges of any size.
        folders, files: absolute paths, and globs.
        plugins: words for sources by their kind, as `k8s://prod`.
        unseen: what could not be looked at, or made no sense in a list.
        count: places that will be looked at, where that can be told before; None where standard input is read, or
            something else than endpoints.
    """

    words: tuple[str, ...]
    stdin: Iterable[str] = field(default_factory=lambda: bounded(sys.stdin))
    wide: bool = False
    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    plugins: list[tuple[str, str]] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    _mixed: bool = False
    _told: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Refuse what makes no sense on the command line, before anything is looked at.

        Raises:
            Mistake: a word is nothing that can be looked at, a list cannot be read, a range is too wide.
        """
        for word in self.words:
            if word.startswith("@"):
                check_list(Path(word[1:]))
            elif word != "-":
                self._sort(word)
        self._mixed = bool(self.folders or self.files or self.plugins)
        for found in (self.folders, self.files, self.plugins, self.unseen):
            found.clear()

    @property
    def count(self) -> int | None:
        if "-" in self.words or self._mixed:
            return None
        return sum(lines_in(Path(word[1:])) if word.startswith("@") else _count(word) for word in self.words)

    def endpoints(self) -> Iterator[Endpoint]:
        """Every endpoint that is named, as the words are read; the rest is sorted on the way."""
        for word in self.words:
            if word == "-":
                yield from self._listed("standard input", self.stdin)
            elif word.startswith("@"):
                with Path(word[1:]).open(encoding="utf-8", errors="backslashreplace") as file:
                    yield from self._listed(word[1:], bounded(file))
            else:
                yield from self._sort(word)

    def _listed(self, name: str, lines: Iterable[str]) -> Iterator[Endpoint]:
        """The endpoints of a list. A line that makes no sense hides no other."""
        for number, word in words_of(name, lines):
            try:
                yield from self._sort(word)
            except Mistake as mistake:
                self.unseen.append(Unseen(f"{name}:{number}", refused(word, mistake), whole=True))

    def _sort(self, word: str) -> Iterator[Endpoint]:
        """The endpoints of a word; or none, and it is put where it is looked for.

        `host:port` is an endpoint, without a look at the disk: of these there may be millions. What exists as a path is
        one, and a person is told where it could be a host as well; of the rest, what begins like a path or has a glob.
        """
        if _HOST_AND_PORT.match(word):
            return self._expanded(word)
        if not word.strip():
            raise Mistake("a target is empty; is a variable not set?")
        scheme, found, _ = word.partition("://")
        path = str(Path(os.path.expanduser(word)).absolute())  # noqa: PTH111 - Path raises for `~nobody`
        if found and scheme in PLUGIN_SCHEMES:
            self.plugins.append((PLUGIN_SCHEMES[scheme], word))
        elif found:
            return self._expanded(word)
        elif os.path.lexists(path):
            self._tell_path(word, path)
            (self.folders if os.path.isdir(path) else self.files).append(path)  # noqa: PTH112 - Path may raise
        elif _is_path(word):
            self._add_path(path)
        else:
            return self._expanded(word)
        return iter(())

    def _tell_path(self, word: str, path: str) -> None:
        """Once, where a host could be meant."""
        if "." in word and not _is_path(word) and word not in self._told:
            self._told.add(word)
            remark(f"rotator: {word} is taken for the path {path}; write {word}:443 for the host")

    def _add_path(self, path: str) -> None:
        if any(sign in path for sign in _GLOB):
            self.files.append(path)
        else:
            self.unseen.append(Unseen(path, "No such file or directory"))

    def _expanded(self, word: str) -> Iterator[Endpoint]:
        from rotator.lib.endpoint import count, expand

        try:
            addresses = count(word) if "/" in word else 1
            if addresses > WIDE and not self.wide:
                raise Mistake(f"{word} has {addresses} addresses; say --yes to look at more than {WIDE} of a range")
            return expand(word)
        except ValueError as error:
            other = "" if "://" in word else "; a file or folder of that name does not exist either"
            raise Mistake(f"{error}{other}") from error


def _is_path(word: str) -> bool:
    """What begins or ends like a path, is a glob, or has a slash and is no range of addresses."""
    from rotator.lib.endpoint import is_range

    if word.lower().endswith(_SUFFIXES):
        return True
    if word.startswith(("/", "./", "../", "~")) or any(sign in word for sign in _GLOB):
        return True
    return "/" in word and not is_range(word)


def _count(word: str) -> int:
    from rotator.lib.endpoint import count

    try:
        return count(word)
    except ValueError:
        return 0
