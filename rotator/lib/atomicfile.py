"""Files that are old or new, never half: written beside, flushed to the disk, then renamed over.

`write` replaces one file. `stage` does all of it but the rename, for those who replace several files together.
What is replaced keeps its mode, owner and access list; a symbolic link is followed and stays a link.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_INFIX = ".rotator-"
_SUFFIX = ".tmp"
_KEPT_ATTRIBUTES = ("system.posix_acl_access", "security.selinux")
_NO_ATTRIBUTE = {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.EACCES}


class Staged:
    """Content that lies flushed in the folder of its file, one rename away from being it.

    Attributes:
        path: the file it is for, links resolved.
        draft: where it lies now, locked for as long as this is neither committed nor discarded.
    """

    __slots__ = ("_file", "draft", "path")

    def __init__(self, path: Path, draft: Path, file: IO[bytes]) -> None:
        self.path = path
        self.draft = draft
        self._file = file

    def commit(self) -> None:
        """Rename it into place; `sync_folder` makes that survive a power cut.

        Raises:
            OSError: nothing was changed.
        """
        self.draft.replace(self.path)
        self._file.close()

    def discard(self) -> None:
        """Remove it, if it is still there."""
        self.draft.unlink(missing_ok=True)
        self._file.close()


def write(path: Path, content: bytes, *, mode: int, owner: str | None = None) -> None:
    """Replace a file at once: at every instant, and after a crash, it has its old content or all of the new.

    Args:
        mode: for a file that does not exist yet; one that exists keeps its own.
        owner: `user`, `user:group` or `:group`, for a file that does not exist yet.

    Raises:
        OSError: nothing was changed.
    """
    staged = stage(path, content, mode=mode, owner=owner)
    try:
        staged.commit()
    except OSError:
        staged.discard()
        raise
    sync_folder(staged.path.parent)


def stage(path: Path, content: bytes, *, mode: int, owner: str | None = None) -> Staged:
    """Write content beside its file and flush it to the disk. Left-overs of crashed writers are removed first.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path = resolve(path)
    like = _status(path)
    if like is not None and not stat.S_ISREG(like.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    sweep(path)
    descriptor, draft = _create(path)
    staged = Staged(path, draft, os.fdopen(descriptor, "wb", buffering=0))
    try:
        _write_all(descriptor, content)
        _take_after(descriptor, path, like, mode, owner)
        os.fsync(descriptor)
    except BaseException:
        staged.discard()
        raise
    return staged


def resolve(path: Path) -> Path:
    """The file a path leads to, also when it does not exist yet.

    Raises:
        OSError: the links lead in a circle.
    """
    resolved = Path(os.path.realpath(path))
    if resolved.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return resolved


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(path: Path) -> None:
    """Remove the drafts that crashed writers of this file left. The drafts of living ones are locked, and stay."""
    for draft in drafts(path):
        with contextlib.suppress(FileNotFoundError):
            _remove_unlocked(draft)


def drafts(path: Path) -> tuple[Path, ...]:
    """What writers of this file (links resolved) have not finished; recognised by name: `.name.rotator-….tmp`."""
    prefix = f".{path.name}{_INFIX}"
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return ()
    return tuple(path.parent / name for name in sorted(names))


@contextlib.contextmanager
def folder_lock(folder: Path, patience: Callable[[], None]) -> Iterator[None]:
    """Be the only writer in a folder, among those who ask; the lock ends with the process that holds it.

    Args:
        patience: called as long as another holds it; waits a moment, or raises.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while not _lock(descriptor):
            patience()
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_unlocked(draft: Path) -> None:
    descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if _lock(descriptor):
            draft.unlink()
    finally:
        os.close(descriptor)


def _create(path: Path) -> tuple[int, Path]:
    """Make a draft that nobody else may read, locked for as long as it is open, so that no sweep takes it away."""
    while True:
        draft = path.with_name(f".{path.name}{_INFIX}{secrets.token_hex(4)}{_SUFFIX}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor, draft
        os.close(descriptor)  # a sweep came between the two steps


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:  # a write may be short
        left = left[os.write(descriptor, left) :]


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _take_after(descriptor: int, path: Path, like: os.stat_result | None, mode: int, owner: str | None) -> None:
    """Give a draft the owner, mode and access list of the file it replaces, or those wanted for a new one."""
    if like is None:
        if owner:
            os.fchown(descriptor, *_owner_ids(owner))
        os.fchmod(descriptor, mode)
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
    for name in _KEPT_ATTRIBUTES:
        _copy_attribute(descriptor, path, name)


def _copy_attribute(descriptor: int, path: Path, name: str) -> None:
    try:
        os.setxattr(descriptor, name, os.getxattr(path, name))
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise


def _owner_ids(owner: str) -> tuple[int, int]:
    """Numbers of `user`, `user:group` or `:group`; -1 leaves one as it is.

    Raises:
        OSError: there is no such user or group.
    """
    user, _, group = owner.partition(":")
    try:
        uid = (int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid) if user else -1
        gid = (int(group) if group.isdigit() else grp.getgrnam(group).gr_gid) if group else -1
    except KeyError as error:
        raise OSError(errno.EINVAL, f"no user or group `{owner}`") from error
    return uid, gid
