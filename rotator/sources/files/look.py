"""From one file to its observations: read, sorted into entries, each with its key."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rotator.core.adoptable import never_adopt
from rotator.core.model import Chain, Location, Observation, Problem, ProblemKind, Use
from rotator.lib import generations, keystore
from rotator.lib.keystore import Contents, Entry, KeystoreError, Kind, Reference
from rotator.lib.plainfile import Text, Unfit, read_if
from rotator.sources.files.beside import Beside
from rotator.sources.files.keys import FoundKey, Keys
from rotator.sources.files.telling import (
    CERTIFICATE_SUFFIXES,
    has_certificate_block,
    is_pem_file,
    labels,
    never_written,
    owner,
    shown,
)

_PLAIN_NAME = ".crt"
_TRUSTED = "trusted"
"""What follows the path of a keystore where the certificates that it trusts are one place among others."""
_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What opening a link says that leads to nothing, or in a circle."""

_KUBECONFIGS = ("config", ".conf", ".kubeconfig")


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was read.

    Attributes:
        searched: it was come upon in a search, nobody named it.
        use, key_path: what a kubeconfig says of it.
    """

    path: Path
    location: Location
    text: Text
    searched: bool
    use: Use | None = None
    key_path: Path | None = None


@dataclass(slots=True)
class Look:
    """One look at the files of this machine; each place, and in searches each file, is told once."""

    system: str
    passwords: tuple[str, ...] = field(default=(), repr=False)
    _keys: Keys = field(default_factory=Keys)
    _beside: Beside = field(default_factory=Beside)
    _places: set[str] = field(default_factory=set)
    _files: set[tuple[int, int]] = field(default_factory=set)

    def named(self, path: Path) -> Iterator[Observation]:
        """What a file holds that somebody named; nothing where it is a key or a request, or gone again."""
        return self._told(self._at(path, None))

    def found(self, path: str) -> Iterable[Observation]:
        """What a file holds that a search came upon; nothing where it is none for certificates."""
        try:
            text = read_if(path, _wanted, head=keystore.HEAD, cut=True)
        except OSError as error:
            if error.errno not in _NOWHERE:
                return self._told([_unseen(self._location(Path(path)), error)])
            return self.named(Path(path)) if path.endswith(_PLAIN_NAME) else ()
        except Unfit:
            return ()  # it has become a pipe since it was listed
        if text is None:
            return self.named(Path(path)) if path.endswith(_PLAIN_NAME) else ()
        if text.identity in self._files or not _is_for_certificates(path, text):
            return ()
        return self._told(self._at(Path(path), text))

    def _told(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        for observation in observations:
            if observation.location.address not in self._places:
                self._places.add(observation.location.address)
                yield observation

    # ------------------------------------------------------------ one file

    def _at(self, path: Path, text: Text | None) -> Iterator[Observation]:
        """Of a folder of generations only the current one counts, and the folder is the place."""
        folder = generations.enclosing(path)
        if folder is not None:
            if path.name != generations.CERTIFICATE:
                return
            path = folder / generations.CURRENT / generations.CERTIFICATE
        location = self._location(folder or path)
        if text is None or folder is not None:
            got = _read_named(location, path)
            if not isinstance(got, Text):
                yield from [got] if got else []
                return
            file = _File(path, location, got, searched=text is not None)
        else:
            file = _File(path, location, text, searched=True)
        yield from self._of(file)

    def _of(self, file: _File) -> Iterator[Observation]:
        try:
            contents = _contents(file.text, self.passwords)
        except (keystore.Locked, keystore.Unsupported) as error:
            yield _problem(file.location, ProblemKind.UNSEEN, str(error))
            return
        except keystore.TooLarge as error:
            if not file.searched or _is_worth_telling(file):
                yield _problem(file.location, ProblemKind.UNSEEN, f"{error}: split it, or leave it out with `exclude`")
            return
        except KeystoreError as error:
            if not file.searched or _is_worth_telling(file):
                yield _unreadable(file.location, str(error))
            return
        if not contents.entries and not contents.references:
            if not file.searched and contents.kind is not Kind.PEM:
                yield _unreadable(file.location, contents.remark)
            return
        self._files.add(file.text.identity)
        contents = replace(contents, entries=_with_trust_as_one(contents.entries))
        for entry in contents.entries:
            yield self._observation(file, contents, entry)
        for reference in contents.references:
            yield from self._referred(file, reference)

    def _observation(self, file: _File, contents: Contents, entry: Entry) -> Observation:
        several = len(contents.entries) > 1
        location = self._location_of(file, entry, several=several)
        if entry.problem:
            return _unreadable(location, entry.problem)
        chain = Chain(entry.certificates)
        key, use = self._key(file, contents, entry, chain)
        anchors = self._beside.anchors(file.path)
        embedded = file.searched and not is_pem_file(str(file.path), file.text.content)
        return Observation(
            location=location,
            chain=chain,
            key=key.facts if key else None,
            owner=owner(file.path),
            labels=labels(file.location, file.path, entry, contents, key),
            anchors=anchors,
            never_adopt=never_adopt(chain, anchors)
            or never_written(file.path, contents, key, several=several, embedded=embedded),
            use=file.use or use,
            beside=self._beside.issuers(file.path, chain.leaf) if _is_bare(contents, entry) else (),
        )

    def _key(self, file: _File, contents: Contents, entry: Entry, chain: Chain) -> tuple[FoundKey | None, Use]:
        """The key of an entry and what the entry is for: CA certificates are trusted unless their key is there."""
        if entry.key is not None:
            mode = self._keys.reach.mode(file.path, file.text.mode)
            return FoundKey(file.path, replace(entry.key, mode=mode)), entry.use
        if contents.kind not in {Kind.PEM, Kind.DER, Kind.PKCS7}:
            return None, entry.use
        if file.key_path is not None:
            return self._keys.at(file.key_path, chain), entry.use
        is_trusted = entry.use is Use.TRUST
        key = self._keys.find(file.path, chain, fitting=is_trusted or len(contents.entries) > 1)
        return key, Use.SERVE if is_trusted and key else entry.use

    def _referred(self, file: _File, reference: Reference) -> Iterator[Observation]:
        """A file that a kubeconfig names, relative to itself."""
        path = Path(os.path.normpath(file.path.parent / reference.path))
        location = self._location(path)
        got = _read_named(location, path)
        if got is None:
            place = Location(self.system, f"{file.location.address}#{reference.alias}")
            yield _unreadable(place, f"it refers to {shown(str(path))}, which does not exist")
        elif isinstance(got, Observation):
            yield got
        elif got.identity not in self._files:
            key = file.path.parent / reference.key_path if reference.key_path else None
            yield from self._of(_File(path, location, got, searched=False, use=reference.use, key_path=key))

    # ------------------------------------------------------------ places

    def _location(self, path: Path) -> Location:
        return Location(self.system, shown(str(path)))

    def _location_of(self, file: _File, entry: Entry, *, several: bool) -> Location:
        if not several or not entry.alias:
            return file.location
        return Location(self.system, f"{file.location.address}#{entry.alias}")


def _with_trust_as_one(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What a keystore trusts is one place, like a bundle in PEM: a store of 144 roots is not 144 places."""
    trusted = [entry for entry in entries if entry.use is Use.TRUST and not entry.problem and entry.key is None]
    if len(trusted) < 2:
        return entries
    every = tuple(dict.fromkeys(certificate for entry in trusted for certificate in entry.certificates))
    others = tuple(entry for entry in entries if entry not in trusted)
    return (*others, replace(trusted[0], alias=_TRUSTED if others else "", certificates=every))


