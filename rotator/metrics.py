"""What rotator says to Prometheus.

Dates are absolute (Unix seconds, `…_timestamp_seconds`), never "seconds left": a sample that does not change costs
nothing to store, and `metric - time()` says the rest. A look replaces all its series at once, so that a certificate
that is gone leaves none behind.

| metric | labels | meaning |
| --- | --- | --- |
| rotator_build_info | version | 1 |
| rotator_scan_last_timestamp_seconds | | when the last look began |
| rotator_scan_last_success_timestamp_seconds | | when the last look began in which every source could be looked at |
| rotator_source_up | source | 0 where the last look could not look |
| rotator_clock_skew_seconds | peer | how far our clock is ahead of an issuer's; negative where it is behind |
| rotator_certificates | action, reason | how many in our care, by what the plan says |
| rotator_certificate_info | certificate, owner, fingerprint_sha256, issuer, key_type, key_bits, mode | 1 |
| rotator_certificate_not_before_timestamp_seconds | certificate, owner, place | of what each place holds |
| rotator_certificate_not_after_timestamp_seconds | certificate, owner, place | of what each place holds |
| rotator_certificate_renew_at_timestamp_seconds | certificate, owner | when the current one is due |
| rotator_certificate_emergency_timestamp_seconds | certificate, owner | its emergency line |
| rotator_certificate_served_not_after_timestamp_seconds | certificate, owner, endpoint, address | of what is served |
| rotator_certificate_served_addresses | certificate, owner | addresses that serve a certificate |
| rotator_certificate_served_mismatch | certificate, owner | addresses that serve another one than the current one |
| rotator_findings | rule, name, severity | what the rules of the audit say of the last look |
| rotator_unmanaged_not_after_timestamp_seconds | place, endpoint | of what is in nobody's care |
| rotator_rotations_total | result | rotations ended |
| rotator_rotation_seconds (sum, count) | | how long they took |
| rotator_orders_total | issuer, result | orders placed: issued, failed, pending |
| rotator_preflight_failed | certificate, issuer | 1: its next renewal would fail; no issuer: at its key or places |
| rotator_preflight_last_timestamp_seconds | certificate | when it was last asked beforehand |
| rotator_preflight_last_success_timestamp_seconds | certificate | when nothing was found that would stop it |
| rotator_campaign_members | campaign, status | certificates of each open campaign |
| rotator_campaign_deadline_timestamp_seconds | campaign | when each open campaign should be done |
| rotator_issuer_budget_remaining | issuer, limit | what is left of a CA's limit: of several of a kind the least |
| rotator_notices | kind, severity | open notices |
| rotator_alert_deliveries_total | alerter | messages that arrived |
| rotator_alert_delivery_failures_total | alerter | messages that did not |

Labels that are empty are left out by Prometheus. Only certificates in our care have `rotator_certificate_…`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from threading import Lock

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rotator import __version__
from rotator.core.budget.forecast import Outlook
from rotator.core.lead import PolicySettings, emergency_at, renew_at
from rotator.core.model import Campaign, Decision, Facts, Finding, Inventory, Notice, Outcome, Plan, Result, Stage
from rotator.core.readiness import Kept
from rotator.core.rules.catalogue import RULES

Labels = tuple[str, ...]
_CERTIFICATE: Labels = ("certificate", "owner")


class Metrics(Collector):
    """The series of one process; every method may be called from any thread.

    Args:
        sources: the names of all sources, so that each has a series from the start.
        policy: what dates follow from; without it there is no emergency line.
    """

    def __init__(self, *, sources: Iterable[str] = (), policy: PolicySettings | None = None) -> None:
        self._policy = policy
        self._lock = Lock()
        self._sources = dict.fromkeys(sources, 1.0)
        self._look: tuple[Metric, ...] = ()
        self._last_complete: datetime | None = None
        self._findings: Counter[Labels] = Counter()
        self._budgets: dict[Labels, float] = {}
        self._foretold: Mapping[str, Kept] = {}
        self._notices: Counter[Labels] = Counter()
        self._rotations: Counter[Labels] = Counter({(result.value,): 0 for result in Result})
        self._campaigns: tuple[Metric, ...] = ()
        self._seconds = (0, 0.0)
        self._orders: Counter[Labels] = Counter()
        self._arrived: Counter[Labels] = Counter()
        self._failed: Counter[Labels] = Counter()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def observe(self, inventory: Inventory, plan: Plan) -> None:
        """Replace everything that follows from a look."""
        look = tuple(_of_look(inventory, plan, self._policy))
        with self._lock:
            self._look = look
            down = {problem.source for problem in inventory.problems}
            self._sources = {name: float(name not in down) for name in {*self._sources, *down}}
            if not inventory.problems:
                self._last_complete = inventory.at

    def found(self, findings: Iterable[Finding]) -> None:
        """Replace what the rules of the audit say."""
        counts = Counter((one.rule, RULES[one.rule].name, one.severity.value) for one in findings)
        with self._lock:
            self._findings = Counter(counts)

    def foretold(self, kept: Mapping[str, Kept]) -> None:
        """Replace what preflights found."""
        with self._lock:
            self._foretold = dict(kept)

    def campaigns(self, open_now: Iterable[Campaign]) -> None:
        """Replace what is known of open campaigns."""
        members: dict[Labels, float] = {}
        deadlines: dict[Labels, float] = {}
        for one in open_now:
            members |= {(str(one.id), status.value): count for status, count in one.counts.items()}
            if one.deadline is not None:
                deadlines[str(one.id),] = one.deadline.timestamp()
        name = "rotator_campaign_deadline_timestamp_seconds"
        shown = (
            _gauge("rotator_campaign_members", "Certificates of open campaigns", ("campaign", "status"), members),
            _gauge(name, "When open campaigns should be done", ("campaign",), deadlines),
        )
        with self._lock:
            self._campaigns = shown if members else ()

    def budget(self, outlook: Outlook) -> None:
        """Replace what is left of the limits of the issuers."""
        least: dict[Labels, float] = {}
        for one in outlook.remaining:
            labels = one.issuer, one.limit
            least[labels] = min(least.get(labels, one.left), one.left)
        with self._lock:
            self._budgets = least

    def outcome(self, outcome: Outcome) -> None:
        """Count a rotation that has ended."""
        took = (outcome.finished - outcome.started).total_seconds()
        with self._lock:
            self._rotations[outcome.result.value,] += 1
            self._seconds = (self._seconds[0] + 1, self._seconds[1] + took)
            if outcome.issued:
                self._orders[outcome.issuer, _order_result(outcome)] += 1

    def told(self, open_now: Iterable[Notice], arrived: Iterable[str], failed: Iterable[str]) -> None:
        """Replace the open notices, and count deliveries by the names of their alerters."""
        notices = Counter((notice.kind.value, notice.severity.value) for notice in open_now)
        with self._lock:
            self._notices = Counter(notices)
            self._arrived.update((name,) for name in arrived)
            self._failed.update((name,) for name in failed)
            for name in {*self._arrived, *self._failed}:  # both exist from the first of either, so that rates work
                self._arrived[name] += 0
                self._failed[name] += 0

    def render(self) -> bytes:
        """The text that is scraped."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the look."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        with self._lock:
            now = [*self._look, *self._campaigns, *self._counted()]
        yield from now

    def _counted(self) -> Iterator[Metric]:
        yield _gauge("rotator_build_info", "1", ("version",), {(__version__,): 1})
        yield _gauge("rotator_source_up", "0 where the last look could not look", ("source",), _each(self._sources))
        if self._last_complete is not None:
            name = "rotator_scan_last_success_timestamp_seconds"
            yield _gauge(name, "When the last complete look began", (), {(): self._last_complete.timestamp()})
        yield _gauge("rotator_findings", "What the audit finds", ("rule", "name", "severity"), self._findings)
        yield from _of_preflights(self._foretold)
        yield _gauge("rotator_issuer_budget_remaining", "What a limit has left", ("issuer", "limit"), self._budgets)
        yield _gauge("rotator_notices", "Open notices", ("kind", "severity"), self._notices)
        yield _counter("rotator_rotations", "Rotations ended", ("result",), self._rotations)
        yield SummaryMetricFamily("rotator_rotation_seconds", "How long they took", *self._seconds)
        yield _counter("rotator_orders", "Orders placed", ("issuer", "result"), self._orders)
        yield _counter("rotator_alert_deliveries", "Messages that arrived", ("alerter",), self._arrived)
        yield _counter("rotator_alert_delivery_failures", "Messages that did not", ("alerter",), self._failed)


