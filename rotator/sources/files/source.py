"""Every certificate in the PEM files that match a pattern, with the key beside it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from rotator.core.adoptable import issuer_name, never_adopt
from rotator.core.model import Certificate, Chain, Location, Observation, Owner, Problem, ProblemKind
from rotator.core.pem import MAX_PEM_BYTES, PemError, read_anchors, read_chain
from rotator.errors import SourceError
from rotator.lib import generations
from rotator.lib.globs import expand
from rotator.lib.plainfile import Text, Unfit, read
from rotator.log import logger
from rotator.ports import Clock
from rotator.settings import PluginSettings
from rotator.sources.files.keys import FoundKey, Keys

log = logger(__name__)

ANCHORS = "ca.crt"
_MOST_TOLD = 5
_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}
_OTHERS = re.compile(rb".*(PRIVATE KEY|PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL|PARAMETERS)")
_SAYS_NOTHING = {"fullchain", "cert", "certificate", "chain", "server", "tls"}
"""Stems that say what a file is, not what it is for; the folder does."""


class FilesSettings(PluginSettings):
    """Which files to look at; `files: ["/etc/ssl/services/*.crt"]` is short for `files: {paths: […]}`."""

    paths: tuple[str, ...] = Field(
        min_length=1, description="Absolute paths or patterns: * and ? within a name, ** for any number of folders."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, given: Any) -> Any:
        return {"paths": given} if isinstance(given, list | tuple) else given

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not Path(path).is_absolute():
                raise ValueError(f"{path!r} is no absolute path; begin it with /")
        return paths


class FilesSource:
    """Certificates in files of this machine. Nothing is written; of keys only what `KeyFacts` says is kept."""

    Settings: ClassVar[type[PluginSettings]] = FilesSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, FilesSettings)
        self.name = name
        self._settings = settings

    def observe(self) -> Iterator[Observation]:
        """Look at every file; folders that could not be listed are told at the end."""
        missed: dict[str, None] = {}  # `a/**/b` may come upon the same folder twice
        system = socket.gethostname()
        look = _Look(system)
        seen: set[str] = set()
        for pattern in self._settings.paths:
            for path in expand(os.path.normpath(pattern), missed.setdefault):
                observation = look.at(path)
                if observation is not None and observation.location.address not in seen:
                    seen.add(observation.location.address)
                    yield observation
        if missed:
            unlooked = list(missed)
            more = f" (and {len(unlooked) - _MOST_TOLD} more)" if len(unlooked) > _MOST_TOLD else ""
            raise SourceError(f"{self.name}: could not look everywhere: {'; '.join(unlooked[:_MOST_TOLD])}{more}")


class _Look:
    """One look at the files of this machine."""

    def __init__(self, system: str) -> None:
        self._system = system
        self._keys = Keys()
        self._anchors: dict[Path, tuple[Certificate, ...]] = {}

    def at(self, path: Path) -> Observation | None:
        """What a file holds; None where it is no place of a certificate: a key, a request, or gone again.

        Of a folder of generations only the current one counts, and the folder is the place.
        """
        folder = generations.enclosing(path)
        if folder is not None:
            if path.name != generations.CERTIFICATE:
                return None
            path = folder / generations.CURRENT / generations.CERTIFICATE
        location = Location(self._system, str(folder or path))
        try:
            text = read(path, most=MAX_PEM_BYTES)
        except FileNotFoundError:
            return _unreadable(location, "the link leads nowhere") if path.is_symlink() else None
        except Unfit as error:
            return _unreadable(location, str(error))
        except OSError as error:
            return Observation(location, problem=Problem(ProblemKind.UNSEEN, f"{path}: {error.strerror}"))
        if _holds_no_certificate(text.content):
            return None
        try:
            chain = read_chain(text.content)
        except PemError as error:
            return _unreadable(location, str(error))
        return self._observation(location, path, text, chain)

    def _observation(self, location: Location, path: Path, text: Text, chain: Chain) -> Observation:
        key = self._keys.find(path, text, chain)
        anchors = self._anchors_beside(path)
        return Observation(
            location=location,
            chain=chain,
            key=key.facts if key else None,
            owner=_owner(path),
            labels=_labels(location, path, chain, key),
            anchors=anchors,
            never_adopt=never_adopt(chain, anchors),
        )

    def _anchors_beside(self, path: Path) -> tuple[Certificate, ...]:
        if path.name == ANCHORS:
            return ()
        folder = path.parent
        if folder not in self._anchors:
            self._anchors[folder] = _anchors(folder / ANCHORS)
        return self._anchors[folder]


def _unreadable(location: Location, why: str) -> Observation:
    return Observation(location, problem=Problem(ProblemKind.UNREADABLE, f"{location.address}: {why}"))


def _anchors(path: Path) -> tuple[Certificate, ...]:
    """The certificates of `ca.crt`; an unreadable one anchors nothing, and is logged."""
    try:
        anchors, skipped = read_anchors(read(path, most=MAX_PEM_BYTES).content)
    except FileNotFoundError:
        return ()
    except (OSError, Unfit, PemError) as error:
        log.warning("ca.crt cannot be read", path=str(path), error=str(error))
        return ()
    if skipped:
        log.warning("some certificates of ca.crt cannot be read", path=str(path), count=skipped)
    return anchors


def _holds_no_certificate(text: bytes) -> bool:
    """Whether every PEM block in it is something else that people keep beside certificates."""
    labels = set(_LABEL.findall(text))
    return bool(labels) and not labels & _CERTIFICATES and all(_OTHERS.match(label) for label in labels)


def _labels(location: Location, path: Path, chain: Chain, key: FoundKey | None) -> Mapping[str, str]:
    folder = path.parent if location.address == str(path) else Path(location.address)
    says_nothing = path.stem in _SAYS_NOTHING
    labels = {
        "path": str(path),
        "dir": str(folder),
        "folder": folder.name,
        "name": folder.name if says_nothing and folder.name else path.stem,
        "issuer": issuer_name(chain.leaf),
    }
    if key is not None:
        labels["key_path"] = str(key.path)
    if location.address != str(path):
        labels["generations"] = location.address
    return MappingProxyType(labels)


def _owner(path: Path) -> Owner | None:
    """Certbot keeps links in `live/<name>` and what it renews in `renewal/<name>.conf`; it would undo what we write."""
    folder = path.parent
    if folder.parent.name == "live" and (folder.parent.parent / "renewal" / f"{folder.name}.conf").is_file():
        return Owner("certbot", f"lineage {folder.name}", f"certbot renew --cert-name {folder.name}")
    return None
