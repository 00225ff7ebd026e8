"""Revoking a certificate (RFC 8555, 7.6)."""

from __future__ import annotations

import base64

from rotator.core.model import Certificate, RevocationReason
from rotator.errors import IssueError
from rotator.issuers.acme.errors import Refused
from rotator.issuers.acme.network import Fields, Server


def revoke(server: Server, certificate: Certificate, reason: RevocationReason) -> None:
    """Have it revoked, signed as our account; one that is revoked already is done.

    Raises:
        IssueError: the CA has no such place, refuses, or does not answer.
    """
    url = server.directory.revoke
    if not url:
        raise IssueError(f"{server.issuer}: the CA's directory names no place to revoke at", permanent=True)
    der = base64.urlsafe_b64encode(certificate.der).decode("ascii").rstrip("=")
    # "unspecified" is said by leaving it out (RFC 5280, 5.3.1).
    why = {} if reason is RevocationReason.UNSPECIFIED else {"reason": reason.code}
    try:
        server.post(url, Fields(certificate=der, **why))
    except Refused as error:
        if error.code != "alreadyRevoked":
            raise
