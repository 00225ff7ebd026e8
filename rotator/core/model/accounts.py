"""Our account at a CA, as people are shown it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuerAccount:
    """An account as the CA says that it stands.

    Attributes:
        address: its URL at the CA; empty as long as none was made.
        status: the CA's word (`valid`, `deactivated`, `revoked`); empty as long as none was made.
        contact: where the CA writes to, as it has it (`mailto:pki@example.com`).
        key: the thumbprint of its public key (RFC 7638), by which CAs and logs name it; no secret.
        agreed: the terms of service that were agreed to.
        terms: the terms of service that are in force now.
        unsaid: what the config does not say and another account would need, as a clause of advice; empty where nothing.
    """

    address: str = ""
    status: str = ""
    contact: tuple[str, ...] = ()
    key: str = ""
    agreed: str = ""
    terms: str = ""
    unsaid: str = ""
