"""A scan for Prometheus, as node_exporter's textfile collector reads it.

Dates are absolute (Unix seconds), so that a file which is some hours old is still right: `metric - time()` says the
rest. Write it beside the place and rename it there, since the collector may read at any time.

| metric | labels | meaning |
| --- | --- | --- |
| rotator_scan_last_timestamp_seconds | | when it was looked |
| rotator_scan_last_success_timestamp_seconds | | the same, where everything could be looked at; else absent |
| rotator_scan_places | kind | places that were looked at |
| rotator_scan_unseen | | places and sources that could not be looked at |
| rotator_scan_findings | severity | what was found |
| rotator_scan_excused | | findings that the baseline takes for known |
| rotator_scan_place_up | place | 1, or 0 where it could not be looked at |
| rotator_certificate_not_before_timestamp_seconds | place, kind, service, owner, chain_index | of each certificate |
| rotator_certificate_not_after_timestamp_seconds | place, kind, service, owner, chain_index | of each certificate |
| rotator_certificate_renew_at_timestamp_seconds | place, kind, service, owner | when the leaf is due |
| rotator_certificate_info | place, fingerprint_sha256, spki_sha256, serial, subject_cn, issuer_cn, key_type, \
key_bits, sig_alg, managed | 1 |
| rotator_certificate_findings | place, check, severity | how many of a rule (`check`) at a place |

`chain_index` 0 is the leaf; a place that is only trusted has no leaf, and its certificates in the order found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rotator.core.adoptable import issuer_name
from rotator.core.audit import Audit, Line, place_of, service_of
from rotator.core.model import Action, Certificate
from rotator.report.lines import common_name, team
from rotator.report.plain import visible

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = tuple[str, ...]

_PLACE: Labels = ("place", "kind", "service", "owner")
_INFO: Labels = (
    "place", "fingerprint_sha256", "spki_sha256", "serial", "subject_cn", "issuer_cn", "key_type", "key_bits",
    "sig_alg", "managed",
)  # fmt: skip
_MOST_SIGNS = 500


def audit(one: Audit) -> str:
    """The text, in the exposition format 0.0.4, which node_exporter reads."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Scan(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _metrics(one)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Scan())
    return generate_latest(registry).decode()


def _metrics(one: Audit) -> Iterator[Metric]:
    yield from _of_scan(one)
    yield from _dates(one.lines)
    held = {_info(line): 1 for line in one.lines if _held(line)}
    yield _gauge("rotator_certificate_info", "What a place holds; always 1.", _INFO, held.items())
    counts = Counter(
        (_place(line), visible(finding.rule, 200), finding.severity.value)
        for line in one.lines
        for finding in line.findings
    )
    yield _gauge(
        "rotator_certificate_findings", "Findings of a rule at a place.", ("place", "check", "severity"), counts.items()
    )


def _of_scan(one: Audit) -> Iterator[Metric]:
    summary = one.summary
    at = [((), one.at.timestamp())]
    yield _gauge("rotator_scan_last_timestamp_seconds", "When it was looked.", (), at)
    if not one.unseen:
        yield _gauge(
            "rotator_scan_last_success_timestamp_seconds", "When it was looked and everything could be seen.", (), at
        )
    kinds = Counter({("served",): 0, ("stored",): 0})
    kinds.update((_kind(line),) for line in one.lines)
    yield _gauge("rotator_scan_places", "Places that were looked at.", ("kind",), kinds.items())
    yield _gauge("rotator_scan_unseen", "What could not be looked at.", (), [((), summary.unseen)])
    found = {(severity.value,): count for severity, count in summary.findings.items()}
    yield _gauge("rotator_scan_findings", "What was found.", ("severity",), found.items())
    yield _gauge("rotator_scan_excused", "Findings that the baseline takes for known.", (), [((), summary.excused)])
    up = {(_place(line),): 1 for line in one.lines} | {(visible(each.where, _MOST_SIGNS),): 0 for each in one.unseen}
    yield _gauge("rotator_scan_place_up", "Whether a place could be looked at.", ("place",), up.items())


def _dates(lines: Sequence[Line]) -> Iterator[Metric]:
    begins: dict[Labels, float] = {}
    ends: dict[Labels, float] = {}
    due: dict[Labels, float] = {}
    for line in lines:
        service, owner = visible(service_of(line.observation), _MOST_SIGNS), visible(team(line), _MOST_SIGNS)
        place = (_place(line), _kind(line), service, owner)
        for index, certificate in enumerate(_held(line)):
            _keep_earliest(begins, (*place, str(index)), certificate.not_before)
            _keep_earliest(ends, (*place, str(index)), certificate.not_after)
        if moment := _due(line):
            _keep_earliest(due, place, moment)
    labels = (*_PLACE, "chain_index")
    yield _gauge(
        "rotator_certificate_not_before_timestamp_seconds", "When a certificate begins.", labels, begins.items()
    )
    yield _gauge("rotator_certificate_not_after_timestamp_seconds", "When a certificate ends.", labels, ends.items())
    yield _gauge("rotator_certificate_renew_at_timestamp_seconds", "When a certificate is due.", _PLACE, due.items())


def _info(line: Line) -> Labels:
    leaf = _held(line)[0]
    return (
        _place(line),
        leaf.fingerprint,
        leaf.spki,
        f"{leaf.serial:x}",
        visible(common_name(leaf.subject), _MOST_SIGNS),
        visible(issuer_name(leaf), _MOST_SIGNS),
        visible(leaf.key_algorithm, 100),
        str(leaf.key_size or ""),
        leaf.signature_hash,
        visible(line.rule, _MOST_SIGNS),
    )


def _held(line: Line) -> Sequence[Certificate]:
    return line.observation.chain.certificates if line.observation.chain else ()


def _place(line: Line) -> str:
    return visible(place_of(line.observation), _MOST_SIGNS)


def _kind(line: Line) -> str:
    return "served" if line.observation.endpoint else "stored"


def _due(line: Line) -> datetime | None:
    """When it is renewed, as far as that is known; else when it is due by the rule of lifetimes."""
    if line.decision and line.decision.action in {Action.KEEP, Action.RENEW}:
        return line.decision.at
    return line.due


def _keep_earliest(series: dict[Labels, float], labels: Labels, moment: datetime) -> None:
    """Two places of the same labels are one series, or the collector would refuse the whole file."""
    series[labels] = min(moment.timestamp(), series.get(labels, float("inf")))


def _gauge(name: str, meaning: str, labels: Labels, series: Iterable[tuple[Labels, float]]) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in series:
        family.add_metric(values, value)
    return family
