"""A scan for spreadsheets: one row a place, what could not be looked at last.

| column | meaning |
| --- | --- |
| place | where |
| kind | `stored`, `served`, or `unseen` for what could not be looked at |
| service | namespace, host or folder that it belongs to |
| team | whose it is |
| names | of the certificate, with spaces between |
| subject, issuer | distinguished names |
| serial | hex, with colons, which no spreadsheet takes for a number |
| fingerprint | SHA-256, hex |
| key | `ecdsa-256` … |
| not_before, not_after | ISO 8601, UTC |
| days_left | whole days until its end, rounded down: negative as soon as it has ended |
| due | when it is due by the rule of lifetimes |
| severity | the worst of its findings; empty where there are none |
| rules | ids of the rules that found something, with spaces between |
| messages | what they found, with `; ` between |
| excused | ids of the rules whose findings the baseline takes for known |
| managed_by | the rule of rotator that manages it; empty where none does |
| action, action_at | what rotator will do, and when |
| consumers | what takes its certificate from here, with `; ` between |
| problem | why there is no certificate, or why it could not be looked at |

Comma, CRLF and quotes as in RFC 4180, in UTF-8. A text that a spreadsheet would take for a formula has a `'` before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta

from rotator.core.audit import Audit, Line, Unseen, place_of, service_of
from rotator.core.model import Chain
from rotator.report.lines import team
from rotator.report.plain import visible
from rotator.report.words import iso

COLUMNS = (
    "place", "kind", "service", "team", "names", "subject", "issuer", "serial", "fingerprint", "key", "not_before",
    "not_after", "days_left", "due", "severity", "rules", "messages", "excused", "managed_by", "action", "action_at",
    "consumers", "problem",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula; the last four are their wide forms, which some spreadsheets take for the same."""

_MOST = 10_000
"""Signs in a cell; spreadsheets take 32,767."""


def audit(one: Audit) -> str:
    """The whole text."""
    return "".join(lines(one))


def lines(one: Audit) -> Iterator[str]:
    """The heading and the rows, each with its line break, as they are made."""
    yield _row(dict(zip(COLUMNS, COLUMNS, strict=True)))
    for line in one.lines:
        yield _row(_place(line, one.at))
    for item in one.unseen:
        yield _row(_unseen(item))


def _row(cells: dict[str, str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([cells.get(column, "") for column in COLUMNS])
    return out.getvalue()


def _place(line: Line, now: datetime) -> dict[str, str]:
    seen, decision = line.observation, line.decision
    return {
        "place": _said(place_of(seen)),
        "kind": "served" if seen.endpoint else "stored",
        "service": _said(service_of(seen)),
        "team": _said(team(line)),
        **(_certificate(seen.chain) if seen.chain else {}),
        "days_left": str((line.ends - now) // timedelta(days=1)) if line.ends else "",
        "due": iso(line.due) or "",
        "severity": line.worst.value if line.worst else "",
        "rules": _said(" ".join(dict.fromkeys(finding.rule for finding in line.findings))),
        "messages": _said("; ".join(finding.message for finding in line.findings)),
        "excused": _said(" ".join(dict.fromkeys(one.finding.rule for one in line.excused))),
        "managed_by": _said(line.rule),
        "action": f"{decision.action}: {decision.reason}" if decision else "",
        "action_at": (iso(decision.at) or "") if decision else "",
        "consumers": _said("; ".join(map(str, seen.consumers))),
        "problem": _said(seen.problem.message) if seen.problem else "",
    }


def _certificate(chain: Chain) -> dict[str, str]:
    leaf = chain.leaf
    return {
        "names": _said(" ".join(leaf.names)),
        "subject": _said(leaf.subject),
        "issuer": _said(leaf.issuer),
        "serial": _colons(leaf.serial),
        "fingerprint": leaf.fingerprint,
        "key": f"{leaf.key_algorithm}-{leaf.key_size}" if leaf.key_size else leaf.key_algorithm,
        "not_before": iso(leaf.not_before) or "",
        "not_after": iso(leaf.not_after) or "",
    }


def _colons(serial: int) -> str:
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex(":")


def _unseen(one: Unseen) -> dict[str, str]:
    return {"place": _said(one.where), "kind": "unseen", "problem": _said(one.message)}


def _said(text: str) -> str:
    """A text from elsewhere, which no spreadsheet takes for a formula."""
    shown = visible(text, _MOST)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
