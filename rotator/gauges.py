"""What a look and the preflights say, as metric families; the table of them all is in `rotator.metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from rotator.core.lead import PolicySettings, emergency_at, renew_at
from rotator.core.model import Decision, Facts, Inventory, Plan
from rotator.core.readiness import Kept

Labels = tuple[str, ...]
_CERTIFICATE: Labels = ("certificate", "owner")


def of_look(inventory: Inventory, plan: Plan, policy: PolicySettings | None) -> Iterator[Metric]:
    """Everything that follows from one look; without a policy there is no emergency line."""
    facts = {one.spec.name: one for one in inventory.facts}
    pairs = [(decision, facts[decision.spec.name]) for decision in plan.decisions if decision.spec.name in facts]
    yield gauge("rotator_scan_last_timestamp_seconds", "When the last look began", (), {(): inventory.at.timestamp()})
    yield gauge(
        "rotator_certificates",
        "Certificates in our care",
        ("action", "reason"),
        Counter((decision.action.value, decision.reason.value) for decision in plan.decisions),
    )
    yield _info(pairs)
    yield from _held(pairs)
    yield from _dates(pairs, policy)
    yield from _served(pairs)
    yield _unmanaged(inventory)
    ahead: dict[Labels, float] = {(one.peer,): one.ahead.total_seconds() for one in inventory.clocks}
    yield gauge("rotator_clock_skew_seconds", "How far our clock is ahead of a peer's", ("peer",), ahead)


Pairs = list[tuple[Decision, Facts]]


def _info(pairs: Pairs) -> Metric:
    values: dict[Labels, float] = {}
    for decision, facts in pairs:
        if facts.newest is not None:
            leaf = facts.newest.leaf
            labels = (leaf.fingerprint, leaf.issuer, leaf.key_algorithm, str(leaf.key_size), decision.spec.mode.value)
            values[(*_who(decision), *labels)] = 1
    names = (*_CERTIFICATE, "fingerprint_sha256", "issuer", "key_type", "key_bits", "mode")
    return gauge("rotator_certificate_info", "The current certificate", names, values)


def _held(pairs: Pairs) -> Iterator[Metric]:
    begins: dict[Labels, float] = {}
    ends: dict[Labels, float] = {}
    for decision, facts in pairs:
        for location, held in facts.installed.items():
            if held.chain is not None:
                labels = (*_who(decision), str(location))
                begins[labels] = held.chain.not_before.timestamp()
                ends[labels] = held.chain.not_after.timestamp()
    names = (*_CERTIFICATE, "place")
    yield gauge("rotator_certificate_not_before_timestamp_seconds", "Begin of what a place holds", names, begins)
    yield gauge("rotator_certificate_not_after_timestamp_seconds", "End of what a place holds", names, ends)


def _dates(pairs: Pairs, policy: PolicySettings | None) -> Iterator[Metric]:
    due: dict[Labels, float] = {}
    emergency: dict[Labels, float] = {}
    for decision, facts in pairs:
        if facts.newest is None:
            continue
        if policy is not None:
            due[_who(decision)] = renew_at(facts.newest, facts.spec, facts.suggestion, policy).timestamp()
            emergency[_who(decision)] = emergency_at(facts.newest, facts.spec, policy).timestamp()
        elif decision.lead is not None:
            due[_who(decision)] = (facts.newest.not_after - decision.lead).timestamp()
    yield gauge("rotator_certificate_renew_at_timestamp_seconds", "When it is due", _CERTIFICATE, due)
    yield gauge("rotator_certificate_emergency_timestamp_seconds", "Its emergency line", _CERTIFICATE, emergency)


def _served(pairs: Pairs) -> Iterator[Metric]:
    ends: dict[Labels, float] = {}
    addresses: dict[Labels, float] = {}
    others: dict[Labels, float] = {}
    for decision, facts in pairs:
        up = [one for shown in facts.served.values() for one in shown if one.state.up and one.chain is not None]
        for one in up:
            assert one.chain is not None
            ends[(*_who(decision), str(one.endpoint), one.address)] = one.chain.not_after.timestamp()
        if facts.served:
            newest = facts.newest.fingerprint if facts.newest else ""
            addresses[_who(decision)] = len(up)
            others[_who(decision)] = sum(one.fingerprint != newest for one in up)
    name = "rotator_certificate_served_not_after_timestamp_seconds"
    yield gauge(name, "End of what an address serves", (*_CERTIFICATE, "endpoint", "address"), ends)
    yield gauge("rotator_certificate_served_addresses", "Addresses that serve one", _CERTIFICATE, addresses)
    yield gauge("rotator_certificate_served_mismatch", "Addresses that serve another one", _CERTIFICATE, others)


def _unmanaged(inventory: Inventory) -> Metric:
    ends: dict[Labels, float] = {}
    for found in inventory.unmanaged:
        if found.chain is not None and not found.ignored:
            labels = (str(found.location), str(found.endpoint or ""))
            at = found.chain.not_after.timestamp()
            ends[labels] = min(at, ends.get(labels, at))  # the same place from two sources: the worse one
    name = "rotator_unmanaged_not_after_timestamp_seconds"
    return gauge(name, "End of what is in nobody's care", ("place", "endpoint"), ends)


def of_preflights(kept: Mapping[str, Kept]) -> Iterator[Metric]:
    """How the last preflight of each certificate ended, and when it was."""
    failed: dict[Labels, float] = {}
    asked: dict[Labels, float] = {}
    well: dict[Labels, float] = {}
    for name, one in kept.items():
        failed |= {(name, answer.issuer): float(answer.fails) for answer in one.readiness.answers}
        asked[name,] = one.asked.timestamp()
        if one.succeeded is not None:
            well[name,] = one.succeeded.timestamp()
    yield gauge("rotator_preflight_failed", "The next renewal would fail", ("certificate", "issuer"), failed)
    yield gauge("rotator_preflight_last_timestamp_seconds", "When it was last asked", ("certificate",), asked)
    yield gauge("rotator_preflight_last_success_timestamp_seconds", "When all was well", ("certificate",), well)


def _who(decision: Decision) -> Labels:
    return (decision.spec.name, decision.spec.owner)


# ---------------------------------------------------------------- families


def gauge(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    """A gauge with one series for each set of labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for own, value in _cleaned(values).items():
        family.add_metric(own, value)
    return family


def counter(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    """A counter with one series for each set of labels; Prometheus adds `_total` to its name."""
    family = CounterMetricFamily(name, text, labels=labels)
    for own, value in _cleaned(values).items():
        family.add_metric(own, value)
    return family


def _cleaned(values: Mapping[Labels, float]) -> dict[Labels, float]:
    """Labels that UTF-8 can write (a broken certificate's name may hold half a surrogate), each set of them once."""
    return {tuple(one.encode(errors="replace").decode() for one in own): values[own] for own in sorted(values)}
