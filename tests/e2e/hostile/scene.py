"""One certificate whose CA lies, and what is looked at of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from rotator.core.lead import orders_a_day
from rotator.core.model import Action, Outcome
from rotator.core.pem import certificate_pem, read_chain
from rotator.delivery import Route
from rotator.ports import Clock
from rotator.wiring import Wiring
from tests.e2e.cas import acme_ca
from tests.e2e.minting import Mint
from tests.e2e.path import Later, config, decisions, look, wired
from tests.flow.site import Inbox
from tests.issuers.acme.proxied import (
    CERTIFICATE,
    FINALIZE,
    Front,
)
from tests.issuers.asking import HURRY
from tests.servers.loopback import Request, Response

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEFT = 25 * DAY
"""What is left of the old certificate: due since five days."""

A_DAY = (2 * MINUTE, 12 * MINUTE, 2 * HOUR, 17 * HOUR, 5 * HOUR)
"""Looks over a day, each behind the backoff of the one before."""

CAP = orders_a_day(90 * DAY, 30 * DAY) + 1
"""A few minutes more than a day may begin one order more."""
MOST_CALLS = 300
UNPAUSE = "https://portal.ca.example/sfe/v1/unpause?jwt=" + "eyJhbGciOiJIUzI1NiJ9" * 30
TERMS = "https://ca.example/terms-2"


@dataclass
class Scene:
    """One certificate in two files, whose CA lies.

    Attributes:
        old: the chain that is in place, as its file holds it.
    """

    folder: Path
    front: Front
    name: str
    later: Later
    mint: Mint
    old: bytes
    trust: Path
    inbox: Inbox = field(default_factory=Inbox)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        return self.folder / "tls.crt"

    def lies(self, body: Callable[[Scene, bytes], bytes]) -> None:
        """Have another body come where the certificate is downloaded; what the CA really did stays known."""

        def change(request: Request, response: Response) -> Response:
            if FINALIZE in request.path and response.status < 400:
                self.mint.watch(request)
            if CERTIFICATE in request.path and response.status < 400:
                return replace(response, body=body(self, response.body))
            return response

        self.front.change = change

    @contextmanager
    def wired(self) -> Iterator[Wiring]:
        """What the config builds, telling a person through `inbox`."""
        acme = {**acme_ca(self.front, self.folder).entry["acme"], "patience": "20s"}
        issuer = {"acme": acme, "trust": {"file": str(self.trust)}}
        certificate = {
            "name": "shop",
            "names": [self.name],
            "issuer": "ca",
            "targets": [{"files": {"certificate": str(self.certificate), "key": str(self.folder / "tls.key")}}],
        }
        text = config(self.folder, issuers={"ca": issuer}, certificates=[certificate])
        with wired(text, hurried(self.later)) as wiring:
            yield replace(wiring, routes=(Route("inbox", self.inbox),))

    def look(self, wiring: Wiring) -> tuple[Action, Outcome | None]:
        ticked, outcomes = look(wiring)
        found = outcomes.get("shop")
        if found is not None:
            self.outcomes.append(found)
        return decisions(ticked)["shop"].action, found

    def a_day(self, waits: Sequence[timedelta] = A_DAY) -> None:
        """Look for a day, as often as the backoff allows."""
        with self.wired() as wiring:
            self.look(wiring)
            for wait in waits:
                self.later.skip(wait)
                self.look(wiring)

    @property
    def told(self) -> str:
        """What a person was told of the certificate."""
        return "\n".join(f"{one.title}\n{one.detail}" for one in self.inbox.notices if not one.resolved)


def hurried(later: Later) -> Clock:
    """The clock of the test, on which a wait takes a twentieth of its time."""

    def wait(seconds: float) -> None:
        time.sleep(seconds / HURRY)
        later.skip(timedelta(seconds=seconds - seconds / HURRY))

    return Clock(later.clock.now, later.clock.monotonic, wait)


def leaf_of(sent: bytes) -> bytes:
    return certificate_pem(read_chain(sent).leaf)


def assert_untouched(scene: Scene, written: int) -> None:
    assert scene.certificate.read_bytes() == scene.old
    assert scene.certificate.stat().st_mtime_ns == written
    assert scene.front.orders <= CAP
    assert len(scene.front.proxy.calls) < MOST_CALLS
