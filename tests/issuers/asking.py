"""What the tests of issuers share: a clock, a drawer, and requests to sign."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rotator.core.csr import make_csr, new_key
from rotator.core.model import Certificate, Chain, IssueRequest, KeySpec, PreflightRequest
from rotator.errors import Pending
from rotator.ports import Clock, Issuer, Preflight


@dataclass
class Drawer:
    """What the store keeps for an issuer."""

    kept: dict[str, bytes] = field(default_factory=dict)
    is_alone: bool = False
    guard: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
        with self.guard:
            value = self.kept[key] = change(self.kept.get(key))
            return value


def real_clock() -> Clock:
    """The clock of the machine, which real servers go by too."""
    return Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, wait=time.sleep)


def clock_at(moment: datetime) -> Clock:
    """A clock that stands still; waiting moves its seconds."""
    spent = [0.0]

    def wait(seconds: float) -> None:
        spent[0] += seconds

    return Clock(now=lambda: moment + timedelta(seconds=spent[0]), monotonic=lambda: 1000.0 + spent[0], wait=wait)


HURRY = 20.0


def hurried_clock() -> Clock:
    """The clock of the machine, but a wait takes a twentieth of its time: for real servers that ask for patience."""
    skipped = [0.0]

    def wait(seconds: float) -> None:
        time.sleep(seconds / HURRY)
        skipped[0] += seconds - seconds / HURRY

    return Clock(now=lambda: datetime.now(UTC), monotonic=lambda: time.monotonic() + skipped[0], wait=wait)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and the key that it is for."""

    request: IssueRequest
    key: bytes = field(repr=False)


def ask(
    *names: str,
    key: KeySpec | None = None,
    lifetime: timedelta | None = None,
    profile: str = "",
    replaces: Certificate | None = None,
) -> Asked:
    """Make a key and the request for these names."""
    private = new_key(key or KeySpec())
    return Asked(IssueRequest(make_csr(private, names), names, lifetime, profile, replaces), private)


def issue(
    issuer: Issuer, asked: Asked, *, resume: str | None = None, checkpoint: Callable[[str], None] | None = None
) -> Chain:
    """Have it signed, without keeping checkpoints unless the test does."""
    return issuer.issue(asked.request, resume=resume, checkpoint=checkpoint or _forget)


def issue_in_time(issuer: Issuer, asked: Asked, *, resume: str | None = None, seconds: float = 60.0) -> Chain:
    """Have it signed by a server that may be busy: one that is not finished is come back to, as rotator would."""
    tokens = [resume]
    deadline = time.monotonic() + seconds
    while True:
        try:
            return issuer.issue(asked.request, resume=tokens[-1], checkpoint=tokens.append)
        except Pending:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _forget(token: str) -> None:
    """A test that does not resume needs no token."""


def objections(issuer: Preflight, *names: str) -> tuple[str, ...]:
    """What an issuer says beforehand would stop an order for these names."""
    return tuple(check.problem for check in issuer.preflight(PreflightRequest(names)) if check.problem)
