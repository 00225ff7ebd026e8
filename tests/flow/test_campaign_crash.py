"""A campaign whose process dies at any call that changes something: the next looks converge; nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rotator.asked import carry_out
from rotator.core.model import Certificate, RevocationReason
from rotator.errors import RotatorError
from rotator.ports import Request
from rotator.world import World
from tests.flow.issuers import LyingIssuer
from tests.flow.site import DAY, Site
from tests.flow.test_campaigns import NEW, OLD, TICK, campaign, looks, statuses

WRITES = (
    "keep_members",
    "keep_ask",
    "drop_pending",
    "keep_campaign",
    "keep_revoked",
    "keep_replaced",
    "audit",
    "revoke",
)


class Dead(RotatorError):  # noqa: N818 - what it is
    """The process has died; nothing of it reaches anything any more."""


class Life:
    """A process that dies before or after the n-th call of one kind."""

    def __init__(self, method: str, nth: int, *, after: bool) -> None:
        self.method, self.nth, self.after = method, nth, after
        self.calls = 0
        self.dead = False

    def call(self, name: str, do: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if self.dead:
            raise Dead("dead")
        self.calls += name == self.method
        here = name == self.method and self.calls == self.nth
        if here and not self.after:
            self.dead = True
            raise Dead("died before")
        found = do(*arguments, **named)
        if here:
            self.dead = True
            raise Dead("died after")
        return found


class Mortal:
    """A port whose changing calls end with its process."""

    def __init__(self, port: Any, life: Life) -> None:
        self._port, self._life = port, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in WRITES:
            return found
        return lambda *arguments, **named: self._life.call(name, found, *arguments, **named)


class Once(LyingIssuer):
    """Counts how often each certificate is revoked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.times: dict[str, int] = {}

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        super().revoke(certificate, reason)
        self.times[certificate.fingerprint] = self.times.get(certificate.fingerprint, 0) + 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", WRITES)
def test_a_crash_at_each_step_converges(tmp_path: Path, method: str, after: bool) -> None:
    """Killed twice at the first call of a kind that changes something, the campaign ends with one new certificate and
    every old one revoked; none was revoked while it was served."""
    with Site(tmp_path / "site") as site:
        site.look()
        old = Once(OLD, site.issuing, site.clock)
        site.issuers[OLD] = old
        site.lying(NEW)
        shop = site.cared_for("shop", issuers=(OLD, NEW))
        site.look()
        first = shop.serves
        site.time.goes_by(DAY)
        arguments = {"issuer": OLD, "reason": "key-compromise", "revoke": "yes"}
        carry_out(Request(0, "campaign", arguments, site.time.now, "ada@host"), site.wiring)
        ordered = len(old.asked)
        died = 0
        for _ in range(6):
            life = Life(method, 1 if died < 2 else 99, after=after)

            def mortal(world: World, life: Life = life) -> World:
                issuers = (
                    {**world.issuers, OLD: Mortal(world.issuers[OLD], life)} if method == "revoke" else world.issuers
                )
                return replace(world, store=Mortal(world.store, life), issuers=issuers)  # type: ignore[arg-type]  # they quack

            site.change = mortal
            try:
                site.look()
            except RotatorError:
                assert life.dead
            died += life.dead
            assert shop.serves not in old.revoked, "what is served was revoked"
            site.change = lambda world: world
            site.time.goes_by(TICK)
        assert died, "nothing was killed"
        looks(site, 8)
        assert statuses(site) == {"shop": "revoked"}
        assert campaign(site).status == "done"
        assert len(old.asked) == ordered + 1, "a crash cost an order"
        assert first in old.revoked
        assert shop.serves not in old.revoked
        assert max(old.times.values()) <= 3, "revoking is safe to repeat, and is repeated only after a crash"
