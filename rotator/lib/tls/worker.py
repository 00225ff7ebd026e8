"""One of several processes that look at endpoints; started by `workers`, ended when its pipes are.

Run as a program with the numbers of two inherited pipes: endpoints come through the first whenever it is asked for
them, sightings go out through the second.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

from rotator.core.model import Endpoint, Sighting
from rotator.errors import RotatorError
from rotator.lib.tls.loop import stream_batches
from rotator.lib.tls.order import Order
from rotator.lib.tls.parcel import Packer
from rotator.lib.tls.run import work_of


def work(questions: Connection, answers: Connection) -> None:
    """Look at what comes until nothing more does; the last answer is None."""
    order: Order = questions.recv()
    packer = Packer()
    batches: Iterator[list[Sighting]] = stream_batches(work_of(_asked_for(questions), order))
    for batch in batches:
        answers.send(packer.pack(batch))
    answers.send(None)


def _asked_for(questions: Connection) -> Iterator[Endpoint]:
    """Ask for some endpoints whenever the last ones were taken; none means that there are no more."""
    while True:
        questions.send_bytes(b"more")
        chunk: list[tuple[str, int, str, str]] = questions.recv()
        if not chunk:
            return
        for parts in chunk:
            yield Endpoint(*parts)


def _end_with(answers: Connection) -> None:
    """End when the process that reads the answers has gone, however it went: a SIGKILL says nothing to anybody."""
    poll = select.poll()
    poll.register(answers.fileno(), 0)  # an error on the pipe is told unasked
    poll.poll()
    os._exit(0)


def _told(error: BaseException) -> str:
    """The error itself, out of the groups that tasks put it into."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, RotatorError) else repr(error)


if __name__ == "__main__":
    # An interrupt from the terminal reaches the whole group; the process that started this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = (Connection(int(number)) for number in sys.argv[1:3])
    threading.Thread(target=_end_with, args=(answers,), daemon=True).start()
    try:
        work(questions, answers)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # that process has ended, or wants no more: nobody is left to tell
    except Exception as error:  # noqa: BLE001 - said by the process that waits for the answers
        sys.exit(_told(error))
