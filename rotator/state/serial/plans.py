"""What was decided, how it ended, and what was told of it."""

from __future__ import annotations

from rotator.core.model import (
    Action,
    Decision,
    Notice,
    NoticeKind,
    Outcome,
    Pins,
    Result,
    Severity,
    Stage,
    Violation,
)
from rotator.core.reasons import Reason
from rotator.state.serial.certificates import maybe_chain_from_json, maybe_chain_to_json
from rotator.state.serial.scalars import (
    Json,
    maybe_length_from_json,
    maybe_length_to_json,
    maybe_moment_from_json,
    maybe_moment_to_json,
    moment_from_json,
    moment_to_json,
)
from rotator.state.serial.specs import spec_from_json, spec_to_json
from rotator.state.serial.world import verification_from_json, verification_to_json


def pins_to_json(pins: Pins) -> Json:
    return {"current": pins.current, "next": pins.next, "names": list(pins.names)}


def pins_from_json(document: Json | None) -> Pins:
    return Pins(document["current"], document["next"], tuple(document["names"])) if document else Pins()


def decision_to_json(decision: Decision) -> Json:
    return {
        "spec": spec_to_json(decision.spec),
        "action": decision.action.value,
        "reason": decision.reason.value,
        "message": decision.message,
        "at": moment_to_json(decision.at),
        "wanted": decision.wanted.value if decision.wanted else None,
        "because": decision.because.value if decision.because else None,
        "ends": maybe_moment_to_json(decision.ends),
        "emergency": decision.emergency,
        "command": decision.command,
        "lead": maybe_length_to_json(decision.lead),
        "foreseen": decision.foreseen,
        "resumes": decision.resumes,
        "trial": decision.trial,
        "pins": pins_to_json(decision.pins),
        "known_at": sorted(decision.known_at),
    }


def decision_from_json(document: Json) -> Decision:
    return Decision(
        spec=spec_from_json(document["spec"]),
        action=Action(document["action"]),
        reason=Reason(document["reason"]),
        message=document["message"],
        at=moment_from_json(document["at"]),
        wanted=Action(document["wanted"]) if document["wanted"] else None,
        because=Reason(document["because"]) if document["because"] else None,
        ends=maybe_moment_from_json(document["ends"]),
        emergency=document["emergency"],
        command=document["command"],
        lead=maybe_length_from_json(document["lead"]),
        foreseen=document["foreseen"],
        resumes=document["resumes"],
        trial=document["trial"],
        pins=pins_from_json(document.get("pins")),
        known_at=frozenset(document.get("known_at", ())),
    )


def violations_to_json(violations: tuple[Violation, ...]) -> list[Json]:
    return [{"reason": violation.reason.value, "message": violation.message} for violation in violations]


def violations_from_json(documents: list[Json]) -> tuple[Violation, ...]:
    return tuple(Violation(Reason(document["reason"]), document["message"]) for document in documents)


def outcome_to_json(outcome: Outcome) -> Json:
    return {
        "decision": decision_to_json(outcome.decision),
        "result": outcome.result.value,
        "started": moment_to_json(outcome.started),
        "finished": moment_to_json(outcome.finished),
        "stage": outcome.stage.value if outcome.stage else None,
        "error": outcome.error,
        "before": maybe_chain_to_json(outcome.before),
        "after": maybe_chain_to_json(outcome.after),
        "verification": verification_to_json(outcome.verification),
        "issuer": outcome.issuer,
        "issued": outcome.issued,
        "permanent": outcome.permanent,
        "retry_at": maybe_moment_to_json(outcome.retry_at),
        "violations": violations_to_json(outcome.violations),
        "log": outcome.log,
    }


def outcome_from_json(document: Json) -> Outcome:
    return Outcome(
        decision=decision_from_json(document["decision"]),
        result=Result(document["result"]),
        started=moment_from_json(document["started"]),
        finished=moment_from_json(document["finished"]),
        stage=Stage(document["stage"]) if document["stage"] else None,
        error=document["error"],
        before=maybe_chain_from_json(document["before"]),
        after=maybe_chain_from_json(document["after"]),
        verification=verification_from_json(document["verification"]),
        issuer=document["issuer"],
        issued=document["issued"],
        permanent=document["permanent"],
        retry_at=maybe_moment_from_json(document["retry_at"]),
        violations=violations_from_json(document["violations"]),
        log=document["log"],
    )


def notice_to_json(notice: Notice) -> Json:
    return {
        "key": notice.key,
        "kind": notice.kind.value,
        "severity": notice.severity.value,
        "title": notice.title,
        "detail": notice.detail,
        "since": moment_to_json(notice.since),
        "owner": notice.owner,
        "subjects": list(notice.subjects),
        "command": notice.command,
        "runbook": notice.runbook,
        "resolved": notice.resolved,
    }


def notice_from_json(document: Json) -> Notice:
    return Notice(
        key=document["key"],
        kind=NoticeKind(document["kind"]),
        severity=Severity(document["severity"]),
        title=document["title"],
        detail=document["detail"],
        since=moment_from_json(document["since"]),
        owner=document["owner"],
        subjects=tuple(document["subjects"]),
        command=document["command"],
        runbook=document["runbook"],
        resolved=document["resolved"],
    )
