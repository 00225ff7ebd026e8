"""One set of servers per test run, shared by the xdist workers.

The controller of the run makes a folder and names it in the environment, which the workers inherit. The first worker
that needs a server starts it under a lock and writes down where it listens; the others read that. The controller ends
them all. A server that did not start once is not tried again by every worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.servers.catalogue import find
from tests.servers.ports import RUN
from tests.servers.service import OWNER, ServerError, end_all, has_ended

PROVIDE = "make servers"
PREFIX = "rotator-servers-"

Address = dict[str, str]
"""What must be known to reach a running server, as it is written down for the other workers."""


def is_ci() -> bool:
    """Say whether this is a CI run, where nothing may be skipped for want of a server."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def give_up(reason: str) -> NoReturn:
    """Skip the test; in CI fail it, because a test that silently never runs protects nobody."""
    if is_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need(program: str) -> Path:
    """Return where a program of the catalogue lies; skip the test, in CI fail it, when it is missing."""
    place = find(program)
    if place is None:
        give_up(f"{program} is missing; run: {PROVIDE}")
    return place


@dataclass(frozen=True, slots=True)
class Run:
    """The test run that this process belongs to."""

    folder: Path
    owner: int
    worker: str = "main"

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock among the workers of this run."""
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def shared(self, name: str, start: Callable[[Path, int], Mapping[str, str]]) -> Address:
        """Return the address of a server that all workers share; start it when nobody has.

        `start` gets the server's folder and the process that it must not outlive.
        """
        address, failure = self.folder / f"{name}.json", self.folder / f"{name}.failed"
        with self.lock(name):
            if failure.exists():
                raise ServerError(failure.read_text())
            if not address.exists():
                try:
                    text = json.dumps(dict(start(self.folder / name, self.owner)))
                except ServerError as error:
                    failure.write_text(str(error))
                    raise
                address.write_text(text)
            return {str(key): str(value) for key, value in json.loads(address.read_text()).items()}


def _sweep() -> None:
    """Remove the folders of runs that were killed; their servers have ended with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if has_ended(int((folder / "owner").read_text())):
                shutil.rmtree(folder, ignore_errors=True)


def begin() -> None:
    """Make the folder of a new run; called by the controller."""
    _sweep()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    Path(folder, "owner").write_text(str(os.getpid()))
    os.environ[RUN] = folder
    os.environ[OWNER] = str(os.getpid())


def current() -> Run:
    """Return the run of this process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return Run(Path(os.environ[RUN]), int(os.environ[OWNER]), worker)


def finish() -> None:
    """End every server of the run and remove its folder; called by the controller."""
    if os.environ.get(OWNER) != str(os.getpid()):
        return  # it never began, or a fork of the controller ends
    run = current()
    end_all(run.folder)
    shutil.rmtree(run.folder, ignore_errors=True)
    del os.environ[RUN], os.environ[OWNER]
