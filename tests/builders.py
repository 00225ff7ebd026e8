"""Small builders for the plain types of `rotator.core.model`: no crypto, no clock; what is not said is healthy.

    look = facts(chain=chain(lives=90 * DAY, left=29 * DAY))
    decide(look, settings()).action  # renew

Everything is built around `NOW`; `left` is what remains of a lifetime at that moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from rotator.core.budget.limits import CaLimits, IssuerBudget
from rotator.core.lead import DueRule, PolicySettings
from rotator.core.model import (
    Action,
    Attempt,
    Certificate,
    CertificateSpec,
    Chain,
    Decision,
    Endpoint,
    Evidence,
    Facts,
    FleetHistory,
    History,
    Inventory,
    KeyFacts,
    KeySpec,
    Location,
    MaintenanceWindow,
    Mode,
    Observation,
    Order,
    Outcome,
    Owner,
    Plan,
    Problem,
    ProblemKind,
    Quarantine,
    Result,
    Sighting,
    SightingState,
    Stage,
    Suggestion,
    TargetSpec,
    Violation,
)
from rotator.core.policy import reasons_seen
from rotator.core.reasons import Reason

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

PLACE = Location("host", "/etc/ssl/shop.pem")
ENDPOINT = Endpoint("shop.example.com", 443)


def hexed(text: str) -> str:
    """A stand-in for a SHA-256 in hex, stable for a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def certificate(
    *names: str,
    lives: timedelta = 90 * DAY,
    left: timedelta | None = None,
    begins: datetime | None = None,
    label: str = "",
    key: KeySpec | None = None,
    signature_hash: str = "sha256",
    is_ca: bool = False,
    problems: tuple[str, ...] = (),
) -> Certificate:
    """A certificate that lives so long and has so much left at `NOW` (half, unless said), or begins at a moment.

    `label` makes its fingerprint and key differ from those of another with the same dates and names.
    """
    if begins is None:
        begins = NOW + (lives / 2 if left is None else left) - lives
    begins = begins.replace(microsecond=0)
    ends = begins + lives - SECOND
    names = names or ("shop.example.com",)
    key = key or KeySpec()
    told = f"{label}|{names}|{begins}|{ends}|{key}"
    return Certificate(
        der=told.encode(),
        fingerprint=hexed(told),
        subject=f"CN={names[0]}",
        issuer="CN=Test Issuing",
        serial=int(hexed(told)[:15], 16),
        not_before=begins,
        not_after=ends,
        names=names,
        spki=hexed(f"key of {told}"),
        key_algorithm=key.algorithm,
        key_size=key.size,
        signature_hash=signature_hash,
        is_ca=is_ca,
        problems=problems,
    )


def chain(
    *names: str,
    lives: timedelta = 90 * DAY,
    left: timedelta | None = None,
    begins: datetime | None = None,
    label: str = "",
    key: KeySpec | None = None,
    signature_hash: str = "sha256",
    above: tuple[Certificate, ...] = (),
    problems: tuple[str, ...] = (),
) -> Chain:
    """A leaf, as `certificate` makes it, and what came with it."""
    leaf = certificate(
        *names,
        lives=lives,
        left=left,
        begins=begins,
        label=label,
        key=key,
        signature_hash=signature_hash,
        problems=problems,
    )
    return Chain((leaf, *above))


def target(address: str = PLACE.address, kind: str = "files") -> TargetSpec:
    return TargetSpec(kind, MappingProxyType({"path": address}))


def spec(
    name: str = "shop",
    *,
    names: tuple[str, ...] = ("shop.example.com",),
    issuers: tuple[str, ...] = ("internal",),
    owner: str = "",
    key: KeySpec | None = None,
    targets: tuple[TargetSpec, ...] | None = None,
    endpoints: tuple[Endpoint, ...] = (),
    lifetime: timedelta | None = None,
    renew_before: timedelta | None = None,
    mode: Mode = Mode.ROTATE,
    windows: tuple[MaintenanceWindow, ...] = (),
    allow: Iterable[Reason] = (),
    adopted_from: str = "",
) -> CertificateSpec:
    """A declared certificate with one target, in rotate mode."""
    return CertificateSpec(
        name=name,
        names=names,
        issuers=issuers,
        owner=owner,
        key=key or KeySpec(),
        targets=(target(),) if targets is None else targets,
        endpoints=endpoints,
        lifetime=lifetime,
        renew_before=renew_before,
        mode=mode,
        windows=windows,
        allow=frozenset(allow),
        adopted_from=adopted_from,
    )


