"""Every file below some folders, each once, whatever leads to it; nothing is passed over in silence that should not be.

Left out, because nobody keeps certificates there or because they are found under a better name:

- the file systems in which the kernel shows itself (`/proc`, `/sys`, `/dev` and the like);
- pipes, sockets and devices: reading one may never end;
- `archive` of certbot beside its `live`, whose links lead to what counts; the kubelet's `..data` and what it leads to.

Links are followed last, so that a file is found under its own name rather than under that of a link; where it has none
among the folders, under the name that says most.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from pathlib import Path

_KERNEL = {
    *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
    *("fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs"),
    "tracefs",
}
_MOUNTS = Path("/proc/self/mountinfo")
_HASHED = re.compile(r"[0-9a-f]{8}\.r?\d+")  # openssl-rehash(1)
_KUBELET = "..data"

Excluded = Callable[[str], bool]
"""Whether a path is left out."""

Unlooked = Callable[[str, str], None]
"""Told the path of each folder that could not be looked at, and why."""


def excluding(patterns: Sequence[str]) -> Excluded:
    """Whether a path is left out; a pattern without a `/` is one for names."""
    if not patterns:
        return lambda path: False
    anywhere = (pattern if "/" in pattern else f"*/{pattern}" for pattern in patterns)
    expression = re.compile("|".join(translate(pattern.rstrip("/")) for pattern in anywhere))
    return lambda path: expression.match(path) is not None


def kernel_devices() -> dict[int, str]:
    """The device numbers of the file systems in which the kernel shows itself, each with its type (proc(5))."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}  # no /proc, so it is not among the folders either
    found: dict[int, str] = {}
    for line in lines:
        mount, _, system = line.partition(" - ")
        major, _, minor = mount.split()[2].partition(":")
        kind = system.split(" ", 1)[0]
        if kind in _KERNEL:
            found[os.makedev(int(major), int(minor))] = kind
    return found


class Walk:
    """One walk; `files` gives each path as it is reached from the folder that was named."""

    def __init__(self, folders: Iterable[str], excluded: Excluded, unlooked: Unlooked) -> None:
        self._folders = list(folders)
        self._excluded = excluded
        self._unlooked = unlooked
        self._kernel = kernel_devices()
        self._visited: set[tuple[int, int]] = set()
        self._links: list[str] = []

    def files(self) -> Iterator[str]:
        """Regular files folder by folder, then what links lead to; a link that leads nowhere is given too."""
        for folder in self._folders:
            yield from self._below(folder, named=True)
        while self._links:
            links, self._links = sorted(self._links, key=_says_little), []
            for link in links:
                yield from self._behind(link)

    def _below(self, top: str, *, named: bool = False) -> Iterator[str]:
        stack = [top]
        while stack:
            folder = stack.pop()
            if self._enter(folder, named=named and folder == top):
                folders, files = self._sorted(folder)
                yield from files
                stack.extend(reversed(folders))

    def _enter(self, folder: str, *, named: bool) -> bool:
        try:
            status = os.stat(folder)  # noqa: PTH116 - a Path for each folder of a machine is too dear
        except OSError as error:
            self._unlooked(folder, error.strerror or str(error))
            return False
        if status.st_dev in self._kernel:
            if named:
                self._unlooked(folder, f"the kernel shows itself there ({self._kernel[status.st_dev]}), with no files")
            return False
        identity = (status.st_dev, status.st_ino)
        new = identity not in self._visited
        self._visited.add(identity)
        return new

    def _sorted(self, folder: str) -> tuple[list[str], list[str]]:
        """The folders and the files in one folder; links are kept for later."""
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=_name)
        except OSError as error:
            self._unlooked(folder, error.strerror or str(error))
            return [], []
        folders: list[str] = []
        files: list[str] = []
        for entry in _without_stand_ins(entries):
            path = entry.path
            if self._excluded(path):
                continue
            if entry.is_file(follow_symlinks=False):
                files.append(path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_symlink():
                self._links.append(path)
        return folders, files

    def _behind(self, link: str) -> Iterator[str]:
        try:
            mode = os.stat(link).st_mode  # noqa: PTH116 - the same
        except OSError:
            yield link  # whoever opens it says why, if its name makes it worth saying
            return
        if stat.S_ISDIR(mode):
            yield from self._below(link)
        elif stat.S_ISREG(mode):
            yield link


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _without_stand_ins(entries: list[os.DirEntry[str]]) -> Iterable[os.DirEntry[str]]:
    """Without folders whose files are reached, under names that last, by links beside them."""
    names = {entry.name for entry in entries if entry.name in {"archive", "live", "renewal", _KUBELET}}
    certbot, kubelet = names >= {"archive", "live", "renewal"}, _KUBELET in names
    if not (certbot or kubelet):
        return entries
    return [
        entry
        for entry in entries
        if not (certbot and entry.name == "archive") and not (kubelet and entry.name.startswith(".."))
    ]


def _says_little(link: str) -> tuple[bool, bool, str]:
    """How links are ordered: certbot's `live` first, the hashes that OpenSSL looks up by last."""
    folder, _, name = link.rpartition("/")
    return "/live/" not in f"{folder}/", _HASHED.fullmatch(name) is not None, link
