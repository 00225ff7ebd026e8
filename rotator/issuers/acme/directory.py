"""An ACME directory (RFC 8555, 7.1.1): what a CA offers and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests

from rotator.errors import IssueError
from rotator.lib.http import explain
from rotator.lib.jsonobject import read_object


@dataclass(frozen=True, slots=True)
class Directory:
    """What a directory says, as far as it matters here.

    Attributes:
        renewal_info: where ARI (RFC 9773) is asked; empty where there is none.
        terms: the terms of service that an account agrees to; empty where there are none.
        external_account_required: an account needs an external account binding.
        profiles: name → description of what can be ordered.
        caa_identities: what the CA is called in CAA records.
        revoke: where certificates are revoked; empty where they are not.
        key_change: where an account gets another key; empty where it cannot.
    """

    url: str
    new_nonce: str
    new_account: str
    new_order: str
    renewal_info: str = ""
    terms: str = ""
    external_account_required: bool = False
    profiles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    caa_identities: tuple[str, ...] = ()
    revoke: str = ""
    key_change: str = ""

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Every host and port that the directory leads to, its own first."""
        own = (self.url, self.new_nonce, self.new_account, self.new_order)
        urls = (*own, self.renewal_info, self.revoke, self.key_change)
        return tuple(dict.fromkeys(place for url in urls if (place := place_of(url))))


def fetch_directory(http: requests.Session, url: str, issuer: str) -> Directory:
    """Ask for the directory.

    Raises:
        IssueError: it cannot be had now, or what is there is no directory.
    """
    try:
        answer = http.get(url)
    except requests.RequestException as error:
        raise IssueError(f"{issuer}: the directory cannot be had: {explain(error)}") from error
    except OSError as error:  # requests' way to say that the CA file is not there
        raise IssueError(f"{issuer}: the directory cannot be asked for: {error}", permanent=True) from error
    if not answer.ok:
        gone = answer.status_code == requests.codes.not_found
        raise IssueError(f"{issuer}: {url} answers with status {answer.status_code}", permanent=gone)
    if left_tls(answer):
        raise IssueError(f"{issuer}: {url} redirects to an address that is not https; what is there is not used")
    try:
        return read_directory(answer.content, url)
    except ValueError as error:
        raise IssueError(f"{issuer}: what {url} answers is no ACME directory: {error}") from error


def left_tls(answer: requests.Response) -> bool:
    """Whether redirects led to it over an address where anybody on the way could have answered (RFC 8555, 6.1)."""
    return any(not each.url.startswith("https://") for each in (*answer.history, answer))


def read_directory(text: bytes, url: str) -> Directory:
    """Read a directory.

    Raises:
        ValueError: it is none; the message says what is missing.
    """
    found = read_object(text)
    if found is None:
        raise ValueError("it is no JSON object")
    meta = found.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    profiles, identities = meta.get("profiles"), meta.get("caaIdentities")
    return Directory(
        url=url,
        new_nonce=_address(found, "newNonce"),
        new_account=_address(found, "newAccount"),
        new_order=_address(found, "newOrder"),
        renewal_info=_address(found, "renewalInfo") if "renewalInfo" in found else "",
        terms=str(meta.get("termsOfService") or ""),
        external_account_required=meta.get("externalAccountRequired") is True,
        profiles={str(name): str(text) for name, text in profiles.items()} if isinstance(profiles, dict) else {},
        caa_identities=tuple(str(one) for one in identities) if isinstance(identities, list) else (),
        revoke=_address(found, "revokeCert") if "revokeCert" in found else "",
        key_change=_address(found, "keyChange") if "keyChange" in found else "",
    )


def place_of(url: str) -> tuple[str, int] | None:
    """Host and port of an https address; None for no such address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:  # a port that is no number
        return None
    return (host, port) if host else None


def _address(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or urlsplit(value).scheme != "https":
        raise ValueError(f"{key} is no https address")
    return value