def _is_bare(contents: Contents, entry: Entry) -> bool:
    """Whether a file holds a leaf in PEM and nothing else: then what it needs may be given to its server apart."""
    alone = contents.kind is Kind.PEM and len(contents.entries) == 1 and len(entry.certificates) == 1
    return alone and entry.key is None and entry.use is not Use.TRUST


def _contents(text: Text, passwords: tuple[str, ...]) -> Contents:
    if not text.whole:
        raise keystore.TooLarge(f"it is larger than {len(text.content) >> 20} MiB")
    return keystore.read(text.content, passwords)


def _wanted(head: bytes) -> int | None:
    """How much to read of a file that a search comes upon."""
    kind = keystore.sniff(head)
    if kind is None and not keystore.may_follow(head):
        return None
    return keystore.most_bytes(kind)


def _is_for_certificates(path: str, text: Text) -> bool:
    kind = keystore.sniff(text.content)
    if kind is Kind.PEM:
        return has_certificate_block(text.content) or path.endswith(CERTIFICATE_SUFFIXES)
    return kind is not None or path.endswith(_PLAIN_NAME)


def _is_worth_telling(file: _File) -> bool:
    """Whether it is a fault that a file which nobody named cannot be read: it is there to be read as certificates."""
    name = file.path.name
    match keystore.sniff(file.text.content):
        case Kind.PEM:
            return is_pem_file(name, file.text.content)
        case Kind.KUBECONFIG:
            return name.endswith(_KUBECONFIGS)
        case Kind.JWKS:
            return False
        case None:
            return name.endswith(_PLAIN_NAME)
        case _:
            return True


def _read_named(location: Location, path: Path) -> Text | Observation | None:
    """What a file holds, or what is told of it instead; None where it is gone."""
    try:
        return read_if(path, lambda head: keystore.most_bytes(keystore.sniff(head)), head=keystore.HEAD, cut=True)
    except FileNotFoundError:
        return _unreadable(location, "the link leads nowhere") if path.is_symlink() else None
    except Unfit as error:
        return _unreadable(location, str(error))
    except OSError as error:
        return _unseen(location, error)


def _unseen(location: Location, error: OSError) -> Observation:
    return _problem(location, ProblemKind.UNSEEN, error.strerror or str(error))


def _unreadable(location: Location, why: str) -> Observation:
    return _problem(location, ProblemKind.UNREADABLE, why)


def _problem(location: Location, kind: ProblemKind, why: str) -> Observation:
    return Observation(location, problem=Problem(kind, f"{location.address}: {why}"))
