"""The JSON of every verb: stable keys, moments as ISO 8601 in UTC, lengths in seconds, null where there is nothing.

Keys are only ever added. Each function says its keys; words in values are those of `rotator.core` (actions, reasons,
results, severities).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from rotator.core.budget.forecast import NO_OUTLOOK, Outlook
from rotator.core.model import (
    AdoptionProblem,
    CertificateSpec,
    Decision,
    Notice,
    Outcome,
    Pause,
    Pins,
    Plan,
    SourceProblem,
)
from rotator.core.pins import pin, tlsa_record
from rotator.core.readiness import Kept, Readiness
from rotator.report import budget
from rotator.report.audit_json import audit, finding, line, summary, unseen
from rotator.report.card import Card
from rotator.report.objects import Json, Object, certificate, leaf, text
from rotator.report.readiness import Preflights
from rotator.report.status import Status
from rotator.report.table import Asked
from rotator.report.verification import Verified
from rotator.report.words import iso, plan_counts

__all__ = [
    "Json",
    "Object",
    "audit",
    "card",
    "certificate",
    "decision",
    "finding",
    "history",
    "leaf",
    "line",
    "notice",
    "outcome",
    "outcomes",
    "pause",
    "plan",
    "spec",
    "status",
    "summary",
    "text",
    "unseen",
    "verified",
]


def spec(one: CertificateSpec) -> Object:
    """`name`, `owner`, `names`, `issuers`, `key`, `reuse` (the key is used again), `csr` (the
    request's file, where the key is held elsewhere), `mode`, `from` (`declared` or the adopting rule's source),
    `targets` (`kind`, `settings`, `restart`), `endpoints`."""
    return {
        "name": one.name,
        "owner": one.owner or None,
        "names": list(one.names),
        "issuers": list(one.issuers),
        "key": f"{one.key.algorithm}-{one.key.size}" if one.key.size else one.key.algorithm,
        "reuse": one.key.reuse,
        "csr": one.csr or None,
        "mode": one.mode.value,
        "from": one.adopted_from or "declared",
        "targets": [
            {"kind": target.kind, "settings": json.loads(target.canonical)["settings"], "restart": list(target.restart)}
            for target in one.targets
        ],
        "endpoints": [str(endpoint) for endpoint in one.endpoints],
    }


# ---------------------------------------------------------------- plan


def plan(
    one: Plan,
    problems: Iterable[SourceProblem] = (),
    outlook: Outlook = NO_OUTLOOK,
    held: Iterable[AdoptionProblem] = (),
) -> Object:
    """`at`, `decisions` (most urgent first), `summary` (how many of each kind: `renew`, `redeploy`, `wait`, `observe`,
    `delegate`, `hold`, `refuse`, `keep`), `budgets` (`remaining`, `shortages`: see `rotator.report.budget`), `held`
    (`where`, `message`: matched by a rule, and not managed), `unseen` (likewise)."""
    return {
        "at": iso(one.at),
        "decisions": [decision(item) for item in one.decisions],
        "summary": dict(plan_counts(one.decisions)),
        "budgets": budget.json(outlook),
        "held": _held(held),
        "unseen": _unseen(problems),
    }


def decision(one: Decision) -> Object:
    """`certificate`, `owner`, `names`, `mode`, `action`, `reason`, `wanted` and `because` (what would be done and
    why, where something holds it back), `message`, `command` (what a person may run), `at`, `ends`, `emergency`,
    `issuers`, `pins` (`current` and `next`: `pin_sha256`, `tlsa`)."""
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
        "pins": pins(one.pins),
    }


def pins(one: Pins) -> Object:
    """`current` and `next` (null where that key is not known yet), each with `pin_sha256` and `tlsa` (a record for each
    port of each name that it is served under)."""
    return {"current": _key(one.current, one.names), "next": _key(one.next, one.names)}


def _key(spki: str, names: Iterable[str]) -> Object | None:
    return {"pin_sha256": pin(spki), "tlsa": [tlsa_record(name, spki) for name in names]} if spki else None


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
    `notices`, `pauses`, `outcomes` (of the last day), `waiting` (asked for, not carried out), `unseen`, `preflight`
    (see `foretold`)."""
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
        "preflight": [foretold(kept) for kept in one.preflight.values()],
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
    `key_kept`, `revoked_at`), `outcomes`, `quarantines` (`place`, `fingerprint`, `since`, `until`, `by_hand`), `pause`,
    `held_by_hand`, `notices`, `preflight` (null before the first: see `foretold`)."""
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
                "revoked_at": iso(kept.revoked_at),
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
        "preflight": foretold(one.preflight) if one.preflight else None,
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


def preflights(one: Preflights) -> Object:
    """`observed` (names that were not asked about), `held` and `unseen` (as in `plan`), `certificates`: see
    `readiness`."""
    return {
        "certificates": [readiness(each) for each in one.many],
        "observed": list(one.observed),
        "held": _held(one.held),
        "unseen": _unseen(one.problems),
    }


def _held(held: Iterable[AdoptionProblem]) -> list[Json]:
    return [{"where": str(each.location), "message": each.message} for each in held]


def _unseen(problems: Iterable[SourceProblem]) -> list[Json]:
    return [{"where": each.source, "message": each.message} for each in problems]


def readiness(one: Readiness) -> Object:
    """`certificate`, `asked_at`, `due`, `fails`, `unknown`, `spoiled` (issuers that could not, where another can),
    `answers` (`issuer`, null for the certificate's own; `checks`: `check`, `verdict`, `text`, `remedy`)."""
    return {
        "certificate": one.certificate,
        "asked_at": iso(one.at),
        "due": iso(one.due),
        "fails": one.fails,
        "unknown": one.unknown,
        "spoiled": list(one.spoiled),
        "answers": [
            {
                "issuer": answer.issuer or None,
                "checks": [
                    {
                        "check": line.check,
                        "verdict": line.verdict.value,
                        "text": line.text or None,
                        "remedy": line.remedy or None,
                    }
                    for line in answer.lines
                ],
            }
            for answer in one.answers
        ],
    }


def foretold(one: Kept) -> Object:
    """The keys of a `readiness`, and `failing_since`, `failures` (in a row), `succeeded_at`."""
    return {
        **readiness(one.readiness),
        "failing_since": iso(one.failing_since),
        "failures": one.failures,
        "succeeded_at": iso(one.succeeded),
    }
