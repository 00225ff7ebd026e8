"""Metrics: absolute dates, all of one look at once, and a text that Prometheus can read whatever the names."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from rotator import metrics as module
from rotator.conformance.alerter import example
from rotator.core.model import (
    Action,
    Campaign,
    Decision,
    Endpoint,
    Facts,
    Inventory,
    Location,
    Member,
    Outcome,
    Result,
    RevocationReason,
    SourceProblem,
    Stage,
)
from rotator.core.reasons import Reason
from rotator.metrics import Metrics
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PLACE,
    chain,
    decision,
    facts,
    holding,
    outcome,
    plan,
    settings,
    showing,
    spec,
)  # fmt: skip

Sample = tuple[tuple[str, str], ...]


def read(metrics: Metrics, name: str) -> dict[Sample, float]:
    """The samples of one name, by their labels, as a scraper reads them."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    }


def one(metrics: Metrics, name: str) -> float:
    (value,) = read(metrics, name).values()
    return value


def certificate(name: str = "shop", owner: str = "payments") -> tuple[Decision, Facts]:
    """One certificate, stored as new and served by one address as new, by another as old."""
    of = spec(name, owner=owner)
    new, old = chain(lives=90 * DAY, left=80 * DAY), chain(lives=90 * DAY, left=20 * DAY, label="old")
    shown = [showing(new), showing(old, address="192.0.2.2"), showing(None, address="192.0.2.3")]
    decided = decision(of, Action.KEEP, Reason.HEALTHY, ends=new.not_after)
    return decided, facts(of, chain=new, served=shown)


def observed(metrics: Metrics, *pairs: tuple[Decision, Facts], **more: object) -> None:
    inventory = replace(Inventory(at=NOW, facts=tuple(f for _, f in pairs)), **more)  # type: ignore[arg-type]  # by name
    metrics.observe(inventory, plan(*(d for d, _ in pairs)))


def test_dates_are_absolute() -> None:
    """Not-after, due date and emergency line are moments in Unix seconds, with the certificate and its owner."""
    metrics = Metrics(policy=settings())
    decided, seen = certificate()
    observed(metrics, (decided, seen))
    assert seen.newest is not None
    ends = read(metrics, "rotator_certificate_not_after_timestamp_seconds")
    assert ends == {
        (("certificate", "shop"), ("owner", "payments"), ("place", str(PLACE))): seen.newest.not_after.timestamp()
    }
    due = one(metrics, "rotator_certificate_renew_at_timestamp_seconds")
    assert timedelta(days=30) <= seen.newest.not_after - NOW - timedelta(seconds=due - NOW.timestamp()) < 31 * DAY
    emergency = one(metrics, "rotator_certificate_emergency_timestamp_seconds")
    assert due < emergency < seen.newest.not_after.timestamp()


def test_what_is_served_beside_what_is_stored() -> None:
    """Each address has the end of what it serves; how many serve another certificate is a number to alert on."""
    metrics = Metrics()
    observed(metrics, certificate())
    assert len(read(metrics, "rotator_certificate_served_not_after_timestamp_seconds")) == 2
    assert one(metrics, "rotator_certificate_served_addresses") == 2
    assert one(metrics, "rotator_certificate_served_mismatch") == 1


def test_a_look_replaces_all_series() -> None:
    """A certificate that is gone leaves no series behind, and one that is new has all of them at once."""
    metrics = Metrics()
    observed(metrics, certificate("shop"))
    observed(metrics, certificate("cart"))
    for name in ("rotator_certificate_info", "rotator_certificate_not_after_timestamp_seconds"):
        (labels,) = read(metrics, name)
        assert ("certificate", "cart") in labels


def test_a_source_that_is_down_is_seen_and_the_last_complete_look_stays() -> None:
    """An incomplete look moves the last look on, not the last complete one."""
    metrics = Metrics(sources=["cluster", "disk"])
    observed(metrics)
    assert set(read(metrics, "rotator_source_up").values()) == {1}
    observed(metrics, at=NOW + HOUR, problems=(SourceProblem("cluster", "403"),))
    assert read(metrics, "rotator_source_up") == {(("source", "cluster"),): 0, (("source", "disk"),): 1}
    assert one(metrics, "rotator_scan_last_timestamp_seconds") == (NOW + HOUR).timestamp()
    assert one(metrics, "rotator_scan_last_success_timestamp_seconds") == NOW.timestamp()


