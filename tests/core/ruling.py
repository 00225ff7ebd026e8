"""Chains and places, and what the rules of the audit say of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from rotator.core.model import (
    Certificate,
    Chain,
    Endpoint,
    Location,
    Observation,
    Severity,
)
from rotator.core.rules.catalogue import chain_says, place_says
from rotator.core.rules.rule import ChainFacts, PlaceFacts, Rule, Said
from rotator.core.trust import path_of
from tests.builders import DAY, NOW, certificate
from tests.pki import Authority

BEFORE, AFTER = NOW - 400 * DAY, NOW + 4000 * DAY
ROOT = Authority("Rule Root", not_before=BEFORE, not_after=AFTER)
ISSUING = Authority("Rule Issuing", not_before=BEFORE, not_after=AFTER, parent=ROOT)
ROOT_ONLY = certificate("Test Root", is_ca=True)


def told(said: Iterable[tuple[Rule, Said]]) -> dict[str, list[Severity]]:
    """Severities by rule id."""
    found: dict[str, list[Severity]] = {}
    for rule, one in said:
        found.setdefault(rule.id, []).append(one.severity)
    return found


def of_chain(one: Chain, **more: Any) -> dict[str, list[Severity]]:
    """What the rules say of a chain that clients trust."""
    return told(chain_says(ChainFacts(one, NOW, **{"path": (*one.certificates, ROOT_ONLY), **more})))


def of_real(
    certificates: Sequence[Certificate], roots: Sequence[Certificate] = (ROOT.certificate,), **more: Any
) -> dict[str, list[Severity]]:
    """What the rules say of a chain whose path is looked for, as the audit does."""
    one = Chain(tuple(certificates))
    moment = max(one.not_before, min(NOW, one.not_after - timedelta(seconds=1)))
    path = path_of(one, roots, moment)
    found = {"refusal": path} if isinstance(path, str) else {"path": path}
    return told(chain_says(ChainFacts(one, NOW, **{**found, **more})))


def at(observation: Observation, **more: Any) -> dict[str, list[Severity]]:
    """What the rules say of a place beyond its chain."""
    return told(place_says(PlaceFacts(observation, NOW, **more)))


def served(shown: Chain, host: str = "shop.example.com", **more: Any) -> Observation:
    """What an endpoint shows."""
    return Observation(Location("tls", f"{host}:443@192.0.2.1"), chain=shown, endpoint=Endpoint(host, 443), **more)


def leaf(**more: Any) -> tuple[Certificate, ...]:
    """A leaf of the issuing CA, with it."""
    given = {"not_before": NOW - 30 * DAY, "not_after": NOW + 60 * DAY, **more}
    return ISSUING.issue(["shop.example.com"], **given).chain.certificates
