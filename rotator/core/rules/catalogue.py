"""The catalogue: every rule of the audit, and what holds an observation against those that look at it alone.

A rule's id never changes its meaning; a rule that goes is not replaced by another of the same id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from rotator.core.model import Use
from rotator.core.rules import certificates, chains, dates, fleet, places
from rotator.core.rules.rule import ChainCheck, ChainFacts, PlaceCheck, PlaceFacts, Rule, Said

CHAIN_RULES: tuple[tuple[Rule, ChainCheck], ...] = (
    (dates.EXPIRED, dates.expired),
    (dates.EXPIRING, dates.expiring),
    (dates.NOT_YET_VALID, dates.not_yet_valid),
    (certificates.REVOKED, certificates.revoked),
    (chains.UNTRUSTED, chains.untrusted),
    (chains.SELF_SIGNED, chains.self_signed),
    (chains.INCOMPLETE, chains.incomplete),
    (chains.MISORDERED, chains.misordered),
    (chains.REDUNDANT, chains.redundant),
    (chains.EXPIRED_INTERMEDIATE, chains.expired_intermediate),
    (chains.DISTRUSTED, chains.distrusted),
    (certificates.WEAK, certificates.weak),
    (dates.LIFETIME_TOO_LONG, dates.lifetime_too_long),
    (certificates.NO_SAN, certificates.no_san),
    (certificates.WILDCARD, certificates.wildcard),
    (certificates.TOO_FEW_SCTS, certificates.too_few_scts),
    (certificates.CAA_FORBIDS, certificates.caa_forbids),
    (certificates.CAA_UNKNOWN, certificates.caa_unknown),
    (places.UNREADABLE, certificates.field_unreadable),
    (certificates.REVOCATION_UNKNOWN, certificates.revocation_unknown),
)
"""About a leaf and its chain, wherever they are found; not asked of what is only trusted."""

PLACE_RULES: tuple[tuple[Rule, PlaceCheck], ...] = (
    (places.UNREADABLE, places.unreadable),
    (places.KEY_MISMATCH, places.key_mismatch),
    (places.KEY_READABLE, places.key_readable),
    (places.NAME_MISMATCH, places.name_mismatch),
    (places.NO_SERVER_AUTH, places.no_server_auth),
    (places.OLD_TLS, places.old_tls),
    (places.UNMANAGED_DUE, places.unmanaged_due),
    (places.REFERENCE_MISSING, places.reference_missing),
    (places.REFERENCE_FOREIGN, places.reference_foreign),
    (places.CONSUMER_STUCK, places.consumer_stuck),
    (places.OWNED_TWICE, places.owned_twice),
    (places.EXPIRED_ANCHOR, places.expired_anchor),
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.id: rule
        for rule in sorted(
            (*(r for r, _ in CHAIN_RULES), *(r for r, _ in PLACE_RULES), *fleet.FLEET_RULES), key=lambda r: r.id
        )
    }
)
"""Every rule by its id."""

LEAVES = frozenset({Use.SERVE, Use.CLIENT})
"""Uses that have a leaf, and with it a chain to judge."""


def chain_says(facts: ChainFacts) -> Iterator[tuple[Rule, Said]]:
    """What the rules say of a chain."""
    for rule, check in CHAIN_RULES:
        for said in check(facts):
            yield rule, said


def place_says(facts: PlaceFacts) -> Iterator[tuple[Rule, Said]]:
    """What the rules say of a place beyond the chain that is there."""
    for rule, check in PLACE_RULES:
        for said in check(facts):
            yield rule, said


def rule_id(text: str) -> str:
    """The id of a rule that a person named by its id or its name, in any case.

    Raises:
        ValueError: there is no such rule; the nearest is in the sentence.
    """
    word = text.strip()
    by_name = {rule.name: rule.id for rule in RULES.values()}
    found = word.upper() if word.upper() in RULES else by_name.get(word.lower())
    if found is None:
        near = get_close_matches(word.lower(), [*by_name, *(one.lower() for one in RULES)], n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/reference/findings.md"
        raise ValueError(f"there is no rule {text!r}; {hint}")
    return found
