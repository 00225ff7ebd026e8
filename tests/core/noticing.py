"""Certificates in trouble, and what notices a look at them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.model import (
    Action,
    Chain,
    Decision,
    Facts,
    History,
    Inventory,
    Notice,
    Observation,
    Outcome,
    Severity,
)
from rotator.core.notices import NoticeSettings, notices
from rotator.core.readiness import Kept
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    attempt,
    chain,
    decision,
    facts,
    plan,
    showing,
    spec,
)

SETTINGS = NoticeSettings()
W, E, C, INFO = Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.INFO
DUE_90 = {"lives": 90 * DAY}  # a lead of 30 days: late at 22.5 left, half at 15


def look(*pairs: tuple[Decision, Facts], first: bool = False, **more: object) -> tuple[Inventory, tuple[Decision, ...]]:
    """An inventory and the decisions on it, from pairs."""
    at = max((one.now for _, one in pairs), default=NOW)
    found = Inventory(at=at, facts=tuple(one for _, one in pairs), first=first)
    return replace(found, **more), tuple(one for one, _ in pairs)  # type: ignore[arg-type]  # fields by name


def told(
    *pairs: tuple[Decision, Facts],
    outcomes: Sequence[Outcome] = (),
    previous: Sequence[Notice] = (),
    preflight: Mapping[str, Kept] | None = None,
    **more: object,
) -> tuple[Notice, ...]:
    """The open notices of one look."""
    inventory, decisions = look(*pairs, **more)  # type: ignore[arg-type]  # fields by name
    before = {notice.key: notice for notice in previous}
    return notices(inventory, plan(*decisions, at=inventory.at), outcomes, before, SETTINGS, preflight=preflight)


def only(found: Sequence[Notice]) -> Notice:
    (notice,) = found
    return notice


def certificate(
    left: timedelta = 29 * DAY,
    *,
    name: str = "shop",
    owner: str = "",
    action: Action = Action.WAIT,
    reason: Reason = Reason.BACKING_OFF,
    because: Reason = Reason.DUE,
    history: History | None = None,
    served: Chain | None = None,
    emergency: bool = False,
    installed: Sequence[Observation] | None = None,
    at: datetime = NOW + 2 * HOUR,
    message: str = "backing off until 14:00",
    current: Chain | None = None,
) -> tuple[Decision, Facts]:
    """One certificate in trouble: a decision and the look it was made from."""
    of = spec(name, names=(f"{name}.example.com",), owner=owner, issuers=("letsencrypt",))
    held = current or chain(f"{name}.example.com", lives=90 * DAY, left=left)
    decided = decision(
        of, action, reason, because=because, wanted=Action.RENEW, ends=held.not_after, emergency=emergency, at=at,
        message=message,
    )  # fmt: skip
    shown = [showing(served)] if served else ()
    return decided, facts(of, chain=held, history=history, served=shown, installed=installed)


def failed(times: int, *, first: timedelta = 3 * HOUR, error: str = "the issuer said no", **more: object) -> History:
    """A history of failed tries, the first so long ago, the last a minute ago."""
    tries = [attempt(NOW - first + (first - MINUTE) * n / max(times - 1, 1), **more) for n in range(times)]  # type: ignore[arg-type]
    return History(attempts=tuple(replace(one, error=error, issuer="letsencrypt") for one in tries))
