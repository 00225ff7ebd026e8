"""What a way to prove names has to do, and what all of them share.

A solver shows the proofs of several authorizations at once, as a context manager. **It always cleans up**: each thing
that it has begun to show is taken away exactly once, the last first, whatever comes of the order; a thing that cannot
be taken away is logged, and the others still are. What a crash leaves is found by `traces` at the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Protocol, Self

from rotator.core.model import Check
from rotator.errors import RotatorError
from rotator.issuers.acme.traces import Traces
from rotator.log import logger
from rotator.ports import Clock

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the CA has to see for one authorization (RFC 8555, 8.1).

    Attributes:
        name: as it was ordered, a wildcard with its star.
        authorization: the key authorization; shows that the holder of our account key controls the name.
    """

    name: str
    token: str
    authorization: str = field(repr=False)

    @property
    def host(self) -> str:
        """The name without a wildcard's star."""
        return self.name.removeprefix("*.")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every solver of an issuer works with; `issuer` begins its sentences."""

    issuer: str
    clock: Clock
    traces: Traces


class Solver(Protocol):
    """One configured way to prove names; used by several threads at once."""

    kind: ClassVar[str]
    """The challenge's type, as `dns-01`."""

    def showing(self, proofs: Sequence[Proof]) -> AbstractContextManager[None]:
        """Show these proofs as long as the context lasts; entered, they can be seen.

        Raises:
            IssueError: they cannot be shown; nothing of them is left.
            Pending: the process was asked to stop before they could be seen.
        """
        ...

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """Whether these names could be proved now, found out by doing it as far as it goes without an order."""
        ...


class Undoing:
    """Takes away what was shown: each once, the last first, and also where one before it fails.

    Args:
        left: is told of what could not be taken away; for a preflight, which finds out whether it can be.
    """

    def __init__(self, issuer: str, left: list[str] | None = None) -> None:
        self._issuer = issuer
        self._left = [] if left is None else left
        self._stack = ExitStack()

    def later(self, what: str, undo: Callable[[], None]) -> None:
        """Note how a thing is taken away, before it is shown: an attempt that fails may have shown it."""
        self._stack.callback(self._undo, what, undo)

    def _undo(self, what: str, undo: Callable[[], None]) -> None:
        try:
            undo()
        except RotatorError as error:
            self._left.append(str(error))
            log.warning("a challenge could not be taken away", issuer=self._issuer, what=what, error=str(error))
        except Exception as error:  # a bug here must not keep the others from being taken away
            self._left.append(f"{self._issuer}: {what} could not be taken away: {type(error).__name__}")
            log.exception("a challenge could not be taken away", issuer=self._issuer, what=what)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
