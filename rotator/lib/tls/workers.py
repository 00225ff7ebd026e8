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
from multiprocessing.connection import Pipe, wait

from rotator.core.model import Endpoint, Sighting, SightingState
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
        WorkerEnded: one of them was killed, or failed; after all that the others could look at was yielded.
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
        if dead := [worker for worker in workers if worker.ended]:
            raise WorkerEnded(_loss(dead, all_of_them=len(dead) == len(workers)))
    feed.check()


def _sightings(workers: Sequence[Worker]) -> Iterator[Sighting]:
    """What comes from each until it is done, or dead."""
    at_work: dict[object, Worker] = {worker.answers: worker for worker in workers}
    while at_work:
        for ready in wait([worker.answers for worker in at_work.values()]):
            worker = at_work[ready]
            parcel = worker.receive()
            if parcel is None:
                del at_work[ready]
            else:
                yield from worker.sightings(parcel)


def _hand_out(feed: Feed, workers: Sequence[Worker]) -> None:
    """Give each worker that asks the next endpoints, until there are none, or no worker is left."""
    asking: dict[object, Worker] = {worker.questions: worker for worker in workers}
    chunk: list[Endpoint] = []
    while asking:
        for ready in wait([worker.questions for worker in asking.values()]):
            worker = asking[ready]
            if worker.asks():
                if not chunk:  # else it was for one that has gone
                    feed.wait()
                    chunk = feed.take(CHUNK)
                if worker.take(chunk) and chunk:
                    chunk = []
                    continue
            del asking[ready]
    if chunk and workers:
        workers[-1].in_hand.update(chunk)  # nobody is left to take it


def _loss(dead: Sequence[Worker], *, all_of_them: bool) -> str:
    """What has become of workers, and what of their endpoints."""
    who = "a process" if len(dead) == 1 else f"{len(dead)} processes"
    how = " and ".join(dict.fromkeys(worker.ended for worker in dead))
    lost = sum(len(worker.in_hand) for worker in dead)
    what = f"at least {lost} endpoint{'' if lost == 1 else 's'}"  # of one with several addresses some may be missing
    if all_of_them:
        what += " and all that was to come were"
    elif lost:
        what += " was" if lost == 1 else " were"
    else:
        what = "perhaps some address of the last ones was"
    return f"{who} that looked at endpoints {how}; {what} not looked at, so scan again"


class Worker:
    """One process and the pipes to it.

    Attributes:
        in_hand: what it was given and has shown nothing of yet.
        ended: how it ended before it was done; empty as long as it has not.
    """

    def __init__(self, order: Order) -> None:
        self.in_hand: set[Endpoint] = set()
        self.ended = ""
        self._unpacker = Unpacker()
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

    def asks(self) -> bool:
        """Whether it wants endpoints; else it has gone, as who reads its answers will say."""
        try:
            self.questions.recv_bytes()
        except (EOFError, OSError):
            return False
        return True

    def take(self, chunk: Sequence[Endpoint]) -> bool:
        """Give it endpoints, none where there are no more; says whether they arrived."""
        self.in_hand.update(chunk)
        try:
            self.questions.send([(e.host, e.port, e.server_name, e.starttls) for e in chunk])
        except OSError:
            self.in_hand.difference_update(chunk)
            return False
        return True

    def receive(self) -> Parcel | None:
        """The next parcel; None when it is done, or has `ended`."""
        try:
            parcel: Parcel | None = self.answers.recv()
        except (EOFError, OSError):
            self.ended = self._how()
            return None
        return parcel

    def sightings(self, parcel: Parcel) -> list[Sighting]:
        """What a parcel of its own has in it."""
        found = self._unpacker.unpack(parcel)
        self.in_hand.difference_update(one.endpoint for one in found if one.state is not SightingState.UNROUTED)
        return found

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        assert self._process.stderr is not None
        words = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return f"failed: {words[-1][:_TOLD]}" if words else f"ended with {code}"

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
