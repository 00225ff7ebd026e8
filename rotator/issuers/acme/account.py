"""Our account at a CA: one key per directory (and external account), sealed in the store before it is ever used."""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from acme import messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.jwk import JWK, JWKEC

from rotator.core.csr import new_key
from rotator.core.model import KeySpec
from rotator.errors import IssueError, SecretMissing
from rotator.issuers.acme.directory import Directory
from rotator.issuers.acme.network import Server
from rotator.issuers.acme.settings import AcmeSettings, ExternalAccount
from rotator.ports import Keep


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept of an account.

    Attributes:
        key: PKCS#8 PEM, ECDSA P-256 (ES256, which every CA must accept: RFC 8555, 6.2).
        address: the account's URL; empty as long as it is not registered.
        next_key: the key that a roll-over was begun with; which of the two the CA knows, only the CA can tell.
        terms: the terms of service that were in force when they were agreed to.
        deactivated: a person has ended it, for ever (RFC 8555, 7.3.6).
    """

    key: bytes = field(repr=False)
    address: str = ""
    next_key: bytes = field(default=b"", repr=False)
    terms: str = ""
    deactivated: bool = False

    @property
    def jwk(self) -> JWKEC:
        return jwk_of(self.key)


def jwk_of(key: bytes) -> JWKEC:
    """The JSON Web Key of an account key in PEM."""
    private = load_pem_private_key(key, password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return JWKEC(key=private)


class Accounts:
    """The drawer that holds our account at one directory."""

    def __init__(self, keep: Keep, settings: AcmeSettings) -> None:
        self._keep = keep
        identity = f"{settings.directory_url}\n{settings.eab.kid if settings.eab else ''}"
        self._drawer = f"acme-account-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"

    def peek(self) -> Account | None:
        """The kept account; None before the first order."""
        return _read(self._keep.get(self._drawer))

    def get(self) -> Account:
        """The kept account; the first time a new key, kept before anybody sees it, the same for all who ask at once."""
        return self.peek() or self._change(lambda kept: kept or Account(new_key(KeySpec())))

    def put(self, account: Account) -> Account:
        """Keep it as it is now."""
        return self._change(lambda _: account)

    def begin_roll(self, account: Account) -> Account:
        """The account with the key that a roll-over is made to, kept before the CA sees it: of two that begin at once
        both use the same, so that neither loses what the CA has taken from the other."""
        following = new_key(KeySpec())
        return self._change(lambda kept: replace(kept or account, next_key=(kept or account).next_key or following))

    def _change(self, change: Callable[[Account | None], Account]) -> Account:
        written = self._keep.change(self._drawer, lambda kept: _written(change(_read(kept))))
        account = _read(written)
        assert account is not None
        return account


def _read(kept: bytes | None) -> Account | None:
    if kept is None:
        return None
    fields = json.loads(kept)
    return Account(
        fields["key"].encode(),
        fields["address"],
        fields.get("next_key", "").encode(),
        fields.get("terms", ""),
        fields.get("deactivated", False),
    )


def _written(account: Account) -> bytes:
    fields = {
        "key": account.key.decode(),
        "address": account.address,
        "next_key": account.next_key.decode(),
        "terms": account.terms,
        "deactivated": account.deactivated,
    }
    return json.dumps(fields).encode()


def why_not_agreed(directory: Directory, settings: AcmeSettings) -> str:
    """What the operator has to say about the CA's terms before an account can be made; empty when nothing."""
    if directory.terms and not settings.agree_terms:
        return f"the CA's terms have to be agreed to: read {directory.terms} and set agree_terms: true"
    return ""


def why_not_bound(directory: Directory, settings: AcmeSettings) -> str:
    """What the operator has to get from the CA before an account can be made; empty when nothing is missing."""
    if directory.external_account_required and settings.eab is None:
        return "the CA wants an external account: get a key id and a MAC key from it and set eab"
    return ""


def register(server: Server, settings: AcmeSettings, *, agreed: bool = False) -> str:
    """Register the server's key; a CA that knows it already says where its account is (RFC 8555, 7.3.1).

    Args:
        agreed: a person has just agreed to the terms, whatever the settings say.

    Raises:
        IssueError: something is not configured, or the CA refuses.
    """
    missing = "" if agreed else why_not_agreed(server.directory, settings)
    if missing := missing or why_not_bound(server.directory, settings):
        raise IssueError(f"{server.issuer}: {missing}", permanent=True)
    body = messages.NewRegistration.from_data(
        email=settings.email or None,
        terms_of_service_agreed=bool(server.directory.terms) or None,
        external_account_binding=_binding(server, settings.eab) if settings.eab else None,
    )
    server.use_account("")
    address = server.post(server.directory.new_account, body).headers.get("Location", "")
    if not address.startswith("https://"):
        raise IssueError(f"{server.issuer}: the CA made an account, but did not say where it is")
    return address


def _binding(server: Server, external: ExternalAccount) -> dict[str, object]:
    """Our key, vouched for with the CA's MAC key (RFC 8555, 7.3.4)."""
    directory = messages.Directory({"newAccount": server.directory.new_account})
    public = cast("JWK", server.key.public_key())
    try:
        return messages.ExternalAccountBinding.from_data(public, external.kid, external.key.reveal(), directory)
    except SecretMissing as error:
        raise IssueError(f"{server.issuer}: {error}", permanent=True) from error
    except (ValueError, TypeError, binascii.Error) as error:
        # The library's text may hold the key.
        raise IssueError(f"{server.issuer}: the MAC key of eab is not base64url", permanent=True) from error
