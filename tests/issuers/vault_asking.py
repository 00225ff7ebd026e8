"""The issuer `vault` on a mount of the test's own, and what it says beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rotator.core.model import Check, PreflightRequest
from rotator.issuers.vault import VaultIssuer, VaultIssuerSettings
from tests.issuers.asking import Drawer, real_clock
from tests.servers.openbao import PkiMount

TOKEN = "VAULT_AHEAD_TOKEN"

MakeIssuer = Callable[..., VaultIssuer]


def issuer_maker(pki_mount: PkiMount, monkeypatch: pytest.MonkeyPatch) -> MakeIssuer:
    """Build the issuer on a mount, with other settings where the test says so; its token is in `TOKEN`."""
    monkeypatch.setenv(TOKEN, pki_mount.token)

    def built(**settings: object) -> VaultIssuer:
        standard = {"url": pki_mount.url, "mount": pki_mount.mount, "role": pki_mount.role}
        given = {**standard, "auth": {"token": f"${{env:{TOKEN}}}"}, **settings}
        return VaultIssuer("bao", VaultIssuerSettings.model_validate(given), real_clock(), Drawer())

    return built


def check(issuer: VaultIssuer, name: str, request: PreflightRequest | None = None) -> Check:
    """One of the checks, by its name."""
    return next(each for each in issuer.preflight(request or PreflightRequest(("a.example.com",))) if each.name == name)
