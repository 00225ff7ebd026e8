"""Where the target `files` puts a pair in its tests, and how they look at what is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Bundle, TargetSpec
from rotator.core.pem import chain_pem, key_matches, read_chain, read_key
from rotator.targets.files import FilesSettings, FilesTarget
from tests.issuers.asking import real_clock

LAYOUTS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "separate": lambda disk: {"certificate": f"{disk}/shop.crt", "key": f"{disk}/shop.key"},
    "combined": lambda disk: {"path": f"{disk}/shop.pem"},
    "generations": lambda disk: {"directory": f"{disk}/shop"},
}


def target(**settings: object) -> FilesTarget:
    return FilesTarget("shop", TargetSpec("files"), FilesSettings.model_validate(settings), real_clock())


@dataclass(frozen=True)
class Pair:
    """Two plain files, in two folders as Debian has them."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "certs" / "shop.crt"

    @property
    def key(self) -> Path:
        return self.folder / "private" / "shop.key"

    @property
    def settings(self) -> dict[str, str]:
        return {"certificate": str(self.certificate), "key": str(self.key)}

    def put(self, bundle: Bundle) -> None:
        for path, content in ((self.certificate, chain_pem(bundle.chain)), (self.key, bundle.key)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        self.key.chmod(0o600)

    def holds(self, bundle: Bundle) -> bool:
        chain = read_chain(self.certificate.read_bytes())
        return chain == bundle.chain and key_matches(chain, read_key(self.key.read_bytes()))

    def left_over(self) -> list[str]:
        """Everything beside the two files."""
        known = {self.certificate, self.key}
        return [str(path) for path in self.folder.rglob("*") if path.is_file() and path not in known]


def fingerprint(bundle: Bundle) -> str:
    return bundle.chain.fingerprint


def pair_fingerprint(pair: Pair) -> str:
    return read_chain(pair.certificate.read_bytes()).fingerprint


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@contextmanager
def own_umask() -> Iterator[None]:
    """Whatever the umask of the machine, modes are ours."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
