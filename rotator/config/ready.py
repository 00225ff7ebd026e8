"""What the config names and cannot be used right now: secrets, files, requests, terms that nobody has agreed to.

These are no mistakes of the config: a file may be mounted late, and an issuer may be set up later. Whoever needs it
fails and says so, and the rest goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rotator.config.entries import HEARTBEAT, PluginEntry, Plugins
from rotator.config.model import Adoption, Declared, File
from rotator.config.readable import Readable
from rotator.config.source import Document, Where
from rotator.core.keys import unfit
from rotator.core.model import Mode, TrustKind, TrustSpec
from rotator.core.pem import PemError, read_certificates
from rotator.errors import ConfigProblem, RequestError, SecretMissing
from rotator.lib import plainfile
from rotator.lib.requestfile import read_request
from rotator.lib.trust import TrustError, file_roots, hashed_roots
from rotator.settings import PluginSettings, ReadFile, SecretRef, read_file, remedy
from rotator.validating import as_far_as_read

Told: TypeAlias = Iterator[tuple[Where, str]]
"""Sentences, each with its place."""

_HOLDS = {
    ReadFile.CERTIFICATES: "the certificates in ",
    ReadFile.AUTHORITIES: "the certificates in ",
    ReadFile.ROOTS: "the trusted roots in ",  # as a scan and the daemon's audit say it
}


def not_ready(document: Document, read: Readable, plugins: Plugins) -> tuple[ConfigProblem, ...]:
    """Each thing that cannot be used now, in the order of the file; of what could not be read itself, none.

    An issuer that nothing is rotated with yet may be set up later: observing needs none.
    """
    told = [*as_far_as_read(_state(read.file)), *as_far_as_read(_audit(read.file))]
    for where, either in read.both:
        told += as_far_as_read(_trust(where, either))
    for where, certificate in read.certificates.items():
        told += as_far_as_read(_request(where, certificate))
    if plugins.heartbeat:
        told += _lacking(plugins.heartbeat.url, ("alerts", HEARTBEAT, "url"))
    for entry in _in_use(read, plugins):
        told += _lacking(entry.settings, (*entry.where, entry.kind))
        told += _lacking(entry.shared.get("trust"), (*entry.where, "trust"))
    problems = [replace(document.problem(where, message), unready=True) for where, message in told]
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


# ---------------------------------------------------------------- what is looked at


def _state(file: File) -> Told:
    yield from _lacking(file.state.key, ("state", "key"))


def _audit(file: File) -> Told:
    for index, path in enumerate(file.scan.ca):
        yield from _unreadable(path, ReadFile.ROOTS, ("scan", "ca", index))


def _trust(where: Where, either: Declared | Adoption) -> Told:
    yield from _lacking(either.trust, (*where, "trust"))


def _request(where: Where, certificate: Declared) -> Told:
    """One that does not fit its certificate, or cannot be read; one that is not there yet may come later."""
    if not certificate.csr:
        return
    try:
        problem = unfit(read_request(certificate.csr), certificate.names)
    except RequestError as error:
        cause = error.__cause__
        if isinstance(cause, FileNotFoundError):
            return
        problem = f"{error}; {remedy(cause)}" if isinstance(cause, OSError) else str(error)
    if problem:
        yield (*where, "csr"), problem


def _in_use(read: Readable, plugins: Plugins) -> Iterator[PluginEntry]:
    rotating = {name for _, either in read.both for name in as_far_as_read(_rotating(either, read.file))}
    targets = (target for entries in plugins.targets.values() for target in entries)
    parts = (entry for entry in plugins.parts if entry.where[0] != "issuers")
    yield from (*plugins.sources, *plugins.alerters, *targets, *parts)
    yield from (entry for name, entry in plugins.signers.items() if name in rotating)


def _rotating(either: Declared | Adoption, file: File) -> Iterator[str]:
    """The issuers that it is rotated with."""
    if (either.mode or file.mode) is Mode.ROTATE:
        yield from either.issuer


# ---------------------------------------------------------------- what a value lacks


def _lacking(value: object, where: Where) -> Told:
    """Each secret, file and agreement within a value that is not there."""
    if isinstance(value, SecretRef):
        yield from _missing(value, where)
    elif isinstance(value, TrustSpec):
        if value.kind is TrustKind.FILE:
            yield from _unreadable(value.path, ReadFile.ROOTS, (*where, "file"))
    elif isinstance(value, BaseModel):
        yield from _lacking_within(value, where)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _lacking(below, (*where, str(key)))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, below in enumerate(value):
            yield from _lacking(below, (*where, index))


def _lacking_within(value: BaseModel, where: Where) -> Told:
    if isinstance(value, PluginSettings):
        yield from as_far_as_read(_unsaid(value, where))
    for name, info in type(value).model_fields.items():
        yield from as_far_as_read(_lacking_at(value, name, info, where))


def _unsaid(settings: PluginSettings, where: Where) -> Told:
    for key, why in settings.unsaid().items():
        yield (*where, key), why


def _lacking_at(value: BaseModel, name: str, info: FieldInfo, where: Where) -> Told:
    at, what, kind = (*where, info.alias or name), getattr(value, name), read_file(info)
    if kind is None:
        yield from _lacking(what, at)
    elif what and name in value.model_fields_set:  # where a file is by itself depends on the machine
        yield from _unreadable(what, kind, at)


def _missing(reference: SecretRef, where: Where) -> Told:
    try:
        reference.reveal()
    except SecretMissing as missing:
        yield where, str(missing)


def _unreadable(named: Path | str, kind: ReadFile, where: Where) -> Told:
    if kind is not ReadFile.KUBECONFIG:
        yield from _unreadable_one(Path(named), kind, where)
        return
    # Path.expanduser raises for a user that there is not.
    files = [Path(os.path.expanduser(name)) for name in str(named).split(os.pathsep) if name]  # noqa: PTH111
    told = [problem for file in files for problem in _unreadable_one(file, kind, where)]
    yield from told[:1] if len(told) == len(files) else ()


def _unreadable_one(path: Path, kind: ReadFile, where: Where) -> Told:
    what = f"{_HOLDS.get(kind, '')}{path}"
    try:
        _look_into(path, kind)
    except (OSError, plainfile.Unfit, PemError, TrustError) as error:
        cause = error.__cause__ or error  # of a TrustError
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        yield where, f"{what} cannot be read: {why}; {remedy(cause)}"


def _look_into(path: Path, kind: ReadFile) -> None:
    """As whoever uses it will."""
    match kind:
        case ReadFile.CERTIFICATES:
            read_certificates(plainfile.content(path))
        case ReadFile.AUTHORITIES:
            hashed_roots(path)
        case ReadFile.ROOTS:
            file_roots(path)
        case _:
            plainfile.probe(path)
