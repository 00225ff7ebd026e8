"""The policy on a virtual clock: what a fleet will cost. Pure.

`steady` or `found` makes a `Fleet`, `ModelIssuer` answers its orders, `simulate` lives through the days.
"""

from rotator.core.simulate.figures import Hit, Lateness, Living, Simulation, Spread, simulate
from rotator.core.simulate.fleet import Fleet, Share, TooShort, found, steady
from rotator.core.simulate.issuer import ModelIssuer, Outage
from rotator.core.simulate.limit import Limit

__all__ = [
    "Fleet",
    "Hit",
    "Lateness",
    "Limit",
    "Living",
    "ModelIssuer",
    "Outage",
    "Share",
    "Simulation",
    "Spread",
    "TooShort",
    "found",
    "simulate",
    "steady",
]
