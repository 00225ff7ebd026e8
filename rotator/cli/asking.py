"""Asking for a change: the running daemon carries it out; where none runs, this process takes the state and does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from rotator.cli.ending import Ending
from rotator.cli.options import Output
from rotator.cli.screen import progress, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.config.build import Config
    from rotator.core.model import Outcome
    from rotator.ports import Clock, Request, Store
    from rotator.report.json import Json
    from rotator.wiring import Wiring

Found = TypeVar("Found")

ANSWERED_WITHIN = timedelta(minutes=5)
ROTATED_WITHIN = timedelta(minutes=15)
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    Attributes:
        outcome: for `rotate`, how the rotation ended; None where there was none.
    """

    verb: str
    subject: str
    text: str
    done: bool
    outcome: Outcome | None = None


def ask(config: Config, verb: str, wanted: Sequence[Mapping[str, str]]) -> tuple[Answer, ...]:
    """Have a verb carried out once for each of these arguments, and wait for what comes of it.

    Raises:
        RotatorError: the state can be neither taken nor written to.
    """
    from rotator.clock import system_clock
    from rotator.errors import StateLocked
    from rotator.wiring import build

    clock = system_clock()
    try:
        with build(config, clock, writer=True) as wiring:
            return _ourselves(wiring, verb, wanted)
    except StateLocked:
        return _by_the_daemon(config, clock, verb, wanted)


def tell(output: Output, answers: Sequence[Answer]) -> Ending:
    """Print the answers; how the verb ends."""
    show(output, table=lambda: _table(answers), json=lambda: _json(answers))
    return Ending.CLEAN if all(answer.done for answer in answers) else Ending.NOT_DONE


def person() -> str:
    """Who asks, for the audit."""
    import getpass
    import os
    import socket

    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


# ---------------------------------------------------------------- no daemon runs


def _ourselves(wiring: Wiring, verb: str, wanted: Sequence[Mapping[str, str]]) -> tuple[Answer, ...]:
    from rotator.asked import carry_out, rotate_now
    from rotator.ports import Request

    clock, store = wiring.world.clock, wiring.world.store
    with progress(verb):
        requests = [Request(0, verb, arguments, clock.now(), person()) for arguments in wanted]
        answers = [_answer(replace(request, answer=carry_out(request, wiring))) for request in requests]
        begin = {answer.subject for answer in answers if answer.done and verb == "rotate"}
        if not begin:
            return tuple(answers)
        since = clock.now()
        rotate_now(wiring, begin)
    return tuple(
        (_ended(answer, store, since) or _not_begun(answer, store)) if answer.subject in begin else answer
        for answer in answers
    )


# ---------------------------------------------------------------- the daemon does it


def _by_the_daemon(config: Config, clock: Clock, verb: str, wanted: Sequence[Mapping[str, str]]) -> tuple[Answer, ...]:
    from rotator.cli.opening import open_state

    with open_state(config) as store, progress(f"{verb}: asked the daemon"):
        ids = [store.enqueue(verb, arguments, person(), clock.now()) for arguments in wanted]
        return tuple(follow(store, clock, request_id) for request_id in ids)


def follow(store: Store, clock: Clock, request_id: int) -> Answer:
    """Wait until the daemon has answered, and, for a rotation that began, until it has ended."""

    def answered() -> Request | None:
        return next((r for r in store.requests(open_only=False) if r.id == request_id and r.finished), None)

    request = _awaited(clock, ANSWERED_WITHIN, answered)
    if request is None or request.finished is None:
        waits = f"request {request_id} is in the queue; the daemon carries it out as soon as it can"
        return Answer("", "", waits, done=False)
    answer, since = _answer(request), request.finished
    if not answer.done or request.verb != "rotate":
        return answer
    ended = _awaited(clock, ROTATED_WITHIN, lambda: _ended(answer, store, since))
    return ended or replace(answer, text=f"{answer.text}; it goes on in the daemon", done=False)


def _awaited(clock: Clock, within: timedelta, what: Callable[[], Found | None]) -> Found | None:
    """Look again and again until there is something, or time is up."""
    deadline = clock.monotonic() + within.total_seconds()
    while (found := what()) is None and clock.monotonic() < deadline:
        clock.wait(_POLL_SECONDS)
    return found


# ---------------------------------------------------------------- what came of it


def _answer(request: Request) -> Answer:
    from rotator.asked import NOT_DONE, subject_of

    subject = subject_of(request.arguments)
    done = not request.answer.startswith(NOT_DONE)
    return Answer(request.verb, subject, request.answer.removeprefix(NOT_DONE), done)


def _ended(answer: Answer, store: Store, since: datetime) -> Answer | None:
    """How the rotation that was asked for ended, or what held it back; None while neither is known."""
    outcome = next(iter(store.outcomes(answer.subject, since=since, limit=1)), None)
    if outcome is not None:
        return replace(answer, outcome=outcome, done=is_done(outcome))
    plan = store.plan()
    if plan is None or plan.at < since:
        return None
    decision = next((d for d in plan.decisions if d.spec.name == answer.subject), None)
    if decision is None or decision.due:
        return None
    return replace(answer, text=f"{answer.subject}: {decision.reason}: {decision.told}", done=False)


def _not_begun(answer: Answer, store: Store) -> Answer:
    """A rotation that was due and has no outcome: it could not begin."""
    why = store.key_problem or "what was logged on standard error says why"
    return replace(answer, text=f"{answer.subject} could not begin: {why}", done=False)


def is_done(outcome: Outcome) -> bool:
    """Whether nothing is left to do: proved, or deployed where there is no endpoint to prove it at."""
    from rotator.core.model import Result

    return outcome.result is Result.DONE or (outcome.result is Result.UNPROVED and not outcome.error)


def _table(answers: Sequence[Answer]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from rotator.report.table import outcome_lines

    def line(answer: Answer) -> RenderableType:
        if answer.outcome:
            return outcome_lines(answer.outcome)
        return Text.assemble(
            ("done" if answer.done else "not done", "green" if answer.done else "red"), f": {answer.text}"
        )

    return Group(*(line(answer) for answer in answers))


def _json(answers: Sequence[Answer]) -> Json:
    """`answers`: `verb`, `subject` (certificate, glob or issuer), `done`, `answer`, `outcome` (of a `rotate`)."""
    from rotator.report import json

    return {
        "answers": [
            {
                "verb": answer.verb,
                "subject": answer.subject,
                "done": answer.done,
                "answer": answer.text,
                "outcome": json.outcome(answer.outcome) if answer.outcome else None,
            }
            for answer in answers
        ]
    }
