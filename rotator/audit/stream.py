"""An audit as it goes: each observation becomes a line, or something that could not be seen, and is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

from rotator.audit.auditor import NOTHING_ASKED, Auditor
from rotator.audit.lookups import Lookups
from rotator.audit.whole import is_unseen, unseen_of
from rotator.core.audit import Line, Summary, Unseen
from rotator.core.model import Observation, Severity
from rotator.errors import SourceError

if TYPE_CHECKING:
    from rotator.ports import Source


def observed(sources: Iterable[Source]) -> Iterator[Observation | Unseen]:
    """What the sources see, one after the other; one that cannot be looked at hides nothing of the others."""
    for source in sources:
        try:
            yield from source.observe()
        except SourceError as error:
            yield Unseen(source.name, str(error).removeprefix(f"{source.name}: ").removeprefix("source "), whole=True)


def audited(seen: Iterable[Observation | Unseen], auditor: Auditor, lookups: Lookups | None) -> Iterator[Line | Unseen]:
    """What the rules say of each place, as it is seen; where CAs or DNS are asked, when they have answered."""
    told = (unseen_of(one) if isinstance(one, Observation) and is_unseen(one) else one for one in seen)
    for one, asked in lookups.asked(told) if lookups else ((one, NOTHING_ASKED) for one in told):
        yield one if isinstance(one, Unseen) else auditor.told(one, asked)


class Tally:
    """Counts what goes by, for whoever keeps nothing."""

    def __init__(self) -> None:
        self.places = 0
        self.unseen = 0
        self.excused = 0
        self._findings: Counter[Severity] = Counter()

    def count(self, one: Line | Unseen) -> None:
        """A line, or what could not be looked at."""
        if isinstance(one, Unseen):
            self.unseen += 1
            return
        self.places += 1
        self.excused += len(one.excused)
        self._findings.update(finding.severity for finding in one.findings)

    def compared(self, severity: Severity, *, excused: bool) -> None:
        """What comparing places told."""
        if excused:
            self.excused += 1
        else:
            self._findings[severity] += 1

    def summary(self, auditor: Auditor) -> Summary:
        counts = MappingProxyType({severity: self._findings[severity] for severity in reversed(Severity)})
        return Summary(auditor.now, self.places, self.unseen, self.excused, counts)
