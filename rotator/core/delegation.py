"""When another controller is asked to renew what it keeps: the part of the decision that is about the owner. Pure.

A place that is owned is never written. Where its owner can be asked (`Owner.asks`), a renewal that is due by our own
policy, or that a person asks for, is delegated: one rotation like any other, with its own gap, cap and backoff, in the
ledger under the owner's kind. It is carried on until the owner has answered, also over a crash.
"""

from __future__ import annotations

from rotator.core.model import Facts, Owner
from rotator.core.reasons import Reason

CURED = frozenset({Reason.DUE, Reason.SUGGESTED, Reason.EXPIRED, Reason.REVOKED, Reason.ASKED, Reason.UNFINISHED})
"""What a new certificate of the same kind cures. Other names or another key are for the owner's own settings to say."""


def asked_owner(facts: Facts) -> Owner | None:
    """The owner of the one place of a certificate, where it can be asked; None where anybody else has a say in it.

    With several places the owner of one would leave the others behind.
    """
    if len(facts.installed) != 1:
        return None
    (observation,) = facts.installed.values()
    owner = observation.owner
    return owner if owner is not None and owner.asks and not observation.rivals else None


def under_way(facts: Facts) -> Owner | None:
    """The owner that was asked and has not been followed to its end; None where there is none."""
    owner = asked_owner(facts)
    newest = facts.history.orders[-1] if facts.history.orders else None
    if owner is None or newest is None or newest.issuer != owner.kind or newest.digest != facts.spec.digest:
        return None
    return owner if newest.result in {"", "pending"} else None
