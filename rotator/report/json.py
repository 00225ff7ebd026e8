"""The JSON of every verb: stable keys, moments as ISO 8601 in UTC, lengths in seconds, null where there is nothing.

Keys are only ever added. Each function says its keys; words in values are those of `rotator.core` (actions, reasons,
results, severities).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rotator.core.audit import Audit, Line
from rotator.core.model import (
    Certificate,
    CertificateSpec,
    Chain,
    Decision,
    Finding,
    Notice,
    Observation,
    Outcome,
    Pause,
    Plan,
    Severity,
    SourceProblem,
)
from rotator.report.card import Card
from rotator.report.status import Status
from rotator.report.table import Asked
from rotator.report.verification import Verified
from rotator.report.words import iso, plan_counts

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Object: TypeAlias = dict[str, Json]


def text(value: Json, *, plain: bool = False) -> str:
    r"""The JSON text as every verb prints it: indented, in the order of the keys as documented, one final newline.

    Args:
        plain: ASCII alone, everything else as `\uXXXX`, for a stream whose encoding does not have every character.
    """
    return json.dumps(value, indent=2, ensure_ascii=plain) + "\n"


# ---------------------------------------------------------------- certificates


def certificate(one: Certificate) -> Object:
    """`fingerprint` (SHA-256 of the DER), `serial` (hex), `subject`, `issuer`, `names`, `not_before`, `not_after`,
    `key` (`ecdsa-256` …), `spki` (SHA-256 of the public key), `problems`."""
    return {
        "fingerprint": one.fingerprint,
        "serial": f"{one.serial:x}",
        "subject": one.subject,
        "issuer": one.issuer,
        "names": list(one.names),
        "not_before": iso(one.not_before),
        "not_after": iso(one.not_after),
        "key": f"{one.key_algorithm}-{one.key_size}" if one.key_size else one.key_algorithm,
        "spki": one.spki,
        "problems": list(one.problems),
    }


def leaf(chain: Chain | None) -> Object | None:
    """The leaf of a chain, with `chain_length` beside the keys of a certificate."""
    return {**certificate(chain.leaf), "chain_length": len(chain.certificates)} if chain else None


def spec(one: CertificateSpec) -> Object:
    """`name`, `owner`, `names`, `issuers`, `key`, `mode`, `from` (`declared` or the adopting rule's source),
    `targets` (`kind`, `settings`, `restart`), `endpoints`."""
    return {
        "name": one.name,
        "owner": one.owner or None,
        "names": list(one.names),
        "issuers": list(one.issuers),
        "key": f"{one.key.algorithm}-{one.key.size}" if one.key.size else one.key.algorithm,
        "mode": one.mode.value,
        "from": one.adopted_from or "declared",
        "targets": [
            {"kind": target.kind, "settings": json.loads(target.canonical)["settings"], "restart": list(target.restart)}
            for target in one.targets
        ],
        "endpoints": [str(endpoint) for endpoint in one.endpoints],
    }


# ---------------------------------------------------------------- scan


def audit(one: Audit) -> Object:
    """`at`, `places`, `findings`, `unseen` (`where`, `message`: could not be looked at), `summary` (findings by
    severity, number of `places` and `unseen`)."""
    found = one.findings
    counts: Object = {severity.value: sum(f.severity is severity for f in found) for severity in reversed(Severity)}
    return {
        "at": iso(one.at),
        "places": [line(item) for item in one.lines],
        "findings": [finding(item) for item in found],
        "unseen": [{"where": item.where, "message": item.message} for item in one.unseen],
        "summary": {**counts, "places": len(one.lines), "unseen": len(one.unseen)},
    }


def line(one: Line) -> Object:
    """`place`, `kind` (`stored` or `served`), `certificate`, `problem`, `key_matches`, `owner` (another
    writer of the place), `due` (by the rule of lifetimes), `findings` (ids), `managed` (`certificate`, `rule`, `mode`,
    `action`, `reason`, `at`; null where it is not), `unmanaged` (why a rule that matches does not manage it)."""
    seen: Observation = one.observation
    managed: Object | None = None
    if one.decision:
        managed = {
            "certificate": one.decision.spec.name,
            "rule": one.rule,
            "mode": one.decision.spec.mode.value,
            "action": one.decision.action.value,
            "reason": one.decision.reason.value,
            "at": iso(one.decision.at),
        }
    return {
        "place": str(seen.endpoint) if seen.endpoint else str(seen.location),
        "location": {"system": seen.location.system, "address": seen.location.address},
        "kind": "served" if seen.endpoint else "stored",
        "certificate": leaf(seen.chain),
        "problem": seen.problem.message if seen.problem else None,
        "key_matches": seen.key.matches if seen.key else None,
        "owner": seen.owner.name if seen.owner else None,
        "due": iso(one.due),
        "findings": [item.rule for item in one.findings],
        "managed": managed,
        "unmanaged": one.unmanaged or None,
    }


def finding(one: Finding) -> Object:
    """`rule` (`RT001` …), `severity`, `place`, `message`, `remedy`."""
    return {
        "rule": one.rule,
        "severity": one.severity.value,
        "place": str(one.location),
        "message": one.message,
        "remedy": one.remedy,
    }


# ---------------------------------------------------------------- plan


def plan(one: Plan, problems: Iterable[SourceProblem] = ()) -> Object:
    """`at`, `decisions` (most urgent first), `summary` (how many of each kind: `renew`, `redeploy`, `wait`, `observe`,
    `delegate`, `hold`, `refuse`, `keep`), `unseen` (`where`, `message`)."""
    return {
        "at": iso(one.at),
        "decisions": [decision(item) for item in one.decisions],
        "summary": dict(plan_counts(one.decisions)),
        "unseen": [{"where": problem.source, "message": problem.message} for problem in problems],
    }


def decision(one: Decision) -> Object:
    """`certificate`, `owner`, `names`, `mode`, `action`, `reason`, `wanted` and `because` (what would be done and
    why, where something holds it back), `message`, `command` (what a person may run), `at`, `ends`, `emergency`,
    `issuers`."""
    return {
        "certificate": one.spec.name,
        "owner": one.spec.owner or None,
        "names": list(one.spec.names),
        "mode": one.spec.mode.value,
        "action": one.action.value,
        "reason": one.reason.value,
        "wanted": one.wanted.value if one.wanted else None,
        "because": one.because.value if one.because else None,
        "message": one.message,
        "command": one.command or None,
        "at": iso(one.at),
        "ends": iso(one.ends),
        "emergency": one.emergency,
        "issuers": list(one.spec.issuers),
    }


# ---------------------------------------------------------------- outcomes


def outcome(one: Outcome) -> Object:
    """`certificate`, `action`, `reason`, `result`, `stage` (where it ended, null when done), `error`, `issuer`,
    `issued` (an order was placed), `started`, `finished`, `seconds`, `before` and `after` (leaves), `verified` (a line
    for each address that was proved), `permanent`, `retry_at`, `violations` (`reason`, `message`), `log`."""
    return {
        "certificate": one.decision.spec.name,
        "action": one.decision.action.value,
        "reason": (one.decision.because or one.decision.reason).value,
        "result": one.result.value,
        "stage": one.stage.value if one.stage else None,
        "error": one.error or None,
        "issuer": one.issuer or None,
        "issued": one.issued,
        "started": iso(one.started),
        "finished": iso(one.finished),
        "seconds": round((one.finished - one.started).total_seconds(), 3),
        "before": leaf(one.before),
        "after": leaf(one.after),
        "verified": list(one.verification.verified),
        "permanent": one.permanent,
        "retry_at": iso(one.retry_at),
        "violations": [{"reason": item.reason.value, "message": item.message} for item in one.violations],
        "log": one.log or None,
    }


def outcomes(many: Sequence[Outcome]) -> Object:
    """`outcomes` (newest first) and `summary`: how many ended in each result."""
    counts: dict[str, int] = {}
    for one in many:
        counts[one.result.value] = counts.get(one.result.value, 0) + 1
    summary: Mapping[str, Json] = dict(sorted(counts.items()))
    return {"outcomes": [outcome(one) for one in many], "summary": dict(summary)}


def history(many: Sequence[Outcome], asked: Sequence[Asked]) -> Object:
    """The keys of `outcomes`, and `asked`, newest first: `at`, `verb`, `subject` (certificate or glob), `detail`."""
    requests: list[Json] = [
        {"at": iso(one.at), "verb": one.verb, "subject": one.subject, "detail": one.detail} for one in asked
    ]
    return {**outcomes(many), "asked": requests}


# ---------------------------------------------------------------- status, show, verify


def status(one: Status) -> Object:
    """`at`, `looked_at` (null before the first look), `stale`, `summary` (as in a plan), `certificates` (decisions;
    what was finished since the last look is kept),
    `notices`, `pauses`, `outcomes` (of the last day), `waiting` (asked for, not carried out), `unseen`."""
    decisions = one.decisions
    return {
        "at": iso(one.now),
        "looked_at": iso(one.plan.at if one.plan else None),
        "stale": one.stale,
        "summary": dict(plan_counts(decisions)),
        "certificates": [decision(item) for item in decisions],
        "notices": [notice(item) for item in one.notices],
        "pauses": [pause(match, item) for match, item in one.pauses.items()],
        "outcomes": [outcome(item) for item in one.outcomes],
        "waiting": list(one.waiting),
        "unseen": [{"where": where, "message": message} for where, message in one.problems],
    }


def notice(one: Notice) -> Object:
    """`key` (stable), `kind`, `severity`, `title`, `detail`, `owner`, `subjects`, `since`, `command`."""
    return {
        "key": one.key,
        "kind": one.kind.value,
        "severity": one.severity.value,
        "title": one.title,
        "detail": one.detail,
        "owner": one.owner or None,
        "subjects": list(one.subjects),
        "since": iso(one.since),
        "command": one.command or None,
    }


def pause(match: str, one: Pause) -> Object:
    """`match` (a glob on names), `reason`, `since`, `until` (null: until somebody resumes it)."""
    return {"match": match, "reason": one.reason, "since": iso(one.since), "until": iso(one.until)}


def card(one: Card) -> Object:
    """The keys of a spec, and `decision`, `places`, `served_at`, `bundles` (`certificate`, `status`, `issuer`, `at`,
    `key_kept`), `outcomes`, `quarantines` (`place`, `fingerprint`, `since`, `until`, `by_hand`), `pause`,
    `held_by_hand`, `notices`."""
    history = one.history
    return {
        **spec(one.spec),
        "decision": decision(one.decision) if one.decision else None,
        "places": list(one.places),
        "served_at": list(one.endpoints),
        "bundles": [
            {
                "certificate": certificate(kept.leaf),
                "status": kept.status,
                "issuer": kept.issuer,
                "at": iso(kept.at),
                "key_kept": kept.key_kept,
            }
            for kept in one.bundles
        ],
        "outcomes": [outcome(item) for item in one.outcomes],
        "quarantines": [
            {
                "place": str(item.location),
                "fingerprint": item.fingerprint,
                "since": iso(item.since),
                "until": iso(item.until),
                "by_hand": item.by_hand,
            }
            for item in history.quarantines
        ],
        "pause": pause(one.spec.name, history.pause) if history.pause else None,
        "held_by_hand": history.held_by_hand or None,
        "notices": [notice(item) for item in one.notices],
    }


def verified(many: Sequence[Verified]) -> Object:
    """`certificates`: `certificate`, `current` (leaf), `wrong`, `seen` (`where`, `kind`, `verdict`, `detail`,
    `fingerprint`)."""
    return {
        "certificates": [
            {
                "certificate": one.certificate,
                "current": leaf(one.current),
                "wrong": one.wrong,
                "seen": [
                    {
                        "where": seen.where,
                        "kind": seen.kind,
                        "verdict": seen.verdict.value,
                        "detail": seen.detail or None,
                        "fingerprint": seen.fingerprint or None,
                    }
                    for seen in one.seen
                ],
            }
            for one in many
        ]
    }
