"""An ACME directory (RFC 8555, 7.1.1): what a CA offers and where; and the directories that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests

from rotator.core.caa_domains import domains_of
from rotator.errors import IssueError
from rotator.lib.http import explain
from rotator.lib.jsonobject import read_object

DIRECTORIES: Mapping[str, str] = MappingProxyType(
    {
        "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
        "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
        "google": "https://dv.acme-v02.api.pki.goog/directory",
        "google-staging": "https://dv.acme-v02.test-api.pki.goog/directory",
        "zerossl": "https://acme.zerossl.com/v2/DV90",
        "sslcom": "https://acme.ssl.com/sslcom-dv-ecc",
        "sslcom-rsa": "https://acme.ssl.com/sslcom-dv-rsa",
        "actalis": "https://acme-api.actalis.com/acme/directory",
    }
)
"""Buypass is not among them: it ended its service in April 2026."""

_ORGANISATIONS: Mapping[str, str] = MappingProxyType(
    {
        "letsencrypt": "Let's Encrypt",
        "letsencrypt-staging": "Let's Encrypt",
        "google": "Google Trust Services",
        "google-staging": "Google Trust Services",
        "zerossl": "ZeroSSL",
        "sslcom": "SSL Corporation",
        "sslcom-rsa": "SSL Corporation",
        "actalis": "Actalis S.p.A.",
    }
)


@dataclass(frozen=True, slots=True)
class Directory:
    """What a directory says, as far as it matters here.

    Attributes:
        renewal_info: where ARI (RFC 9773) is asked; empty where there is none.
        terms: the terms of service that an account agrees to; empty where there are none.
        external_account_required: an account needs an external account binding.
        profiles: name → description of what can be ordered.
        caa_identities: what the CA is called in CAA records.
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


def caa_domains(url: str) -> tuple[str, ...]:
    """What the CA of a well-known directory is called in CAA records; empty for any other directory."""
    name = next((name for name, address in DIRECTORIES.items() if address == url), "")
    return tuple(sorted(domains_of(_ORGANISATIONS.get(name, ""))))


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
    try:
        return read_directory(answer.content, url)
    except ValueError as error:
        raise IssueError(f"{issuer}: what {url} answers is no ACME directory: {error}") from error


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
    )


def _address(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or urlsplit(value).scheme != "https":
        raise ValueError(f"{key} is no https address")
    return value
