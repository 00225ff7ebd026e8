"""The daemon: a clock around `app.tick`.

APScheduler only starts looks and the plan decides what is due, so a missed run costs one interval and never a
certificate. The main thread waits for signals; SIGTERM and SIGINT finish what is in flight and start nothing new.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Lock

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from rotator.app import Tick, Wiring, after, tick
from rotator.asked import NOT_DONE, carry_out
from rotator.core.model import Outcome
from rotator.core.plan import next_wake, wake_after
from rotator.errors import RotatorError
from rotator.lib.clock import WAKE_SECONDS
from rotator.log import logger
from rotator.notify import deliver_again
from rotator.preflight import Asking, take_round
from rotator.web.server import served
from rotator.web.view import View

log = logger(__name__)

_REQUESTS_EVERY = timedelta(seconds=1)
_DELIVER_AGAIN_EVERY = timedelta(minutes=1)
_PREFLIGHT_EVERY = timedelta(seconds=15)
"""How often it is looked up whose turn it is; hardly ever is it anybody's."""
_ASKED_TOO_LONG_AGO = timedelta(minutes=15)
_TOO_LATE = f"{NOT_DONE}it was asked too long ago, while no daemon took requests; ask again if it is still wanted"
_AFTER_A_FAULT = timedelta(minutes=1)
_ANY_NUMBER = 1_000_000
"""A look plans the next one before it is through. APScheduler drops for good what is due while as many as it allows
still count as running, and nobody would ever look again: so a limit of its own must never be reached."""


