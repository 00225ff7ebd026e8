"""What people ask of our accounts at CAs; the answer is one sentence for whoever asked."""

from __future__ import annotations

from collections.abc import Mapping

from rotator.core.model import IssuerAccount
from rotator.errors import IssueError
from rotator.ports import HasAccount
from rotator.world import World


def account_of(name: str, world: World) -> HasAccount:
    """The issuer of that name, which has an account.

    Raises:
        IssueError: there is no such issuer, or it has none.
    """
    issuer = world.issuers.get(name)
    if issuer is None:
        names = ", ".join(sorted(world.issuers)) or "none"
        raise IssueError(f"there is no issuer {name!r} in the config; there are {names}", permanent=True)
    if not isinstance(issuer, HasAccount):
        raise IssueError(f"{name} knows no accounts; ask its CA itself", permanent=True)
    return issuer


def update(arguments: Mapping[str, str], world: World) -> str:
    """Tell the CA what the config says of us, or make the account."""
    name = arguments.get("issuer", "")
    agree, anew = arguments.get("agree_terms") == "yes", arguments.get("new") == "yes"
    account = account_of(name, world).update_account(agree_terms=agree, anew=anew)
    said = f"{name}: {_told(account)}"
    if account.terms and account.agreed and account.terms != account.agreed:
        said += f"; the CA's terms have changed: read {account.terms} and agree with --agree-terms"
    if agree and account.unsaid:
        said += f"; {account.unsaid}"
    return said


def roll_key(arguments: Mapping[str, str], world: World) -> str:
    """Give the account another key."""
    name = arguments.get("issuer", "")
    account = account_of(name, world).roll_account_key()
    return f"{name}: the account {account.address} has a new key, {account.key}"


def deactivate(arguments: Mapping[str, str], world: World) -> str:
    """End the account for ever."""
    name = arguments.get("issuer", "")
    account = account_of(name, world).deactivate_account()
    return f"{name}: the account {account.address} is deactivated; nothing is issued by {name} any more"


def _told(account: IssuerAccount) -> str:
    contact = ", ".join(each.removeprefix("mailto:") for each in account.contact)
    return f"the account {account.address} is {account.status or 'registered'}; the CA writes to {contact or 'nobody'}"
