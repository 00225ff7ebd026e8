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
from prometheus_client.core import SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rotator import __version__
from rotator.core.budget.forecast import Outlook
from rotator.core.lead import PolicySettings
from rotator.core.model import Campaign, Finding, Inventory, Notice, Outcome, Plan, Result, Stage
from rotator.core.readiness import Kept
from rotator.core.rules.catalogue import RULES
from rotator.gauges import Labels, counter, gauge, of_look, of_preflights


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
        look = tuple(of_look(inventory, plan, self._policy))
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
            gauge("rotator_campaign_members", "Certificates of open campaigns", ("campaign", "status"), members),
            gauge(name, "When open campaigns should be done", ("campaign",), deadlines),
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
        yield gauge("rotator_build_info", "1", ("version",), {(__version__,): 1})
        yield gauge("rotator_source_up", "0 where the last look could not look", ("source",), _each(self._sources))
        if self._last_complete is not None:
            name = "rotator_scan_last_success_timestamp_seconds"
            yield gauge(name, "When the last complete look began", (), {(): self._last_complete.timestamp()})
        yield gauge("rotator_findings", "What the audit finds", ("rule", "name", "severity"), self._findings)
        yield from of_preflights(self._foretold)
        yield gauge("rotator_issuer_budget_remaining", "What a limit has left", ("issuer", "limit"), self._budgets)
        yield gauge("rotator_notices", "Open notices", ("kind", "severity"), self._notices)
        yield counter("rotator_rotations", "Rotations ended", ("result",), self._rotations)
        yield SummaryMetricFamily("rotator_rotation_seconds", "How long they took", *self._seconds)
        yield counter("rotator_orders", "Orders placed", ("issuer", "result"), self._orders)
        yield counter("rotator_alert_deliveries", "Messages that arrived", ("alerter",), self._arrived)
        yield counter("rotator_alert_delivery_failures", "Messages that did not", ("alerter",), self._failed)


def _order_result(outcome: Outcome) -> str:
    if outcome.result is Result.PENDING:
        return "pending"
    return "failed" if outcome.result is Result.FAILED and outcome.stage is Stage.ISSUE else "issued"


def _each(values: Mapping[str, float]) -> dict[Labels, float]:
    return {(name,): value for name, value in values.items()}
