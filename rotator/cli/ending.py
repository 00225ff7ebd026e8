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
    """What is printed: the config's mistakes a line each, anything else as one sentence."""
    if isinstance(error, ConfigError):
        count = len(error.problems)
        return f"{error}\n{count} {'mistake' if count == 1 else 'mistakes'} in the config; nothing was started"
    return f"rotator: {error}"
