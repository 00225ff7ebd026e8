"""Which of a CA's records may be in service: of those for the same names the newest, and how many came before it.

A renewal supersedes the record before it, which the CA goes on listing until it ends, and often long after that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from rotator.core.model import Certificate, Observation

Rank = tuple[bool, datetime, datetime, str]


@dataclass(slots=True)
class _Newest:
    """The newest record so far for some names, and how many others there are."""

    record: Observation
    rank: Rank
    superseded: int = 0


@dataclass(slots=True)
class Records:
    """What was issued, as far as it may be in service; of each set of names one record is kept."""

    now: datetime
    _kept: dict[Hashable, _Newest] = field(default_factory=dict)

    def add(self, record: Observation) -> None:
        """Keep a record, or count it as one that another supersedes."""
        if record.chain is None:
            return
        leaf = record.chain.leaf
        key = (record.use, frozenset(leaf.names) or leaf.subject)
        rank = self._rank(leaf)
        kept = self._kept.get(key)
        if kept is None:
            self._kept[key] = _Newest(record, rank)
            return
        kept.superseded += 1
        if rank > kept.rank:
            kept.record, kept.rank = record, rank

    def newest(self) -> Iterator[Observation]:
        """One record for each set of names, in the order in which the names were first seen.

        `superseded` among its labels is the number of those before it, where there are any.
        """
        for kept in self._kept.values():
            record, count = kept.record, kept.superseded
            labels = MappingProxyType({**record.labels, "superseded": str(count)}) if count else record.labels
            yield replace(record, labels=labels)

    def _rank(self, leaf: Certificate) -> Rank:
        """What has not ended is newer than what has; then the later begin counts, or the later end of what has ended.

        A fingerprint decides between equals, so that every look tells the same.
        """
        if leaf.not_after < self.now:
            return False, leaf.not_after, leaf.not_before, leaf.fingerprint
        return True, leaf.not_before, leaf.not_after, leaf.fingerprint
