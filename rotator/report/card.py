"""One certificate with all that is known of it: the data, and its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.lead import span
from rotator.core.model import Certificate, CertificateSpec, Decision, History, Notice, Outcome, Pins
from rotator.core.pem import moment
from rotator.core.pins import pin, tlsa_record
from rotator.core.readiness import Kept as Known
from rotator.core.reasons import Reason
from rotator.report.table import grid, headed, outcomes
from rotator.report.words import day, key_of, left


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle in the state, without its key.

    Attributes:
        status: as in the state: `accepted`, `superseded` …
        revoked_at: when rotator had it revoked; None where it had not.
    """

    leaf: Certificate
    status: str
    issuer: str
    at: datetime
    key_kept: bool
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that the state knows of one certificate.

    Attributes:
        decision: of the last look; None when it was not looked at yet.
        places: its targets, as the last look named them.
        outcomes: newest first.
        preflight: what is remembered of its preflights; None where nobody was asked yet.
    """

    now: datetime
    spec: CertificateSpec
    decision: Decision | None
    history: History
    places: tuple[str, ...]
    endpoints: tuple[str, ...]
    bundles: tuple[Kept, ...]
    outcomes: tuple[Outcome, ...]
    notices: tuple[Notice, ...]
    preflight: Known | None = None


def table(one: Card) -> RenderableType:
    """What it is, what will be done about it, what holds it, what is kept, what happened."""
    parts: list[RenderableType] = [_facts(one)]
    if one.bundles:
        rows = grid("ENDS", "LEFT", "STATUS", "ISSUER", "KEY", "SHA-256", right=("LEFT",))
        for kept in one.bundles:
            ends = kept.leaf.not_after
            key = "kept" if kept.key_kept else "-"
            status = f"{kept.status}, revoked" if kept.revoked_at else kept.status
            rows.add_row(day(ends), left(ends, one.now), status, kept.issuer, key, kept.leaf.fingerprint[:16])
        parts.append(headed("Certificates in the state", rows))
    if one.outcomes:
        parts.append(headed("Last rotations", outcomes(one.outcomes)))
    if one.notices:
        parts.append(headed("Open notices", Text("\n".join(notice.title for notice in one.notices))))
    return Group(*parts)


def _facts(one: Card) -> RenderableType:
    rows = grid("", "")
    for name, value in (*_spec(one).items(), *_decision(one), *_pins(one), *_preflight(one), *_holds(one)):
        if value:
            rows.add_row(Text(name, "bold"), Text(value) if isinstance(value, str) else value)
    return rows


def _spec(one: Card) -> Mapping[str, str]:
    spec = one.spec
    return {
        "name": spec.name,
        "owner": spec.owner,
        "covers": ", ".join(spec.names),
        "issuer": ", then ".join(spec.issuers),
        "key": key_of(spec),
        "mode": spec.mode.value,
        "from": f"adopted from {spec.adopted_from}" if spec.adopted_from else "declared in the config",
        "stored at": "\n".join(one.places),
        "served at": "\n".join(one.endpoints),
    }


def _decision(one: Card) -> Iterator[tuple[str, str | Text]]:
    decision = one.decision
    if decision is None:
        yield "decision", "not looked at yet"
        return
    if decision.ends:
        yield "ends", f"{moment(decision.ends)} ({left(decision.ends, one.now)})"
    yield "decision", Text.assemble((str(decision.action), "bold"), f", {decision.reason}: {decision.message}")
    if decision.at > one.now and decision.reason is not Reason.OBSERVE:
        yield "at", f"{moment(decision.at)} (in {left(decision.at, one.now)})"
    if decision.command:
        yield "to do", Text(f"$ {decision.command}", "cyan")


def _preflight(one: Card) -> Iterator[tuple[str, str]]:
    known = one.preflight
    if known is None:
        return
    ago = f"asked {span(one.now - known.asked)} ago"
    said = [f"{f'{issuer}: ' if issuer else ''}{line.check}: {line.text}" for issuer, line in known.readiness.failed]
    if known.readiness.fails:
        yield "preflight", "\n".join([f"the next renewal would fail ({ago})", *said])
    elif said:
        yield "preflight", "\n".join([f"the next renewal would need another issuer ({ago})", *said])
    else:
        yield "preflight", f"the next renewal would work ({ago})"


def _pins(one: Card) -> Iterator[tuple[str, str]]:
    """What clients may pin, and the records that the DNS may publish: of the present key, and of the next if known."""
    pins = one.decision.pins if one.decision else Pins()
    for which, spki in (("pin", pins.current), ("next pin", pins.next)):
        if spki and not (which == "next pin" and spki == pins.current):
            lines = [f'pin-sha256="{pin(spki)}"', *(tlsa_record(name, spki) for name in pins.names)]
            yield which, "\n".join(lines)
    if pins.next and pins.next == pins.current:
        yield "next pin", "the same"


def _holds(one: Card) -> Iterator[tuple[str, str]]:
    history = one.history
    if history.pause:
        until = f"until {moment(history.pause.until)}" if history.pause.until else "until somebody resumes it"
        yield "paused", f"{until}: {history.pause.reason}"
    if history.held_by_hand:
        yield "held", history.held_by_hand
    for quarantine in history.quarantines:
        until = f" until {moment(quarantine.until)}" if quarantine.until else ""
        yield "quarantined", f"{quarantine.fingerprint[:16]} at {quarantine.location}{until}"
    if history.ask:
        yield "asked for", f"{moment(history.ask.at)}{f': {history.ask.reason}' if history.ask.reason else ''}"
    orders = [order for order in history.orders if one.now - order.at < timedelta(days=1)]
    if orders:
        yield "orders", f"{len(orders)} in the last day"
