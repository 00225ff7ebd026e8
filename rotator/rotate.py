"""One certificate: lock → look again → key, CSR, issue → keep → validate → deploy → verify → (roll back) → record.

Each row stores what the next one needs, so that a crash between any two of them converges at the next look without a
second order. What must be true when a line raises is said where it is done, in `rotator.steps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from rotator.core.model import (
    Action,
    Bundle,
    CertificateSpec,
    Chain,
    Decision,
    Facts,
    Location,
    Outcome,
    Result,
    Stage,
    Verification,
    Violation,
)
from rotator.core.policy import decide, places_to_write
from rotator.core.sightings import place
from rotator.core.trust import path_root
from rotator.errors import RotatorError, StateError
from rotator.inventory import look_again
from rotator.log import logger, redact_text
from rotator.steps import Ended
from rotator.steps.accept import accept
from rotator.steps.delegate import close, delegate
from rotator.steps.deploy import Placed, deploy
from rotator.steps.obtain import Obtained, obtain
from rotator.steps.prove import Proof, prove
from rotator.steps.undo import Undone, finish, undo
from rotator.trust import Trust, trust_of
from rotator.world import World

log = logger(__name__)


@dataclass(slots=True)
class Course:
    """What has been reached in one rotation; becomes its outcome, wherever it ends.

    Attributes:
        left: places that failed and whose snapshot is needed yet; None where the rotation did not get that far.
    """

    decision: Decision
    started: datetime
    before: Chain | None = None
    after: Chain | None = None
    issuer: str = ""
    ordered: bool = False
    verification: Verification = field(default_factory=Verification)
    notes: list[str] = field(default_factory=list)
    left: tuple[Location, ...] | None = None


def rotate(decision: Decision, world: World) -> Outcome | None:
    """Carry out a decision; None when a look after locking shows that there is nothing left to do.

    Raises:
        Busy: another rotation of this certificate is in flight.
        StateError: the state cannot be used; nothing was begun.
    """
    name = decision.spec.name
    with world.store.lock(name):
        facts = look_again(decision.spec, world, world.clock.now())
        again = replace(decide(facts, world.policy), trial=decision.trial)
        if not again.due:
            log.info("nothing left to do", certificate=name, reason=again.reason, message=again.message)
            return None
        course = Course(again, facts.now, before=facts.newest)
        log.info("rotation started", certificate=name, action=again.action, reason=again.reason)
        outcome = _ended(course, world, lambda: _carried_out(course, facts, world))
        _record(course, outcome, world)
    log.info("rotation ended", certificate=name, result=outcome.result, stage=outcome.stage, error=outcome.error)
    return outcome


def finish_roll_back(spec: CertificateSpec, world: World) -> Outcome | None:
    """Finish a roll-back that a crash cut off, before anything else is done to this certificate."""
    with world.store.lock(spec.name):
        facts = look_again(spec, world, world.clock.now())
        undone = finish(spec, facts, world)
        if undone is None:
            return None
        course = Course(decide(facts, world.policy), facts.now, before=facts.newest)
        outcome = _rolled_back(course, "the roll-back had been cut off", undone, world)
        _record(course, outcome, world)
    return outcome


def _record(course: Course, outcome: Outcome, world: World) -> None:
    """The outcome, and after it what of the snapshots is needed yet: those of what is stranded or stuck, where the old
    pair may be nowhere else, and those of what was cut off by a fault, which is continued at the next look."""
    store, name = world.store, outcome.decision.spec.name
    store.record(outcome)
    progress = store.progress(name)
    if progress is None:
        return
    if outcome.result is Result.STRANDED:
        store.keep_progress(replace(progress, undoing=False))  # nothing puts it back without a person
    elif outcome.result not in {Result.FAILED, Result.PENDING}:
        store.end_progress(name)
    elif course.left:
        needed = MappingProxyType({place: progress.snapshots[place] for place in course.left})
        store.keep_progress(replace(progress, snapshots=needed, deployed=course.left, before=()))
    elif course.left is not None:
        store.end_progress(name)


def _carried_out(course: Course, facts: Facts, world: World) -> Outcome:
    """The rows of the path."""
    if course.decision.action is Action.DELEGATE:
        return _delegated(course, facts, world)
    obtained = obtain(course.decision, facts, world)
    trust = trust_of(facts, world)  # after the order: an issuer may have made its root for it
    accepted = _accepted(course, obtained, facts, trust, world)
    placed = deploy(accepted, places_to_write(course.decision, facts, world.policy), facts, world)
    course.notes += [placed.log] if placed.log else []
    if placed.failed and not placed.touched:
        return _undeployed(course, placed, world)
    proof = prove(placed, facts, trust, world)
    course.verification = proof.verification
    course.notes += proof.notes
    if proof.harmed:
        return _harmed(course, proof, placed, facts, world)
    if placed.failed:
        return _undeployed(course, placed, world)
    return _proved(course, proof, trust, world)


def _delegated(course: Course, facts: Facts, world: World) -> Outcome:
    """The owner of the place renews it and we prove it; what it put there is its own to take away again."""
    delegated = delegate(course.decision, facts, world)
    owner = delegated.owner
    course.issuer, course.ordered, course.after = owner.kind, True, delegated.chain
    trust = trust_of(facts, world)
    proof = prove(delegated.placed, facts, trust, world)
    course.verification = proof.verification
    course.notes += [f"{owner.kind} renewed {owner.name}", *proof.notes]
    close(delegated, facts, world)
    if proof.harmed:
        why = f"{owner.name} belongs to {owner.kind}, so nothing was put back; have it renewed again: {owner.remedy}"
        return _outcome(course, world, Result.STRANDED, Stage.VERIFY, f"{'; '.join(proof.harmed)}; {why}")
    return _proved(course, proof, trust, world)


def _ended(course: Course, world: World, path: Callable[[], Outcome]) -> Outcome:
    """The end of a path, whatever ends it early: each is an outcome, so that none is silent and all back off."""
    try:
        return path()
    except Ended as end:
        course.issuer, course.ordered = end.issuer or course.issuer, bool(end.issuer) or course.ordered
        return _outcome(
            course,
            world,
            end.result,
            end.stage,
            end.error,
            permanent=end.permanent,
            retry_at=end.retry_at,
            violations=end.violations,
        )
    except StateError:
        raise  # nothing can be recorded; what was reached is stored, and the next look goes on from there
    except RotatorError as error:
        return _outcome(course, world, Result.FAILED, _stage(course), str(error))
    except Exception as fault:
        log.exception("rotation crashed", certificate=course.decision.spec.name)
        what = f"a fault in rotator or in one of its plugins, {type(fault).__name__}: {redact_text(str(fault))}"
        return _outcome(course, world, Result.FAILED, _stage(course), f"{what}; the log has the traceback")


def _stage(course: Course) -> Stage:
    """How far a rotation has come that nobody meant to end."""
    return Stage.ISSUE if course.after is None else Stage.DEPLOY


def _accepted(course: Course, obtained: Obtained | None, facts: Facts, trust: Trust, world: World) -> Bundle | None:
    """The bundle to deploy, validated; None reloads what the targets hold themselves."""
    if obtained is None:
        course.after = facts.newest
        return None
    course.ordered, course.issuer = obtained.ordered, obtained.bundle.issuer
    course.notes += obtained.notes
    accepted = accept(obtained.bundle, course.decision, facts, trust, world)
    course.after = accepted.bundle.chain
    return accepted.bundle


def _undeployed(course: Course, placed: Placed, world: World) -> Outcome:
    """Some place has not got it, and nothing is worse than before: the next looks finish what is unfinished."""
    course.left = placed.stuck
    return _outcome(course, world, Result.FAILED, Stage.DEPLOY, f"{'; '.join(placed.problems)}; {placed.rest}")


def _harmed(course: Course, proof: Proof, placed: Placed, facts: Facts, world: World) -> Outcome:
    undone = undo(placed.progress, facts, course.after, placed.settle, world)
    return _rolled_back(course, "; ".join((*placed.problems, *proof.harmed)), undone, world)


def _rolled_back(course: Course, why: str, undone: Undone, world: World) -> Outcome:
    course.notes += [f"{place(s)} shows {s.fingerprint[:16] or s.state}" for s in undone.after]
    stage = Stage.ROLL_BACK if undone.result is Result.STRANDED else Stage.VERIFY
    return _outcome(course, world, undone.result, stage, f"{why}; {undone.story}")


def _proved(course: Course, proof: Proof, trust: Trust, world: World) -> Outcome:
    """Done where every counted address shows the new one; unproved where none does, or the old one is still served."""
    stale, proved = proof.judgement.stale, proof.judgement.proved
    if stale:
        places = ", ".join(place(sighting) for sighting in stale)
        return _outcome(
            course, world, Result.UNPROVED, Stage.VERIFY, f"not reloaded: {places} still serves the old one"
        )
    if not proved:
        return _outcome(course, world, Result.UNPROVED, Stage.VERIFY, "")
    if proof.untold:
        why = f"served everywhere; whether its clients trust it cannot be told now: {proof.untold}"
        return _outcome(course, world, Result.UNPROVED, Stage.VERIFY, why)
    _pin(course, trust, world)
    return _outcome(course, world, Result.DONE, None, "")


def _pin(course: Course, trust: Trust, world: World) -> None:
    """Remember the root of the first proved chain: a later one that ends elsewhere is held for a person."""
    if course.after is None:
        return
    root = path_root(course.after, trust.roots, world.clock.now())
    if root is not None:
        world.store.pin_root(course.decision.spec.name, root.fingerprint, world.clock.now())


def _outcome(
    course: Course,
    world: World,
    result: Result,
    stage: Stage | None,
    error: str,
    *,
    permanent: bool = False,
    retry_at: datetime | None = None,
    violations: tuple[Violation, ...] = (),
) -> Outcome:
    return Outcome(
        decision=course.decision,
        result=result,
        started=course.started,
        finished=world.clock.now(),
        stage=stage,
        error=error,
        before=course.before,
        after=course.after,
        verification=course.verification,
        issuer=course.issuer,
        issued=course.ordered,
        permanent=permanent,
        retry_at=retry_at,
        violations=violations,
        log="\n".join(course.notes),
    )
