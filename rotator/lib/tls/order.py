"""What a caller asked of the prober; plain, so that it can be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from OpenSSL import SSL

from rotator.errors import RotatorError
from rotator.lib.tls.client import ClientCertificate
from rotator.lib.tls.hello import reading_context
from rotator.lib.tls.limits import Limits, Pace

SHARED_AHEAD = 128


class WorkerEnded(RotatorError):  # noqa: N818 - reads as what happened
    """A process ended before its part of the order was done; raised after all that the others have seen."""


@dataclass(frozen=True, slots=True)
class Order:
    """How to look; see `probe` for what each part means."""

    limits: Limits
    pace: Pace
    key_algorithm: str | None = None
    client: ClientCertificate | None = None
    every_key: bool = False
    unrouted: bool = False

    def contexts(self) -> tuple[SSL.Context, ...]:
        """What is offered to a server, in the order in which it is tried.

        Raises:
            ClientCertificateUnfit: the client certificate cannot be used.
        """
        wide = self._context()
        return (self._context(self.key_algorithm), wide) if self.key_algorithm else (wide,)

    def other_keys(self) -> Mapping[str, SSL.Context]:
        """What a server is asked with once more, by the kind of key it is asked for; empty where it is asked once."""
        return {key: self._context(key) for key in ("rsa", "ecdsa")} if self.every_key else {}

    def _context(self, key_algorithm: str | None = None) -> SSL.Context:
        context = reading_context(key_algorithm)
        if self.client is not None:
            self.client.show_in(context)
        return context

    def shared_among(self, processes: int) -> Order:
        """The part of one of so many processes; what they do at once adds up to no more than was asked."""
        pace = self.pace
        # None reads far ahead, or one would be left with much when the others are done.
        share = Pace(pace.concurrency // processes, pace.per_address // processes, pace.retries, ahead=SHARED_AHEAD)
        return replace(self, pace=share)
