"""The steps of one rotation, in the order of its path: obtain, accept, deploy, prove, undo."""

from __future__ import annotations

from datetime import datetime

from rotator.core.model import Result, Stage, Violation


class Ended(Exception):  # noqa: N818 - it says how a rotation ended, which is not always an error
    """A rotation ends here; what it says becomes the outcome.

    Attributes:
        issuer: whoever was asked for a certificate just now and gave none; empty where nobody was.
        in_flight: the order stands at the issuer, and is carried on.
        ours: the issuer did its part and could not verify the names: another one would hardly find it otherwise.
    """

    def __init__(
        self,
        result: Result,
        stage: Stage,
        error: str,
        *,
        permanent: bool = False,
        retry_at: datetime | None = None,
        violations: tuple[Violation, ...] = (),
        issuer: str = "",
        in_flight: bool = False,
        ours: bool = False,
    ) -> None:
        super().__init__(error)
        self.result = result
        self.stage = stage
        self.error = error
        self.permanent = permanent
        self.retry_at = retry_at
        self.violations = violations
        self.issuer = issuer
        self.in_flight = in_flight
        self.ours = ours
