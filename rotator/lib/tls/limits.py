"""How long one look may take, and how many go on at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Limit(StrEnum):
    """Which of the limits a look has passed."""

    CONNECT = "connect"
    HANDSHAKE = "handshake"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one address may take (seconds), each counted for itself, the smallest that applies wins.

    Attributes:
        connect_seconds: until the TCP connection stands.
        total_seconds: for everything: connecting, STARTTLS, handshake.
        handshake_seconds: for the TLS handshake alone.
    """

    connect_seconds: float = 5.0
    total_seconds: float = 10.0
    handshake_seconds: float = 10.0

    def told(self, limit: Limit) -> str:
        """One clause for people: what was not done in time, and which limit that is."""
        if limit is Limit.CONNECT:
            return f"no connection within {self.connect_seconds:g} s (connect limit)"
        if limit is Limit.HANDSHAKE:
            missing = "it answered the connection, but not all of the TLS handshake"
            return f"{missing} within {self.handshake_seconds:g} s (handshake limit)"
        return f"it was not done within {self.total_seconds:g} s (total limit)"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many looks go on at once.

    Attributes:
        concurrency: connections in all.
        per_address: connections to one address.
        retries: how often a look that timed out or broke is done again; nothing else is.
        ahead: endpoints that are read, and as many again that are made ready, before there is a connection for them.
    """

    concurrency: int = 256
    per_address: int = 10
    retries: int = 0
    ahead: int = 1024
