"""What an issuer answered, read the same way for every issuer: leaf first, the root left out."""

from __future__ import annotations

from rotator.core.model import Chain
from rotator.core.pem import PemError, read_chain
from rotator.errors import IssueError


def read_issued(text: bytes, issuer: str) -> Chain:
    """Read the chain in an issuer's answer (PEM); certificates above the leaf that sign themselves are dropped.

    Clients have their own copy of the root (RFC 8446, 4.4.2), so sending it only costs bytes. A leaf that signs itself
    stays: whether it may be deployed is the validator's to say.

    Args:
        issuer: who answered, as the beginning of a sentence.

    Raises:
        IssueError: the answer is no chain. Not permanent: a broken answer may come out right the next time.
    """
    try:
        chain = read_chain(text)
    except PemError as error:
        raise IssueError(f"{issuer} answered with something that is no certificate chain: {error}") from error
    leaf, *above = chain.certificates
    return Chain((leaf, *(certificate for certificate in above if not certificate.self_signed)))
