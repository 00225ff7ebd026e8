"""What happened: outcomes, the audit, and what a success puts an end to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from rotator.core.csr import csr_spki
from rotator.core.model import Action, Attempt, Outcome, Result, Stage
from rotator.core.reasons import Reason
from rotator.ports import AuditEntry
from rotator.state import bundles, deploying, issuing
from rotator.state.serial.plans import outcome_from_json, outcome_to_json, violations_from_json, violations_to_json
from rotator.state.serial.world import location_to_json
from rotator.state.tables import AnyRow, approvals, audit, outcomes, pending, standing

SUCCESSES = frozenset({Result.DONE, Result.UNPROVED})


def record(connection: Connection, outcome: Outcome) -> None:
    """Write an outcome, its audit row, and what it puts an end to.

    A success ends what a person asked for or approved, and the pending request that it came from; a renewal that
    succeeded is no longer foreseen. Every place that the rotation in progress has written counts as redeployed, unless
    this finishes a bundle that was accepted before: that is the same rotation.
    """
    decision = outcome.decision
    name = decision.spec.name
    finishing = bundles.is_unfinished(connection, name)
    redeployed = deploying.written(connection, name) if decision.action is Action.REDEPLOY and not finishing else ()
    connection.execute(
        insert(outcomes).values(
            certificate=name,
            action=decision.action.value,
            reason=decision.reason.value,
            digest=decision.spec.digest,
            result=outcome.result.value,
            stage=outcome.stage.value if outcome.stage else None,
            issuer=outcome.issuer,
            issued=outcome.issued,
            permanent=outcome.permanent,
            retry_at=outcome.retry_at,
            error=outcome.error,
            finished=outcome.finished,
            violations=violations_to_json(outcome.violations),
            redeployed=[location_to_json(location) for location in redeployed],
            document=outcome_to_json(outcome),
        )
    )
    write_audit(connection, f"{decision.action}-{outcome.result}", name, _told(outcome), outcome.finished)
    if outcome.result in SUCCESSES:
        _end(connection, outcome)


def _end(connection: Connection, outcome: Outcome) -> None:
    name = outcome.decision.spec.name
    renewed = outcome.decision.action in {Action.RENEW, Action.DELEGATE}
    deployed = outcome.after.fingerprint if outcome.after else None
    finished = bundles.finish(connection, name, deployed, outcome.finished)
    _end_approvals(connection, name)
    # A forced renewal that a person asked for is not carried out by repairing drift.
    ends_ask = standing.c.certificate == name
    if not (renewed or finished):
        ends_ask &= standing.c.ask_force.is_not(True)
    connection.execute(
        update(standing).where(ends_ask).values(asked_at=None, ask_force=None, ask_reason=None, ask_key_after=None)
    )
    if renewed or finished:
        connection.execute(update(standing).where(standing.c.certificate == name).values(foreseen_at=None))
    if renewed or _came_of_pending(connection, outcome):
        issuing.drop_pending(connection, name)


def _end_approvals(connection: Connection, name: str) -> None:
    """Approvals were for what has now succeeded; a hold by hand ends only where a person approved ending it."""
    released = select(approvals.c.certificate).where(
        approvals.c.certificate == name, approvals.c.reason == Reason.REPLACED_BY_HAND.value
    )
    connection.execute(
        update(standing).where(standing.c.certificate.in_(released)).values(held_by_hand=None, held_at=None)
    )
    connection.execute(delete(approvals).where(approvals.c.certificate == name))


def _came_of_pending(connection: Connection, outcome: Outcome) -> bool:
    """Whether the certificate now in place is of the key that is still pending (a crash came before it was dropped)."""
    query = select(pending.c.csr).where(pending.c.certificate == outcome.decision.spec.name)
    csr = connection.execute(query).scalar_one_or_none()
    if csr is None or outcome.after is None:
        return False
    try:
        return csr_spki(csr) == outcome.after.spki
    except ValueError:  # a request that cannot be read was not what this certificate came of
        return False


def _told(outcome: Outcome) -> str:
    decision = outcome.decision
    parts = [f"because {decision.reason}"]
    if outcome.issuer:
        parts.append(f"issuer {outcome.issuer}")
    if outcome.before:
        parts.append(f"before {outcome.before.fingerprint}")
    if outcome.after:
        parts.append(f"after {outcome.after.fingerprint}")
    if outcome.stage:
        parts.append(f"at {outcome.stage}")
    if outcome.error:
        parts.append(outcome.error)
    return "; ".join(parts)


def list_outcomes(
    connection: Connection, certificate: str | None, since: datetime | None, limit: int | None
) -> tuple[Outcome, ...]:
    """Newest first."""
    query = select(outcomes.c.document).order_by(outcomes.c.finished.desc(), outcomes.c.id.desc())
    if certificate is not None:
        query = query.where(outcomes.c.certificate == certificate)
    if since is not None:
        query = query.where(outcomes.c.finished >= since)
    if limit is not None:
        query = query.limit(limit)
    return tuple(outcome_from_json(document) for document in connection.execute(query).scalars())


def attempt_from(row: AnyRow) -> Attempt:
    return Attempt(
        at=row.finished,
        action=Action(row.action),
        reason=Reason(row.reason),
        digest=row.digest,
        result=Result(row.result),
        stage=Stage(row.stage) if row.stage else None,
        issuer=row.issuer,
        issued=row.issued,
        retry_at=row.retry_at,
        permanent=row.permanent,
        error=row.error,
        violations=violations_from_json(row.violations),
    )


def write_audit(connection: Connection, event: str, subject: str, detail: str, at: datetime) -> None:
    connection.execute(insert(audit).values(at=at, event=event, subject=subject, detail=detail))


def list_audit(connection: Connection, subject: str | None, limit: int) -> tuple[AuditEntry, ...]:
    """Newest first."""
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    return tuple(AuditEntry(row.at, row.event, row.subject, row.detail) for row in connection.execute(query))
