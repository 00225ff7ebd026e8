"""step-ca by its own API: a one-time token, made with the key of a JWK provisioner, has a request signed at once.

A step-ca with an ACME provisioner can be used by the issuer `acme` as well. This one proves no names to the CA: whoever
has the provisioner's password may have any name signed that the provisioner's policy allows.
"""

from rotator.issuers.step_ca.issuer import StepCaIssuer
from rotator.issuers.step_ca.settings import StepCaSettings

__all__ = ["StepCaIssuer", "StepCaSettings"]
