"""The life of our account (RFC 8555, 7.3): made, kept up to date, given another key, ended.

What a crash must not lose is kept before it is sent. A roll-over keeps both keys until the CA has said which of them
it knows, and every use of the account begins with that question while it is open.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from acme.jws import JWS
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from rotator.core.csr import new_key
from rotator.core.model import IssuerAccount, KeySpec
from rotator.errors import IssueError
from rotator.issuers.acme.account import Account, Accounts, jwk_of, register
from rotator.issuers.acme.directory import Directory
from rotator.issuers.acme.errors import Refused
from rotator.issuers.acme.network import Fields, Server
from rotator.issuers.acme.settings import AcmeSettings
from rotator.lib.jsonobject import read_object

VALID, DEACTIVATED = "valid", "deactivated"
_UNSAID = "say agree_terms: true in the config as well: without it a lost state could make no other account"

Connect = Callable[[JWKEC], Server]
"""The CA, with requests signed by this key."""


class Upkeep:
    """Our account at one CA. For one thread at a time, and while no order is in flight where it changes the key."""

    def __init__(
        self, accounts: Accounts, settings: AcmeSettings, directory: Directory, connect: Connect, issuer: str
    ) -> None:
        self._accounts = accounts
        self._settings = settings
        self._directory = directory
        self._connect = connect
        self._issuer = issuer

    # ------------------------------------------------------------ using it

    def ready(self, *, again: bool = False) -> Server:
        """The CA, with requests signed as our account, which is registered where that was not done yet.

        Args:
            again: the CA does not know the account that we have: register its key again.
        """
        account = self._settled(self._accounts.get())
        self._require_active(account)
        if again or not account.address:
            return self._registered(account)
        if self._directory.terms and not account.terms:
            # Registered before this was kept: what is in force now is what later terms are compared with.
            self._accounts.put(replace(account, terms=self._directory.terms))
        return self._signed_in(account)

    def existing(self, what: str) -> Server:
        """The same, where an account must have been made already.

        Args:
            what: what it is needed for, as the end of a sentence.
        """
        account = self._accounts.peek()
        if account is None or not account.address:
            raise IssueError(f"{self._issuer}: there is no account of ours at this CA, so {what}", permanent=True)
        return self._signed_in(self._settled(account))

    def _registered(self, account: Account, *, agreed: bool = False) -> Server:
        server = self._connect(account.jwk)
        address = register(server, self._settings, agreed=agreed)
        self._accounts.put(replace(account, address=address, terms=self._directory.terms))
        server.use_account(address)
        return server

    def _signed_in(self, account: Account) -> Server:
        server = self._connect(account.jwk)
        server.use_account(account.address)
        return server

    def _require_active(self, account: Account) -> None:
        if account.deactivated:
            raise IssueError(
                f"{self._issuer}: the account was deactivated; `rotator account update {self._issuer} --new` makes "
                "another one",
                permanent=True,
            )

    # ------------------------------------------------------------ seeing and changing it

    def view(self) -> IssuerAccount:
        """As the CA has it now; makes none where there is none."""
        account = self._accounts.peek()
        if account is None or not account.address:
            return IssuerAccount(terms=self._directory.terms)
        account = self._settled(account)
        if account.deactivated:
            return self._shown(account, {"status": DEACTIVATED})
        server = self._signed_in(account)
        return self._shown(account, server.resource(server.post(account.address, None)))

    def update(self, *, agree_terms: bool, anew: bool) -> IssuerAccount:
        """Make it, or tell the CA where to write to and, where a person says so, that we agree (RFC 8555, 7.3.2)."""
        account = self._settled(self._accounts.get())
        if anew:
            if not self._has_ended(account):
                raise IssueError(f"{self._issuer}: the account is valid; --new is for one that has ended")
            account = self._accounts.put(Account(new_key(KeySpec())))
        self._require_active(account)
        if not account.address:
            self._registered(account, agreed=agree_terms)
            return self.view()
        fields: dict[str, object] = {"contact": [f"mailto:{self._settings.email}"] if self._settings.email else []}
        if agree_terms:
            fields["termsOfServiceAgreed"] = True
        server = self._signed_in(account)
        found = server.resource(server.post(account.address, Fields(**fields)))
        if agree_terms:
            account = self._accounts.put(replace(account, terms=self._directory.terms))
        return self._shown(account, found)

    def roll(self) -> IssuerAccount:
        """Another key (RFC 8555, 7.3.5): the new one vouches for itself, the old one for the new one."""
        server = self.existing("its key cannot be changed")
        account = self._accounts.get()
        self._require_active(account)
        if not self._directory.key_change:
            raise IssueError(f"{self._issuer}: the CA does not let an account change its key", permanent=True)
        account = self._accounts.begin_roll(account)
        conflict = None
        try:
            server.post(self._directory.key_change, self._vouched(account, jwk_of(account.next_key)))
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            conflict = error
        # Whoever stands between may answer anything: what counts is which of the two keys the CA takes now.
        known = self._known(account)
        if known is not None and known.key == account.next_key:
            return self.view()
        if conflict is not None:
            if known is not None:  # another account has this key: it can never become ours
                self._accounts.put(replace(account, next_key=b""))
            raise conflict
        raise IssueError(f"{self._issuer}: the CA does not take the new key yet; both are kept: ask again")

    def _vouched(self, account: Account, following: JWKEC) -> JWS:
        """The inner request: signed by the new key, about the account and its old key, without a nonce."""
        payload = {"account": account.address, "oldKey": account.jwk.public_key().to_json()}
        url = self._directory.key_change
        signed: JWS = JWS.sign(json.dumps(payload).encode(), key=following, alg=ES256, nonce=None, url=url)
        return signed

    def deactivate(self) -> IssuerAccount:
        """The end of it (RFC 8555, 7.3.6). Kept only once the CA has said so; asked again, it is done already."""
        server = self.existing("there is nothing to deactivate")
        account = self._accounts.get()
        if not account.deactivated:
            try:
                server.post(account.address, Fields(status=DEACTIVATED))
            except Refused as error:
                if not _says_deactivated(error):
                    raise
            account = self._accounts.put(replace(account, deactivated=True))
        return self._shown(account, {"status": DEACTIVATED})

    def _has_ended(self, account: Account) -> bool:
        """Here or at the CA, which may have ended it itself."""
        if account.deactivated or not account.address:
            return account.deactivated
        server = self._signed_in(account)
        try:
            return server.resource(server.post(account.address, None)).get("status") != VALID
        except Refused as error:
            if error.code not in {"unauthorized", "accountDoesNotExist"}:
                raise
            return True

    # ------------------------------------------------------------ which key it has

    def is_current(self, server: Server) -> bool:
        """Whether requests are still signed with the key that is kept: another process may have changed it."""
        account = self._accounts.peek()
        return account is None or account.jwk.thumbprint() == server.key.thumbprint()

    def _settled(self, account: Account) -> Account:
        """The account with the key that the CA knows it by, where a roll-over was cut off.

        While the old one answers, the new one is kept all the same: an answer that we did not wait for may still be on
        its way to be carried out.
        """
        return (self._known(account) or account) if account.next_key else account

    def _known(self, account: Account) -> Account | None:
        """The same, asked with the old key first; None where the CA takes neither, or says nothing of use."""
        try:
            answer = self._signed_in(account).post(account.address, None)
        except Refused as refused:
            address = "" if refused.is_outage else self._known_as(account.next_key)
            if not address.startswith("https://"):
                return None
            return self._accounts.put(replace(account, key=account.next_key, next_key=b"", address=address))
        return None if read_object(answer.content) is None else account

    def _known_as(self, key: bytes) -> str:
        """Where the account with this key is (RFC 8555, 7.3.1); empty where the CA has none."""
        server = self._connect(jwk_of(key))
        try:
            answer = server.post(self._directory.new_account, Fields(onlyReturnExisting=True))
        except Refused as error:
            if error.is_outage:
                raise
            return ""
        return answer.headers.get("Location", "")

    # ------------------------------------------------------------ for people

    def _shown(self, account: Account, found: Mapping[str, Any]) -> IssuerAccount:
        contact = found.get("contact")
        return IssuerAccount(
            address=account.address,
            status=str(found.get("status") or ""),
            contact=tuple(str(each) for each in contact) if isinstance(contact, list) else (),
            key=base64.urlsafe_b64encode(account.jwk.thumbprint()).decode().rstrip("="),
            agreed=account.terms,
            terms=self._directory.terms,
            unsaid=_UNSAID if self._directory.terms and not self._settings.agree_terms else "",
        )


def _says_deactivated(error: Refused) -> bool:
    """The CA refuses everything that an account which has ended says (RFC 8555, 7.3.6)."""
    return error.code == "unauthorized" and "deactivated" in str(error).lower()
