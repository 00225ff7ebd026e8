"""Several files that belong together (a certificate and its key), replaced as nearly at once as plain files allow.

New and old content of every file is staged and flushed first, then a journal is written, then the drafts are renamed
back to back. When a rename fails, the old content is put back from its draft, which needs no space. A crash between two
renames leaves the journal: `mend`, called before anything else looks at the files, finishes what was begun.
The journal holds paths and digests, never content.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rotator.lib import atomicfile
from rotator.lib.atomicfile import Staged


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one file is to hold; `content` None removes it. Mode and owner are for a file that does not exist yet."""

    path: Path
    content: bytes | None
    mode: int = 0o600
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """One line of the journal: a file, the drafts of its new and old content, and their digests (None: no file)."""

    path: str
    new: str | None
    old: str | None
    will: str | None
    was: str | None


def journal_beside(path: Path) -> Path:
    """Where the journal of a set lies, by its first file."""
    path = atomicfile.resolve(path)
    return path.with_name(f".{path.name}.rotator-journal")


def replace(files: Sequence[Wanted], journal: Path) -> None:
    """Replace all of the files. The caller holds the locks of their folders, and has mended before.

    Raises:
        OSError: every file holds what it held before.
    """
    with contextlib.ExitStack() as drafts:
        steps = [_stage(wanted, drafts) for wanted in files]
        folders = sorted({Path(step.path).parent for step in steps})
        for folder in folders:
            atomicfile.sync_folder(folder)
        try:
            atomicfile.write(journal, json.dumps([asdict(step) for step in steps]).encode(), mode=0o600)
            _forward(steps)
        except BaseException:
            _back(steps)
            journal.unlink(missing_ok=True)
            raise
        for folder in folders:
            atomicfile.sync_folder(folder)
        journal.unlink(missing_ok=True)


def mend(journal: Path, paths: Sequence[Path]) -> bool:
    """Finish what a crash cut off, and remove the drafts it left; says whether anything had been cut off.

    Where somebody has changed one of the files since, all are left as they are now.

    Raises:
        OSError: it could be neither finished nor undone.
    """
    steps = _read(journal)
    if steps and all(_digest(Path(step.path)) in {step.was, step.will} for step in steps):
        try:
            _forward(steps)
        except OSError:
            _back(steps)
        for folder in sorted({Path(step.path).parent for step in steps}):
            atomicfile.sync_folder(folder)
    for path in {journal, *map(atomicfile.resolve, paths), *(Path(step.path) for step in steps)}:
        atomicfile.sweep(path)
    if steps:  # where nothing was cut off nothing is written, so that a look at a read-only disk works
        journal.unlink(missing_ok=True)
    return bool(steps)


def _stage(wanted: Wanted, drafts: contextlib.ExitStack) -> _Step:
    path = atomicfile.resolve(wanted.path)
    old = _bytes(path)
    staged = [
        None
        if content is None
        else _kept(atomicfile.stage(path, content, mode=wanted.mode, owner=wanted.owner), drafts)
        for content in (wanted.content, old)
    ]
    new_draft, old_draft = (None if each is None else str(each.draft) for each in staged)
    return _Step(str(path), new_draft, old_draft, _sha256(wanted.content), _sha256(old))


def _kept(staged: Staged, drafts: contextlib.ExitStack) -> Staged:
    drafts.callback(staged.discard)
    return staged


def _forward(steps: Sequence[_Step]) -> None:
    for step in steps:
        if _digest(Path(step.path)) != step.will:
            _put(step.new, Path(step.path))


def _back(steps: Sequence[_Step]) -> None:
    for step in reversed(steps):
        if _digest(Path(step.path)) != step.was:
            _put(step.old, Path(step.path))


def _put(draft: str | None, path: Path) -> None:
    if draft is None:
        path.unlink(missing_ok=True)
    else:
        Path(draft).replace(path)


def _read(journal: Path) -> tuple[_Step, ...]:
    text = _bytes(journal)
    if text is None:
        return ()
    try:
        return tuple(_Step(**step) for step in json.loads(text))
    except (ValueError, TypeError) as error:
        raise OSError(
            errno.EINVAL, "it is no journal of rotator; look at the files it stands beside", str(journal)
        ) from error


def _digest(path: Path) -> str | None:
    return _sha256(_bytes(path))


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
