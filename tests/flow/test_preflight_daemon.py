"""The daemon asks beforehand by itself, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rotator.core.model import Check, PreflightRequest
from rotator.daemon import Daemon
from rotator.preflight import read_kept
from tests.builders import settings
from tests.flow.foretelling import ForetellingIssuer
from tests.flow.site import Site

SECONDS = 120
"""How long anything here may take on a busy machine."""


def until(condition: Callable[[], bool]) -> None:
    end, pause = time.monotonic() + SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.05)


@contextmanager
def running(site: Site) -> Iterator[Daemon]:
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.finish()


def test_an_issuer_that_hangs_does_not_hold_up_the_end(site: Site) -> None:
    """The preflight waits for it; the daemon ends when it is told to, and what was cut off says nothing."""
    site.policy = settings()
    issuer = ForetellingIssuer("teller", site.issuing, site.clock)
    site.issuers["teller"] = issuer
    asked, stuck = threading.Event(), threading.Event()

    def hangs(_request: PreflightRequest) -> tuple[Check, ...]:
        asked.set()
        stuck.wait(SECONDS)
        return ()

    issuer.says = hangs
    site.declare("shop", site.service("shop"), issuers=("teller",))
    site.look()
    with running(site) as daemon:
        assert asked.wait(SECONDS)
        assert daemon.ready, "what a look found is what is asked about"
        began = time.monotonic()
    assert time.monotonic() - began < SECONDS / 2
    assert not read_kept(site.store), "what was cut off says nothing"
    stuck.set()


def test_what_it_found_is_shown(site: Site) -> None:
    """Kept in the state and told to the status page as soon as it is known."""
    site.policy = settings()
    site.declare("shop", site.service("shop"))
    site.look()
    with running(site) as daemon:
        until(lambda: bool(read_kept(site.store)))
        shown = daemon.view.status()["preflight"]
    assert (shown["certificates"], shown["failing"]) == (1, [])
