"""The prober over several processes: endpoints go to whichever asks for more, sightings come back in parcels.

Programs of their own rather than forks (there are threads) or `multiprocessing.Process` (which imports the program
that it was started from): a worker imports the prober and nothing else.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait

from rotator.core.model import Endpoint, Sighting
from rotator.lib.tls.feed import Feed, ReadAhead
from rotator.lib.tls.order import Order, WorkerEnded
from rotator.lib.tls.parcel import Parcel, Unpacker

CHUNK = 64
"""Endpoints that a worker gets at once; few, so that none has much left when the others are done."""

_STOP_SECONDS = 5.0
_TOLD = 400


def spread_over(endpoints: Iterable[Endpoint], order: Order, processes: int) -> Generator[Sighting]:
    """Look at everything in so many processes; a generator that is closed early ends them.

    Raises:
        WorkerEnded: one of them was killed, or failed.
    """
    share = order.shared_among(processes)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(contextlib.closing(Worker(share))) for _ in range(processes)]
        feed = ReadAhead(endpoints, lambda: None, CHUNK * 4)
        feeding = threading.Thread(target=_hand_out, args=(feed, workers), name="rotator-tls-feed")
        feeding.start()
        try:
            yield from _sightings(workers)
        finally:
            feed.close()
            for worker in workers:
                worker.end()
            feeding.join()  # their pipes have ended; only then may this side close its own
    feed.check()


def _sightings(workers: Sequence[Worker]) -> Iterator[Sighting]:
    at_work: dict[object, Worker] = {worker.answers: worker for worker in workers}
    while at_work:
        for ready in wait([worker.answers for worker in at_work.values()]):
            worker = at_work[ready]
            parcel = worker.receive()
            if parcel is None:
                del at_work[ready]
            else:
                yield from worker.unpacker.unpack(parcel)


def _hand_out(feed: Feed, workers: Sequence[Worker]) -> None:
    """Give each worker that asks the next endpoints, until there are none, or a worker has gone."""
    asking = [worker.questions for worker in workers]
    with contextlib.suppress(OSError, EOFError):  # who reads the answers says so
        while asking:
            for asked in wait(asking):
                assert isinstance(asked, Connection)
                asked.recv_bytes()
                feed.wait()
                chunk = [(e.host, e.port, e.server_name, e.starttls) for e in feed.take(CHUNK)]
                asked.send(chunk)
                if not chunk:
                    asking.remove(asked)


class Worker:
    """One process and the pipes to it."""

    def __init__(self, order: Order) -> None:
        self.unpacker = Unpacker()
        self.questions, their_questions = Pipe()
        self.answers, their_answers = Pipe(duplex=False)
        theirs = (their_questions.fileno(), their_answers.fileno())
        self._process = subprocess.Popen(
            # -P: what lies in the current folder is no part of rotator.
            [sys.executable, "-P", "-m", "rotator.lib.tls.worker", *map(str, theirs)],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        their_questions.close()
        their_answers.close()
        with contextlib.suppress(OSError):  # it died at once: said when its answers are read
            self.questions.send(order)

    def receive(self) -> Parcel | None:
        """The next parcel; None when it is done.

        Raises:
            WorkerEnded: it is gone, and says no more.
        """
        try:
            parcel: Parcel | None = self.answers.recv()
        except (EOFError, OSError) as error:
            raise WorkerEnded(self._why()) from error
        return parcel

    def _why(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        code = self._process.returncode
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            assert self._process.stderr is not None
            words = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            how = f"failed: {words[-1][:_TOLD]}" if words else f"ended with {code}"
        return f"a process that looked at endpoints {how}; what it had in hand was not looked at, so scan again"

    def end(self) -> None:
        """End it, whether or not it is done, and wait until its connections are closed."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.end()
        self.questions.close()
        self.answers.close()
        assert self._process.stderr is not None
        self._process.stderr.close()
