"""The source `vault` on a real OpenBao, and what a look at it told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Observation
from rotator.errors import SourceError
from rotator.ports import Clock
from rotator.sources.vault import VaultSource, VaultSourceSettings
from tests.issuers.asking import real_clock
from tests.pki import Authority
from tests.servers.openbao import OpenBao

TOKEN = "VAULT_SOURCE_TOKEN"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

Look = Callable[..., VaultSource]


def source_on(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What builds the source on the run's OpenBao, as root unless the test gives a token."""

    def built(*paths: str, token: str = openbao.token, clock: Clock | None = None, **settings: object) -> VaultSource:
        monkeypatch.setenv(TOKEN, token)
        given = {"url": openbao.url, "auth": {"token": f"${{env:{TOKEN}}}"}, "paths": paths, **settings}
        return VaultSource("bao", VaultSourceSettings.model_validate(given), clock or real_clock())

    return built


def intermediate() -> Authority:
    """A CA below a root."""
    root = Authority("Root", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
    return Authority("Issuing", not_before=NOW - DAY, not_after=NOW + 400 * DAY, parent=root)


def looked(source: VaultSource) -> tuple[list[Observation], str]:
    """All that was told, and what was said at the end of it."""
    found: list[Observation] = []
    try:
        found.extend(source.observe())
    except SourceError as error:
        return found, str(error)
    return found, ""


def partial_look(source: VaultSource) -> tuple[list[Observation], str]:
    """What was told before the look failed, and how it failed."""
    found: list[Observation] = []
    with pytest.raises(SourceError) as failed:
        for each in source.observe():
            found.append(each)
    return found, str(failed.value)
