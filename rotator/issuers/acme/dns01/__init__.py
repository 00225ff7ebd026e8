"""DNS-01 (RFC 8555, 8.4): TXT records, written by a provider's API or by dynamic updates, seen before the CA looks."""

from __future__ import annotations

from rotator.issuers.acme.dns01.solver import Dns01Solver

__all__ = ["Dns01Solver"]
