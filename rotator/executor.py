"""Where rotations run: a pool of threads in this process, each certificate at most once at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition

from rotator.core.model import Outcome
from rotator.errors import RotatorError
from rotator.lib.clock import WAKE_SECONDS
from rotator.log import logger

log = logger(__name__)

Job = Callable[[], Outcome | None]
Ended = Callable[[str, Outcome | None], None]


class LocalExecutor:
    """Runs jobs by certificate name, `at_once` at a time, in the order they were given."""

    def __init__(self, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="rotation")
        self._on_end: Ended | None = None
        self._changed = Condition()
        self._running: dict[str, Future[None]] = {}
        self._outcomes: list[Outcome] = []
        self._open = True

    def listen(self, on_end: Ended) -> None:
        """Have this called in the worker's thread when a job has ended; it must not raise."""
        self._on_end = on_end

    def submit(self, certificate: str, job: Job) -> bool:
        """Take a job, unless one for this certificate is in flight or the executor is closed."""
        with self._changed:
            if not self._open or certificate in self._running:
                return False
            self._running[certificate] = self._pool.submit(self._run, certificate, job)
            return True

    def _run(self, certificate: str, job: Job) -> None:
        outcome: Outcome | None = None
        try:
            if self._open:
                outcome = job()
        except RotatorError as error:
            log.warning("rotation not carried out", certificate=certificate, error=str(error))
        except Exception:
            # A fault of ours must not take the other certificates with it; the next look decides again.
            log.exception("rotation crashed", certificate=certificate)
        finally:
            with self._changed:
                self._running.pop(certificate, None)
                if outcome is not None:
                    self._outcomes.append(outcome)
                self._changed.notify_all()
            if self._on_end is not None:
                self._on_end(certificate, outcome)

    @property
    def in_flight(self) -> tuple[str, ...]:
        """Certificates whose rotation is running or waiting for a thread."""
        with self._changed:
            return tuple(self._running)

    def collect(self) -> tuple[Outcome, ...]:
        """Outcomes since the last call."""
        with self._changed:
            outcomes, self._outcomes = tuple(self._outcomes), []
            return outcomes

    def drain(self) -> None:
        """Wait until nothing is in flight."""
        with self._changed:
            while not self._changed.wait_for(lambda: not self._running, WAKE_SECONDS):
                pass

    def close(self) -> None:
        """Start nothing new; what runs is finished, what waits is dropped (the next look decides again)."""
        with self._changed:
            self._open = False
        self._pool.shutdown(wait=True)
