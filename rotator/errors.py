"""Every error rotator raises on purpose.

RotatorError
├── ConfigError           the configuration is wrong; all mistakes at once
├── SecretMissing         a `${env:…}` or `${file:…}` reference leads nowhere
├── SourceError           a place could not be looked at
├── IssueError            the issuer refused or failed
├── Pending               the issuer has not finished yet
├── RequestError          a certificate signing request that was made elsewhere is of no use
├── TargetError           a target could not be read or written
│   └── Conflict          it changed under our hands
├── AlertError            an alerter could not deliver
└── StateError            the state cannot be used
    ├── StateLocked       somebody else holds it
    ├── StateKeyMissing   sealed rows exist, but the key does not open them
    └── Busy              another rotation of this certificate is in flight

Each message is one clear sentence: what, where, what to do. Vendor exceptions are translated at the edge.
Plain classes, because a frozen dataclass cannot carry a traceback through a context manager.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


class RotatorError(Exception):
    """The root of all errors that are meant for people."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake: where it stands, what is wrong, and the nearest valid name where there is one.

    Attributes:
        unready: no mistake: what is named there cannot be used yet, and whoever needs it says so. The rest starts.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    unready: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(RotatorError):
    """The configuration is wrong; `problems` has every mistake, in the order of the file."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SecretMissing(RotatorError):  # noqa: N818 - reads as what happened
    """A reference to a secret leads nowhere."""


class SourceError(RotatorError):
    """A place could not be looked at."""


class IssueError(RotatorError):
    """The issuer refused or failed.

    Attributes:
        permanent: trying again unchanged will not help.
        retry_after: the wait that the issuer named.
        resumable: the order stands (an outage): come back with the checkpoint, do not order anew.
        failed_names: names that the issuer looked at and could not verify; each counts against the CA's limit of
            failures.
        refused_by_limit: a limit of the issuer is reached (`rateLimited`): its own count is ahead of ours.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        resumable: bool = False,
        failed_names: tuple[str, ...] = (),
        refused_by_limit: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.resumable = resumable
        self.failed_names = failed_names
        self.refused_by_limit = refused_by_limit


class Pending(RotatorError):  # noqa: N818 - not a failure
    """The issuer has taken the request and has not finished; the checkpoint resumes it."""

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RequestError(RotatorError):
    """A certificate signing request that was made elsewhere cannot be read, or is none."""


class TargetError(RotatorError):
    """A target could not be read, written or reloaded; what it held before is said by the message."""


class Conflict(TargetError):  # noqa: N818 - the field's word
    """The place no longer holds what was seen there; nothing was written."""


class AlertError(RotatorError):
    """An alerter could not deliver; `permanent` when repeating it will not help (a 4xx)."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class StateError(RotatorError):
    """The state cannot be read or written."""


class StateLocked(StateError):  # noqa: N818
    """Another rotator holds this state."""


class StateKeyMissing(StateError):  # noqa: N818
    """Sealed rows exist, but there is no key that opens them."""


class Busy(StateError):  # noqa: N818
    """Another rotation of this certificate is in flight."""
