"""An issuer in this process that tells beforehand what a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from rotator.core.model import Check, PreflightRequest
from rotator.ports import Clock
from tests.flow.issuers import LyingIssuer
from tests.pki import Authority

NINETY_DAYS = timedelta(days=90)


class ForetellingIssuer(LyingIssuer):
    """Signs like its parent, and answers a preflight.

    Attributes:
        says: what it answers; raises what the test has it raise.
        caa_domains: what CAA records call it.
        foretold: every question so far.
    """

    def __init__(self, name: str, authority: Authority, clock: Clock, *, lifetime: timedelta = NINETY_DAYS) -> None:
        super().__init__(name, authority, clock, lifetime=lifetime)
        self.says: Callable[[PreflightRequest], tuple[Check, ...]] = lambda _: (Check("account", detail="valid"),)
        self.caa_domains: tuple[str, ...] = ()
        self.foretold: list[PreflightRequest] = []
        self._alone = threading.Lock()

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        with self._alone:
            self.foretold.append(request)
        return self.says(request)
