"""The sentences of notices: what is served now, when it ends, what a person may run. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rotator.core.lead import span
from rotator.core.model import Sighting

LISTED = 20
"""How many subjects are listed by name before the rest is only counted."""

REFUSAL = 2500
"""Characters of a refusal in a detail: it may hold a link that a person has to open, and half of one leads nowhere."""

_MOST_CLAUSE = 300
_LINK = re.compile(r"https?://\S+")


def clause(text: str, most: int = _MOST_CLAUSE) -> str:
    """Foreign text on one line, without control characters and not longer than `most`; no link is cut in two."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(line) <= most:
        return line
    cut = next((found.start() for found in _LINK.finditer(line) if found.start() < most - 1 < found.end()), most - 1)
    return f"{line[:cut].rstrip()}…"


def moment(at: datetime) -> str:
    """A moment as people write it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def left(ends: datetime | None, now: datetime) -> str:
    """When something ends, as seen from now: "ends in 5 d", "ended 3 h ago"."""
    if ends is None:
        return "no certificate yet"
    return f"ends in {span(ends - now)}" if ends > now else f"ended {span(now - ends)} ago"


def served_now(served: Sequence[Sighting], now: datetime) -> str:
    """What the endpoints of a certificate show, in one sentence."""
    if not served:
        return "Served now: not known, because no endpoint of it is known."
    up = [sighting for sighting in served if sighting.state.up and sighting.chain is not None]
    if not up:
        down = served[0]
        return (
            f"Served now: nothing; {down.endpoint} is {down.state}{f' ({clause(down.detail)})' if down.detail else ''}."
        )
    shown: dict[str, list[Sighting]] = {}
    for sighting in up:
        shown.setdefault(sighting.fingerprint, []).append(sighting)
    parts = [_shown(same, len(served), now) for same in shown.values()]
    return f"Served now: {'; '.join(parts)}."


def _shown(same: Sequence[Sighting], total: int, now: datetime) -> str:
    chain = same[0].chain
    assert chain is not None
    ends = f"{left(chain.not_after, now)}, on {moment(chain.not_after)}"
    return f"the one that {ends} ({chain.fingerprint[:16]}…) at {len(same)} of {total} addresses"


def listed(names: Iterable[str]) -> str:
    """Names one a line, the first ones only where there are many."""
    all_of_them = list(names)
    lines = [f"- {name}" for name in all_of_them[:LISTED]]
    if len(all_of_them) > LISTED:
        lines.append(f"- and {len(all_of_them) - LISTED} more")
    return "\n".join(lines)


def run(*words: str) -> str:
    """A command line to copy; what came from a name found somewhere is quoted."""
    return " ".join(["rotator", *(shlex.quote(word) for word in words)])


def counted(number: int, one: str, many: str = "") -> str:
    """`1 certificate`, `3 certificates`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
