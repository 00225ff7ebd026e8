"""Whether a CA has taken a certificate back: its CRLs first, then OCSP (RFC 5280, RFC 6960).

    revocations = Revocations(clock.now, allow_internal=["10.0.0.0/8"])
    revocations.of(chain, roots)

Certificates come from strangers, so the addresses in them are untrusted input; see `fetching`.
"""

from rotator.lib.revocation.limits import Limits
from rotator.lib.revocation.revocations import ENDED, NOBODY, SELF_SIGNED, Revocations

__all__ = ["ENDED", "NOBODY", "SELF_SIGNED", "Limits", "Revocations"]