# ---------------------------------------------------------------- one look


def _of_look(inventory: Inventory, plan: Plan, policy: PolicySettings | None) -> Iterator[Metric]:
    facts = {one.spec.name: one for one in inventory.facts}
    pairs = [(decision, facts[decision.spec.name]) for decision in plan.decisions if decision.spec.name in facts]
    yield _gauge("rotator_scan_last_timestamp_seconds", "When the last look began", (), {(): inventory.at.timestamp()})
    yield _gauge(
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
    yield _gauge("rotator_clock_skew_seconds", "How far our clock is ahead of a peer's", ("peer",), ahead)


Pairs = list[tuple[Decision, Facts]]


def _info(pairs: Pairs) -> Metric:
    values: dict[Labels, float] = {}
    for decision, facts in pairs:
        if facts.newest is not None:
            leaf = facts.newest.leaf
            labels = (leaf.fingerprint, leaf.issuer, leaf.key_algorithm, str(leaf.key_size), decision.spec.mode.value)
            values[(*_who(decision), *labels)] = 1
    names = (*_CERTIFICATE, "fingerprint_sha256", "issuer", "key_type", "key_bits", "mode")
    return _gauge("rotator_certificate_info", "The current certificate", names, values)


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
    yield _gauge("rotator_certificate_not_before_timestamp_seconds", "Begin of what a place holds", names, begins)
    yield _gauge("rotator_certificate_not_after_timestamp_seconds", "End of what a place holds", names, ends)


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
    yield _gauge("rotator_certificate_renew_at_timestamp_seconds", "When it is due", _CERTIFICATE, due)
    yield _gauge("rotator_certificate_emergency_timestamp_seconds", "Its emergency line", _CERTIFICATE, emergency)


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
    yield _gauge(name, "End of what an address serves", (*_CERTIFICATE, "endpoint", "address"), ends)
    yield _gauge("rotator_certificate_served_addresses", "Addresses that serve one", _CERTIFICATE, addresses)
    yield _gauge("rotator_certificate_served_mismatch", "Addresses that serve another one", _CERTIFICATE, others)


def _unmanaged(inventory: Inventory) -> Metric:
    ends: dict[Labels, float] = {}
    for found in inventory.unmanaged:
        if found.chain is not None and not found.ignored:
            labels = (str(found.location), str(found.endpoint or ""))
            at = found.chain.not_after.timestamp()
            ends[labels] = min(at, ends.get(labels, at))  # the same place from two sources: the worse one
    name = "rotator_unmanaged_not_after_timestamp_seconds"
    return _gauge(name, "End of what is in nobody's care", ("place", "endpoint"), ends)


def _of_preflights(kept: Mapping[str, Kept]) -> Iterator[Metric]:
    failed: dict[Labels, float] = {}
    asked: dict[Labels, float] = {}
    well: dict[Labels, float] = {}
    for name, one in kept.items():
        failed |= {(name, answer.issuer): float(answer.fails) for answer in one.readiness.answers}
        asked[name,] = one.asked.timestamp()
        if one.succeeded is not None:
            well[name,] = one.succeeded.timestamp()
    yield _gauge("rotator_preflight_failed", "The next renewal would fail", ("certificate", "issuer"), failed)
    yield _gauge("rotator_preflight_last_timestamp_seconds", "When it was last asked", ("certificate",), asked)
    yield _gauge("rotator_preflight_last_success_timestamp_seconds", "When all was well", ("certificate",), well)


def _who(decision: Decision) -> Labels:
    return (decision.spec.name, decision.spec.owner)


def _order_result(outcome: Outcome) -> str:
    if outcome.result is Result.PENDING:
        return "pending"
    return "failed" if outcome.result is Result.FAILED and outcome.stage is Stage.ISSUE else "issued"


# ---------------------------------------------------------------- families


def _gauge(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for own, value in _cleaned(values).items():
        family.add_metric(own, value)
    return family


def _counter(name: str, text: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for own, value in _cleaned(values).items():
        family.add_metric(own, value)
    return family


def _cleaned(values: Mapping[Labels, float]) -> dict[Labels, float]:
    """Labels that UTF-8 can write (a broken certificate's name may hold half a surrogate), each set of them once."""
    return {tuple(one.encode(errors="replace").decode() for one in own): values[own] for own in sorted(values)}


def _each(values: Mapping[str, float]) -> dict[Labels, float]:
    return {(name,): value for name, value in values.items()}
