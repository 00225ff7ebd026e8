"""The PKI secrets engine of Vault and OpenBao: one `sign` request, answered at once.

The role decides what may be signed and for how long. Vault cuts a lifetime that is longer than the role's `max_ttl`
without saying so; what came out is seen by the validator and, where it is too short to gain anything, refused there.
A token that was given (`auth: {token: …}`) is prolonged whenever it is used in the second half of its life; every
other login is made again when it ends.
"""

from rotator.issuers.vault.issuer import VaultIssuer
from rotator.issuers.vault.settings import VaultIssuerSettings

__all__ = ["VaultIssuer", "VaultIssuerSettings"]
