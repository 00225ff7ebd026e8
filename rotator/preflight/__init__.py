"""Will the next renewals work? `asking` finds out, `kept` remembers, `rounds` does both when it is time.

The daemon's rounds never touch a look: they have a thread of their own, and read what the last look found.
"""

from __future__ import annotations

from rotator.preflight.asking import Asking, preflight
from rotator.preflight.kept import read_kept
from rotator.preflight.rounds import take_round

__all__ = ["Asking", "preflight", "read_kept", "take_round"]
