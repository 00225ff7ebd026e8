"""A Vault as one word of a command line: `vault://HOST[:PORT]/MOUNT[/PATH]`, the rest as the vault command has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from rotator.sources.vault.source import VaultSourceSettings

_PORT = 8200
_LEFT_BY_LOGIN = ".vault-token"


def settings_from_word(word: str, environment: Mapping[str, str]) -> VaultSourceSettings:
    """The settings for `vault://HOST[:PORT]/MOUNT[/PATH]`; without a path every KV and PKI mount.

    Token, namespace and CA file come from VAULT_TOKEN (or the file that `vault login` leaves), VAULT_NAMESPACE and
    VAULT_CACERT; those of OpenBao's command (BAO_TOKEN …) go first. Where VAULT_ADDR names the same host, or the word
    names none (`vault:///secret`), it is asked as VAULT_ADDR says; else over TLS, on port 8200.

    Raises:
        ValueError: the word is no such address, or there is no token; in one sentence.
    """
    parts = urlsplit(word)
    if parts.scheme != "vault" or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{word!r} is no Vault; write it like vault://vault.example.com:8200/secret/team")
    path = unquote(parts.path).strip("/")
    given = {
        "url": _url(word, parts.netloc, _said(environment, "ADDR")),
        "auth": {"token": _token(word, environment)},
        "namespace": _said(environment, "NAMESPACE"),
        "ca_file": _said(environment, "CACERT") or None,
        "paths": (path,) if path else (),
        "renew_token": False,
    }
    try:
        return VaultSourceSettings.model_validate(given)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{word}: {why}") from error


def _said(environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"BAO_{name}") or environment.get(f"VAULT_{name}") or ""


def _url(word: str, host: str, address: str) -> str:
    if not host:
        if not address:
            raise ValueError(f"{word} names no host, and VAULT_ADDR is not set")
        return address
    try:
        port = urlsplit(f"//{host}").port
    except ValueError as error:
        raise ValueError(f"{word}: {host} has no port that exists") from error
    known = urlsplit(address)
    if host.lower() in {known.netloc.lower(), known.hostname}:
        return address
    return f"https://{host}" if port else f"https://{host.rstrip(':')}:{_PORT}"


def _token(word: str, environment: Mapping[str, str]) -> str:
    """Where the token is; it is read when it is needed."""
    for name in ("BAO_TOKEN", "VAULT_TOKEN"):
        if environment.get(name):
            return f"${{env:{name}}}"
    left = Path(environment.get("HOME", ""), _LEFT_BY_LOGIN)
    if left.is_absolute() and left.is_file():
        return f"${{file:{left}}}"
    raise ValueError(f"{word} needs a token: set VAULT_TOKEN, or run `vault login` first")