class Daemon:
    """Looks when the plan says so, carries out requests, and tells when a rotation ends.

    Attributes:
        last: the last complete tick; None before the first.
        last_error: why the last look failed; empty when it did not.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        wiring.executor.listen(self._ended)
        self._stop = wiring.world.stop
        self._looking = Lock()
        self._scheduling = Lock()
        self._asked_to_tell = Event()
        self._planned: list[datetime] = []
        self.last: Tick | None = None
        self.last_error = ""
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            # Looks come one after the other, and preflights wait for issuers: each have a thread of their own.
            executors={
                "default": ThreadPoolExecutor(3),
                "looks": ThreadPoolExecutor(1),
                "preflight": ThreadPoolExecutor(1),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(_report_fault, EVENT_JOB_ERROR)

    # ------------------------------------------------------------ running

    def run(self, listen: str) -> None:
        """Run until SIGTERM or SIGINT, with the web server on `listen`.

        Raises:
            AddressTaken: it cannot be listened on; nothing was started.
        """
        with _signals(self._stop), served(listen, self.view):
            self.start()
            while not self._stop.wait(WAKE_SECONDS):
                pass
            log.info("stopping", in_flight=self._wiring.executor.in_flight)
            self.finish()

    def start(self) -> None:
        """Begin looking, now and then whenever the plan says."""
        self._scheduler.start()
        self._look_at(self._wiring.world.clock.now())
        self._scheduler.add_job(
            self._requests, "interval", seconds=_REQUESTS_EVERY.total_seconds(), id="requests", replace_existing=True
        )
        self._scheduler.add_job(self._deliver_again, "interval", seconds=_DELIVER_AGAIN_EVERY.total_seconds())
        if self._wiring.preflight:
            every = _PREFLIGHT_EVERY.total_seconds()
            self._scheduler.add_job(self._preflight, "interval", seconds=every, executor="preflight")

    def finish(self) -> None:
        """Start nothing new, finish what is in flight, and tell how it ended."""
        with self._scheduling:
            # The scheduler waits for its jobs while it holds its lock; a job that schedules would wait for that lock.
            self._stop.set()
        self._wiring.executor.close()  # first, so that a look that still runs begins nothing
        # A round that the scheduler is in the middle of stumbles over its own end: none begins once it pauses, and
        # its list of jobs can be had when the one in hand is over.
        self._scheduler.pause()
        self._scheduler.get_jobs()
        self._scheduler.shutdown(wait=True)
        self._tell()

    @property
    def view(self) -> View:
        """What the web server may see."""
        wiring = self._wiring
        return View(
            wiring.world.store,
            wiring.metrics,
            wiring.world.clock.now,
            alive=lambda: self.alive,
            ready=lambda: self.ready,
            error=lambda: self.last_error,
        )

    @property
    def alive(self) -> bool:
        """Whether looks still happen: the scheduler runs and the last one is not overdue by three intervals."""
        if not self._scheduler.running:
            return False
        if self.last is None:
            return True
        world = self._wiring.world
        return world.clock.now() - self.last.inventory.at < 3 * world.policy.check_every + timedelta(minutes=10)

    @property
    def ready(self) -> bool:
        """Whether a first look has ended."""
        return self.last is not None

    # ------------------------------------------------------------ jobs

    def _look(self) -> None:
        """One look; whatever comes of it, the next one is planned: a daemon that stops looking tells nobody."""
        world = self._wiring.world
        with self._looking:
            now = world.clock.now()
            with self._scheduling:
                self._planned.clear()
            wake = now + world.policy.shortest_tick
            try:
                self.last = tick(self._wiring, now)
                _report_look(self.last)
                self.last_error = ""
                wake = next_wake(self.last.plan, world.policy, now, first=self.last.inventory.first)
                wake = min(wake, self.last.wake) if self.last.wake else wake
            except RotatorError as error:
                self.last_error = str(error)
                log.error("the look failed; it is tried again", error=str(error))  # noqa: TRY400 - one clear sentence
            except Exception as error:
                self.last_error = f"a fault in rotator itself ({type(error).__name__}); its log says more"
                wake = now + min(_AFTER_A_FAULT, world.policy.check_every)
                log.exception("the look failed by a fault in rotator itself; it is tried again")
            # What was asked for while this look ran may have come too late for it, and is not to be forgotten.
            self._look_at(min([wake, *self._planned]))

    def _look_at(self, moment: datetime) -> None:
        with self._scheduling:
            self._planned.append(moment)
            if not self._stop.is_set():
                self._scheduler.add_job(
                    self._look, "date", run_date=moment, id="look", replace_existing=True,
                    executor="looks", max_instances=_ANY_NUMBER,
                )  # fmt: skip

    def _requests(self) -> None:
        store, clock = self._wiring.world.store, self._wiring.world.clock
        for request in store.requests():
            late = clock.now() - request.at > _ASKED_TOO_LONG_AGO  # whoever asked has long looked elsewhere
            answer = _TOO_LATE if late else carry_out(request, self._wiring)
            store.answer(request.id, answer, clock.now())
            log.info("request answered", verb=request.verb, by=request.by, answer=answer)
            self._look_at(clock.now())

    def _ended(self, certificate: str, outcome: Outcome | None) -> None:
        """The executor's word that a rotation ended: tell, and look again as soon as its outcome asks for it."""
        with self._scheduling:
            if not self._stop.is_set() and not self._asked_to_tell.is_set():
                # One that runs and one that waits for it are enough: the second tells whatever has ended meanwhile.
                self._asked_to_tell.set()
                self._scheduler.add_job(self._tell, max_instances=2)
        if outcome is not None:
            world = self._wiring.world
            self._look_by(wake_after(outcome, world.policy, world.clock.now()))

    def _look_by(self, moment: datetime) -> None:
        """Look then at the latest: what is not done is looked at again, and the new one may be due before long."""
        planned = self._scheduler.get_job("look")
        if planned is None or planned.next_run_time is None or planned.next_run_time > moment:
            self._look_at(moment)

    def _tell(self) -> None:
        with self._looking:
            self._asked_to_tell.clear()
            outcomes = self._wiring.executor.collect() if self.last else ()
            if self.last and outcomes:
                self.last = after(self._wiring, self.last, outcomes)

    def _preflight(self) -> None:
        """Ask beforehand about the certificates whose turn it is, and tell what came of it; no look waits for it."""
        last = self.last
        if last is None or not take_round(last.inventory.facts, self._wiring.world, Asking()):
            return
        with self._looking:
            if self.last is not None and not self._stop.is_set():
                self.last = after(self._wiring, self.last, self._wiring.executor.collect())

    def _deliver_again(self) -> None:
        """What an alerter could not take is tried again between two looks: a page must not wait for an hour."""
        with self._looking:
            world = self._wiring.world
            deliver_again(world.store, self._wiring.routes, world.clock.now())


def _report_look(last: Tick) -> None:
    """One line a look: that it happened, and what it came to."""
    due, problems = len(last.plan.due), len(last.inventory.problems)
    log.info(
        "looked", certificates=len(last.plan.decisions), due=due, not_looked_at=problems, notices=len(last.notices)
    )


def _report_fault(event: JobExecutionEvent) -> None:
    log.error("a scheduled job failed", job=event.job_id, error=repr(event.exception))


@contextmanager
def _signals(stop: Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event; a second one is not needed, since nothing is waited for without a limit."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
