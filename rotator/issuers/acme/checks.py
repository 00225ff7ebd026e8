"""Whether the next order would be taken, as far as our account and the CA's directory tell without an order."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator

from rotator.core.model import Check, IssuerAccount
from rotator.errors import IssueError, SecretMissing
from rotator.issuers.acme.account import Account, why_not_agreed, why_not_bound
from rotator.issuers.acme.directory import Directory
from rotator.issuers.acme.errors import Refused
from rotator.issuers.acme.settings import AcmeSettings

DIRECTORY, ACCOUNT, EAB, TERMS, PROFILE = "directory", "account", "eab", "terms", "profile"
LEAST_MAC_KEY = 16
"""Octets; CAs give 32 and more (HS256: RFC 7518, 3.2). Fewer are most likely a part of a key."""


def account_checks(
    name: str,
    settings: AcmeSettings,
    directory: Directory,
    account: Account | None,
    asked: Callable[[], IssuerAccount],
    profile: str,
) -> Iterator[Check]:
    """Everything about our side of the account.

    Args:
        name: the issuer's, as it stands in the config.
        account: what is kept; None before the first order.
        asked: the account as the CA has it, asked for anew.
        profile: what the next order would name.
    """
    yield Check(DIRECTORY, detail=f"{directory.url} answers")
    yield terms_check(name, settings, directory, account)
    yield eab_check(name, settings, directory, account)
    yield from _account_check(name, settings, account, asked)
    yield profile_check(name, directory, profile)


def terms_check(name: str, settings: AcmeSettings, directory: Directory, account: Account | None) -> Check:
    """The terms are agreed to, and still the same that were."""
    if account is None or not account.address:
        if problem := why_not_agreed(directory, settings):
            return Check(TERMS, f"{name}: {problem}", "read them, then say `agree_terms: true`")
        return Check(TERMS, detail="agreed to by the config" if directory.terms else "the CA has none")
    if directory.terms and account.terms and directory.terms != account.terms:
        return Check(
            TERMS,
            f"{name}: the CA's terms of service have changed: read {directory.terms}; the account agreed to "
            f"{account.terms}",
            f"read them, then agree with `rotator account update {name} --agree-terms`",
        )
    return Check(TERMS, detail="the terms that are in force were agreed to" if directory.terms else "the CA has none")


def eab_check(name: str, settings: AcmeSettings, directory: Directory, account: Account | None) -> Check:
    """The external account is there and is well-formed. Whether the CA takes it only a first registration can tell."""
    if account is not None and account.address:
        return Check(EAB, detail="not needed any more: the account is registered")
    if problem := why_not_bound(directory, settings):
        return Check(EAB, f"{name}: {problem}", "the CA's web site shows a key id and a MAC key, once")
    if settings.eab is None:
        return Check(EAB, detail="the CA wants none")
    try:
        key = settings.eab.key.reveal()
        octets = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except SecretMissing as error:
        return Check(EAB, f"{name}: {error}", "put the MAC key there")
    except (ValueError, binascii.Error):  # its text may hold the key
        return Check(EAB, f"{name}: the MAC key of eab is not base64url", "copy it once more from the CA's web site")
    if len(octets) < LEAST_MAC_KEY:
        return Check(EAB, f"{name}: the MAC key of eab is too short to be one", "copy it whole from the CA's web site")
    return Check(EAB, detail="well-formed; only the first order can tell whether the CA takes it")


def _account_check(
    name: str, settings: AcmeSettings, account: Account | None, asked: Callable[[], IssuerAccount]
) -> Iterator[Check]:
    if account is None or not account.address:
        yield Check(ACCOUNT, detail="none yet: the first order, or `rotator account update`, makes it")
        return
    try:
        found = asked()
    except Refused as error:
        yield _refused(name, settings, error)
        return
    except IssueError as error:
        yield Check(ACCOUNT, str(error), "see whether the CA can be reached from here")
        return
    if found.status != "valid":
        remedy = f"`rotator account update {name} --new` makes another one"
        yield Check(ACCOUNT, f"{name}: the CA calls our account {found.status or 'nothing'}, not valid", remedy)
        return
    wanted = f"mailto:{settings.email}" if settings.email else ""
    mail = "" if not wanted or wanted in found.contact else f"; `rotator account update {name}` tells it your address"
    yield Check(ACCOUNT, detail=f"{found.address} is valid{mail}")


def _refused(name: str, settings: AcmeSettings, error: Refused) -> Check:
    if error.code == "userActionRequired":
        return Check(TERMS, str(error), f"open the page, then `rotator account update {name} --agree-terms`")
    if error.code == "accountDoesNotExist" and settings.eab is None:
        return Check(ACCOUNT, detail="the CA does not know it any more; the next order registers its key again")
    if error.code == "accountDoesNotExist":
        return Check(ACCOUNT, str(error), "get a new key id and MAC key from the CA, and set eab")
    return Check(ACCOUNT, str(error), "do what the CA's words ask for")


def profile_check(name: str, directory: Directory, profile: str) -> Check:
    """The profile that would be ordered is offered."""
    if problem := why_not_offered(directory, profile):
        return Check(PROFILE, f"{name}: {problem}", "name one of these, or none")
    return Check(PROFILE, detail=f"{profile} is offered" if profile else "none is asked for")


def why_not_offered(directory: Directory, profile: str) -> str:
    """Why a profile cannot be ordered; empty when it can, or none is asked for."""
    if not profile or profile in directory.profiles:
        return ""
    return f"the CA has no profile {profile!r}; it offers {', '.join(sorted(directory.profiles)) or 'none'}"
