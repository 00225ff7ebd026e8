"""KV mounts, version 1 and 2: every secret below a path, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from rotator.core.adoptable import issuer_name
from rotator.core.model import Location, Observation, Problem
from rotator.lib.ahead import ahead
from rotator.lib.vault import VaultError, data_of
from rotator.sources.vault.contents import Held, read_secret
from rotator.sources.vault.reading import Reader, Unseen, names_of

NEVER_ADOPT = "rotator cannot write to a KV mount; declare the place that the certificate is deployed to"

_OWNERS = ("rotator/owner", "owner", "team")
_IGNORE = "rotator/ignore"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a mount is read: so many requests at once, so many names a page."""

    at_once: int
    page_size: int


@dataclass(frozen=True, slots=True)
class KvMount:
    """A KV mount as one token sees it.

    Attributes:
        system: what the places in it belong to.
        mount: its path, without a slash at the end.
        version: 1 or 2.
    """

    system: str
    mount: str
    version: int
    reader: Reader
    unseen: Unseen
    pace: Pace

    def observe(self, below: str) -> Iterator[Observation]:
        """Every certificate in the secrets below a folder, or in the secret of that name; all for an empty text.

        What the token may not list or read is noted in `unseen`, and the rest is still told.

        Raises:
            VaultError: the server cannot be asked any further.
        """
        secrets = self._secrets(below)
        for secret in ahead(partial(_read, self), secrets, at_once=self.pace.at_once):
            if secret.refused:
                self.unseen.denied.note(f"{self.mount}/{secret.path}", secret.refused)
            yield from secret.observations

    def _secrets(self, below: str) -> Iterator[str]:
        """The path of every secret, folder by folder; only names of folders not yet listed are remembered."""
        folders = [below]
        while folders:
            folder = folders.pop()
            inner: list[str] = []
            for name in self._names(folder, is_first=folder == below):
                path = f"{folder}/{name}" if folder and name else f"{folder}{name}"
                if path.endswith("/"):
                    inner.append(path.rstrip("/"))
                else:
                    yield path
            folders += reversed(inner)

    def _names(self, folder: str, *, is_first: bool) -> Iterator[str]:
        """The names in a folder; an empty one for the folder itself where it is a secret that was asked for by name."""
        try:
            for page in self.reader.pages(self.path_of("metadata", folder), most=self.pace.page_size):
                yield from names_of(page)
        except VaultError as error:
            if is_first and folder and error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                if self._is_secret(folder, error):
                    yield ""
            elif error.status == HTTPStatus.FORBIDDEN:
                self.unseen.denied.note(f"{self.mount}/{folder}".rstrip("/") + "/", str(error))
            elif error.status != HTTPStatus.NOT_FOUND:
                raise

    def _is_secret(self, path: str, listing: VaultError) -> bool:
        """Whether what cannot be listed can be read; what is neither is noted.

        Raises:
            VaultError: the server cannot be asked any further.
        """
        try:
            self.reader.read(self.path_of("data", path))
        except VaultError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            if HTTPStatus.FORBIDDEN in {listing.status, error.status}:
                refused = listing if listing.status == HTTPStatus.FORBIDDEN else error
                self.unseen.denied.note(f"{self.mount}/{path}", str(refused))
            else:
                self.unseen.missing.note(f"{self.mount}/{path}")
            return False
        return True

    def path_of(self, part: str, path: str) -> str:
        """Where the API has the `data` or the `metadata` of a path; version 1 knows no difference."""
        return f"{self.mount}/{part}/{path}" if self.version == 2 else f"{self.mount}/{path}"


@dataclass(frozen=True, slots=True)
class _Secret:
    """What became of one secret; `refused` is what was said when it may not be read."""

    path: str
    observations: tuple[Observation, ...] = ()
    refused: str = ""


def _read(kv: KvMount, path: str) -> _Secret:
    """What the fields of one secret hold; nothing where it went away meanwhile or its last version is deleted."""
    try:
        answer = data_of(kv.reader.read(kv.path_of("data", path)))
    except VaultError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return _Secret(path, refused=str(error))
        if error.status == HTTPStatus.NOT_FOUND:
            return _Secret(path)
        raise
    value, marks = (answer.get("data"), _marks(answer)) if kv.version == 2 else (answer, {})
    if not isinstance(value, Mapping):
        return _Secret(path)
    return _Secret(path, tuple(_observation(kv, path, held, marks) for held in read_secret(value)))


def _marks(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """What people wrote beside a secret of version 2 (`vault kv metadata put -custom-metadata=…`)."""
    metadata = answer.get("metadata")
    custom = metadata.get("custom_metadata") if isinstance(metadata, Mapping) else None
    return {key: value for key, value in custom.items() if isinstance(value, str)} if isinstance(custom, dict) else {}


def _observation(kv: KvMount, path: str, held: Held, marks: Mapping[str, str]) -> Observation:
    address = f"{kv.mount}/{path}#{held.field}" + (f"#{held.part}" if held.part else "")
    problem = held.problem and Problem(held.problem.kind, f"{address}: {held.problem.message}")
    return Observation(
        location=Location(kv.system, address),
        chain=held.chain,
        problem=problem,
        key=held.key,
        labels=_labels(kv, path, held, marks),
        anchors=held.anchors,
        never_adopt=NEVER_ADOPT,
        ignored=_IGNORE in marks and marks[_IGNORE].lower() != "false",
        use=held.use,
    )


def _labels(kv: KvMount, path: str, held: Held, marks: Mapping[str, str]) -> Mapping[str, str]:
    labels = {
        "kind": "secret",
        "mount": kv.mount,
        "path": path,
        "field": held.field,
        "name": path.rpartition("/")[2],
        **{f"label.{key}": value for key, value in marks.items()},
    }
    if held.part:
        labels["alias"] = held.part
    if held.chain:
        labels["issuer"] = issuer_name(held.chain.leaf)
    owner = next((marks[key] for key in _OWNERS if marks.get(key)), "")
    if owner:
        labels["owner"] = owner
    return MappingProxyType(labels)
