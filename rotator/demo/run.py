"""`rotator demo`: the whole story on a fleet of forty services in this process, with the real daemon on it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from rotator.app import Wiring, build, look_and_plan
from rotator.clock import system_clock
from rotator.config.load import load
from rotator.core.model import NoticeKind, Outcome, Sighting, SightingState
from rotator.daemon import Daemon
from rotator.demo.fleet import HOST
from rotator.demo.oncall import OnCall
from rotator.demo.score import Score, score, shown_by
from rotator.demo.servers import Fleet
from rotator.demo.setup import Demo, set_up
from rotator.demo.story import Silent, Story, Told
from rotator.log import configure
from rotator.web.server import free_address, served

LIMIT = timedelta(seconds=75)
"""The story ends within this, complete or not; the whole of `--once` stays under 90 seconds."""

_LOOK_EVERY = 0.25

INTERRUPTED = 130
"""The exit code where somebody ended it before the story was over: neither as scripted nor a failure."""


def main(*, once: bool, output: str, directory: Path = Path(".rotator-demo")) -> int:
    """Tell the story; 0 when the fleet ended as its script says, 1 when it did not, 130 when it was interrupted.

    Raises:
        RotatorError: a port is taken, or the folder cannot be written.
    """
    # For JSON nothing is told on standard output while it runs, so standard error has the log lines.
    configure("info" if output == "json" else "error", "console")
    clock = system_clock()
    story: Story = Silent() if output == "json" else Told()
    address = free_address(HOST, 18440)
    with ExitStack() as stack:
        stop = stack.enter_context(_interrupted())
        oncall = stack.enter_context(OnCall())
        demo = set_up(directory, clock.now(), web=address, oncall=oncall.url)
        stack.enter_context(Fleet(demo.services))
        wiring = stack.enter_context(build(load(demo.config), clock))
        inventory, plan = look_and_plan(wiring.world, clock.now())
        story.found(demo.services, inventory)
        story.planned(plan)
        if stop.is_set():
            return INTERRUPTED
        daemon = Daemon(wiring)
        stack.enter_context(served(address, daemon.view))
        daemon.start()
        stack.callback(daemon.finish)
        ending = _follow(demo, wiring, story, stop)
        if stop.is_set() and not ending.as_scripted(demo.services):
            return INTERRUPTED  # a score of what had only begun would say that the rest was left alone
        _tell_alert(story, oncall)
        story.page(address)
        story.end(ending)
        if not once:
            _keep_running(demo, wiring, story, stop, len(ending.outcomes))
    return 0 if ending.as_scripted(demo.services) else 1


def _follow(demo: Demo, wiring: Wiring, story: Story, stop: threading.Event) -> Score:
    """Tell each rotation as it ends, until the script is complete or time is up."""
    clock, told = wiring.world.clock, 0
    deadline = clock.monotonic() + LIMIT.total_seconds()
    while True:
        outcomes = _outcomes(wiring)
        for outcome in outcomes[told:]:
            story.rotated(outcome)
        told = len(outcomes)
        now = _score(demo, wiring, outcomes)
        if now.as_scripted(demo.services) or clock.monotonic() > deadline or stop.wait(_LOOK_EVERY):
            return now


def _keep_running(demo: Demo, wiring: Wiring, story: Story, stop: threading.Event, told: int) -> None:
    """Rotate what becomes due until somebody ends it."""
    while not stop.wait(_LOOK_EVERY):
        outcomes = _outcomes(wiring)
        for outcome in outcomes[told:]:
            story.rotated(outcome)
        told = len(outcomes)


def _outcomes(wiring: Wiring) -> tuple[Outcome, ...]:
    """Oldest first."""
    return tuple(reversed(wiring.world.store.outcomes(limit=10_000)))


def _score(demo: Demo, wiring: Wiring, outcomes: tuple[Outcome, ...]) -> Score:
    plan = wiring.world.store.plan()
    # Until the work is done the handshakes of the rotations themselves are proof enough; forty more a time are not.
    rough = score(demo.services, demo.certificates, outcomes, plan.decisions if plan else (), frozenset())
    if len(rough.rotated) + len(rough.redeployed) + len(rough.rolled_back) + len(rough.left_alone) < len(demo.services):
        return rough
    return score(demo.services, demo.certificates, outcomes, plan.decisions if plan else (), _served_ok(demo, wiring))


def _served_ok(demo: Demo, wiring: Wiring) -> frozenset[str]:
    """Services that show, right now, a certificate that verifies for their name."""
    world = wiring.world
    endpoints = [endpoint for spec in world.specs for endpoint in spec.endpoints]
    shown = shown_by(tuple(world.probe(endpoints)))
    roots = world.file_roots(str(demo.config.parent / "ca" / "root.crt"))

    def good(sighting: Sighting | None) -> bool:
        return sighting is not None and sighting.state is SightingState.SERVED and world.verify(sighting, roots) is None

    return frozenset(service.name for service in demo.services if good(shown.get(service.port)))


def _tell_alert(story: Story, oncall: OnCall) -> None:
    for alert in oncall.received:
        if alert.get("kind") == NoticeKind.ROLLED_BACK and not alert.get("resolved"):
            story.alert(alert)
            return


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)
