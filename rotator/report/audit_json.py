"""The JSON of a scan, thing by thing; docs/reference/scan.schema.json describes it.

Keys are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping

from rotator.core.adoptable import issuer_name
from rotator.core.audit import Audit, Excused, Line, Summary, Unseen, lasting_place, service_of
from rotator.core.model import Consumer, Finding, Location, Observation
from rotator.core.rules.catalogue import RULES
from rotator.core.rules.rule import Rule
from rotator.report.lines import lasting, place_told, team
from rotator.report.objects import Object, leaf
from rotator.report.words import iso


def audit(one: Audit, rules: Mapping[str, Rule] = RULES) -> Object:
    """`at`, `places` (soonest end first), `findings` (worst first), `unseen` (could not be looked at), `summary`."""
    return {
        "at": iso(one.at),
        "places": [line(item) for item in one.lines],
        "findings": [finding(item, rules) for item in one.findings],
        "unseen": [unseen(item) for item in one.unseen],
        "summary": _counts(one.summary),
    }


def line(one: Line) -> Object:
    """`place`, `id` (what it is called over time and on every machine), `location` (`system`, `address`), `kind`
    (`stored` or `served`), `use` (`serve`, `client`, `trust`), `service`, `certificate`, `issuer` (its common name),
    `problem`, `key_matches`, `owner` (another writer of the place), `team`, `consumers` (`kind`, `name`, `hosts`,
    `stuck`, `foreign`), `addresses` (that were asked), `protocol` (of the handshake), `due` (by the rule of lifetimes),
    `findings` (ids), `excused` (`rule`, `about`, `severity`, `message`, `until`, `reason`), `managed` (`certificate`,
    `rule`, `mode`, `action`, `reason`, `at`; null where it is not), `unmanaged` (why a rule that matches does not
    manage it)."""
    seen = one.observation
    return {
        "place": lasting_place(seen) if seen.endpoint else str(seen.location),
        "id": lasting_place(seen),
        "location": _location(seen.location),
        "kind": "served" if seen.endpoint else "stored",
        "use": seen.use.value,
        "service": service_of(seen),
        "certificate": leaf(seen.chain),
        "issuer": issuer_name(seen.chain.leaf) if seen.chain else None,
        "problem": seen.problem.message if seen.problem else None,
        "key_matches": seen.key.matches if seen.key else None,
        "owner": seen.owner.name if seen.owner else None,
        "team": team(one) or None,
        "consumers": [_consumer(item) for item in seen.consumers],
        "addresses": [*_addresses(seen)],
        "protocol": (seen.handshake.version or None) if seen.handshake else None,
        "due": iso(one.due),
        "findings": [item.rule for item in one.findings],
        "excused": [_excused(item) for item in one.excused],
        "managed": _managed(one),
        "unmanaged": one.unmanaged or None,
    }


def finding(one: Finding, rules: Mapping[str, Rule] = RULES) -> Object:
    """`rule` (`RT001` …), `name` (of the rule), `severity`, `place` (as the place itself has it), `id` (of the
    place), `location`, `about` (which part of the place), `message`, `remedy`. A finding is the same over time where
    `rule`, `id` and `about` are."""
    return {
        "rule": one.rule,
        "name": rules[one.rule].name if one.rule in rules else None,
        "severity": one.severity.value,
        "place": place_told(one),
        "id": lasting(one),
        "location": _location(one.location),
        "about": one.about or None,
        "message": one.message,
        "remedy": one.remedy,
    }


def unseen(one: Unseen) -> Object:
    """`where`, `message`, `source` (whether it is a whole source: of no place of it can be said that it has gone)."""
    return {"where": one.where, "message": one.message, "source": one.whole}


def summary(one: Summary) -> Object:
    """`at`, and how many: `critical`, `error`, `warning`, `info`, `places`, `unseen`, `excused`."""
    return {"at": iso(one.at), **_counts(one)}


def _counts(one: Summary) -> Object:
    counts: Object = {severity.value: count for severity, count in one.findings.items()}
    return {**counts, "places": one.places, "unseen": one.unseen, "excused": one.excused}


def _location(one: Location) -> Object:
    return {"system": one.system, "address": one.address}


def _consumer(one: Consumer) -> Object:
    return {
        "kind": one.kind,
        "name": one.name,
        "hosts": list(one.hosts),
        "stuck": one.stuck or None,
        "foreign": one.foreign or None,
    }


def _addresses(one: Observation) -> tuple[str, ...]:
    return (one.address,) if one.address else ()


def _excused(one: Excused) -> Object:
    return {
        "rule": one.finding.rule,
        "about": one.finding.about or None,
        "severity": one.finding.severity.value,
        "message": one.finding.message,
        "until": one.until.isoformat() if one.until else None,
        "reason": one.reason or None,
    }


def _managed(one: Line) -> Object | None:
    if one.decision is None:
        return None
    return {
        "certificate": one.decision.spec.name,
        "rule": one.rule,
        "mode": one.decision.spec.mode.value,
        "action": one.decision.action.value,
        "reason": one.decision.reason.value,
        "at": iso(one.decision.at),
    }
