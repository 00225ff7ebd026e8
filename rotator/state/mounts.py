"""Which kind of file system a path is on: SQLite's WAL needs shared memory, which no network file system has."""

from __future__ import annotations

import re
from pathlib import Path

NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "lustre",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
    }
)
_TABLE = Path("/proc/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path) -> str:
    """The kind of network file system that a path is on; empty when it is on none, or that cannot be told."""
    try:
        table = _TABLE.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""
    kind = file_system(path.resolve(), table)
    return kind if kind in NETWORK else ""


def file_system(path: Path, table: str) -> str:
    """The type of the file system that holds an absolute path, by a mount table (fstab(5)); the last mount wins."""
    best, kind = -1, ""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = Path(_OCTAL.sub(lambda match: chr(int(match.group(1), 8)), fields[1]))
        depth = len(mount.parts)
        if path.is_relative_to(mount) and depth >= best:
            best, kind = depth, fields[2]
    return kind