def settings(
    *,
    mode: Mode = Mode.ROTATE,
    check_every: timedelta = HOUR,
    shortest_tick: timedelta = 30 * SECOND,
    due_rule: DueRule = "lifetime",
    an_hour: int | None = None,
    issuer_limits: Mapping[str, int] | None = None,
    budgets: Mapping[str, CaLimits] | None = None,
    first_look_acts: bool = False,
) -> PolicySettings:
    return PolicySettings(
        mode=mode,
        check_every=check_every,
        shortest_tick=shortest_tick,
        due_rule=due_rule,
        an_hour=an_hour,
        issuer_limits=issuer_limits or {},
        budgets={name: IssuerBudget(limits, ca=name, account=name) for name, limits in (budgets or {}).items()},
        first_look_acts=first_look_acts,
    )


# ---------------------------------------------------------------- what was seen


def holding(
    held: Chain | None,
    location: Location = PLACE,
    *,
    key: KeyFacts | None = None,
    owner: Owner | None = None,
    immutable: bool = False,
    ignored: bool = False,
) -> Observation:
    """A place with this chain and, unless said, the key that belongs to it; None is an empty place."""
    if key is None and held is not None:
        key = KeyFacts(held.spki, matches=True, mode=0o600)
    return Observation(location, chain=held, key=key, owner=owner, immutable=immutable, ignored=ignored)


def unseen(location: Location = PLACE, why: str = "the host did not answer") -> Observation:
    """A place that could not be looked at."""
    return Observation(location, problem=Problem(ProblemKind.UNSEEN, why))


def unreadable(location: Location = PLACE, why: str = "it holds HTML") -> Observation:
    """A place that holds something that is no certificate."""
    return Observation(location, problem=Problem(ProblemKind.UNREADABLE, why))


def showing(shown: Chain | None, endpoint: Endpoint = ENDPOINT, address: str = "192.0.2.1") -> Sighting:
    """An address that serves this chain; None is one that refused the connection."""
    if shown is None:
        return Sighting(endpoint, address, SightingState.REFUSED, detail="connection refused")
    return Sighting(endpoint, address, SightingState.SERVED, shown.fingerprint, shown)


def facts(
    of: CertificateSpec | None = None,
    *,
    chain: Chain | None = None,
    now: datetime = NOW,
    installed: Iterable[Observation] | None = None,
    served: Iterable[Sighting] = (),
    evidence: Evidence | None = None,
    history: History | None = None,
    suggestion: Suggestion | None = None,
    replaced_by_hand: bool = False,
) -> Facts:
    """One look at a certificate; unless said, its one place holds the current chain with its key, trusted."""
    if installed is None:
        installed = (holding(chain),)
    by_endpoint: dict[Endpoint, tuple[Sighting, ...]] = {}
    for sighting in served:
        by_endpoint[sighting.endpoint] = (*by_endpoint.get(sighting.endpoint, ()), sighting)
    return Facts(
        spec=of or spec(),
        now=now,
        installed=MappingProxyType({observation.location: observation for observation in installed}),
        served=MappingProxyType(by_endpoint),
        newest=chain,
        evidence=evidence or Evidence(revoked=False, trusted=True, trust="issuer internal"),
        history=history or History(),
        suggestion=suggestion,
        replaced_by_hand=replaced_by_hand,
    )


def seen_before(look: Facts) -> Facts:
    """The same look, with everything that it sees seen by the look before it too; what was seen before stays."""
    reasons = seen(*reasons_seen(look, settings()))
    return replace(look, history=replace(look.history, seen_since={**reasons, **look.history.seen_since}))


def inventory(*looks: Facts, at: datetime = NOW, first: bool = False) -> Inventory:
    return Inventory(at=at, facts=looks, first=first)


def suggestion(start: datetime, end: datetime, explanation: str = "") -> Suggestion:
    """An issuer's window (ARI)."""
    return Suggestion(start, end, explanation, ask_again_at=start)


# ---------------------------------------------------------------- what happened


def seen(*reasons: Reason, since: datetime = NOW - HOUR) -> Mapping[Reason, datetime]:
    """Reasons that the looks before this one saw."""
    return MappingProxyType(dict.fromkeys(reasons, since))


