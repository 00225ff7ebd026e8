"""What reports say of one place of an audit."""

from __future__ import annotations

import re
from datetime import datetime

from rotator.core.audit import Line
from rotator.core.model import Finding, Use
from rotator.core.served import SYSTEM
from rotator.report.words import day, kind_of, left

_COMMON_NAME = re.compile(r"(?:^|,)CN=((?:\\.|[^,+\\])+)")  # in the form of RFC 4514
_ESCAPED = re.compile(r"\\(.)")


def common_name(distinguished: str) -> str:
    """The common name in a distinguished name, or the whole where it has none."""
    found = _COMMON_NAME.search(distinguished)
    return _ESCAPED.sub(r"\1", found[1]) if found else distinguished


def team(line: Line) -> str:
    """Whose it is: the owner of the certificate, or what the place says of itself; empty where nobody does."""
    return (line.decision.spec.owner if line.decision else "") or line.observation.labels.get("owner", "")


def names(line: Line) -> str:
    """The first name of its certificate and how many more there are; of a trust store how many it has."""
    chain = line.observation.chain
    if chain is None:
        return "no certificate"
    if line.observation.use is Use.TRUST and len(chain.certificates) > 1:
        return f"({len(chain.certificates)} trusted CAs)"
    first = chain.names[0] if chain.names else chain.leaf.subject or "(no name)"
    return f"{first} +{len(chain.names) - 1}" if len(chain.names) > 1 else first


def renewed(line: Line) -> str:
    """When it will be renewed, or what will be done about it instead, and by which rule."""
    decision = line.decision
    if decision is None:
        return "held" if line.unmanaged else "by nobody"
    by = f"({line.rule})"
    if kind_of(decision) in {"keep", "renew", "redeploy", "observe"}:
        return f"{day(decision.at)} {by}"
    return f"{decision.action}: {decision.reason} {by}"


def lasting(finding: Finding) -> str:
    """What the place of a finding is called over time and on every machine, also where nobody said so."""
    location = finding.location
    return finding.place or (location.address if location.address.startswith("/") else str(location))


def place_told(finding: Finding) -> str:
    """The place of a finding as the JSON of a scan names it: an endpoint, or where it is stored."""
    return lasting(finding) if finding.location.system == SYSTEM else str(finding.location)


def ends_in(ends: datetime, now: datetime) -> str:
    """`in 29 d`, or `ended 3 d ago`."""
    return f"in {left(ends, now)}" if ends > now else f"ended {left(ends, now)}"
