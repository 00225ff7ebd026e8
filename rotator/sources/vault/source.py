"""Source `vault`: the certificates in KV mounts, and those that PKI mounts have issued, of one Vault or OpenBao.

Read secret by secret, a few at a time; nothing is kept but the observation. Nothing is ever written (a token of the
config is prolonged, as the issuer does), and no private key leaves this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from rotator.core.model import Endpoint, Observation
from rotator.errors import SourceError
from rotator.lib.peers import https_peers
from rotator.lib.vault import Vault, VaultError, VaultSettings, data_of
from rotator.ports import Clock
from rotator.settings import Duration, PluginSettings
from rotator.sources.vault.kv import KvMount, Pace
from rotator.sources.vault.pki import Bounds, PkiMount
from rotator.sources.vault.reading import Reader, Unseen

MOST_BYTES = 64 << 20
"""Of one answer: a Vault that knows no pages lists half a million serial numbers in less."""

_MOUNTS = "sys/internal/ui/mounts"
_KV = {"kv", "generic"}  # the second is what version 1 was called before it had versions
_PKI = "pki"


class VaultSourceSettings(VaultSettings):
    """Which mounts of which Vault to look at."""

    paths: tuple[str, ...] = Field(
        default=(),
        description="Mounts (secret, pki), or folders and secrets in KV mounts (secret/team/web); without it every KV "
        "and PKI mount that the token may see.",
    )
    expired_for: Duration = Field(
        default=timedelta(0),
        ge=timedelta(0),
        description="What a PKI mount has issued is left out when it ended longer ago than this, or was renewed since.",
    )
    most_issued: int = Field(
        default=10_000, ge=1, description="How many issued certificates to read from a PKI mount, the newest first."
    )
    page_size: int = Field(
        default=1000, ge=1, le=10_000, description="How many names to list at a time, where the server knows pages."
    )
    concurrency: int = Field(default=8, ge=1, le=64, description="How many secrets to read at once.")
    renew_token: bool = Field(default=True, description="Prolong the token once half of its life is over.")

    @field_validator("paths")
    @classmethod
    def _are_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not all(segment.strip(".") for segment in path.split("/")):
                raise ValueError(
                    f"{path!r} is no path in Vault; write it like secret/team, without slashes at the ends"
                )
        return tuple(path for path in paths if not any(path.startswith(f"{other}/") for other in paths))


class _Part(NamedTuple):
    """A mount to look at, and below which path of it."""

    mount: str
    engine: str
    version: int
    below: str


class VaultSource:
    """The certificates in one Vault or OpenBao, or one namespace of it."""

    Settings: ClassVar[type[PluginSettings]] = VaultSourceSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, VaultSourceSettings)
        self.name = name
        self._settings = settings
        self._clock = clock
        self._vault = Vault(settings, clock.now, most_bytes=MOST_BYTES)
        self._reader = Reader(self._vault, clock.wait)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The server itself."""
        return https_peers([self._settings.url])

    def observe(self) -> Iterator[Observation]:
        """Look at every certificate once; what may be read is yielded before what may not be is raised.

        Raises:
            SourceError: the server cannot be asked, or some paths may not be read; the message names them.
        """
        unseen = Unseen()
        try:
            with self._vault.connected():
                if self._settings.renew_token:
                    self._vault.renew_token()
                for part in self._parts(unseen):
                    yield from self._look(part, unseen)
        except VaultError as error:
            raise SourceError(f"source {self.name}: {error}") from error
        if unseen:
            raise SourceError(f"source {self.name}: {unseen}")

    def _look(self, part: _Part, unseen: Unseen) -> Iterator[Observation]:
        settings, system = self._settings, _system(self._settings)
        pace = Pace(settings.concurrency, settings.page_size)
        if part.engine == _PKI:
            now = self._clock.now()
            bounds = Bounds(now, now - settings.expired_for, settings.most_issued)
            yield from PkiMount(system, part.mount, self._reader, unseen, pace, bounds).observe()
        else:
            mount = KvMount(system, part.mount, part.version, self._reader, unseen, pace)
            yield from mount.observe(part.below)

    # ------------------------------------------------------------ where to look

    def _parts(self, unseen: Unseen) -> Iterator[_Part]:
        """The mounts that are asked for; those that are no place of certificates are noted, or passed over."""
        if self._settings.paths:
            for path in self._settings.paths:
                yield from self._named(path, unseen)
            return
        mounts = data_of(self._reader.read(_MOUNTS)).get("secret")
        for mount, known in sorted(mounts.items()) if isinstance(mounts, dict) else ():
            part = _part(mount, known, "")
            if part.engine == _PKI or part.engine in _KV:
                yield part

    def _named(self, path: str, unseen: Unseen) -> Iterator[_Part]:
        try:
            known = data_of(self._reader.read(f"{_MOUNTS}/{path}"))
        except VaultError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            unseen.denied.note(path, str(error))
            return
        mount = str(known.get("path", "")).strip("/")
        part = _part(mount, known, path.removeprefix(mount).strip("/"))
        if part.engine in _KV or (part.engine == _PKI and not part.below):
            yield part
        else:
            unseen.unfit.note(f"{path} ({part.engine})" if not part.below else f"{path} (in the {part.engine} {mount})")


def _part(mount: str, known: Mapping[str, Any], below: str) -> _Part:
    options = known.get("options")
    version = options.get("version") if isinstance(options, dict) else None
    return _Part(mount.strip("/"), str(known.get("type", "")), 2 if version == "2" else 1, below)


def _system(settings: VaultSettings) -> str:
    """What the places of this server belong to: its address and namespace, as people write them."""
    parts = urlsplit(settings.url)
    where = parts.netloc.lower() + parts.path
    return f"{where}/{settings.namespace.strip('/')}" if settings.namespace.strip("/") else where
