"""CAs that browsers distrust. Pure; by the organisation in the names of a chain."""

from __future__ import annotations

from rotator.core.model import Chain

_DROPPED = {"O=Symantec Corporation": "Chrome and Mozilla have distrusted Symantec's CAs since October 2018"}


def distrusted(chain: Chain) -> str | None:
    """Why browsers refuse the chain's CA, in a clause; None where none is known to."""
    for certificate in chain.certificates:
        for name, why in _DROPPED.items():
            if name in certificate.issuer:
                return why
    return None
