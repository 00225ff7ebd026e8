"""A process that is killed while it shows a proof: `python -m tests.issuers.acme.killed SETTINGS DRAWER NAME`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rotator.issuers.acme import AcmeIssuer, AcmeSettings
from tests.issuers.asking import ask, issue, real_clock


class Kept:
    """A drawer that outlives its process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _all(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return found

    def get(self, key: str) -> bytes | None:
        found = self._all().get(key)
        return None if found is None else found.encode()

    @property
    def is_alone(self) -> bool:
        return False

    def put(self, key: str, value: bytes) -> None:
        self._path.write_text(json.dumps({**self._all(), key: value.decode()}))

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
        value = change(self.get(key))
        self.put(key, value)
        return value


def die(_: float) -> None:
    """End as a process does that is killed: nothing of it runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings, drawer, name = sys.argv[1:]
    clock = replace(real_clock(), wait=die)
    issuer = AcmeIssuer("ca", AcmeSettings.model_validate_json(settings), clock, Kept(Path(drawer)))
    issue(issuer, ask(name))