def ours(of: Chain, at: CertificateSpec | None = None, *, key_kept: bool = True) -> History:
    """A history in which the store holds this chain as the newest accepted one."""
    return History(
        accepted=of, accepted_digest=(at or spec()).digest, accepted_issuer=(at or spec()).issuers[0], key_kept=key_kept
    )


def attempt(
    at: datetime = NOW,
    *,
    of: CertificateSpec | None = None,
    action: Action = Action.RENEW,
    reason: Reason = Reason.DUE,
    result: Result = Result.FAILED,
    stage: Stage | None = Stage.ISSUE,
    issuer: str = "internal",
    issued: bool = True,
    retry_at: datetime | None = None,
    permanent: bool = False,
    violations: tuple[Violation, ...] = (),
) -> Attempt:
    """A rotation of the past; unless said, one whose issuer failed."""
    return Attempt(
        at=at,
        action=action,
        reason=reason,
        digest=(of or spec()).digest,
        result=result,
        stage=stage,
        issuer=issuer,
        issued=issued,
        retry_at=retry_at,
        permanent=permanent,
        error="" if result in {Result.DONE, Result.UNPROVED} else "the issuer said no",
        violations=violations,
    )


def order(
    at: datetime = NOW,
    *,
    of: CertificateSpec | None = None,
    issuer: str = "internal",
    result: str = "issued",
    permanent: bool = False,
    skipped_gap: bool = False,
    renewal: bool = False,
    exempt: bool = False,
    failed_names: tuple[str, ...] = (),
    limited: bool = False,
    retry_at: datetime | None = None,
) -> Order:
    """A row of the ledger."""
    of = of or spec()
    return Order(
        of.name, issuer, of.digest, of.names, at, result,
        permanent=permanent, skipped_gap=skipped_gap, renewal=renewal, exempt=exempt,
        failed_names=failed_names, limited=limited, retry_at=retry_at,
    )  # fmt: skip


def quarantine(
    of: Chain,
    since: datetime = NOW - DAY,
    *,
    until: datetime | None = None,
    location: Location = PLACE,
    at: CertificateSpec | None = None,
    by_hand: bool = False,
) -> Quarantine:
    return Quarantine(location, of.fingerprint, (at or spec()).digest, since, until, by_hand=by_hand)


def decision(
    of: CertificateSpec | None = None,
    action: Action = Action.RENEW,
    reason: Reason = Reason.DUE,
    *,
    at: datetime = NOW,
    ends: datetime | None = NOW + 29 * DAY,
    wanted: Action | None = None,
    because: Reason | None = None,
    emergency: bool = False,
    lead: timedelta | None = 30 * DAY,
    foreseen: bool = False,
    resumes: bool = False,
    known_at: Iterable[str] = (),
    trial: str = "",
    message: str = "ends in 29 d, due since 1 d, because it lives 90 d",
) -> Decision:
    """A decision; unless said, a renewal that is due and that no plan foresaw."""
    return Decision(
        spec=of or spec(),
        action=action,
        reason=reason,
        message=message,
        at=at,
        wanted=action if wanted is None and action in {Action.RENEW, Action.REDEPLOY} else wanted,
        because=because if because is not None else (None if action is Action.KEEP else reason),
        ends=ends,
        emergency=emergency,
        lead=lead,
        foreseen=foreseen,
        resumes=resumes,
        known_at=frozenset(known_at),
        trial=trial,
    )


def outcome(
    of: Decision | None = None,
    result: Result = Result.DONE,
    *,
    finished: datetime = NOW,
    took: timedelta = MINUTE,
    stage: Stage | None = None,
    issuer: str = "internal",
    retry_at: datetime | None = None,
    permanent: bool = False,
    error: str = "",
    before: Chain | None = None,
    after: Chain | None = None,
) -> Outcome:
    return Outcome(
        decision=of or decision(),
        result=result,
        started=finished - took,
        finished=finished,
        stage=stage,
        error=error,
        before=before,
        after=after,
        issuer=issuer,
        issued=True,
        permanent=permanent,
        retry_at=retry_at,
    )


def fleet(
    *orders: Order, outcomes: Iterable[Outcome] = (), approved_surge_until: datetime | None = None
) -> FleetHistory:
    return FleetHistory(orders=orders, outcomes=tuple(outcomes), approved_surge_until=approved_surge_until)


def plan(*decisions: Decision, at: datetime = NOW, first: bool = False) -> Plan:
    return Plan(at, decisions, first=first)
