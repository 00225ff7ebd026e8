"""`rotator show`: one certificate with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NameArgument, Output, OutputOption
from rotator.cli.screen import show as show_result

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import CertificateSpec
    from rotator.ports import Store
    from rotator.report.card import Card

_OUTCOMES = 10


def show(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Show one certificate with all that is known of it.

    What it is, what will be done about it and why, what holds it, what is kept, what happened."""
    from rotator.cli.opening import log_to_stderr, named, open_state, read_config
    from rotator.clock import system_clock
    from rotator.report import json
    from rotator.report.card import table

    log_to_stderr()
    read = read_config(config)
    with open_state(read) as store:
        (spec,) = named([name], store, read)
        one = card_of(spec, store, system_clock().now())
    show_result(output, table=lambda: table(one), json=lambda: json.card(one))
    return Ending.CLEAN


def card_of(spec: CertificateSpec, store: Store, now: datetime) -> Card:
    """Gather what the state knows of one certificate."""
    from rotator.core.model import History
    from rotator.preflight.kept import read_kept
    from rotator.report.card import Card, Kept
    from rotator.report.since import since_look

    plan, outcomes = store.plan(), store.outcomes(spec.name, limit=_OUTCOMES)
    decisions = since_look(plan, outcomes) if plan else ()
    seen = _seen(spec.name, store)
    revoked = {fingerprint: found.at for fingerprint, found in store.revoked().items()}
    return Card(
        now=now,
        spec=spec,
        decision=next((decision for decision in decisions if decision.spec.name == spec.name), None),
        history=store.histories([spec.name], now).get(spec.name, History()),
        places=seen["places"],
        endpoints=seen["endpoints"] or tuple(str(endpoint) for endpoint in spec.endpoints),
        bundles=tuple(
            Kept(
                one.bundle.chain.leaf,
                one.status,
                one.issuer,
                one.at,
                one.keys_kept,
                revoked.get(one.bundle.chain.fingerprint),
            )
            for one in store.bundles(spec.name)
        ),
        outcomes=outcomes,
        notices=tuple(
            kept.notice
            for kept in store.notices().values()
            if spec.name in kept.notice.subjects and not kept.notice.resolved
        ),
        preflight=read_kept(store).get(spec.name),
    )


def _seen(name: str, store: Store) -> dict[str, tuple[str, ...]]:
    """Places and endpoints as the last look found them."""
    from rotator.core.summary import read_summary

    look = store.look()
    rows = read_summary(*look).fields["certificates"] if look else []
    assert isinstance(rows, list)
    row = next((row for row in rows if row["name"] == name), {"places": (), "endpoints": ()})
    return {key: tuple(row[key]) for key in ("places", "endpoints")}