def test_unmanaged_certificates_have_their_own_metric() -> None:
    """What is in nobody's care never triggers an alert on what is."""
    metrics = Metrics()
    found = replace(holding(chain(left=DAY), Location("host", "/old.pem")), endpoint=Endpoint("old.example.com", 443))
    observed(metrics, unmanaged=(found, found))
    (labels,) = read(metrics, "rotator_unmanaged_not_after_timestamp_seconds")
    assert ("endpoint", "old.example.com:443") in labels
    assert read(metrics, "rotator_certificate_not_after_timestamp_seconds") == {}


@pytest.mark.parametrize(
    ("ended", "order"),
    [
        (outcome(result=Result.DONE), "issued"),
        (outcome(result=Result.PENDING, stage=Stage.ISSUE), "pending"),
        (outcome(result=Result.FAILED, stage=Stage.ISSUE), "failed"),
        (outcome(result=Result.FAILED, stage=Stage.DEPLOY), "issued"),
    ],
)
def test_rotations_and_orders_are_counted(ended: Outcome, order: str) -> None:
    """Every result has a series from the start; an order is counted by how it ended at the issuer."""
    metrics = Metrics()
    assert set(read(metrics, "rotator_rotations_total").values()) == {0}
    metrics.outcome(ended)
    metrics.outcome(replace(ended, issued=False))
    assert read(metrics, "rotator_rotations_total")[("result", ended.result.value),] == 2
    assert read(metrics, "rotator_orders_total") == {(("issuer", "internal"), ("result", order)): 1}
    assert one(metrics, "rotator_rotation_seconds_count") == 2
    assert one(metrics, "rotator_rotation_seconds_sum") == 2 * MINUTE.total_seconds()


def test_notices_and_deliveries() -> None:
    """Open notices are a state, deliveries are counted, and an alerter that only fails has a zero for what arrived."""
    metrics = Metrics()
    metrics.told([example(), example()], arrived=["chat", "chat"], failed=["pager"])
    metrics.told([example()], arrived=[], failed=["pager"])
    assert read(metrics, "rotator_notices") == {(("kind", "failing"), ("severity", "warning")): 1}
    assert read(metrics, "rotator_alert_delivery_failures_total") == {
        (("alerter", "chat"),): 0,
        (("alerter", "pager"),): 2,
    }
    assert read(metrics, "rotator_alert_deliveries_total") == {(("alerter", "chat"),): 2, (("alerter", "pager"),): 0}


@given(name=st.text(), owner=st.text(), place=st.text(), host=st.text())
def test_any_name_makes_a_text_that_can_be_read(name: str, owner: str, place: str, host: str) -> None:
    """Quotes, newlines, half a surrogate: the scrape never breaks, and no set of labels is there twice."""
    metrics = Metrics()
    of = spec(name, owner=owner)
    held = chain(left=DAY)
    look = facts(
        of, chain=held, installed=[holding(held, Location("host", place))], served=[showing(held, Endpoint(host, 1))]
    )
    again = replace(look, spec=spec(f"{name}\udc80", owner=owner))
    observed(metrics, (decision(of), look), (decision(again.spec), again))
    lines = [
        line.rpartition(" ")[0] for line in metrics.render().decode().split("\n") if line and not line.startswith("#")
    ]
    assert len(lines) == len(set(lines))
    assert read(metrics, "rotator_certificate_info")


def test_scrapes_and_looks_do_not_disturb_each_other() -> None:
    """While looks go on in another thread each scrape shows one whole look."""
    metrics = Metrics()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for count in (1, 3):
                observed(metrics, *(certificate(f"s{n}") for n in range(count)))

    observed(metrics, certificate("s0"))
    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(50):
            families = {f.name: f for f in text_string_to_metric_families(metrics.render().decode())}
            counts = {
                len(families[name].samples)
                for name in ("rotator_certificate_info", "rotator_certificate_not_after_timestamp_seconds")
            }
            assert len(counts) == 1
    finally:
        stop.set()
        looker.join()


def test_the_list_in_the_docs_is_complete() -> None:
    """Every metric of ours is in the table of the module's text, and nothing else is."""
    metrics = Metrics(sources=["a"], policy=settings())
    observed(metrics, certificate())
    metrics.told([example()], arrived=["chat"], failed=[])
    metrics.outcome(outcome())
    members = (Member("shop", 1),)
    metrics.campaigns(
        [Campaign(1, "internal", "", RevocationReason.SUPERSEDED, "ada", NOW, members=members, deadline=NOW)]
    )
    table = [line for line in (module.__doc__ or "").splitlines() if line.startswith("| rotator_")]
    listed = {line.split()[1].removesuffix("_total") for line in table}
    assert {family.name for family in metrics.collect()} == listed
