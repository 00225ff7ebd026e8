"""Whether files could be replaced in a folder, without trying: mode, owner, space, a read-only file system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

ROOM = 32 << 10
"""Bytes that have to be free: certificate and key in old and new, several times over."""


def folder_problem(folder: Path) -> tuple[str, str]:
    """Why no file can be made and renamed in a folder, and what to do about it; both empty where one can."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        return f"the folder {folder} {what}", f"make it, owned by the account that rotator runs as ({_account()})"
    status = os.statvfs(folder)
    if status.f_flag & os.ST_RDONLY:
        return f"{folder} is on a file system that is mounted read-only", "mount it writable"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return (
            f"rotator ({_account()}) may not write in {folder}",
            f"`chown` it to {_account()}, or let its group write",
        )
    if status.f_bavail * status.f_frsize < ROOM:
        return f"less than {ROOM >> 10} KiB is free in {folder}", "make room there"
    if status.f_files and not status.f_favail:
        return f"no inode is free on the file system of {folder}", "remove files there"
    return "", ""


def owner_problem(path: Path) -> tuple[str, str]:
    """Why a file that is replaced could not keep its owner, and what to do about it; both empty where it can."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "", ""
    ours = os.geteuid()
    if ours == 0 or (status.st_uid == ours and status.st_gid in {os.getegid(), *os.getgroups()}):
        return "", ""
    whose = f"{status.st_uid}:{status.st_gid}"
    return (
        f"{path} belongs to {whose}, which rotator ({_account()}) cannot give to a file that replaces it",
        f"`chown {_account()} {path}`, or run rotator as root",
    )


def command_problem(command: Sequence[str]) -> tuple[str, str]:
    """Why a command could not be started, and what to do about it; both empty where it could."""
    program = command[0]
    if shutil.which(program) is not None:
        return "", ""
    if os.sep not in program:
        return f"there is no program `{program}` in the PATH of rotator", "write its whole path, or install it"
    if not Path(program).exists():
        return f"there is no program {program}", "install it, or mend the path in the config"
    return f"{program} may not be executed by rotator ({_account()})", f"`chmod +x {program}`"


def _account() -> str:
    return f"{os.geteuid()}:{os.getegid()}"
