"""How a verb ends: its exit code, and what becomes of an error."""

from __future__ import annotations

from enum import IntEnum

from rotator.errors import ConfigError, RotatorError


class Ending(IntEnum):
    """Exit codes, in their precedence: a mistake before findings before what could not be looked at."""

    CLEAN = 0
    NOT_DONE = 1  # findings at or above --fail-on, or something that was asked for was not done
    MISTAKE = 2  # usage or config
    UNSEEN = 3  # nothing of the above, but something could not be looked at


INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
"""As if the signal had ended the process: 128 and its number."""


class Terminated(BaseException):
    """SIGTERM: as KeyboardInterrupt, it unwinds, and no `except Exception` stops it."""


class Mistake(RotatorError):  # noqa: N818 - the person's, not ours
    """What was asked for on the command line makes no sense."""


class Unwritable(RotatorError):  # noqa: N818 - what was printed to
    """The result is known, and cannot be printed."""


def sentence(error: RotatorError) -> str:
    """What is printed: the config's mistakes a line each and counted, anything else as one sentence."""
    return f"{error}\n{_counted(error)}" if isinstance(error, ConfigError) else f"rotator: {error}"


def _counted(error: ConfigError) -> str:
    """Only mistakes keep anything from starting; what cannot be used yet is counted for itself."""
    unready = sum(problem.unready for problem in error.problems)
    mistakes = len(error.problems) - unready
    later = f"{unready} {'thing' if unready == 1 else 'things'} that it names cannot be used yet" if unready else ""
    if not mistakes:
        return f"no mistake in the config; {later}"
    said = f"{mistakes} {'mistake' if mistakes == 1 else 'mistakes'} in the config"
    return f"{said}; {later}; nothing was started" if later else f"{said}; nothing was started"
