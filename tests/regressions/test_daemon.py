"""A daemon that stopped looking, forgot what it was asked, or began something while it was told to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import ClassVar

import pytest

from rotator.core.model import Observation
from rotator.daemon import Daemon
from rotator.executor import LocalExecutor
from rotator.settings import PluginSettings
from tests.builders import DAY, settings
from tests.flow.site import Site

SECONDS = 20.0


class Source:
    """A source that does what a test says, and counts its looks."""

    Settings: ClassVar[type[PluginSettings]] = PluginSettings
    name = "double"

    def __init__(self, look: Callable[[int], None]) -> None:
        self.looks = 0
        self._look = look

    def observe(self) -> Iterator[Observation]:
        self.looks += 1
        self._look(self.looks)
        return iter(())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose clock is the machine's, as APScheduler's is."""
    with Site(tmp_path / "site") as opened:
        opened.time.goes_by(datetime.now(UTC) - opened.time.now)
        yield opened


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came true in time."""
    pause, end = threading.Event(), time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        pause.wait(0.02)
    return condition()


def test_a_fault_of_ours_does_not_end_the_looking(site: Site) -> None:
    """An error that no port allows costs one look; the daemon says so and looks again."""
    pings: list[int] = []

    def ping() -> bool:
        pings.append(1)
        if len(pings) == 1:
            raise ValueError("a fault, with -----BEGIN PRIVATE KEY-----")
        return True

    site.policy = settings(check_every=timedelta(seconds=1), shortest_tick=timedelta(seconds=0.2))
    daemon = Daemon(replace(site.wiring, ping=ping))
    daemon.start()
    try:
        assert until(lambda: daemon.last is not None and not daemon.last_error), daemon.last_error
        assert len(pings) > 1
    finally:
        daemon.finish()


def test_a_look_that_is_due_before_the_last_one_is_through_is_not_dropped(site: Site) -> None:
    """APScheduler counts a look as running until its thread is through; the next one, planned in it, waits for that."""
    pause = threading.Event()

    def linger(frame: FrameType, event: str, _argument: object) -> None:
        """Hold a thread at the end of a look, as a busy machine does."""
        if event == "return" and frame.f_code is Daemon._look.__code__:
            pause.wait(0.2)

    source = Source(lambda _: None)
    site.policy = settings(check_every=timedelta(seconds=0.05), shortest_tick=timedelta(seconds=0.02))
    site.sources["double"] = source
    daemon = Daemon(site.wiring)
    threading.setprofile(linger)
    try:
        daemon.start()
        assert until(lambda: source.looks >= 4), daemon.last_error
    finally:
        threading.setprofile(None)
        daemon.finish()


def test_a_fault_in_a_source_is_a_problem_of_that_source(site: Site) -> None:
    """A source that breaks its contract is named as one that could not be looked at; the look goes on."""

    def breaks(look: int) -> None:
        raise ValueError("a fault, with -----BEGIN PRIVATE KEY-----")

    site.sources["double"] = Source(breaks)
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        assert until(lambda: daemon.last is not None), daemon.last_error
        assert daemon.last is not None
        (problem,) = daemon.last.inventory.problems
        assert "ValueError" in problem.message
        assert "PRIVATE KEY" not in problem.message
    finally:
        daemon.finish()


def test_what_is_asked_while_a_look_runs_is_looked_at_after_it(site: Site) -> None:
    """A request that comes too late for the look under way begins the next one, however far away that was planned."""
    began, go_on = threading.Event(), threading.Event()

    def waits(look: int) -> None:
        if look == 1:
            began.set()
            go_on.wait(SECONDS)

    source = Source(waits)
    site.sources["double"] = source
    site.policy = settings(check_every=DAY)
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        assert began.wait(SECONDS)
        number = site.store.enqueue("pause", {"match": "*", "reason": "a test"}, "ada@host", site.time.now)
        assert until(lambda: all(request.id != number for request in site.store.requests()))
        go_on.set()
        assert until(lambda: source.looks > 1)
    finally:
        go_on.set()
        daemon.finish()


def test_nothing_is_begun_once_the_end_was_asked_for(site: Site) -> None:
    """A look that runs while the daemon ends begins no rotation."""
    began, go_on = threading.Event(), threading.Event()

    def waits(_look: int) -> None:
        began.set()
        go_on.wait(SECONDS)

    shop = site.cared_for("shop")
    before = shop.serves
    site.sources["double"] = Source(waits)
    daemon = Daemon(site.wiring)
    daemon.start()
    assert began.wait(SECONDS)
    ending = threading.Thread(target=daemon.finish)
    ending.start()
    assert until(lambda: not site.executor.submit("probe", lambda: None))
    go_on.set()
    ending.join(SECONDS)
    assert shop.serves == before
    assert site.history("shop").orders == ()


def test_a_request_that_cannot_be_read_hides_no_other(site: Site) -> None:
    """One that cannot be carried out is answered, and the next one has its turn."""
    site.cared_for("shop")
    site.policy = replace(site.policy, check_every=DAY)
    bad = site.store.enqueue("pause", {"match": "*", "until": "tomorrow", "reason": "x"}, "ada@host", site.time.now)
    site.store.enqueue("pause", {"match": "shop", "reason": "y"}, "ada@host", site.time.now)
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        assert until(lambda: not site.store.requests())
    finally:
        daemon.finish()
    (answered,) = [request for request in site.store.requests(open_only=False) if request.id == bad]
    assert answered.answer.startswith("not done: ")
    assert set(site.store.pauses()) == {"shop"}


def test_a_closed_executor_takes_nothing() -> None:
    """What is submitted while it closes is refused, never an error."""
    executor = LocalExecutor(1)
    executor.close()
    assert executor.submit("shop", lambda: None) is False


def test_what_was_asked_long_ago_is_not_done(site: Site) -> None:
    """A request that waited for a daemon for more than a quarter of an hour is answered, not carried out."""
    site.cared_for("shop")
    site.policy = replace(site.policy, check_every=DAY)
    asked = {
        minutes: site.store.enqueue(
            "pause", {"match": match, "reason": "x"}, "ada@host", site.time.now - timedelta(minutes=minutes)
        )
        for minutes, match in ((16, "*"), (14, "shop"))
    }
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        assert until(lambda: not site.store.requests())
    finally:
        daemon.finish()
    answers = {request.id: request.answer for request in site.store.requests(open_only=False)}
    assert answers[asked[16]].startswith("not done: it was asked too long ago")
    assert not answers[asked[14]].startswith("not done: ")
    assert set(site.store.pauses()) == {"shop"}
