"""A CA in a folder of this machine: for tests, demos, and services whose clients trust a root of their own.

The folder holds `ca.crt` (the CA's certificate, and above it whatever else a chain needs) and `ca.key` (mode 0600).
With `create: true` an empty folder gets a new root at the first issue, with `intermediate: true` a root and an
intermediate below it, which signs. Nothing else ever writes there, but the list of what was revoked.
"""

from rotator.issuers.local_ca.issuer import LocalCaIssuer
from rotator.issuers.local_ca.settings import CrlSettings, LocalCaSettings

__all__ = ["CrlSettings", "LocalCaIssuer", "LocalCaSettings"]
